package sqlstore

import (
	"fmt"
	"math"
	"time"

	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/store"
)

// arrival is a message that comes to a mailbox.
type arrival struct {
	content int64
	flags   []store.Flag // canonical
	date    packedTime
	size    int64
}

// arrived is what became of arrivals: UIDs from first on.
type arrived struct {
	uidValidity uint32
	first       store.UID
	modSeq      store.ModSeq
}

// arrive adds messages to a mailbox, at least one.
func (t *tx) arrive(key boxKey, messages []arrival) (arrived, error) {
	flags := make([][]store.Flag, len(messages))
	var sums store.Status
	for i, m := range messages {
		flags[i] = m.flags
		sums.Messages++
		sums.Size += m.size
		sums.Unseen += count(!store.HasFlag(m.flags, store.FlagSeen))
		sums.Deleted += count(store.HasFlag(m.flags, store.FlagDeleted))
	}
	in, err := t.enter(key, sums, flags)
	if err != nil {
		return arrived{}, err
	}
	now := time.Now().Unix()
	for i, m := range messages {
		_, err := t.Exec(`INSERT INTO message (account, mailbox, uid, content, mod_seq, flags, internal_date, zone, save_date, size)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			key.account, key.mailbox, uint32(in.uid(i)), m.content, int64(in.modSeq), joinFlags(flags[i]), m.date.unix(), m.date.zone(), now, m.size)
		if err != nil {
			return arrived{}, err
		}
		in.add(entry{uid: in.uid(i), size: m.size, date: m.date}, flags[i])
	}
	in.finish()
	return in.arrived, nil
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// entrance is the way of messages into a mailbox. Their rows are the caller's to
// insert.
type entrance struct {
	arrived
	t     *tx
	box   *box // nil if the mailbox is not in memory
	table *table
}

// enter takes UIDs for messages with those sums and notes their arrival. It replaces the
// flags by those that they have in this mailbox.
func (t *tx) enter(key boxKey, sums store.Status, flags [][]store.Flag) (*entrance, error) {
	var keywords string
	var next int64
	var unsaved int
	in := &entrance{t: t}
	seq, err := t.nextModSeq(key.account)
	if err != nil {
		return nil, err
	}
	err = t.Returning(`UPDATE mailbox SET uid_next = uid_next + ?, mod_seq = ?, messages = messages + ?, unseen = unseen + ?,
		deleted = deleted + ?, size = size + ?, recent = recent + ?, unsaved = unsaved + 1
		WHERE account = ? AND mailbox = ? RETURNING uid_next, uid_validity, keywords, unsaved`,
		[]any{sums.Messages, int64(seq), sums.Messages, sums.Unseen, sums.Deleted, sums.Size, sums.Messages, key.account, key.mailbox},
		&next, &in.uidValidity, &keywords, &unsaved)
	switch {
	case err == sqlite.ErrNoRows:
		return nil, store.ErrNotExist
	case err != nil:
		return nil, err
	case next > math.MaxUint32:
		return nil, fmt.Errorf("%w messages: no UIDs are left", store.ErrLimit)
	}
	in.modSeq, in.first = seq, store.UID(next)-store.UID(sums.Messages)
	err = t.append(key, seq, logEntry{kind: store.MessagesArrived, uids: store.RangeOfUIDs(in.first, store.UID(next)-1)})
	if err != nil {
		return nil, err
	}
	known, err := t.learnKeywords(key, splitFlags(keywords), flags)
	if err != nil {
		return nil, err
	}
	if unsaved >= saveAfter && unsaved%(saveAfter/4) == 0 {
		t.OnCommit(func() { t.s.janitor.save(key) })
	}
	if in.box = t.open(key); in.box != nil {
		copied := *in.box.head
		copied.HighestModSeq, copied.UIDNext, copied.Keywords = seq, store.UID(next), known
		copied.unsaved++
		in.table = &copied
	}
	return in, nil
}

// learnKeywords adds the keywords among flags to those of the mailbox, and gives each of
// flags the mailbox's spelling.
func (t *tx) learnKeywords(key boxKey, known []store.Flag, flags [][]store.Flag) ([]store.Flag, error) {
	before := len(known)
	var err error
	for i, f := range flags {
		if len(f) == 0 {
			continue
		}
		if known, err = learn(known, f); err != nil {
			return nil, err
		}
		flags[i] = spelled(known, f)
	}
	if len(known) == before {
		return known, nil
	}
	_, err = t.Exec(`UPDATE mailbox SET keywords = ? WHERE account = ? AND mailbox = ?`, joinFlags(known), key.account, key.mailbox)
	return known, err
}

// uid returns the UID of the i-th message.
func (in *entrance) uid(i int) store.UID { return in.first + store.UID(i) }

// add puts the next message into the table, if there is one. Its flags are as enter
// returned them.
func (in *entrance) add(e entry, flags []store.Flag) {
	if in.box == nil {
		return
	}
	e.modSeq, e.flags = in.modSeq, in.box.sets.number(flags)
	in.table = in.table.with(e)
	in.table.sets = in.box.sets.sets
	in.table.add(&in.table.Status, e, 1)
}

// finish makes the table that of the mailbox.
func (in *entrance) finish() {
	if in.box != nil {
		in.t.set(in.box, in.table)
	}
}
