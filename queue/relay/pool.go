package relay

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A pool keeps idle sessions for a while, and knows all goroutines of a Transport.
type pool struct {
	idleTimeout time.Duration
	max         int
	perServer   int
	maxMessages int

	mu     sync.Mutex // guards what follows
	closed bool
	count  int
	idle   map[server][]*session // the one used last is the last
	work   sync.WaitGroup        // deliveries, timers, goodbyes; added to only under mu, and not once closed
}

// enter notes the begin of a delivery. It reports false if the pool is closed.
func (p *pool) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.work.Add(1)
	}
	return !p.closed
}

// leave notes the end of a delivery.
func (p *pool) leave() { p.work.Done() }

// kept returns 1 if a session with the server is idle, 0 if none is.
func (p *pool) kept(to server) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(len(p.idle[to]), 1)
}

// take returns an idle session with the server that suits, the one used last, nil if there is none.
func (p *pool) take(to server, suits func(*session) bool) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range slices.Backward(p.idle[to]) {
		if suits(s) {
			p.remove(s)
			if s.timer.Stop() {
				p.work.Done()
			}
			return s
		}
	}
	return nil
}

// remove takes s out, and reports whether it was in. The caller holds mu.
func (p *pool) remove(s *session) bool {
	list := p.idle[s.server]
	i := slices.Index(list, s)
	if i < 0 {
		return false
	}
	p.count--
	if len(list) == 1 {
		delete(p.idle, s.server)
		return true
	}
	p.idle[s.server] = slices.Delete(list, i, i+1)
	return true
}

// give takes a session back that is no longer needed, to keep it or to end it, without waiting for either.
func (p *pool) give(s *session) {
	if !s.client.Reusable() {
		s.client.Close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		s.client.Close()
	case p.idleTimeout < 0 || p.count >= p.max || len(p.idle[s.server]) >= p.perServer || s.messages >= p.maxMessages:
		p.work.Go(s.quit)
	default:
		p.keep(s)
	}
}

// keep puts s in until it is taken or its time is up. The caller holds mu.
func (p *pool) keep(s *session) {
	if p.idle == nil {
		p.idle = make(map[server][]*session)
	}
	s.reused = true
	p.count++
	p.idle[s.server] = append(p.idle[s.server], s)
	p.work.Add(1) // for the timer: whoever stops it is done with that work
	s.timer = time.AfterFunc(p.idleTimeout, func() {
		defer p.work.Done()
		p.mu.Lock()
		mine := p.remove(s)
		p.mu.Unlock()
		if mine {
			s.quit()
		}
	})
}

// close ends all idle sessions and waits for everything that goes on.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for _, list := range p.idle {
		for _, s := range list {
			if s.timer.Stop() {
				go func() { // the timer's share of work is this goroutine's now
					defer p.work.Done()
					s.quit()
				}()
			}
		}
	}
	p.idle, p.count = nil, 0
	p.mu.Unlock()
	p.work.Wait()
}

// quit says goodbye. That it fails changes nothing: what was sent is safe.
func (s *session) quit() { s.client.Quit(context.Background()) }
