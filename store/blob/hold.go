package blob

import (
	"context"
	"sync"
)

// holds are the keys that somebody works with or has put and not yet released. The
// zero holds are ready.
type holds struct {
	mu   sync.Mutex // guards keys and the counts of what is in it
	keys map[Key]*hold
}

// hold is one key. It is in holds.keys while users or count is not zero.
type hold struct {
	all   *holds
	key   Key
	token chan struct{} // has one element while nobody has the lock
	users int           // who have the lock or wait for it
	count int           // releases to come
}

// lock waits until nobody else has the key.
func (s *holds) lock(ctx context.Context, key Key) (*hold, error) {
	s.mu.Lock()
	h := s.keys[key]
	if h == nil {
		h = &hold{all: s, key: key, token: make(chan struct{}, 1)}
		h.token <- struct{}{}
		if s.keys == nil {
			s.keys = map[Key]*hold{}
		}
		s.keys[key] = h
	}
	h.users++
	s.mu.Unlock()

	select {
	case <-h.token:
		return h, nil
	case <-ctx.Done():
		h.done(func() { h.users-- })
		return nil, ctx.Err()
	}
}

// done changes a count and forgets the key if nobody needs it.
func (h *hold) done(change func()) {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	change()
	if h.users == 0 && h.count == 0 {
		delete(h.all.keys, h.key)
	}
}

func (h *hold) unlock() {
	h.token <- struct{}{}
	h.done(func() { h.users-- })
}

// hold keeps the body until the returned function is called, which does nothing if
// called again.
func (h *hold) hold() (release func()) {
	h.done(func() { h.count++ })
	return sync.OnceFunc(func() {
		h.done(func() { h.count-- })
	})
}

func (h *hold) held() bool {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	return h.count > 0
}
