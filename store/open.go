package store

import (
	"context"
	"errors"
)

// Attributes of RFC 6154 for NewMailbox.SpecialUse.
const (
	UseArchive = `\Archive`
	UseDrafts  = `\Drafts`
	UseJunk    = `\Junk`
	UseSent    = `\Sent`
	UseTrash   = `\Trash`
)

// DefaultMailboxes returns the mailboxes beside INBOX that clients look for, with their
// special uses (RFC 6154 §2), all subscribed: Archive, Drafts, Junk, Sent and
// Trash.
func DefaultMailboxes() []NewMailbox {
	return []NewMailbox{
		{Name: "Archive", SpecialUse: []string{UseArchive}, Subscribed: true},
		{Name: "Drafts", SpecialUse: []string{UseDrafts}, Subscribed: true},
		{Name: "Junk", SpecialUse: []string{UseJunk}, Subscribed: true},
		{Name: "Sent", SpecialUse: []string{UseSent}, Subscribed: true},
		{Name: "Trash", SpecialUse: []string{UseTrash}, Subscribed: true},
	}
}

// OpenAccount returns the account of that name. Where there is none it is made, with
// an INBOX and the given mailboxes, such as those of [DefaultMailboxes]; an
// account that is there stays as it is. Any number of goroutines and processes may ask for
// the same account at once.
func OpenAccount(ctx context.Context, s Store, name string, mailboxes ...NewMailbox) (Account, error) {
	// Another may make the account between our look and our attempt, and, less
	// likely by far, delete it again.
	const tries = 3
	for try := 1; ; try++ {
		a, err := s.Account(ctx, name)
		if !errors.Is(err, ErrNotExist) || try == tries {
			return a, err
		}
		err = s.CreateAccount(ctx, name, mailboxes...)
		if err != nil && !errors.Is(err, ErrExist) {
			return nil, err
		}
	}
}
