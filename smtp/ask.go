package smtp

import (
	"time"

	"github.com/postrider/postrider"
)

// ask gives a phase to each set of hooks in order, until one refuses. It returns the refusal, or the last
// status of class 2, or nil.
func (c *serverConn) ask(phase func(*Hooks) error) (said *postrider.Status) {
	for i := range c.server.Hooks {
		st := c.call(func() error { return phase(&c.server.Hooks[i]) })
		if !accepts(st) {
			return st
		}
		if st != nil {
			said = st
		}
	}
	return said
}

// call runs a function of the application's within Server.HandlerTimeout.
func (c *serverConn) call(f func() error) *postrider.Status {
	c.startClock()
	err := f()
	c.stopClock()
	return postrider.StatusOf(err)
}

// startClock lets the session's context end in time. A context of its own for each call would cost
// more than the call.
func (c *serverConn) startClock() {
	switch d := c.set.handle; {
	case d == 0:
	case c.clock == nil:
		c.clock = time.AfterFunc(d, func() { c.cancel(errHandlerTimeout) })
	default:
		c.clock.Reset(d)
	}
}

func (c *serverConn) stopClock() {
	if c.clock != nil {
		c.clock.Stop()
	}
}

// tellReset tells all hooks that tx ended without a message.
func (c *serverConn) tellReset(tx *Transaction) {
	for i := range c.server.Hooks {
		if f := c.server.Hooks[i].Reset; f != nil {
			c.call(func() error { f(c.ctx, tx); return nil })
		}
	}
}

// tellClose tells all hooks that the session ended.
func (c *serverConn) tellClose() {
	for i := range c.server.Hooks {
		if f := c.server.Hooks[i].Close; f != nil {
			c.guard(func() { c.call(func() error { f(c.ctx, c.session, c.err); return nil }) })
		}
	}
}
