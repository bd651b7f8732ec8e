package pop3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/internal/wire"
)

// A session is one connection. One goroutine owns it; what others may touch is said.
type session struct {
	server   *Server
	set      *settings
	implicit bool // TLS from the first octet
	id       string
	start    time.Time
	remote   net.Addr
	raw      net.Conn // below TLS; others may close it and set its deadlines
	conn     *wire.Conn
	in       *wire.Reader
	out      *wire.Writer
	ctx      context.Context
	cancel   context.CancelCauseFunc // others may call it

	tls      *tls.ConnectionState // nil without TLS
	user     *string              // the argument of the USER just given
	identity account.Identity     // zero in the AUTHORIZATION state
	drop     *snapshot            // nil in the AUTHORIZATION state
	buffer   *[textBuffer]byte    // for RETR and TOP; nil while the session waits

	errors, authFailures int
	retrieved            int // messages, for the log
	removed              int

	ended bool
	err   error // why it ended

	mu     sync.Mutex // guards what follows and, while idle is true, the read deadline
	idle   bool       // waits for the client
	pinned bool       // has marked messages, and may come to its QUIT in a Shutdown
	woken  bool       // by a Shutdown
}

// Reasons for the end of a session.
var (
	errTooManyErrors = errors.New("too many errors")
	errTooManyLogins = errors.New("too many failed logins")
	errInjected      = errors.New("data after STLS in the clear")
)

func newSession(ctx context.Context, server *Server, set *settings, conn net.Conn, implicit bool) *session {
	s := &session{server: server, set: set, implicit: implicit, raw: conn, remote: conn.RemoteAddr(), start: time.Now()}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	return s
}

// A source is the connection as session.in reads it: whatever was answered is sent before the
// server waits (RFC 2449 §6.6).
type source session

func (s *source) Read(p []byte) (int, error) {
	if err := s.out.Flush(); err != nil {
		return 0, err
	}
	return s.conn.Read(p)
}

// Serve runs the session to its end.
func (s *session) Serve() {
	defer s.finish()
	defer s.rescue()
	s.id = s.server.newID()
	s.attach(s.raw)
	s.log(slog.LevelInfo, "connect", slog.Any("local", s.raw.LocalAddr()))
	switch conn, ok := s.raw.(*tls.Conn); {
	case ok:
		s.handshake(conn)
	case s.implicit:
		s.handshake(tls.Server(s.raw, s.server.TLSConfig))
	}
	if !s.ended {
		s.ok(s.server.Hostname + " POP3 server ready")
	}
	for !s.ended {
		s.turn()
	}
}

// attach makes conn what the session reads and writes.
func (s *session) attach(conn net.Conn) {
	s.conn = wire.NewConn(conn)
	s.conn.WriteEach(s.set.write)
	s.in = wire.NewReader((*source)(s))
	s.out = wire.NewWriter(s.conn)
}

// handshake turns to TLS, or ends the session.
func (s *session) handshake(conn *tls.Conn) {
	ctx := s.ctx
	if s.set.handshake > 0 {
		limited, cancel := context.WithTimeout(ctx, s.set.handshake)
		defer cancel()
		ctx = limited
	}
	if !s.beginHandshake() {
		s.end(ErrServerClosed)
		return
	}
	err := conn.HandshakeContext(ctx)
	if s.endWait() {
		err = ErrServerClosed
	}
	if err != nil {
		s.end(fmt.Errorf("TLS handshake: %w", err))
		return
	}
	state := conn.ConnectionState()
	s.tls = &state
	s.attach(conn)
}

// beginHandshake leaves the time to the handshake's context, unless a Shutdown has begun: one that begins
// later ends the handshake.
func (s *session) beginHandshake() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server.group.Stopping() {
		return false
	}
	s.idle = true
	s.raw.SetDeadline(time.Time{})
	return true
}

// turn reads a command and answers it.
func (s *session) turn() {
	line, err := s.readLine(s.lineLimit())
	switch {
	case err == nil:
		s.dispatch(string(line))
	case errors.Is(err, wire.ErrBareLF), errors.Is(err, wire.ErrBareCR):
		s.user = nil
		s.protest("lines end in CRLF")
	case errors.Is(err, wire.ErrLineTooLong):
		s.user = nil
		s.protest("line is too long")
	default:
		s.end(err)
	}
}

// Limits of a line, in octets with its CRLF. RFC 2449 §4 wants commands of 255 octets to be
// taken. Before the login they may be longer, as clients put all of AUTH into one line, and
// its responses longer still (RFC 5034 §4).
const (
	maxCommand = 512
	maxAuth    = 12288 + len("\r\n")
)

func (s *session) lineLimit() int {
	if s.drop == nil {
		return maxAuth
	}
	return maxCommand
}

// readLine waits for a line and returns it without its CRLF. It is valid until the next
// call. While it waits for the first octets, the session holds no buffer. A line that was
// pipelined is there already.
func (s *session) readLine(limit int) ([]byte, error) {
	if s.in.Buffered() == 0 {
		s.releaseBuffer()
	}
	if err := s.beginWait(); err != nil {
		return nil, err
	}
	err := s.in.Wait()
	var line []byte
	if err == nil {
		line, err = s.in.ReadLine(limit)
	}
	if s.endWait() && errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrServerClosed
	}
	return line, err
}

// beginWait sets the deadline for a line, or says why none is wanted. It is the
// autologout timer of RFC 1939 §3.
func (s *session) beginWait() error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pinned = s.drop != nil && s.drop.marked() > 0
	if s.server.group.Stopping() && !s.pinned {
		return ErrServerClosed
	}
	s.idle = true
	return s.conn.ReadWithin(s.set.idle)
}

// endWait reports whether the session was woken.
func (s *session) endWait() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = false
	return s.woken
}

// Wake makes the session notice a Shutdown, if it waits and has nothing to lose. Others may
// call it.
func (s *session) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle && !s.pinned {
		s.woken = true
		s.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// Abort ends the session at once. Others may call it.
func (s *session) Abort(cause error) {
	s.cancel(cause)
	s.raw.Close()
}

// end makes the current turn the last.
func (s *session) end(err error) {
	if !s.ended {
		s.ended, s.err = true, err
	}
}

// finish lets go of everything. Where the client did not say QUIT, nothing was removed.
func (s *session) finish() {
	defer s.cancel(net.ErrClosed)
	s.closeDrop()
	s.out.Flush()
	s.conn.Close()
	s.in.Discard()
	s.releaseBuffer()
	attrs := []slog.Attr{slog.Duration("took", time.Since(s.start))}
	if s.identity.Account != "" {
		attrs = append(attrs, slog.Int("retrieved", s.retrieved), slog.Int("removed", s.removed))
	}
	if s.err != nil && s.err != io.EOF {
		attrs = append(attrs, slog.Any("err", s.err))
	}
	s.log(slog.LevelInfo, "close", attrs...)
}

// closeDrop unlocks and closes the maildrop, if the session has one.
func (s *session) closeDrop() {
	if s.drop == nil {
		return
	}
	drop := s.drop
	s.drop = nil
	defer s.rescue()
	if err := drop.close(); err != nil {
		s.log(slog.LevelError, "close of the maildrop failed", slog.Any("err", err))
	}
}

// rescue, deferred, survives a panic in what the application wrote.
func (s *session) rescue() {
	p := recover()
	if p == nil {
		return
	}
	s.log(slog.LevelError, "panic", slog.Any("err", p), slog.String("stack", string(debug.Stack())))
	s.end(fmt.Errorf("panic: %v", p))
}

// call returns the context of one call of the application.
func (s *session) call() (context.Context, context.CancelFunc) {
	if s.set.call <= 0 {
		return s.ctx, func() {}
	}
	return context.WithTimeout(s.ctx, s.set.call)
}

// limit cancels one call of the application if it takes too long, unless it is stopped before.
func (s *session) limit(cancel func()) (stop func() bool) {
	if s.set.call <= 0 {
		return func() bool { return true }
	}
	return time.AfterFunc(s.set.call, cancel).Stop
}

// peer is what a login must know of the client.
func (s *session) peer() account.Peer {
	p := account.Peer{TLS: s.tls, AllowPlaintext: s.server.AllowPlaintextAuth, Protocol: "pop3"}
	if a, ok := s.remote.(*net.TCPAddr); ok {
		p.Addr = a.AddrPort().Addr().Unmap()
	} else if a, err := netip.ParseAddrPort(s.remote.String()); err == nil {
		p.Addr = a.Addr().Unmap()
	}
	return p
}

// log writes one line about the session.
func (s *session) log(level slog.Level, msg string, attrs ...slog.Attr) {
	if !s.set.log.Enabled(s.ctx, level) {
		return
	}
	all := []slog.Attr{slog.String("session", s.id), slog.Any("remote", s.remote)}
	if s.identity.Account != "" {
		all = append(all, slog.String("account", s.identity.Account))
	}
	s.set.log.LogAttrs(s.ctx, level, msg, append(all, attrs...)...)
}
