package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/postrider/postrider/store"
)

// Copy is the method of store.Mailbox.
func (m *mailbox) Copy(ctx context.Context, uids store.UIDSet, to string) (store.Copied, error) {
	return m.copyTo(ctx, "copy from", uids, to, false)
}

// Move is the method of store.Mailbox.
func (m *mailbox) Move(ctx context.Context, uids store.UIDSet, to string) (store.Copied, error) {
	return m.copyTo(ctx, "move from", uids, to, true)
}

func (m *mailbox) copyTo(ctx context.Context, op string, uids store.UIDSet, to string, move bool) (c store.Copied, err error) {
	err = m.write(ctx, op, func(t *tx, head *table) error {
		dest, err := t.mailboxNamed(m.a.id, to)
		if err != nil {
			return err
		}
		c, err = t.copyMessages(m.a.accountRow, m.b, dest, uids, move)
		return err
	})
	if err != nil {
		return store.Copied{}, err
	}
	return c, nil
}

// copyMessages copies messages of from to another mailbox or the same, and removes
// the originals if they are to move.
func (t *tx) copyMessages(a accountRow, from *box, to mailboxRow, uids store.UIDSet, move bool) (store.Copied, error) {
	c := store.Copied{MailboxID: a.mailboxID(to.mailbox), UIDValidity: to.UIDValidity}
	head := from.head
	var sums store.Status
	for e := range head.all(uids) {
		head.add(&sums, *e, 1)
		c.Source.Add(e.uid)
	}
	if c.Source.IsEmpty() {
		return c, nil
	}
	// Every combination of flags that the originals have may be spelled otherwise there.
	flags := make([][]store.Flag, len(head.sets))
	for e := range head.all(c.Source) {
		flags[e.flags] = head.sets[e.flags].flags
	}
	in, err := t.enter(to.boxKey, sums, flags)
	if err != nil {
		return store.Copied{}, err
	}
	i, now := 0, time.Now().Unix()
	for r := range head.alike(c.Source) {
		if err := t.copyRows(from.key, to.boxKey, r, in.uid(i), in.modSeq, joinFlags(flags[r.flags]), now); err != nil {
			return store.Copied{}, err
		}
		for e := range head.all(store.UIDSet{r.UIDRange}) {
			in.add(entry{uid: in.uid(i), size: e.size, date: e.date}, flags[e.flags])
			i++
		}
	}
	in.finish()
	c.Dest, c.ModSeq = store.RangeOfUIDs(in.first, in.uid(i-1)), in.modSeq
	if move {
		c.ModSeq, err = t.expunge(from, c.Source)
	}
	return c, err
}

// alikeRun is a run of messages without a gap in their UIDs that have the same flags.
type alikeRun struct {
	store.UIDRange
	flags uint32
}

// alike yields the messages of uids in such runs.
func (t *table) alike(uids store.UIDSet) func(yield func(alikeRun) bool) {
	return func(yield func(alikeRun) bool) {
		var run alikeRun
		for e := range t.all(uids) {
			if run.Last != 0 && e.uid == run.Last+1 && e.flags == run.flags {
				run.Last = e.uid
				continue
			}
			if run.Last != 0 && !yield(run) {
				return
			}
			run = alikeRun{store.UIDRange{First: e.uid, Last: e.uid}, e.flags}
		}
		if run.Last != 0 {
			yield(run)
		}
	}
}

// copyRows copies the rows of a run of messages.
func (t *tx) copyRows(from, to boxKey, run alikeRun, first store.UID, seq store.ModSeq, flags string, now int64) error {
	r, err := t.Exec(`INSERT INTO message (account, mailbox, uid, content, mod_seq, flags, internal_date, zone, save_date, size)
		SELECT account, ?, uid + ?, content, ?, ?, internal_date, zone, ?, size
		FROM message WHERE account = ? AND mailbox = ? AND uid BETWEEN ? AND ?`,
		to.mailbox, int64(first)-int64(run.First), int64(seq), flags, now,
		from.account, from.mailbox, uint32(run.First), uint32(run.Last))
	if err == nil && r.Changed() != run.Len() {
		err = fmt.Errorf("%w: %d rows for %d messages", store.ErrCorrupt, r.Changed(), run.Len())
	}
	return err
}
