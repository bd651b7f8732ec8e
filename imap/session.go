package imap

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
	"github.com/postrider/postrider/store"
)

// A session is one connection. One goroutine owns it; what others may touch is said.
type session struct {
	server   *Server
	set      *settings
	implicit bool // TLS from the first octet
	id       string
	start    time.Time
	remote   net.Addr
	nc       net.Conn // as accepted
	raw      net.Conn // below TLS; others may close it and set its deadlines
	conn     *wire.Conn
	in       *wire.Reader
	out      *wire.Writer // replies wait here until the session reads again
	ctx      context.Context
	cancel   context.CancelCauseFunc // others may call it
	p        parser                  // of the command that is being read
	tag      string                  // of the command that runs

	tls      *tls.ConnectionState // nil without TLS
	identity account.Identity     // zero before the login
	account  store.Account        // nil before the login
	selected *selected            // nil unless a mailbox is selected

	stop func() // ends the watching of IDLE; nil if there is none

	errors, authFailures int

	ended bool
	err   error // why it ended

	mu      sync.Mutex // guards what follows and, while waiting is true, the read deadline
	waiting bool       // for the first octet of a line
	woken   bool       // by a Shutdown
	news    bool       // something happened in the account, which only IDLE asks to be told
}

// selected is the mailbox that a session has selected.
type selected struct {
	mailbox  store.Mailbox
	view     *store.View
	readOnly bool // by EXAMINE

	// recent are the messages that are \Recent in this session (RFC 3501 §2.3.2); some of them may be gone.
	recent store.UIDSet
	// keywords is how many of the mailbox's keywords the client was told of.
	keywords int
	// untold are messages whose flags the client is still to be told.
	untold store.UIDSet
}

// isRecent reports whether a message is \Recent in this session.
func (m *selected) isRecent(uid store.UID) bool { return m.recent.Contains(uid) }

// Reasons for the end of a session.
var (
	errTooManyErrors = errors.New("too many errors")
	errTooManyLogins = errors.New("too many failed logins")
	errInjected      = errors.New("data after STARTTLS in the clear")
	errDeleted       = errors.New("mailbox was deleted by another session")
	errTimeout       = errors.New("idle for too long")
)

func newSession(ctx context.Context, server *Server, set *settings, conn net.Conn, implicit bool) *session {
	s := &session{server: server, set: set, implicit: implicit, nc: conn, raw: conn, remote: conn.RemoteAddr(), start: time.Now()}
	if t, ok := conn.(*tls.Conn); ok {
		s.raw = t.NetConn() // a tls.Conn may take its time to close
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	return s
}

// A source is the connection as session.in reads it: whatever was answered is sent before the
// server waits.
type source session

func (s *source) Read(p []byte) (int, error) {
	if err := s.out.Flush(); err != nil {
		return 0, err
	}
	return s.conn.Read(p)
}

// Serve runs the session to its end. Its frame, and those of turns, turn, cmdIdle, idle and wait, are on the stack of
// every session that waits: they are small, so that the runtime can take half of an 8 KiB stack back.
func (s *session) Serve() {
	defer s.finish()
	s.guarded(s.greet)
	s.guarded(s.turns)
}

// guarded survives a panic in f.
func (s *session) guarded(f func()) {
	defer s.rescue()
	f()
}

// greet begins the session, perhaps by TLS.
func (s *session) greet() {
	s.attach(s.nc)
	s.id = s.server.newID()
	s.log(slog.LevelInfo, "connect", slog.Any("local", s.raw.LocalAddr()))
	switch conn, ok := s.nc.(*tls.Conn); {
	case ok:
		s.handshake(conn)
	case s.implicit:
		s.handshake(tls.Server(s.raw, s.server.TLSConfig))
	}
	if !s.ended {
		s.untagged("OK [CAPABILITY " + s.capabilities() + "] postrider ready")
	}
}

// attach makes conn what the session reads and writes.
func (s *session) attach(conn net.Conn) {
	s.conn = wire.NewConn(conn)
	s.conn.WriteEach(s.set.write)
	s.in = wire.NewReader((*source)(s))
	s.out = wire.NewWriter(s.conn)
	s.p = parser{r: s.in, goAhead: s.goAhead, maxLine: s.set.maxLine, maxLiterals: int64(min(s.set.maxLiteral, maxLoginLiteral))}
}

// goAhead asks for a literal.
func (s *session) goAhead() error {
	_, err := s.out.WriteString("+ OK\r\n")
	return err
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
	if woken, _ := s.endWait(time.Time{}, false); woken {
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
	s.waiting = true
	s.raw.SetDeadline(time.Time{})
	return true
}

// patience is how long the session waits for a line.
func (s *session) patience() time.Duration {
	if s.account == nil {
		return s.set.login
	}
	return s.set.idle
}

// until is when the session's patience ends, never if it is zero.
func (s *session) until() time.Time {
	if d := s.patience(); d > 0 {
		return time.Now().Add(d)
	}
	return time.Time{}
}

// wait returns nil when a line has begun to come in. Until then the session holds no buffer. Where news is true it
// also returns when something happened in the account since heard was called, and says so.
func (s *session) wait(until time.Time, news bool) (happened bool, err error) {
	s.p.line, s.p.whole = nil, nil // the buffer they are in goes
	if happened, err = s.beginWait(until, news); happened || err != nil {
		return happened, err
	}
	err = s.in.Wait()
	woken, happened := s.endWait(until, news)
	switch {
	case err == nil && !woken:
		return false, nil // what happened is still noted
	case woken && (err == nil || errors.Is(err, os.ErrDeadlineExceeded)):
		return false, ErrServerClosed
	case happened && errors.Is(err, os.ErrDeadlineExceeded):
		return true, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return false, errTimeout
	}
	return false, err
}

// beginWait sets the deadline for a line, or says why there is nothing to wait for.
func (s *session) beginWait(until time.Time, news bool) (happened bool, err error) {
	if s.ctx.Err() != nil {
		return false, context.Cause(s.ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server.group.Stopping() {
		return false, ErrServerClosed
	}
	if news && s.news {
		return true, nil
	}
	s.waiting = true
	s.conn.ReadWithin(0) // ends ReadEach
	return false, s.conn.SetReadDeadline(until)
}

// endWait reports who called the session meanwhile.
func (s *session) endWait(until time.Time, news bool) (woken, happened bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = false
	s.conn.SetReadDeadline(until) // they may have set it
	return s.woken, news && s.news
}

// heard forgets that something happened.
func (s *session) heard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news = false
}

// Wake makes the session notice a Shutdown, if it waits. Others may call it.
func (s *session) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.woken = true; s.waiting {
		s.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// tell makes the session notice that something happened in the account, if it waits. Others may
// call it.
func (s *session) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.news = true; s.waiting {
		s.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// readLine waits for a line and returns it. It is valid until the next call.
func (s *session) readLine(limit int) ([]byte, error) {
	if _, err := s.wait(s.until(), false); err != nil {
		return nil, err
	}
	line, err := s.in.ReadLine(limit)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errTimeout
	}
	return line, err
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

// bye ends the session, and says so to the client.
func (s *session) bye(code, text string, err error) {
	if s.ended {
		return
	}
	if code != "" {
		text = "[" + code + "] " + text
	}
	s.untagged("BYE " + text)
	s.end(err)
}

// finish lets go of everything.
func (s *session) finish() {
	defer s.cancel(net.ErrClosed)
	s.unwatch()
	s.deselect()
	s.out.Flush()
	s.conn.Close()
	s.in.Discard()
	attrs := []slog.Attr{slog.Duration("took", time.Since(s.start))}
	if s.err != nil && s.err != io.EOF {
		attrs = append(attrs, slog.Any("err", s.err))
	}
	s.log(slog.LevelInfo, "close", attrs...)
}

// deselect closes the selected mailbox, if there is one.
func (s *session) deselect() {
	if s.selected == nil {
		return
	}
	m := s.selected.mailbox
	s.selected = nil
	defer s.rescue()
	if err := m.Close(); err != nil {
		s.log(slog.LevelError, "close of the mailbox failed", slog.Any("err", err))
	}
}

// rescue, deferred, survives a panic in our code or the store's: it is the end of this session only.
func (s *session) rescue() {
	p := recover()
	if p == nil {
		return
	}
	s.log(slog.LevelError, "panic", slog.String("err", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
	s.bye("SERVERBUG", "internal error", fmt.Errorf("panic: %v", p))
}

// peer is what a login must know of the client.
func (s *session) peer() account.Peer {
	p := account.Peer{TLS: s.tls, AllowPlaintext: s.server.AllowPlaintextAuth, Protocol: "imap"}
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
