package imap

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/internal/serve"
	"github.com/postrider/postrider/store"
)

// A Server lets people read and keep mail by IMAP. Auth and Open are required; what is left zero is
// what the RFCs ask for or a careful operator would choose. The fields must not change once Serve or
// ServeTLS was called. One Server may serve several listeners, and its methods may be called by many
// goroutines at once. It must not be copied.
type Server struct {
	// Auth is where clients log in.
	Auth *account.Authenticator
	// Open returns the mail of whoever logged in. If it fails, so does the login: see the
	// package comment for what the client is told. It may be called by many goroutines at once.
	Open func(ctx context.Context, who account.Identity) (store.Account, error)

	// TLSConfig has the server's certificate. It makes the server offer STARTTLS, and
	// ServeTLS needs it. Nil means no TLS.
	TLSConfig *tls.Config
	// AllowPlaintextAuth lets clients show their password to whoever listens, without TLS
	// (RFC 3501 §6.2.3). For tests and trusted networks.
	AllowPlaintextAuth bool

	// IdleTimeout is how long the server waits for a command, or for the end of IDLE, after the
	// login. Then it says BYE. Zero means 30 minutes, the least RFC 3501 §5.4 permits; negative
	// means no limit. Before the login it is 3 minutes, or IdleTimeout if that is negative.
	IdleTimeout time.Duration
	// WriteTimeout is how long the client may take for each part of a reply, of at most 32
	// KiB. Zero means 5 minutes; negative means no limit.
	WriteTimeout time.Duration
	// HandshakeTimeout is how long a TLS handshake may take. Zero means 1 minute;
	// negative means no limit.
	HandshakeTimeout time.Duration

	// MaxLine is how many octets a line of a command may have, its CRLF counted. Zero means 64
	// KiB; less than 8192 is an error (RFC 7162 §4).
	MaxLine int
	// MaxLiteral is how many octets the literals of a command may have together, those of APPEND's
	// messages excepted. They are held in memory. Zero means 256 KiB; negative is an error.
	// Before the login it is at most 16 KiB.
	MaxLiteral int
	// MaxMessageSize is how many octets an APPEND may bring, all its messages together. Zero means 100
	// MiB; negative means no limit.
	MaxMessageSize int64
	// MaxErrors is how many commands in a row may be unknown, malformed or out of order. The next
	// ends the session. Zero means 20; negative means no limit.
	MaxErrors int
	// MaxAuthFailures is how many logins of a session may fail. The last of them ends
	// it. Zero means 5; negative means no limit.
	MaxAuthFailures int
	// MaxSessions is how many sessions there may be at once. Zero means 10,000; negative
	// means no limit.
	MaxSessions int
	// MaxPerClient is how many of them one client may have: one IPv4 address, or the 64 bits of
	// an IPv6 address that a site hands to one customer. Zero means 1000, for an office behind one address; negative
	// means no limit. The loopback has none either, since a proxy there may speak for everybody.
	MaxPerClient int

	// SpoolDir and SpoolMemory are Dir and Memory of the [postrider.Spool] that takes what APPEND
	// brings.
	SpoolDir    string
	SpoolMemory int

	// Logger gets one line for each connect, reject and close; the lines of logins go to
	// Auth's. Nil means slog.Default.
	Logger *slog.Logger
	// Rand makes the IDs of sessions. Nil means crypto/rand. It need not be safe for
	// concurrent use.
	Rand io.Reader

	once      sync.Once // settles the fields
	settled   *settings
	unsettled error
	randMu    sync.Mutex // guards Rand
	group     serve.Group
}

// ErrServerClosed is what Serve and ServeTLS return after Shutdown or Close.
var ErrServerClosed = errors.New("imap: server closed")

// Settings are a Server's fields with zero made good; 0 is no limit. They never change.
type settings struct {
	idle, login, write, handshake   time.Duration
	maxLine, maxLiteral             int
	maxMessage                      int64
	maxErrors, maxAuth, maxSessions int
	maxPerClient                    int
	log                             *slog.Logger
}

// Limits before the login: how long the client may take for a line, and the login itself for all that it asks of
// others; and how large a literal may be.
const (
	loginTimeout    = 3 * time.Minute
	maxLoginLiteral = 16 << 10
)

// orDefault gives a limit its value: the default for zero, none (0) for less.
func orDefault[T int | int64 | time.Duration](v, zero T) T {
	if v == 0 {
		return zero
	}
	return max(v, 0)
}

// settle checks all fields and returns the settings, once.
func (s *Server) settle() (*settings, error) {
	s.once.Do(func() {
		if s.unsettled = s.check(); s.unsettled != nil {
			return
		}
		s.settled = &settings{
			idle:         orDefault(s.IdleTimeout, 30*time.Minute),
			login:        loginTimeout,
			write:        orDefault(s.WriteTimeout, 5*time.Minute),
			handshake:    orDefault(s.HandshakeTimeout, time.Minute),
			maxLine:      orDefault(s.MaxLine, 64<<10),
			maxLiteral:   orDefault(s.MaxLiteral, 256<<10),
			maxMessage:   orDefault(s.MaxMessageSize, 100<<20),
			maxErrors:    orDefault(s.MaxErrors, 20),
			maxAuth:      orDefault(s.MaxAuthFailures, 5),
			maxSessions:  orDefault(s.MaxSessions, 10_000),
			maxPerClient: orDefault(s.MaxPerClient, 1000),
			log:          s.Logger,
		}
		if s.settled.idle == 0 {
			s.settled.login = 0
		}
		if s.settled.log == nil {
			s.settled.log = slog.Default()
		}
	})
	return s.settled, s.unsettled
}

// check reports all that is wrong with the fields.
func (s *Server) check() error {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("imap: Server.%s %s", field, fmt.Sprintf(format, args...)))
	}
	if s.Auth == nil {
		wrong("Auth", "is missing")
	} else if s.Auth.Directory == nil {
		wrong("Auth", "has no Directory")
	}
	if s.Open == nil {
		wrong("Open", "is missing")
	}
	if s.IdleTimeout > 0 && s.IdleTimeout < 30*time.Minute {
		wrong("IdleTimeout", "is %v; RFC 3501 §5.4 asks for 30m", s.IdleTimeout)
	}
	if s.MaxLine != 0 && s.MaxLine < 8192 {
		wrong("MaxLine", "is %d; RFC 7162 §4 asks for 8192", s.MaxLine)
	}
	if s.MaxLiteral < 0 {
		wrong("MaxLiteral", "is %d; literals are held in memory", s.MaxLiteral)
	}
	if c := s.TLSConfig; c != nil && len(c.Certificates) == 0 && c.GetCertificate == nil && c.GetConfigForClient == nil {
		wrong("TLSConfig", "has no certificate")
	}
	return errors.Join(errs...)
}

// newID returns the ID of a session: 16 hexadecimal digits.
func (s *Server) newID() string {
	var b [8]byte
	if s.Rand != nil {
		s.randMu.Lock()
		defer s.randMu.Unlock()
		if _, err := io.ReadFull(s.Rand, b[:]); err == nil {
			return fmt.Sprintf("%x", b)
		}
	}
	rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x", b)
}
