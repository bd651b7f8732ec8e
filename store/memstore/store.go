package memstore

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/postrider/postrider/store"
)

// DefaultHistory is how many changes an account remembers if nothing else is said.
const DefaultHistory = 100_000

// A Store keeps mail in memory. The zero Store is empty and ready. It must not be
// copied.
type Store struct {
	// History is how many changes an account remembers; older ones are
	// store.ErrForgotten. Zero means DefaultHistory; negative means all. It must be
	// set before the Store is used.
	History int

	mu           sync.Mutex // guards what follows, and all that it leads to
	closed       bool
	accounts     map[string]*account
	lastID       int64
	lastValidity uint32
}

// New returns an empty store.
func New() *Store { return &Store{} }

// lock takes the mutex, unless ctx is done or the store closed.
func (s *Store) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return store.ErrClosed
	}
	return nil
}

// newID returns an ID that was never used, not even by an earlier process: no counter
// runs as fast as the clock it starts from.
func (s *Store) newID(prefix string) string {
	if s.lastID == 0 {
		s.lastID = time.Now().UnixNano()
	}
	s.lastID++
	return prefix + strconv.FormatInt(s.lastID, 36)
}

// newValidity returns a UIDValidity greater than all before, those of earlier processes
// included.
func (s *Store) newValidity() uint32 {
	if s.lastValidity == 0 {
		s.lastValidity = uint32(time.Now().Unix())
	}
	s.lastValidity++
	return s.lastValidity
}

// CreateAccount is the method of store.Store.
func (s *Store) CreateAccount(ctx context.Context, name string, mailboxes ...store.NewMailbox) (err error) {
	defer annotate(&err, "create", name, "")
	if err := store.CheckAccountName(name); err != nil {
		return err
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.accounts[name] != nil {
		return store.ErrExist
	}
	a := &account{name: name, history: s.history(), mailboxes: map[string]*mailbox{}, subscribed: map[string]bool{}}
	for _, m := range mailboxes {
		if _, err := s.createMailbox(a, m); err != nil {
			return err
		}
	}
	if a.mailboxes[store.Inbox] == nil {
		if _, err := s.createMailbox(a, store.NewMailbox{Name: store.Inbox}); err != nil {
			return err
		}
	}
	if s.accounts == nil {
		s.accounts = map[string]*account{}
	}
	s.accounts[name] = a
	return nil
}

func (s *Store) history() int {
	if s.History == 0 {
		return DefaultHistory
	}
	return s.History
}

// DeleteAccount is the method of store.Store.
func (s *Store) DeleteAccount(ctx context.Context, name string) (err error) {
	defer annotate(&err, "delete", name, "")
	if err := s.lock(ctx); err != nil {
		return err
	}
	a := s.accounts[name]
	if a != nil {
		a.deleted = true
		delete(s.accounts, name)
	}
	s.mu.Unlock()
	if a == nil {
		return store.ErrNotExist
	}
	a.watchers.notify()
	return nil
}

// Accounts is the method of store.Store.
func (s *Store) Accounts(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := s.lock(ctx); err != nil {
			yield("", err)
			return
		}
		names := slices.Collect(maps.Keys(s.accounts))
		s.mu.Unlock()
		for _, name := range names {
			if !yield(name, nil) {
				return
			}
		}
	}
}

// Account is the method of store.Store. Every Account is a store.Watcher.
func (s *Store) Account(ctx context.Context, name string) (store.Account, error) {
	if err := s.lock(ctx); err != nil {
		return nil, &store.Error{Op: "open", Account: name, Err: err}
	}
	defer s.mu.Unlock()
	a := s.accounts[name]
	if a == nil {
		return nil, &store.Error{Op: "open", Account: name, Err: store.ErrNotExist}
	}
	return &accountHandle{s, a}, nil
}

// Close is the method of store.Store. It frees all mail.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.closed = true
	s.accounts = nil
	return nil
}

// annotate says in *err, unless it is nil, what failed and where.
func annotate(err *error, op, account, mailbox string) {
	if *err != nil {
		*err = &store.Error{Op: op, Account: account, Mailbox: mailbox, Err: *err}
	}
}
