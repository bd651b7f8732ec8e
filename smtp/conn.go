package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/postrider/postrider/internal/wire"
)

// serverConn is a session at work. One goroutine owns it; what others may touch
// is said.
type serverConn struct {
	server   *Server
	set      *settings
	implicit bool // TLS from the first octet
	session  *Session
	nc       net.Conn // as accepted
	raw      net.Conn // below TLS; others may close it and set its deadlines
	conn     *wire.Conn
	in       *wire.Reader
	out      *wire.Writer
	ctx      context.Context
	cancel   context.CancelCauseFunc // others may call it
	clock    *time.Timer             // ends ctx when a call of the application takes too long

	tx           *Transaction // nil outside of one
	transactions int
	offered      extensionSet // in the reply to the last EHLO
	features     Features
	turnedAway   bool // greeted with 554
	connected    bool // the Connect hooks were asked
	errors       int  // since the last message, as are the next two
	junk         int
	refused      int // recipients
	authFailures int

	received, budget int64 // octets of the present message read and, unless zero, to be read at most

	ended bool
	err   error // why it ended

	mu   sync.Mutex // guards idle and, while it is true, the read deadline
	idle bool       // waits for the client outside of a transaction
}

// Reasons for the end of a session.
var (
	errHandlerTimeout = errors.New("call of the handler or of a hook took too long")
	errTooManyErrors  = errors.New("too many errors")
	errTooMuchJunk    = errors.New("too many commands without a message")
	errTooManyRefused = errors.New("too many refused recipients")
	errTooManyLogins  = errors.New("too many failed logins")
	errEndless        = errors.New("message without an end")
	errInjected       = errors.New("data after STARTTLS in the clear")
	errRefused        = errors.New("refused")
)

func newServerConn(ctx context.Context, s *Server, set *settings, nc net.Conn, implicit bool) *serverConn {
	c := &serverConn{server: s, set: set, implicit: implicit, nc: nc, raw: nc}
	if tc, ok := nc.(*tls.Conn); ok {
		c.raw = tc.NetConn() // a tls.Conn may take its time to close
	}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	return c
}

// source is the connection as c.in reads it: whatever was answered is sent before the
// server waits (RFC 2920 §3.2), and a message without an end is cut off.
type source serverConn

func (s *source) Read(p []byte) (int, error) {
	if err := s.out.Flush(); err != nil {
		return 0, err
	}
	n, err := s.conn.Read(p)
	if s.received += int64(n); s.budget > 0 && s.received > s.budget {
		return 0, errEndless
	}
	return n, err
}

// Serve runs the session to its end.
func (c *serverConn) Serve() {
	defer c.finish()
	defer c.rescue()
	c.begin()
	if !c.ended {
		c.greet()
	}
	for !c.ended {
		c.turn()
	}
}

// begin makes the session and, where TLS comes first, shakes hands.
func (c *serverConn) begin() {
	c.session = &Session{Remote: c.raw.RemoteAddr(), Local: c.raw.LocalAddr(), Start: time.Now(), LMTP: c.server.LMTP}
	c.attach(c.nc)
	c.session.ID = c.server.newID()
	c.log(slog.LevelInfo, "connect", slog.String("local", c.session.Local.String()))
	switch tc, ok := c.nc.(*tls.Conn); {
	case ok:
		c.handshake(tc)
	case c.implicit:
		c.handshake(tls.Server(c.raw, c.server.TLSConfig))
	}
}

// attach makes nc what the session reads and writes.
func (c *serverConn) attach(nc net.Conn) {
	c.conn = wire.NewConn(nc)
	c.conn.WriteEach(c.set.write)
	c.in = wire.NewReader((*source)(c))
	c.out = wire.NewWriter(c.conn)
}

// handshake turns to TLS, or ends the session.
func (c *serverConn) handshake(tc *tls.Conn) {
	ctx := c.ctx
	if c.set.handshake > 0 {
		limited, cancel := context.WithTimeout(ctx, c.set.handshake)
		defer cancel()
		ctx = limited
	}
	if !c.beginHandshake() {
		c.end(ErrServerClosed)
		return
	}
	err := tc.HandshakeContext(ctx)
	c.setIdle(false)
	if err != nil {
		c.end(fmt.Errorf("TLS handshake: %w", err))
		return
	}
	state := tc.ConnectionState()
	c.session.TLS = &state
	c.attach(tc)
}

// beginHandshake leaves the time to the handshake's context, unless a Shutdown has begun: one that begins
// later ends the handshake.
func (c *serverConn) beginHandshake() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server.group.Stopping() {
		return false
	}
	c.idle = true
	c.raw.SetDeadline(time.Time{})
	return true
}

// giveUp tells a client that has gone too far, and ends the session.
func (c *serverConn) giveUp(why error) {
	c.reply(421, "4.7.0", c.server.Hostname+" saw "+why.Error()+", closing the connection")
	c.end(why)
}

// end makes the current turn the last.
func (c *serverConn) end(err error) {
	if !c.ended {
		c.ended, c.err = true, err
	}
}

// finish closes the connection and tells who wants to know.
func (c *serverConn) finish() {
	defer c.cancel(net.ErrClosed)
	c.out.Flush()
	c.conn.Close()
	c.in.Discard()
	c.guard(c.reset)
	if c.connected {
		c.guard(func() { c.tellClose() })
	}
	c.log(slog.LevelInfo, "close", errAttr(c.err), slog.Duration("took", time.Since(c.session.Start)))
}

// guard calls f and survives its panic.
func (c *serverConn) guard(f func()) {
	defer c.rescue()
	f()
}

// rescue, deferred, turns a panic into 421 and a line in the log.
func (c *serverConn) rescue() {
	p := recover()
	if p == nil {
		return
	}
	c.stopClock()
	c.log(slog.LevelError, "panic", slog.String("err", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
	if !c.ended {
		c.reply(421, "4.3.0", "internal error, closing the connection")
	}
	c.end(fmt.Errorf("panic: %v", p))
}

// Abort ends the session at once. Others may call it.
func (c *serverConn) Abort(cause error) {
	c.cancel(cause)
	c.raw.Close()
}

// Wake makes the session notice a Shutdown, if it is idle. Others may call it.
func (c *serverConn) Wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle {
		c.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// turn reads a command and answers it.
func (c *serverConn) turn() {
	line, err := c.readCommand()
	switch {
	case err == nil:
		c.dispatch(line)
	case errors.Is(err, wire.ErrBareLF), errors.Is(err, wire.ErrBareCR):
		c.protest(500, "5.5.2", err.Error()+" in a command; lines end in CRLF")
	case errors.Is(err, wire.ErrLineTooLong):
		c.tooLong(line)
	default:
		c.lost(err)
	}
}

// readCommand waits for a line and returns it without its CRLF.
func (c *serverConn) readCommand() ([]byte, error) {
	if err := c.await(); err != nil {
		return nil, err
	}
	defer c.setIdle(false)
	if err := c.in.Wait(); err != nil {
		return nil, err
	}
	return c.in.ReadLine(c.set.lineLimit)
}

// await sets the deadline for a command and says that the session is idle, or why no command is wanted.
func (c *serverConn) await() error {
	if err := c.ctx.Err(); err != nil {
		return context.Cause(c.ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tx == nil && c.server.group.Stopping() {
		return ErrServerClosed
	}
	c.idle = c.tx == nil
	return c.conn.ReadWithin(c.set.command)
}

func (c *serverConn) setIdle(idle bool) {
	c.mu.Lock()
	c.idle = idle
	c.mu.Unlock()
}

// lost ends the session for an error of reading, with a last word where the client may still hear it.
func (c *serverConn) lost(err error) {
	c.end(err)
	host := c.server.Hostname
	switch {
	case errors.Is(err, ErrServerClosed), c.tx == nil && c.server.group.Stopping():
		c.err = ErrServerClosed
		c.reply(421, "4.3.2", host+" is shutting down, closing the connection")
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.reply(421, "4.4.2", host+" waited too long, closing the connection")
	case errors.Is(err, errHandlerTimeout):
		c.reply(421, "4.3.0", host+" took too long, closing the connection")
	case errors.Is(err, wire.ErrTooMuch):
		c.reply(421, "4.7.0", host+" found no end of the line, closing the connection")
	}
}

// log writes one line about the session.
func (c *serverConn) log(level slog.Level, msg string, attrs ...slog.Attr) {
	if !c.set.log.Enabled(c.ctx, level) {
		return
	}
	all := make([]slog.Attr, 0, 16)
	all = append(all, slog.String("session", c.session.ID), slog.String("remote", c.session.Remote.String()))
	if c.tx != nil {
		all = append(all, slog.String("transaction", c.tx.ID), slog.String("from", c.tx.Envelope.ReversePath.String()))
	}
	for _, a := range attrs {
		if !a.Equal(slog.Attr{}) {
			all = append(all, a)
		}
	}
	c.set.log.LogAttrs(c.ctx, level, msg, all...)
}

// errAttr is the attribute of an error, empty for none.
func errAttr(err error) slog.Attr {
	if err == nil || errors.Is(err, io.EOF) {
		return slog.Attr{}
	}
	return slog.String("err", err.Error())
}
