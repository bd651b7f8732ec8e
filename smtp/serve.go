package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// active is what a Server has running.
type active struct {
	stopping atomic.Bool // no more listeners, no more sessions; set under mu

	mu       sync.Mutex // guards what follows
	serving  map[*serving]bool
	sessions map[*serverConn]bool
	running  sync.WaitGroup // of serving and sessions; Add only under mu and before stopping
}

// serving is one call of Serve or ServeTLS.
type serving struct {
	server   *Server
	set      *settings
	ctx      context.Context
	listener net.Listener
	tls      bool // implicit
	sessions sync.WaitGroup
}

// Serve accepts connections from ln and serves them until Shutdown, Close, or the end of
// ctx, which is as Close for this listener alone. It returns when the sessions that it
// began have ended: ErrServerClosed, or the cause of ctx's end. If ln fails, it
// returns ln's error at once, and its sessions go on until Shutdown or Close. Wrong fields of s are
// reported together before the first Accept. Serve closes ln in any case.
//
// A connection of ln that is a *tls.Conn is served as one of ServeTLS.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	return s.serve(ctx, ln, false)
}

// ServeTLS is Serve where TLS comes first, as on the port submissions (RFC 8314 §3.3).
// It needs TLSConfig.
func (s *Server) ServeTLS(ctx context.Context, ln net.Listener) error {
	return s.serve(ctx, ln, true)
}

func (s *Server) serve(ctx context.Context, ln net.Listener, implicit bool) error {
	defer ln.Close()
	set, err := s.settle()
	if err != nil {
		return err
	}
	if implicit && s.TLSConfig == nil {
		return errors.New("smtp: ServeTLS needs Server.TLSConfig")
	}
	v := &serving{server: s, set: set, ctx: ctx, listener: ln, tls: implicit}
	if !s.active.begin(v) {
		return ErrServerClosed
	}
	defer s.active.end(v)
	stop := context.AfterFunc(ctx, v.abort)
	defer stop()

	err = v.accept()
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case s.active.stopping.Load():
		err = ErrServerClosed
	default:
		return err
	}
	v.sessions.Wait()
	return err
}

// accept begins a session for each connection until the listener fails.
func (v *serving) accept() error {
	var pause time.Duration
	for {
		nc, err := v.listener.Accept()
		switch {
		case err == nil:
			pause = 0
			v.start(nc)
		case !v.passing(err):
			return err
		default:
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			v.set.log.LogAttrs(v.ctx, slog.LevelError, "accept failed", slog.String("err", err.Error()))
			v.sleep(pause)
		}
	}
}

// passing reports whether Accept may succeed again: too many open files, or a client that went away.
func (v *serving) passing(err error) bool {
	var temporary interface{ Temporary() bool }
	return !errors.Is(err, net.ErrClosed) && v.ctx.Err() == nil && !v.server.active.stopping.Load() &&
		errors.As(err, &temporary) && temporary.Temporary()
}

func (v *serving) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-v.ctx.Done():
	}
}

// start begins a session in a goroutine that serving.sessions and active.running wait for.
func (v *serving) start(nc net.Conn) {
	c := newServerConn(v, nc)
	switch v.server.active.add(c) {
	case errTooManySessions:
		v.refuse(nc)
		fallthrough
	case ErrServerClosed:
		c.abort(ErrServerClosed)
		return
	}
	go func() {
		defer v.server.active.remove(c)
		c.serve()
	}()
}

// errTooManySessions is that Server.MaxSessions is reached.
var errTooManySessions = errors.New("too many sessions")

// refuse tells a client that there are too many, unless it waits for TLS. A new
// connection takes a line without waiting.
func (v *serving) refuse(nc net.Conn) {
	v.set.log.LogAttrs(v.ctx, slog.LevelWarn, "reject", slog.String("remote", nc.RemoteAddr().String()),
		slog.String("err", errTooManySessions.Error()))
	if _, ok := nc.(*tls.Conn); ok || v.tls {
		return
	}
	nc.SetWriteDeadline(time.Now().Add(time.Second))
	nc.Write([]byte("421 4.3.2 " + v.server.Hostname + " has too many sessions, try again later\r\n"))
}

// abort ends what v began, now.
func (v *serving) abort() {
	v.listener.Close()
	v.server.active.each(func(c *serverConn) {
		if c.serving == v {
			c.abort(context.Cause(v.ctx))
		}
	})
}

// Shutdown stops accepting, tells the idle sessions 421 4.3.2, lets the others finish
// their transaction, and returns when all have ended. If ctx ends before, it
// closes what is left as Close does and returns the cause. When it returns, no
// goroutine of the server lives and no listener or connection is open.
func (s *Server) Shutdown(ctx context.Context) error {
	s.active.stop()
	s.active.each((*serverConn).wake)
	done := make(chan struct{})
	go func() {
		s.active.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.active.each(func(c *serverConn) { c.abort(ErrServerClosed) })
		<-done
		return context.Cause(ctx)
	}
}

// Close stops accepting, closes all connections, ends the contexts of what runs for them,
// and waits for it to return. A message whose reply did not get out may have been accepted:
// its client will send it again.
func (s *Server) Close() error {
	s.active.stop()
	s.active.each(func(c *serverConn) { c.abort(ErrServerClosed) })
	s.active.running.Wait()
	return nil
}

// begin notes v, unless the server is stopping.
func (a *active) begin(v *serving) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopping.Load() {
		return false
	}
	if a.serving == nil {
		a.serving = make(map[*serving]bool)
	}
	a.serving[v] = true
	a.running.Add(1)
	return true
}

func (a *active) end(v *serving) {
	a.mu.Lock()
	delete(a.serving, v)
	a.mu.Unlock()
	a.running.Done()
}

// add notes c, or says why there can be no other session.
func (a *active) add(c *serverConn) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch most := c.set.maxSessions; {
	case a.stopping.Load() || c.serving.ctx.Err() != nil:
		return ErrServerClosed
	case most > 0 && len(a.sessions) >= most:
		return errTooManySessions
	}
	if a.sessions == nil {
		a.sessions = make(map[*serverConn]bool)
	}
	a.sessions[c] = true
	a.running.Add(1)
	c.serving.sessions.Add(1)
	return nil
}

func (a *active) remove(c *serverConn) {
	a.mu.Lock()
	delete(a.sessions, c)
	a.mu.Unlock()
	c.serving.sessions.Done()
	a.running.Done()
}

// stop closes the listeners and lets nothing begin any more.
func (a *active) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopping.Store(true)
	for v := range a.serving {
		v.listener.Close()
	}
}

// each calls f for every session. f must not wait.
func (a *active) each(f func(*serverConn)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.sessions {
		f(c)
	}
}
