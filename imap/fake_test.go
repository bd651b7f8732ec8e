package imap

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

var errFake = errors.New("disk /dev/sda1 is on fire")

// A fake makes the methods of an account fail on demand, and counts what is open.
type fake struct {
	mu       sync.Mutex // guards what follows
	failing  map[string]func() error
	open     int // mailboxes
	contents int
	watchers int
}

// fail makes a method of an Account or Mailbox, in lower case, call how.
func (f *fake) fail(method string, how func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing == nil {
		f.failing = make(map[string]func() error)
	}
	f.failing[method] = how
}

// failure returns how a method is to fail, by the words of a script.
func failure(how string) (func() error, error) {
	known := map[string]error{
		"":           errFake,
		"not there":  &store.Error{Op: "x", Err: store.ErrNotExist},
		"quota":      &store.Error{Op: "x", Err: store.ErrOverQuota},
		"limit":      &store.Error{Op: "x", Err: store.ErrLimit},
		"damaged":    errors.Join(errFake, store.ErrCorrupt),
		"4yz":        fmt.Errorf("x: %w", &postrider.Status{Code: "4.2.0", Text: "mail is being moved\r\n* BYE", Err: errFake}),
		"5yz":        &postrider.Status{Code: "5.2.1", Text: "mail is closed for good", Err: errFake},
		"policy":     &postrider.Status{Code: "5.7.1", Text: "not for you", Err: errFake},
		"full":       &postrider.Status{Code: "5.2.2", Text: "mailbox is full", Err: errFake},
		"forgotten":  store.ErrForgotten,
		"interrupts": context.Canceled,
	}
	if how == "panic" {
		return func() error { panic("a bug") }, nil
	}
	err := known[how]
	if err == nil {
		return nil, fmt.Errorf("fail how?")
	}
	return func() error { return err }, nil
}

// call returns how a method fails, if it does.
func (f *fake) call(method string) error {
	f.mu.Lock()
	how := f.failing[method]
	f.mu.Unlock()
	if how == nil {
		return nil
	}
	return how()
}

// repair ends all failures.
func (f *fake) repair() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failing = nil
}

func (f *fake) count(mailboxes, contents int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open += mailboxes
	f.contents += contents
}

func (f *fake) countWatchers(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watchers += n
}

type fakeAccount struct {
	store.Account
	fake *fake
}

func (a *fakeAccount) Watch(changed func()) (stop func()) {
	a.fake.countWatchers(1)
	unwatch := store.Watch(a.Account, changed)
	return func() {
		a.fake.countWatchers(-1)
		unwatch()
	}
}

func (a *fakeAccount) Mailboxes(ctx context.Context) ([]store.MailboxInfo, error) {
	if err := a.fake.call("mailboxes"); err != nil {
		return nil, err
	}
	return a.Account.Mailboxes(ctx)
}

func (a *fakeAccount) Subscriptions(ctx context.Context) ([]string, error) {
	if err := a.fake.call("subscriptions"); err != nil {
		return nil, err
	}
	return a.Account.Subscriptions(ctx)
}

func (a *fakeAccount) ModSeq(ctx context.Context) (store.ModSeq, error) {
	if err := a.fake.call("modseq"); err != nil {
		return 0, err
	}
	return a.Account.ModSeq(ctx)
}

func (a *fakeAccount) Open(ctx context.Context, name string) (store.Mailbox, error) {
	if err := a.fake.call("open"); err != nil {
		return nil, err
	}
	m, err := a.Account.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	a.fake.count(1, 0)
	return &fakeMailbox{Mailbox: m, fake: a.fake}, nil
}

type fakeMailbox struct {
	store.Mailbox
	fake   *fake
	closed bool
}

func (m *fakeMailbox) Status(ctx context.Context) (store.Status, error) {
	if err := m.fake.call("status"); err != nil {
		return store.Status{}, err
	}
	return m.Mailbox.Status(ctx)
}

// Scan fails behind the first message.
func (m *fakeMailbox) Scan(ctx context.Context, q store.ScanQuery) iter.Seq2[store.Message, error] {
	return func(yield func(store.Message, error) bool) {
		failed := m.fake.call("scan")
		for msg, err := range m.Mailbox.Scan(ctx, q) {
			if !yield(msg, err) {
				return
			}
			if failed != nil {
				yield(store.Message{}, failed)
				return
			}
		}
	}
}

func (m *fakeMailbox) Content(ctx context.Context, uid store.UID) (postrider.Content, error) {
	if err := m.fake.call("content"); err != nil {
		return nil, err
	}
	c, err := m.Mailbox.Content(ctx, uid)
	if err != nil {
		return nil, err
	}
	m.fake.count(0, 1)
	return &fakeContent{Content: c, fake: m.fake}, nil
}

func (m *fakeMailbox) Append(ctx context.Context, msgs []store.NewMessage) ([]store.Placed, error) {
	if err := m.fake.call("append"); err != nil {
		return nil, err
	}
	return m.Mailbox.Append(ctx, msgs)
}

func (m *fakeMailbox) SetFlags(ctx context.Context, c store.FlagChange) (store.FlagResult, error) {
	if err := m.fake.call("setflags"); err != nil {
		return store.FlagResult{}, err
	}
	return m.Mailbox.SetFlags(ctx, c)
}

func (m *fakeMailbox) Copy(ctx context.Context, uids store.UIDSet, to string) (store.Copied, error) {
	if err := m.fake.call("copy"); err != nil {
		return store.Copied{}, err
	}
	return m.Mailbox.Copy(ctx, uids, to)
}

func (m *fakeMailbox) Expunge(ctx context.Context, uids store.UIDSet, having ...store.Flag) (store.Expunged, error) {
	if err := m.fake.call("expunge"); err != nil {
		return store.Expunged{}, err
	}
	return m.Mailbox.Expunge(ctx, uids, having...)
}

func (m *fakeMailbox) TakeRecent(ctx context.Context) (store.UIDSet, error) {
	if err := m.fake.call("takerecent"); err != nil {
		return nil, err
	}
	return m.Mailbox.TakeRecent(ctx)
}

func (m *fakeMailbox) Close() error {
	if m.closed {
		panic("mailbox closed twice")
	}
	m.closed = true
	m.fake.count(-1, 0)
	return errors.Join(m.Mailbox.Close(), m.fake.call("close"))
}

type fakeContent struct {
	postrider.Content
	fake *fake
}

// ReadAt fails in the second half of the content.
func (c *fakeContent) ReadAt(p []byte, off int64) (int, error) {
	err := c.fake.call("read")
	if half := c.Size() / 2; err != nil {
		if off >= half {
			return 0, err
		}
		if off+int64(len(p)) > half {
			n, _ := c.Content.ReadAt(p[:half-off], off)
			return n, err
		}
	}
	return c.Content.ReadAt(p, off)
}

func (c *fakeContent) Close() error {
	c.fake.count(0, -1)
	return c.Content.Close()
}
