package pop3

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

// A Maildrop is the messages that one session reads. A store.Mailbox is one; so can be any
// table that numbers its rows: the comments say what of the store's contract is needed.
// One goroutine at a time uses it.
type Maildrop interface {
	// Status is asked once, for UIDValidity: a number that stays the same as long as
	// the UIDs of the maildrop mean the same messages.
	Status(ctx context.Context) (store.Status, error)

	// Scan yields all messages in ascending order of UID. It is called once, with the zero
	// ScanQuery, and only UID and Size of each message are looked at.
	Scan(ctx context.Context, q store.ScanQuery) iter.Seq2[store.Message, error]

	// Content returns the bytes of a message, which the caller closes, or
	// store.ErrNotExist if it is gone.
	Content(ctx context.Context, uid store.UID) (postrider.Content, error)

	// Expunge removes the messages, all or none, durably. It is called at most once, with
	// no flags. Messages that are gone already are passed over.
	Expunge(ctx context.Context, uids store.UIDSet, having ...store.Flag) (store.Expunged, error)

	// Close gives the maildrop back.
	Close() error
}

var _ Maildrop = store.Mailbox(nil)

// A Locker is a Maildrop with a lock of its own, such as one that spans processes. The
// server locks any other Maildrop itself, by the name of the account, among its own
// sessions.
type Locker interface {
	// Lock takes the lock that RFC 1939 §4 wants to be exclusive, or returns ErrInUse at
	// once if somebody else has it. The server calls unlock once, before it closes the
	// Maildrop.
	Lock(ctx context.Context) (unlock func(), err error)
}

// ErrInUse means that another session has the maildrop locked. A Server's Open and a
// Locker return it; the client sees the response code IN-USE (RFC 2449 §8.1.2).
var ErrInUse = errors.New("maildrop is in use")

// locks is the set of locked accounts.
type locks struct {
	mu   sync.Mutex // guards held
	held map[string]bool
}

// lock locks d: by its own lock, if it or what it wraps has one, otherwise by the account's
// name.
func (l *locks) lock(ctx context.Context, account string, d Maildrop) (unlock func(), err error) {
	for m := d; m != nil; {
		if locker, ok := m.(Locker); ok {
			return locker.Lock(ctx)
		}
		wrapper, ok := m.(interface{ Unwrap() Maildrop })
		if !ok {
			break
		}
		m = wrapper.Unwrap()
	}
	return l.lockAccount(account)
}

func (l *locks) lockAccount(account string) (unlock func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[account] {
		return nil, ErrInUse
	}
	if l.held == nil {
		l.held = make(map[string]bool)
	}
	l.held[account] = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, account)
	}, nil
}
