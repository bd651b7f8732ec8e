package memstore

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/message"
	"github.com/postrider/postrider/store"
)

// mailboxHandle is the store.Mailbox of a mailbox.
type mailboxHandle struct {
	h *accountHandle
	m *mailbox
	// name is the mailbox's when it was opened, for errors.
	name string
}

// do runs f under the lock, if the mailbox is there.
func (h *mailboxHandle) do(ctx context.Context, op string, f func(a *account, m *mailbox) error) error {
	return h.h.do(ctx, op, h.name, func(a *account) error {
		if h.m.deleted {
			return store.ErrNotExist
		}
		return f(a, h.m)
	})
}

// ID is the method of store.Mailbox.
func (h *mailboxHandle) ID() string { return h.m.id }

// Close is the method of store.Mailbox.
func (h *mailboxHandle) Close() error { return nil }

// Status is the method of store.Mailbox.
func (h *mailboxHandle) Status(ctx context.Context) (st store.Status, err error) {
	err = h.do(ctx, "look at", func(_ *account, m *mailbox) error {
		st = m.status()
		return nil
	})
	return st, err
}

// scanBatch is how many messages Scan copies under the lock at once.
const scanBatch = 100

// Scan is the method of store.Mailbox.
func (h *mailboxHandle) Scan(ctx context.Context, q store.ScanQuery) iter.Seq2[store.Message, error] {
	return func(yield func(store.Message, error) bool) {
		for next := store.UID(1); next != 0; {
			var batch []store.Message
			err := h.do(ctx, "scan", func(_ *account, m *mailbox) error {
				batch, next = m.scan(q, next)
				return nil
			})
			if err != nil {
				yield(store.Message{}, err)
				return
			}
			for _, msg := range batch {
				if !yield(msg, nil) {
					return
				}
			}
		}
	}
}

// scan returns the next messages that q asks for and where to go on, 0 if that
// is all.
func (m *mailbox) scan(q store.ScanQuery, next store.UID) ([]store.Message, store.UID) {
	batch := make([]store.Message, 0, scanBatch)
	for len(batch) < scanBatch {
		msg := m.from(next, q.UIDs)
		if msg == nil {
			return batch, 0
		}
		next = msg.UID + 1
		if msg.ModSeq > q.ChangedSince {
			batch = append(batch, msg.Message)
		}
	}
	return batch, next
}

// Content is the method of store.Mailbox.
func (h *mailboxHandle) Content(ctx context.Context, uid store.UID) (c postrider.Content, err error) {
	err = h.do(ctx, "read", func(_ *account, m *mailbox) error {
		found := m.selected(store.UIDs(uid))
		if len(found) == 0 {
			return store.ErrNotExist
		}
		c = postrider.Bytes(found[0].content)
		return nil
	})
	return c, err
}

// Append is the method of store.Mailbox.
func (h *mailboxHandle) Append(ctx context.Context, msgs []store.NewMessage) (placed []store.Placed, err error) {
	messages := make([]*mail, len(msgs))
	flags := make([][]store.Flag, len(msgs))
	for i, n := range msgs {
		messages[i], err = newMail(n.Content, n.Flags, n.InternalDate)
		if err != nil {
			annotate(&err, "append to", h.h.a.name, h.name)
			return nil, err
		}
		flags[i] = messages[i].Flags
	}
	err = h.do(ctx, "append to", func(a *account, m *mailbox) error {
		if len(messages) == 0 {
			return nil
		}
		if err := m.learn(flags...); err != nil {
			return err
		}
		for _, msg := range messages {
			msg.ID = h.h.s.newID("M")
		}
		a.put(m, messages)
		for _, msg := range messages {
			placed = append(placed, m.placed(msg))
		}
		return nil
	})
	return placed, err
}

// newMail reads a message that is to be stored. What it lacks is the mailbox's to
// give, and the ID.
func newMail(c postrider.Content, flags []store.Flag, date time.Time) (*mail, error) {
	flags, err := store.CanonicalFlags(flags)
	if err != nil {
		return nil, err
	}
	b, err := postrider.ReadAll(c)
	if err != nil {
		return nil, err
	}
	msg := &mail{content: b}
	msg.Summary, err = message.Summarize(postrider.Bytes(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	if date.IsZero() {
		date = time.Now()
	}
	msg.Flags, msg.InternalDate, msg.Size = flags, date, int64(len(b))
	return msg, nil
}

func (m *mailbox) placed(msg *mail) store.Placed {
	return store.Placed{MailboxID: m.id, UIDValidity: m.uidValidity, UID: msg.UID, ModSeq: msg.ModSeq, ID: msg.ID}
}

// SetFlags is the method of store.Mailbox.
func (h *mailboxHandle) SetFlags(ctx context.Context, c store.FlagChange) (res store.FlagResult, err error) {
	err = h.do(ctx, "set flags in", func(a *account, m *mailbox) error {
		flags, err := store.CanonicalFlags(c.Flags)
		if err != nil {
			return err
		}
		var changed []*mail
		for _, msg := range m.selected(c.UIDs) {
			switch {
			case c.UnchangedSince > 0 && msg.ModSeq > c.UnchangedSince:
				res.Modified.Add(msg.UID)
			case !store.FlagsEqual(msg.Flags, c.Op.Apply(msg.Flags, flags)):
				changed = append(changed, msg)
			}
		}
		if len(changed) == 0 {
			return nil
		}
		if c.Op != store.FlagsRemove {
			if err := m.learn(flags); err != nil {
				return err
			}
		}
		res.Changed = uidsOf(changed)
		res.ModSeq = a.log(store.MessagesFlagged, m, res.Changed)
		for _, msg := range changed {
			m.count(msg, -1)
			msg.Flags = c.Op.Apply(msg.Flags, m.spelled(flags))
			msg.ModSeq = res.ModSeq
			m.count(msg, 1)
		}
		return nil
	})
	return res, err
}

// Copy is the method of store.Mailbox.
func (h *mailboxHandle) Copy(ctx context.Context, uids store.UIDSet, to string) (store.Copied, error) {
	return h.copyTo(ctx, "copy from", uids, to, false)
}

// Move is the method of store.Mailbox.
func (h *mailboxHandle) Move(ctx context.Context, uids store.UIDSet, to string) (store.Copied, error) {
	return h.copyTo(ctx, "move from", uids, to, true)
}

func (h *mailboxHandle) copyTo(ctx context.Context, op string, uids store.UIDSet, to string, move bool) (c store.Copied, err error) {
	err = h.do(ctx, op, func(a *account, m *mailbox) error {
		target, err := a.mailbox(to)
		if err != nil {
			return err
		}
		c, err = a.copyMessages(m, target, uids, move)
		return err
	})
	return c, err
}

// Expunge is the method of store.Mailbox.
func (h *mailboxHandle) Expunge(ctx context.Context, uids store.UIDSet, having ...store.Flag) (e store.Expunged, err error) {
	err = h.do(ctx, "expunge", func(a *account, m *mailbox) error {
		for _, msg := range m.selected(uids) {
			if hasAll(msg.Flags, having) {
				e.UIDs.Add(msg.UID)
			}
		}
		if !e.UIDs.IsEmpty() {
			e.ModSeq = a.remove(m, e.UIDs)
		}
		return nil
	})
	return e, err
}

func hasAll(flags, wanted []store.Flag) bool {
	return !slices.ContainsFunc(wanted, func(f store.Flag) bool { return !store.HasFlag(flags, f) })
}

// TakeRecent is the method of store.Mailbox.
func (h *mailboxHandle) TakeRecent(ctx context.Context) (uids store.UIDSet, err error) {
	err = h.do(ctx, "look at", func(_ *account, m *mailbox) error {
		uids = store.RangeOfUIDs(m.unclaimed, m.uidNext-1)
		m.unclaimed = m.uidNext
		return nil
	})
	return uids, err
}
