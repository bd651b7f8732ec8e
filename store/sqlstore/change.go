package sqlstore

import (
	"context"
	"slices"

	"github.com/postrider/postrider/store"
)

// SetFlags is the method of store.Mailbox.
func (m *mailbox) SetFlags(ctx context.Context, c store.FlagChange) (res store.FlagResult, err error) {
	err = m.write(ctx, "set flags in", func(t *tx, head *table) (err error) {
		res, err = t.setFlags(m.b, head, c)
		return err
	})
	if err != nil {
		return store.FlagResult{}, err
	}
	return res, nil
}

func (t *tx) setFlags(b *box, head *table, c store.FlagChange) (res store.FlagResult, err error) {
	flags, err := store.CanonicalFlags(c.Flags)
	if err != nil {
		return res, err
	}
	known := head.Keywords
	if c.Op != store.FlagsRemove {
		if known, err = learn(known, flags); err != nil {
			return res, err
		}
	}
	flags = spelled(known, flags)
	change := b.sets.change(c.Op, flags)
	// The ModSeq is the account's next, though it is taken only if something changes.
	seq, err := t.peekModSeq(b.key.account)
	if err != nil {
		return res, err
	}
	next, changed := head.withFlags(c.UIDs, seq, func(e *entry) uint32 {
		if c.UnchangedSince > 0 && e.modSeq > c.UnchangedSince {
			res.Modified.Add(e.uid)
			return e.flags
		}
		return change(e.flags)
	})
	if changed.IsEmpty() {
		return res, nil
	}
	res.ModSeq, res.Changed = seq, changed
	next.sets, next.Keywords = b.sets.sets, known
	next.recount(head, changed)
	return res, t.changed(b, head, next, logEntry{kind: store.MessagesFlagged, uids: changed, op: c.Op, flags: flags})
}

// peekModSeq returns the ModSeq that the next entry of the account's log will have.
func (t *tx) peekModSeq(account int64) (store.ModSeq, error) {
	var seq int64
	err := t.QueryRow(`SELECT mod_seq + 1 FROM account WHERE account = ?`, account).Scan(&seq)
	return store.ModSeq(seq), err
}

// recount corrects the sums after flags of the messages changed.
func (t *table) recount(before *table, changed store.UIDSet) {
	for e := range before.all(changed) {
		before.add(&t.Status, *e, -1)
	}
	for e := range t.all(changed) {
		t.add(&t.Status, *e, 1)
	}
}

// changed makes next the table of the mailbox: it differs in its messages, its sums
// and its keywords from the one before.
func (t *tx) changed(b *box, before, next *table, c logEntry) error {
	seq, err := t.logged(b.key, c)
	if err != nil {
		return err
	}
	next.HighestModSeq = seq
	next.unsaved++
	_, err = t.Exec(`UPDATE mailbox SET mod_seq = ?, messages = ?, unseen = ?, deleted = ?, size = ?, recent = ?, unsaved = ?
		WHERE account = ? AND mailbox = ?`,
		int64(seq), next.Messages, next.Unseen, next.Deleted, next.Size, next.Recent, next.unsaved, b.key.account, b.key.mailbox)
	if err != nil {
		return err
	}
	if len(next.Keywords) != len(before.Keywords) {
		_, err := t.Exec(`UPDATE mailbox SET keywords = ? WHERE account = ? AND mailbox = ?`,
			joinFlags(next.Keywords), b.key.account, b.key.mailbox)
		if err != nil {
			return err
		}
	}
	if next.unsaved >= saveAfter && next.unsaved%(saveAfter/4) == 0 {
		t.OnCommit(func() { t.s.janitor.save(b.key) })
	}
	t.set(b, next)
	return nil
}

// Expunge is the method of store.Mailbox.
func (m *mailbox) Expunge(ctx context.Context, uids store.UIDSet, having ...store.Flag) (e store.Expunged, err error) {
	err = m.write(ctx, "expunge", func(t *tx, head *table) error {
		e = store.Expunged{UIDs: head.having(uids, having)}
		if e.UIDs.IsEmpty() {
			return nil
		}
		e.ModSeq, err = t.expunge(m.b, e.UIDs)
		return err
	})
	if err != nil {
		return store.Expunged{}, err
	}
	return e, nil
}

// having returns the messages of uids that carry all of the flags.
func (t *table) having(uids store.UIDSet, flags []store.Flag) store.UIDSet {
	fit := make([]bool, len(t.sets))
	for i, s := range t.sets {
		fit[i] = !slices.ContainsFunc(flags, func(f store.Flag) bool { return !store.HasFlag(s.flags, f) })
	}
	var out store.UIDSet
	for s := range t.spans(uids) {
		entries := t.chunk(s.chunk).entries
		for i := s.from; i < s.to; i++ {
			if fit[entries[i].flags] {
				out.Add(entries[i].uid)
			}
		}
	}
	return out
}

// expunge removes messages that are there.
func (t *tx) expunge(b *box, uids store.UIDSet) (store.ModSeq, error) {
	head := b.head
	seq, err := t.peekModSeq(b.key.account)
	if err != nil {
		return 0, err
	}
	next := head.without(uids, seq)
	for e := range head.all(uids) {
		head.add(&next.Status, *e, -1)
	}
	if err := t.changed(b, head, next, logEntry{kind: store.MessagesVanished, uids: uids}); err != nil {
		return 0, err
	}
	return seq, t.remove(b.key, uids)
}
