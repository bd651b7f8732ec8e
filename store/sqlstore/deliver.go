package sqlstore

import (
	"context"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/store"
)

// onceFor is how long the name of a delivery is remembered.
const onceFor = 30 * 24 * time.Hour

// Deliver is the method of store.Store.
func (s *Store) Deliver(ctx context.Context, c postrider.Content, to []store.Target) ([]store.Placed, error) {
	placed, err := s.deliver(ctx, c, to)
	if _, ok := err.(*store.TargetError); !ok {
		annotate(&err, "deliver", "", "")
	}
	return placed, err
}

func (s *Store) deliver(ctx context.Context, c postrider.Content, to []store.Target) ([]store.Placed, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end()
	targets, accounts, err := canonicalTargets(to)
	if err != nil {
		return nil, err
	}
	b, err := s.newBody(ctx, c, accounts)
	if err != nil {
		return nil, err
	}
	defer s.done(b)
	var placed []store.Placed
	err = s.write(ctx, func(t *tx) error {
		d := delivery{tx: t, body: b, content: map[int64]int64{}}
		placed = make([]store.Placed, len(targets))
		for i := range targets {
			var err error
			if placed[i], err = d.place(&targets[i]); err != nil {
				return targetError(i, &to[i], err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return placed, nil
}

func targetError(i int, t *store.Target, err error) error {
	return &store.TargetError{Index: i, Err: &store.Error{Op: "deliver to", Account: t.Account, Mailbox: t.Mailbox, Err: err}}
}

// target is a Target as far as it can be checked beforehand.
type target struct {
	account, mailbox string
	create           bool
	flags            []store.Flag
	date             packedTime
	once             string
	// err is the first fault, which counts only if the delivery is not one of before.
	err error
}

// canonicalTargets prepares the targets, and counts their accounts.
func canonicalTargets(to []store.Target) (targets []target, accounts int, err error) {
	seen := map[string]bool{}
	targets = make([]target, len(to))
	for i := range to {
		if len(to[i].Once) > store.MaxOnceLen {
			return nil, 0, targetError(i, &to[i], store.ErrName)
		}
		targets[i] = canonicalTarget(&to[i])
		seen[to[i].Account] = true
	}
	return targets, len(seen), nil
}

func canonicalTarget(to *store.Target) target {
	t := target{account: to.Account, mailbox: store.Inbox, create: to.Create, once: to.Once, date: date(to.InternalDate)}
	if to.Mailbox != "" {
		t.mailbox, t.err = store.CanonicalName(to.Mailbox)
	}
	if len(to.Flags) > 0 && t.err == nil {
		t.flags, t.err = store.CanonicalFlags(to.Flags)
	}
	return t
}

// delivery is a Deliver in its transaction.
type delivery struct {
	*tx
	body    *body
	content map[int64]int64 // the number of the content by account
}

// place puts the message into one mailbox.
func (d *delivery) place(to *target) (store.Placed, error) {
	a, key, err := d.find(to)
	if err != nil {
		return store.Placed{}, err
	}
	if to.once != "" {
		if placed, err := d.earlier(a, to.once); err != sqlite.ErrNoRows {
			return placed, err
		}
	}
	switch {
	case to.err != nil:
		return store.Placed{}, to.err
	case key.mailbox == 0 && !to.create:
		return store.Placed{}, store.ErrNotExist
	case key.mailbox == 0:
		row, err := d.createMailbox(a, store.NewMailbox{Name: to.mailbox})
		if err != nil {
			return store.Placed{}, err
		}
		key = row.boxKey
	}
	if d.content[a.id] == 0 {
		if d.content[a.id], err = d.insertContent(a.id, d.body); err != nil {
			return store.Placed{}, err
		}
	}
	in, err := d.arrive(key, []arrival{{content: d.content[a.id], flags: to.flags, date: to.date, size: d.body.size}})
	if err != nil {
		return store.Placed{}, err
	}
	placed := in.placed(a, key, 0, d.body)
	if to.once != "" {
		err = d.remember(key, to.once, placed, d.body)
	}
	return placed, err
}

// find looks up account and mailbox; the mailbox's number is 0 if it is not there.
func (d *delivery) find(to *target) (accountRow, boxKey, error) {
	a := accountRow{name: to.account}
	var key boxKey
	err := d.QueryRow(`SELECT a.account, a.tag, m.mailbox FROM account a
		LEFT JOIN mailbox m ON m.account = a.account AND m.name = ? WHERE a.name = ?`,
		to.mailbox, to.account).Scan(&a.id, &a.tag, &key.mailbox)
	if err == sqlite.ErrNoRows {
		err = store.ErrNotExist
	}
	key.account = a.id
	return a, key, err
}

// placed tells where the i-th of the arrivals is.
func (in arrived) placed(a accountRow, key boxKey, i int, b *body) store.Placed {
	return store.Placed{
		MailboxID: a.mailboxID(key.mailbox), UIDValidity: in.uidValidity,
		UID: in.first + store.UID(i), ModSeq: in.modSeq, ID: messageID(b.key[:]),
	}
}

// earlier returns what became of an earlier delivery of that name, or
// sqlite.ErrNoRows.
func (d *delivery) earlier(a accountRow, once string) (store.Placed, error) {
	var p store.Placed
	var mailbox, seq int64
	var uid uint32
	var hash []byte
	err := d.QueryRow(`SELECT mailbox, uid_validity, uid, mod_seq, hash FROM once WHERE account = ? AND name = ? AND delivered > ?`,
		a.id, once, time.Now().Add(-onceFor).Unix()).Scan(&mailbox, &p.UIDValidity, &uid, &seq, &hash)
	p.MailboxID, p.ID = a.mailboxID(mailbox), messageID(hash)
	p.UID, p.ModSeq = store.UID(uid), store.ModSeq(seq)
	return p, err
}

// remember notes what became of a delivery.
func (d *delivery) remember(key boxKey, once string, p store.Placed, b *body) error {
	_, err := d.Exec(`INSERT INTO once (account, name, mailbox, uid_validity, uid, mod_seq, hash, delivered) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (account, name) DO UPDATE SET mailbox = excluded.mailbox, uid_validity = excluded.uid_validity,
			uid = excluded.uid, mod_seq = excluded.mod_seq, hash = excluded.hash, delivered = excluded.delivered`,
		key.account, once, key.mailbox, p.UIDValidity, uint32(p.UID), int64(p.ModSeq), b.key[:], time.Now().Unix())
	return err
}
