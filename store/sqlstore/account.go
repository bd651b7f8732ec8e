package sqlstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/store"
)

// account is the store.Account of a row.
type account struct {
	s *Store
	accountRow
}

// Name is the method of store.Account.
func (a *account) Name() string { return a.name }

// read runs f on one state of the database, if the account is there.
func (a *account) read(ctx context.Context, op string, f func(*sqlite.Conn) error) (err error) {
	defer annotate(&err, op, a.name, "")
	if err := a.s.begin(ctx); err != nil {
		return err
	}
	defer a.s.end()
	return a.s.read(ctx, func(c *sqlite.Conn) error {
		if err := accountThere(c, a.id); err != nil {
			return err
		}
		return f(c)
	})
}

// write runs f in a transaction, if the account is there.
func (a *account) write(ctx context.Context, op, mailbox string, f func(*tx) error) (err error) {
	defer annotate(&err, op, a.name, mailbox)
	if err := a.s.begin(ctx); err != nil {
		return err
	}
	defer a.s.end()
	return a.s.write(ctx, func(t *tx) error {
		if err := accountThere(t, a.id); err != nil {
			return err
		}
		return f(t)
	})
}

// info is what a list of mailboxes tells.
func (m *mailboxRow) info(a accountRow) store.MailboxInfo {
	info := store.MailboxInfo{ID: a.mailboxID(m.mailbox), Name: m.name, Status: m.Status}
	if m.specialUse != "" {
		info.SpecialUse = strings.Split(m.specialUse, " ")
	}
	return info
}

// Mailboxes is the method of store.Account.
func (a *account) Mailboxes(ctx context.Context) (list []store.MailboxInfo, err error) {
	err = a.read(ctx, "list", func(c *sqlite.Conn) error {
		rows, err := mailboxesOf(c, a.id)
		for i := range rows {
			list = append(list, rows[i].info(a.accountRow))
		}
		return err
	})
	slices.SortFunc(list, func(x, y store.MailboxInfo) int { return store.CompareNames(x.Name, y.Name) })
	return list, err
}

// Create is the method of store.Account.
func (a *account) Create(ctx context.Context, m store.NewMailbox) (info store.MailboxInfo, err error) {
	err = a.write(ctx, "create", m.Name, func(t *tx) error {
		row, err := t.createMailbox(a.accountRow, m)
		info = row.info(a.accountRow)
		return err
	})
	if err != nil {
		return store.MailboxInfo{}, err
	}
	return info, nil
}

// createMailbox makes a mailbox and returns its row.
func (t *tx) createMailbox(a accountRow, m store.NewMailbox) (row mailboxRow, err error) {
	if row.name, err = store.CanonicalName(m.Name); err != nil {
		return row, err
	}
	if _, err := mailboxNamed(t, a.id, row.name); err != store.ErrNotExist {
		if err == nil {
			err = store.ErrExist
		}
		return row, err
	}
	row.account, row.UIDNext, row.unclaimed = a.id, 1, 1
	row.specialUse = strings.Join(m.SpecialUse, " ")
	err = t.Returning(`UPDATE account SET last_mailbox = last_mailbox + 1, uid_validity = max(uid_validity + 1, ?)
		WHERE account = ? RETURNING last_mailbox, uid_validity`,
		[]any{time.Now().Unix(), a.id}, &row.mailbox, &row.UIDValidity)
	if err != nil {
		return row, err
	}
	if row.HighestModSeq, err = t.logged(row.boxKey, logEntry{kind: store.MailboxCreated}); err != nil {
		return row, err
	}
	_, err = t.Exec(`INSERT INTO mailbox (account, mailbox, name, special_use, uid_validity, mod_seq) VALUES (?, ?, ?, ?, ?, ?)`,
		a.id, row.mailbox, row.name, row.specialUse, row.UIDValidity, int64(row.HighestModSeq))
	if err != nil || !m.Subscribed {
		return row, err
	}
	return row, t.subscribe(a.id, row.name, true)
}

// Delete is the method of store.Account. The rows of the messages go later, a few at a
// time.
func (a *account) Delete(ctx context.Context, name string) error {
	return a.write(ctx, "delete", name, func(t *tx) error {
		m, err := t.mailboxNamed(a.id, name)
		switch {
		case err != nil:
			return err
		case m.name == store.Inbox:
			return store.ErrName
		}
		if _, err := t.logged(m.boxKey, logEntry{kind: store.MailboxDeleted}); err != nil {
			return err
		}
		if _, err := t.Exec(`DELETE FROM mailbox WHERE account = ? AND mailbox = ?`, m.account, m.mailbox); err != nil {
			return err
		}
		if b := t.open(m.boxKey); b != nil {
			t.deleteBox(b)
		}
		return t.removeLater(m.boxKey, store.AllUIDs())
	})
}

// mailboxNamed looks up a mailbox by a name that a caller gave.
func (t *tx) mailboxNamed(account int64, name string) (mailboxRow, error) {
	name, err := store.CanonicalName(name)
	if err != nil {
		return mailboxRow{}, err
	}
	return mailboxNamed(t, account, name)
}

// Subscribe is the method of store.Account.
func (a *account) Subscribe(ctx context.Context, name string) error {
	return a.setSubscribed(ctx, "subscribe to", name, true)
}

// Unsubscribe is the method of store.Account.
func (a *account) Unsubscribe(ctx context.Context, name string) error {
	return a.setSubscribed(ctx, "unsubscribe from", name, false)
}

func (a *account) setSubscribed(ctx context.Context, op, name string, subscribed bool) error {
	return a.write(ctx, op, name, func(t *tx) error {
		name, err := store.CanonicalName(name)
		if err != nil {
			return err
		}
		return t.subscribe(a.id, name, subscribed)
	})
}

// subscribe adds a name to the subscriptions or removes it.
func (t *tx) subscribe(account int64, name string, subscribed bool) error {
	change := `INSERT INTO subscription (account, name) VALUES (?, ?) ON CONFLICT DO NOTHING`
	if !subscribed {
		change = `DELETE FROM subscription WHERE account = ? AND name = ?`
	}
	r, err := t.Exec(change, account, name)
	if err != nil || r.Changed() == 0 {
		return err
	}
	_, err = t.logged(boxKey{account: account}, logEntry{kind: store.MailboxSubscriptions})
	return err
}

// Subscriptions is the method of store.Account.
func (a *account) Subscriptions(ctx context.Context) (names []string, err error) {
	err = a.read(ctx, "list", func(c *sqlite.Conn) error {
		rows := c.Query(`SELECT name FROM subscription WHERE account = ?`, a.id)
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			names = append(names, name)
		}
		return rows.Err()
	})
	slices.SortFunc(names, store.CompareNames)
	return names, err
}

// Open is the method of store.Account.
func (a *account) Open(ctx context.Context, name string) (_ store.Mailbox, err error) {
	defer annotate(&err, "open", a.name, name)
	canonical, err := store.CanonicalName(name)
	if err != nil {
		return nil, err
	}
	if err := a.s.begin(ctx); err != nil {
		return nil, err
	}
	defer a.s.end()
	b, err := a.open(ctx, canonical)
	if err != nil {
		return nil, err
	}
	return &mailbox{a: a, b: b, name: canonical}, nil
}

// open returns the mailbox of that canonical name, in memory.
func (a *account) open(ctx context.Context, name string) (*box, error) {
	var row mailboxRow
	err := a.s.read(ctx, func(c *sqlite.Conn) (err error) {
		row, err = mailboxNamed(c, a.id, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.s.boxes.acquire(ctx, row.boxKey)
}

// ModSeq is the method of store.Account.
func (a *account) ModSeq(ctx context.Context) (store.ModSeq, error) {
	var seq int64
	err := a.read(ctx, "look at", func(c *sqlite.Conn) error {
		return c.QueryRow(`SELECT mod_seq FROM account WHERE account = ?`, a.id).Scan(&seq)
	})
	return store.ModSeq(seq), err
}
