package imap

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
	stopping atomic.Bool // nothing begins any more; set under mu

	mu        sync.Mutex // guards what follows
	listeners map[*listening]bool
	sessions  map[*session]bool
	running   sync.WaitGroup // of both; Add only under mu and before stopping
}

// listening is one call of Serve or ServeTLS.
type listening struct {
	server   *Server
	set      *settings
	ctx      context.Context
	listener net.Listener
	tls      bool           // from the first octet
	sessions sync.WaitGroup // those of this listener
}

// Serve accepts connections from ln and serves them until Shutdown, Close, or the end of
// ctx, which is as Close for this listener alone. It returns when the sessions that it
// began have ended: ErrServerClosed, or the cause of ctx's end. If ln fails, it
// returns ln's error at once, and its sessions go on until Shutdown or Close. Wrong
// fields of s are reported together before the first Accept. Serve closes ln in any case.
//
// A connection of ln that is a *tls.Conn is served as one of ServeTLS.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	return s.serve(ctx, ln, false)
}

// ServeTLS is Serve where TLS comes first, as on the port imaps (RFC 8314 §3.2). It needs
// TLSConfig.
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
		return errors.New("imap: ServeTLS needs Server.TLSConfig")
	}
	l := &listening{server: s, set: set, ctx: ctx, listener: ln, tls: implicit}
	if !s.active.begin(l) {
		return ErrServerClosed
	}
	defer s.active.end(l)
	stop := context.AfterFunc(ctx, l.abort)
	defer stop()

	err = l.accept()
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case s.active.stopping.Load():
		err = ErrServerClosed
	default:
		return err
	}
	l.sessions.Wait()
	return err
}

// accept begins a session for each connection until the listener fails.
func (l *listening) accept() error {
	var pause time.Duration
	for {
		conn, err := l.listener.Accept()
		switch {
		case err == nil:
			pause = 0
			l.start(conn)
		case !l.mayRecover(err):
			return err
		default:
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			l.set.log.LogAttrs(l.ctx, slog.LevelError, "accept failed", slog.Any("err", err))
			l.sleep(pause)
		}
	}
}

// mayRecover reports whether Accept may succeed again: too many open files, or a client that went
// away.
func (l *listening) mayRecover(err error) bool {
	var temporary interface{ Temporary() bool }
	return l.ctx.Err() == nil && !l.server.active.stopping.Load() && errors.As(err, &temporary) && temporary.Temporary()
}

func (l *listening) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.ctx.Done():
	}
}

// start begins a session, in a goroutine that listening.sessions and active.running wait for.
func (l *listening) start(conn net.Conn) {
	c := newSession(l, conn)
	switch l.server.active.add(c) {
	case errTooManySessions:
		l.turnAway(conn)
		fallthrough
	case ErrServerClosed:
		c.abort(ErrServerClosed)
		return
	}
	go func() {
		defer l.server.active.remove(c)
		c.serve()
	}()
}

// turnAway tells a client that there are too many, unless it expects TLS. A new connection
// takes a line without waiting.
func (l *listening) turnAway(conn net.Conn) {
	l.set.log.LogAttrs(l.ctx, slog.LevelWarn, "reject", slog.Any("remote", conn.RemoteAddr()),
		slog.String("code", "UNAVAILABLE"), slog.Any("err", errTooManySessions))
	if _, ok := conn.(*tls.Conn); ok || l.tls {
		return
	}
	conn.SetWriteDeadline(time.Now().Add(time.Second))
	conn.Write([]byte("* BYE [UNAVAILABLE] too many sessions, try again later\r\n"))
}

// abort ends what l began, now.
func (l *listening) abort() {
	l.listener.Close()
	l.server.active.each(func(c *session) {
		if c.from == l {
			c.abort(context.Cause(l.ctx))
		}
	})
}

// Shutdown stops accepting, says BYE to the sessions that wait for a command or are in IDLE, and lets
// the others finish theirs. It returns when all have ended. If ctx ends before, it closes what is left as
// Close does and returns the cause. When it returns, no goroutine of the server lives and no
// listener, connection or mailbox is open.
func (s *Server) Shutdown(ctx context.Context) error {
	s.active.stop()
	s.active.each((*session).wake)
	done := make(chan struct{})
	go func() {
		s.active.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.active.each(func(c *session) { c.abort(ErrServerClosed) })
		<-done
		return context.Cause(ctx)
	}
}

// Close stops accepting, closes all connections, ends the contexts of what runs for them,
// and waits for it to return.
func (s *Server) Close() error {
	s.active.stop()
	s.active.each(func(c *session) { c.abort(ErrServerClosed) })
	s.active.running.Wait()
	return nil
}

// begin notes l, unless the server is stopping.
func (a *active) begin(l *listening) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopping.Load() {
		return false
	}
	if a.listeners == nil {
		a.listeners = make(map[*listening]bool)
	}
	a.listeners[l] = true
	a.running.Add(1)
	return true
}

func (a *active) end(l *listening) {
	a.mu.Lock()
	delete(a.listeners, l)
	a.mu.Unlock()
	a.running.Done()
}

// add notes c, or says why there can be no other session.
func (a *active) add(c *session) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch most := c.set.maxSessions; {
	case a.stopping.Load() || c.from.ctx.Err() != nil:
		return ErrServerClosed
	case most > 0 && len(a.sessions) >= most:
		return errTooManySessions
	}
	if a.sessions == nil {
		a.sessions = make(map[*session]bool)
	}
	a.sessions[c] = true
	a.running.Add(1)
	c.from.sessions.Add(1)
	return nil
}

func (a *active) remove(c *session) {
	a.mu.Lock()
	delete(a.sessions, c)
	a.mu.Unlock()
	c.from.sessions.Done()
	a.running.Done()
}

// stop closes the listeners and lets nothing begin any more.
func (a *active) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopping.Store(true)
	for l := range a.listeners {
		l.listener.Close()
	}
}

// each calls f for every session. f must not wait.
func (a *active) each(f func(*session)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.sessions {
		f(c)
	}
}
