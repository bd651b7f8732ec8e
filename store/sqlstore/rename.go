package sqlstore

import (
	"context"
	"slices"
	"strings"

	"github.com/postrider/postrider/store"
)

// Rename is the method of store.Account.
func (a *account) Rename(ctx context.Context, from, to string) error {
	if canonical, err := store.CanonicalName(from); err == nil && canonical == store.Inbox {
		return a.renameInbox(ctx, to)
	}
	return a.write(ctx, "rename", from, func(t *tx) error {
		from, err := store.CanonicalName(from)
		if err != nil {
			return err
		}
		to, err := store.CanonicalName(to)
		if err != nil {
			return err
		}
		return t.rename(a.id, from, to)
	})
}

// rename renames from and all below it.
func (t *tx) rename(account int64, from, to string) error {
	all, err := mailboxesOf(t, account)
	if err != nil {
		return err
	}
	moving, err := renamed(all, from, to)
	if err != nil {
		return err
	}
	slices.SortFunc(moving, func(x, y mailboxRow) int { return store.CompareNames(x.name, y.name) })
	for _, m := range moving {
		seq, err := t.logged(m.boxKey, logEntry{kind: store.MailboxRenamed})
		if err != nil {
			return err
		}
		_, err = t.Exec(`UPDATE mailbox SET name = ?, mod_seq = ?, unsaved = unsaved + 1 WHERE account = ? AND mailbox = ?`,
			m.name, int64(seq), m.account, m.mailbox)
		if err != nil {
			return err
		}
		if b := t.open(m.boxKey); b != nil {
			next := *b.head
			next.HighestModSeq, next.unsaved = seq, next.unsaved+1
			t.set(b, &next)
		}
	}
	return nil
}

// renamed returns those of all that get another name, with it.
func renamed(all []mailboxRow, from, to string) ([]mailboxRow, error) {
	taken := map[string]bool{}
	var moving []mailboxRow
	for _, m := range all {
		taken[m.name] = true
		if m.name != from && !store.IsBelow(m.name, from) {
			continue
		}
		name, err := store.CanonicalName(to + strings.TrimPrefix(m.name, from))
		if err != nil {
			return nil, err
		}
		m.name = name
		moving = append(moving, m)
	}
	switch {
	case len(moving) == 0:
		return nil, store.ErrNotExist
	case from == to || taken[to]:
		return nil, store.ErrExist
	case store.IsBelow(to, from):
		return nil, store.ErrName
	}
	for _, m := range moving {
		if taken[m.name] {
			return nil, store.ErrExist
		}
	}
	return moving, nil
}

// renameInbox moves the messages of INBOX, and nothing else, to a new mailbox (RFC 9051
// §6.3.6).
func (a *account) renameInbox(ctx context.Context, to string) (err error) {
	defer annotate(&err, "rename", a.name, store.Inbox)
	if err := a.s.begin(ctx); err != nil {
		return err
	}
	defer a.s.end()
	inbox, err := a.open(ctx, store.Inbox)
	if err != nil {
		return err
	}
	defer inbox.release()
	return a.s.write(ctx, func(t *tx) error {
		row, err := t.createMailbox(a.accountRow, store.NewMailbox{Name: to})
		if err != nil {
			return err
		}
		_, err = t.copyMessages(a.accountRow, inbox, row, store.AllUIDs(), true)
		return err
	})
}
