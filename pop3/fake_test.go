package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/store"
)

// fakeStore keeps a maildrop for each account, fails on demand, and counts what is open.
type fakeStore struct {
	mu       sync.Mutex // guards what follows
	drops    map[string]*fakeDrop
	failing  map[string]error // by the name of a method
	open     int              // maildrops
	contents int              // contents
	locking  bool             // maildrops have a lock of their own
	locked   bool             // and somebody has it
	calls    []string
}

type fakeDrop struct {
	validity uint32
	next     store.UID
	messages []fakeMessage
}

type fakeMessage struct {
	uid  store.UID
	text string
}

var errFake = errors.New("disk /dev/sda1 is on fire")

func (f *fakeStore) deliver(name, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.drops == nil {
		f.drops = make(map[string]*fakeDrop)
	}
	d := f.drops[name]
	if d == nil {
		d = &fakeDrop{validity: 0x4dcf5ad6, next: 1}
		f.drops[name] = d
	}
	d.messages = append(d.messages, fakeMessage{d.next, text})
	d.next++
}

func (f *fakeStore) remove(name string, uid store.UID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.drops[name]
	d.messages = slices.DeleteFunc(d.messages, func(m fakeMessage) bool { return m.uid == uid })
}

// call notes a call and returns the error that is wanted of it.
func (f *fakeStore) call(ctx context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, name)
	if err := f.failing[name]; err != nil {
		return err
	}
	return ctx.Err()
}

func (f *fakeStore) fail(name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing == nil {
		f.failing = make(map[string]error)
	}
	f.failing[name] = err
}

func (f *fakeStore) Open(ctx context.Context, who account.Identity) (Maildrop, error) {
	if err := f.call(ctx, "open"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.drops[who.Account]
	if d == nil {
		d = &fakeDrop{validity: 1}
	}
	f.open++
	h := &fakeHandle{store: f, drop: d}
	if f.locking {
		return &wrapped{lockingHandle{h}}, nil
	}
	return h, nil
}

// left returns the messages of an account as text, and what is still open.
func (f *fakeStore) left(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	if d := f.drops[name]; d != nil {
		for _, m := range d.messages {
			fmt.Fprintf(&b, "%d %s\n", m.uid, strconv.Quote(m.text))
		}
	}
	return b.String()
}

type fakeHandle struct {
	store  *fakeStore
	drop   *fakeDrop
	closed bool
}

func (h *fakeHandle) Status(ctx context.Context) (store.Status, error) {
	err := h.store.call(ctx, "status")
	return store.Status{UIDValidity: h.drop.validity}, err
}

func (h *fakeHandle) Scan(ctx context.Context, q store.ScanQuery) iter.Seq2[store.Message, error] {
	return func(yield func(store.Message, error) bool) {
		err := h.store.call(ctx, "scan")
		h.store.mu.Lock()
		messages := slices.Clone(h.drop.messages)
		h.store.mu.Unlock()
		for i, m := range messages {
			if err != nil && i == 1 {
				break
			}
			if !yield(store.Message{UID: m.uid, Size: int64(len(m.text))}, nil) {
				return
			}
		}
		if err != nil {
			yield(store.Message{}, err)
		}
	}
}

func (h *fakeHandle) Content(ctx context.Context, uid store.UID) (postrider.Content, error) {
	if err := h.store.call(ctx, "content"); err != nil {
		return nil, err
	}
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	for _, m := range h.drop.messages {
		if m.uid == uid {
			h.store.contents++
			return &fakeContent{Content: postrider.String(m.text), store: h.store}, nil
		}
	}
	return nil, &store.Error{Op: "content", Err: store.ErrNotExist}
}

func (h *fakeHandle) Expunge(ctx context.Context, uids store.UIDSet, having ...store.Flag) (store.Expunged, error) {
	if err := h.store.call(ctx, "expunge"); err != nil {
		return store.Expunged{}, err
	}
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	h.drop.messages = slices.DeleteFunc(h.drop.messages, func(m fakeMessage) bool { return uids.Contains(m.uid) })
	return store.Expunged{UIDs: uids}, nil
}

func (h *fakeHandle) Close() error {
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	if h.closed {
		panic("maildrop closed twice")
	}
	h.closed = true
	h.store.open--
	return h.store.failing["close"]
}

// fakeContent fails in its middle if the store is to fail "read", and ends there if "short".
type fakeContent struct {
	postrider.Content
	store *fakeStore
}

func (c *fakeContent) ReadAt(p []byte, off int64) (int, error) {
	c.store.mu.Lock()
	read, short := c.store.failing["read"], c.store.failing["short"]
	c.store.mu.Unlock()
	half := c.Size() / 2
	switch {
	case read == nil && short == nil:
		return c.Content.ReadAt(p, off)
	case off < half:
		n, err := c.Content.ReadAt(p[:min(int64(len(p)), half-off)], off)
		switch {
		case n == len(p):
		case read != nil:
			err = read
		default:
			err = io.EOF
		}
		return n, err
	case read != nil:
		return 0, read
	}
	return 0, io.EOF
}

func (c *fakeContent) Close() error {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	c.store.contents--
	return nil
}

// lockingHandle is a Locker, and wrapped hides it.
type lockingHandle struct{ *fakeHandle }

func (h lockingHandle) Lock(ctx context.Context) (func(), error) {
	f := h.store
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.locked {
		return nil, ErrInUse
	}
	f.locked = true
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if h.closed {
			panic("unlocked after the close")
		}
		f.locked = false
	}, nil
}

type wrapped struct{ Maildrop }

func (w *wrapped) Unwrap() Maildrop { return w.Maildrop }
