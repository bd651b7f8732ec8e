package mailtest

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// listener queues connections between Dial and Accept.
type listener struct {
	network *Network
	at      netip.AddrPort

	mu      sync.Mutex // guards what follows
	changed sync.Cond  // signals that any of it changed
	waiting []*Conn
	closed  bool
}

// Accept returns the next connection, a *Conn. After Close the error is net.ErrClosed in a *net.OpError.
func (l *listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.waiting) == 0 && !l.closed {
		l.changed.Wait()
	}
	if l.closed {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
	c := l.waiting[0]
	l.waiting = l.waiting[1:]
	l.changed.Broadcast()
	return c, nil
}

// Close ends Accept, frees the address, and resets the connections that nobody accepted.
func (l *listener) Close() error {
	l.mu.Lock()
	waiting, was := l.waiting, l.closed
	l.waiting, l.closed = nil, true
	l.changed.Broadcast()
	l.mu.Unlock()
	if was {
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}

	l.network.mu.Lock()
	delete(l.network.listeners, l.at)
	l.network.mu.Unlock()
	for _, c := range waiting {
		c.Reset()
	}
	return nil
}

// Addr returns the address announced, a *net.TCPAddr.
func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }

// enqueue hands the server's end of a connection to Accept. It waits while the queue is full.
func (l *listener) enqueue(ctx context.Context, c *Conn) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) >= backlog {
		stop := context.AfterFunc(ctx, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.changed.Broadcast()
		})
		defer stop()
	}
	for len(l.waiting) >= backlog && !l.closed && ctx.Err() == nil {
		l.changed.Wait()
	}
	switch {
	case l.closed:
		return syscall.ECONNREFUSED
	case ctx.Err() != nil:
		return ctx.Err()
	}
	l.waiting = append(l.waiting, c)
	l.changed.Broadcast()
	return nil
}
