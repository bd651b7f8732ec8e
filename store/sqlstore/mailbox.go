package sqlstore

import (
	"context"
	"sync"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/store"
)

// mailbox is an open mailbox.
type mailbox struct {
	a    *account
	b    *box
	name string // when it was opened, for errors
	once sync.Once
}

// ID is the method of store.Mailbox.
func (m *mailbox) ID() string { return m.a.mailboxID(m.b.key.mailbox) }

// Close is the method of store.Mailbox.
func (m *mailbox) Close() error {
	m.once.Do(m.b.release)
	return nil
}

// begin notes a call and returns the mailbox's table as of now.
func (m *mailbox) begin(ctx context.Context) (*table, error) {
	if err := m.a.s.begin(ctx); err != nil {
		return nil, err
	}
	t := m.b.published.Load()
	if t.deletedMailbox {
		m.a.s.end()
		return nil, store.ErrNotExist
	}
	return t, nil
}

// write runs f in a transaction, if the mailbox is there, with its table as of the
// operation before.
func (m *mailbox) write(ctx context.Context, op string, f func(*tx, *table) error) (err error) {
	defer annotate(&err, op, m.a.name, m.name)
	if _, err := m.begin(ctx); err != nil {
		return err
	}
	defer m.a.s.end()
	return m.a.s.write(ctx, func(t *tx) error {
		if m.b.head.deletedMailbox {
			return store.ErrNotExist
		}
		return f(t, m.b.head)
	})
}

// Status is the method of store.Mailbox.
func (m *mailbox) Status(ctx context.Context) (st store.Status, err error) {
	defer annotate(&err, "look at", m.a.name, m.name)
	t, err := m.begin(ctx)
	if err != nil {
		return store.Status{}, err
	}
	defer m.a.s.end()
	return t.Status, nil
}

// Content is the method of store.Mailbox.
func (m *mailbox) Content(ctx context.Context, uid store.UID) (_ postrider.Content, err error) {
	defer annotate(&err, "read", m.a.name, m.name)
	t, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer m.a.s.end()
	if t.find(uid) == nil {
		return nil, store.ErrNotExist
	}
	return m.a.s.readContent(ctx, m.b.key, uid)
}

// bodyOf returns the hash of a message's content, and its octets unless they are in a
// file.
func (s *Store) bodyOf(ctx context.Context, key boxKey, uid store.UID) (hash, octets []byte, err error) {
	err = s.read(ctx, func(c *sqlite.Conn) error {
		var inFile bool
		err := c.QueryRow(`SELECT c.hash, c.in_file, b.octets FROM message m JOIN content c ON c.content = m.content
			LEFT JOIN body b ON b.content = m.content WHERE m.account = ? AND m.mailbox = ? AND m.uid = ?`,
			key.account, key.mailbox, uint32(uid)).Scan(&hash, &inFile, &octets)
		switch {
		case err == sqlite.ErrNoRows:
			return store.ErrNotExist
		case err == nil && inFile:
			octets = nil
		case err == nil && octets == nil:
			octets = []byte{}
		}
		return err
	})
	return hash, octets, err
}

// Append is the method of store.Mailbox.
func (m *mailbox) Append(ctx context.Context, msgs []store.NewMessage) (placed []store.Placed, err error) {
	defer annotate(&err, "append to", m.a.name, m.name)
	if _, err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.a.s.end()
	arrivals := make([]arrival, len(msgs))
	bodies := make([]*body, 0, len(msgs))
	defer func() {
		for _, b := range bodies {
			m.a.s.done(b)
		}
	}()
	for i, n := range msgs {
		flags, err := store.CanonicalFlags(n.Flags)
		if err != nil {
			return nil, err
		}
		b, err := m.a.s.newBody(ctx, n.Content, 1)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, b)
		arrivals[i] = arrival{flags: flags, date: date(n.InternalDate), size: b.size}
	}
	if len(msgs) == 0 {
		return nil, nil
	}
	err = m.a.s.write(ctx, func(t *tx) (err error) {
		placed, err = m.append(t, arrivals, bodies)
		return err
	})
	return placed, err
}

func (m *mailbox) append(t *tx, arrivals []arrival, bodies []*body) ([]store.Placed, error) {
	var err error
	for i, b := range bodies {
		if arrivals[i].content, err = t.insertContent(m.b.key.account, b); err != nil {
			return nil, err
		}
	}
	in, err := t.arrive(m.b.key, arrivals)
	if err != nil {
		return nil, err
	}
	placed := make([]store.Placed, len(bodies))
	for i, b := range bodies {
		placed[i] = in.placed(m.a.accountRow, m.b.key, i, b)
	}
	return placed, nil
}

// TakeRecent is the method of store.Mailbox. It writes only if there is something to
// take.
func (m *mailbox) TakeRecent(ctx context.Context) (uids store.UIDSet, err error) {
	t, err := m.begin(ctx)
	if err != nil {
		annotate(&err, "look at", m.a.name, m.name)
		return nil, err
	}
	m.a.s.end()
	if t.unclaimed == t.UIDNext {
		return nil, nil
	}
	err = m.write(ctx, "look at", func(t *tx, head *table) error {
		uids = store.RangeOfUIDs(head.unclaimed, head.UIDNext-1)
		next := *head
		next.unclaimed, next.Recent = head.UIDNext, 0
		_, err := t.Exec(`UPDATE mailbox SET unclaimed = uid_next, recent = 0 WHERE account = ? AND mailbox = ?`,
			m.b.key.account, m.b.key.mailbox)
		t.set(m.b, &next)
		return err
	})
	if err != nil {
		return nil, err
	}
	return uids, nil
}
