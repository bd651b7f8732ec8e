package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A Session is one connection of a server.
type Session interface {
	// Serve runs the session to its end, in a goroutine of its own.
	Serve()
	// Wake makes a session that waits for a command look whether the group is stopping. It does not
	// wait.
	Wake()
	// Abort ends the session now. It may be called before Serve, in place of Serve, and at any time
	// after. It does not wait.
	Abort(cause error)
}

// Options are what a protocol brings to a Group.
type Options struct {
	// Closed is the error that Serve returns after Shutdown or Close.
	Closed error
	// Begin makes the session of a connection. The context is Serve's. TLS says that the first octets are a
	// handshake.
	Begin func(ctx context.Context, conn net.Conn, tls bool) Session
	// MaxSessions is how many sessions there may be at once, 0 for no limit. A further client is told
	// Refusal, a line with its CRLF, unless it expects TLS.
	MaxSessions int
	// MaxPerClient is how many of them one client may have, 0 for no limit: one IPv4 address, or the 64 bits of
	// an IPv6 address that a site hands to one customer. One without an IP address has no limit, nor has
	// the loopback, where a proxy may speak for everybody.
	MaxPerClient int
	Refusal      string
	Logger       *slog.Logger
}

// Why a client was turned away.
var (
	ErrTooManySessions  = errors.New("too many sessions")
	ErrTooManyOfAClient = errors.New("too many sessions of one client")
)

// A Group is the listeners and the sessions of a server. The zero Group is ready.
type Group struct {
	stopping atomic.Bool // nothing begins any more; set under mu

	mu        sync.Mutex // guards what follows
	listeners map[*listener]bool
	sessions  map[Session]origin
	clients   map[netip.Prefix]int // how many sessions each has
	running   sync.WaitGroup       // of both; Add only under mu and before stopping
}

// origin is where a session came from.
type origin struct {
	listener *listener
	client   netip.Prefix // zero for one without a limit
}

// clientOf returns whom to count a connection for.
func clientOf(conn net.Conn) netip.Prefix {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	if !addr.IsValid() || addr.IsLoopback() {
		return netip.Prefix{}
	}
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	client, _ := addr.Prefix(bits) // bits fit the family
	return client
}

// listener is one call of Serve.
type listener struct {
	group    *Group
	options  *Options
	ctx      context.Context
	net      net.Listener
	tls      bool           // from the first octet
	sessions sync.WaitGroup // those of this listener
}

// Stopping reports whether Shutdown or Close was called.
func (g *Group) Stopping() bool { return g.stopping.Load() }

// Sessions returns how many sessions there are.
func (g *Group) Sessions() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sessions)
}

// Serve accepts connections from ln until Shutdown, Close, or the end of ctx, which is as
// Close for this listener alone. It returns when the sessions that it began have ended:
// o.Closed, or the cause of ctx's end. If ln fails, it returns ln's error at once, and its
// sessions go on. It closes ln in any case. A *tls.Conn is taken for what tls says of
// others.
func (g *Group) Serve(ctx context.Context, ln net.Listener, tls bool, o *Options) error {
	defer ln.Close()
	l := &listener{group: g, options: o, ctx: ctx, net: ln, tls: tls}
	if !g.begin(l) {
		return o.Closed
	}
	defer g.end(l)
	stop := context.AfterFunc(ctx, l.abort)
	defer stop()

	err := l.accept()
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case g.Stopping():
		err = o.Closed
	default:
		return err
	}
	l.sessions.Wait()
	return err
}

// accept begins a session for each connection until the listener fails.
func (l *listener) accept() error {
	var pause time.Duration
	for {
		conn, err := l.net.Accept()
		switch {
		case err == nil:
			pause = 0
			l.start(conn)
		case !l.passing(err):
			return err
		default:
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			l.options.Logger.LogAttrs(l.ctx, slog.LevelError, "accept failed", slog.Any("err", err))
			l.sleep(pause)
		}
	}
}

// passing reports whether Accept may succeed again: too many open files, or a client that went away.
func (l *listener) passing(err error) bool {
	var temporary interface{ Temporary() bool }
	return !errors.Is(err, net.ErrClosed) && l.ctx.Err() == nil && !l.group.Stopping() &&
		errors.As(err, &temporary) && temporary.Temporary()
}

func (l *listener) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.ctx.Done():
	}
}

// start begins a session, in a goroutine that listener.sessions and Group.running wait for.
func (l *listener) start(conn net.Conn) {
	s := l.options.Begin(l.ctx, conn, l.tls)
	switch err := l.group.add(s, origin{l, clientOf(conn)}); err {
	case nil:
		go func() {
			defer l.group.remove(s)
			s.Serve()
		}()
		return
	case ErrTooManySessions, ErrTooManyOfAClient:
		l.turnAway(conn, err)
	}
	s.Abort(l.options.Closed)
}

// turnAway tells a client that there are too many, unless it expects TLS. A new connection takes a line
// without waiting.
func (l *listener) turnAway(conn net.Conn, why error) {
	l.options.Logger.LogAttrs(l.ctx, slog.LevelWarn, "reject", slog.String("remote", conn.RemoteAddr().String()),
		slog.Any("err", why))
	if _, ok := conn.(*tls.Conn); ok || l.tls {
		return
	}
	conn.SetWriteDeadline(time.Now().Add(time.Second))
	conn.Write([]byte(l.options.Refusal))
}

// abort ends what l began, now.
func (l *listener) abort() {
	l.net.Close()
	l.group.each(func(s Session, from origin) {
		if from.listener == l {
			s.Abort(context.Cause(l.ctx))
		}
	})
}

// Shutdown stops accepting, wakes the sessions, and returns when all have ended. If ctx ends before,
// it aborts what is left, with cause for a reason, and returns the cause of ctx's end. When it returns, no
// goroutine of the group lives.
func (g *Group) Shutdown(ctx context.Context, cause error) error {
	g.stop()
	g.each(func(s Session, _ origin) { s.Wake() })
	done := make(chan struct{})
	go func() {
		g.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		g.each(func(s Session, _ origin) { s.Abort(cause) })
		<-done
		return context.Cause(ctx)
	}
}

// Close stops accepting, aborts all sessions, and waits for them to return.
func (g *Group) Close(cause error) {
	g.stop()
	g.each(func(s Session, _ origin) { s.Abort(cause) })
	g.running.Wait()
}

// begin notes l, unless the group is stopping.
func (g *Group) begin(l *listener) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Stopping() {
		return false
	}
	if g.listeners == nil {
		g.listeners = make(map[*listener]bool)
	}
	g.listeners[l] = true
	g.running.Add(1)
	return true
}

func (g *Group) end(l *listener) {
	g.mu.Lock()
	delete(g.listeners, l)
	g.mu.Unlock()
	g.running.Done()
}

// add notes s, or says why there can be no other session.
func (g *Group) add(s Session, from origin) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := from.listener
	switch o := l.options; {
	case g.Stopping() || l.ctx.Err() != nil:
		return o.Closed
	case o.MaxSessions > 0 && len(g.sessions) >= o.MaxSessions:
		return ErrTooManySessions
	case o.MaxPerClient > 0 && g.clients[from.client] >= o.MaxPerClient:
		return ErrTooManyOfAClient
	}
	if g.sessions == nil {
		g.sessions, g.clients = make(map[Session]origin), make(map[netip.Prefix]int)
	}
	g.sessions[s] = from
	if from.client.IsValid() {
		g.clients[from.client]++
	}
	g.running.Add(1)
	l.sessions.Add(1)
	return nil
}

func (g *Group) remove(s Session) {
	g.mu.Lock()
	from := g.sessions[s]
	delete(g.sessions, s)
	if g.clients[from.client]--; g.clients[from.client] <= 0 {
		delete(g.clients, from.client)
	}
	g.mu.Unlock()
	from.listener.sessions.Done()
	g.running.Done()
}

// stop closes the listeners and lets nothing begin any more.
func (g *Group) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopping.Store(true)
	for l := range g.listeners {
		l.net.Close()
	}
}

// each calls f for every session. f must not wait.
func (g *Group) each(f func(Session, origin)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s, from := range g.sessions {
		f(s, from)
	}
}
