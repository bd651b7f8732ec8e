package pop3

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

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/internal/serve"
)

// A Server lets people read maildrops by POP3. Hostname, Auth and Open are required; what
// is left zero is what the RFCs ask for or a careful operator would choose. The fields must
// not change once Serve or ServeTLS was called. One Server may serve several listeners,
// and is done for good after Shutdown or Close.
type Server struct {
	// Hostname is the server's domain name, or address literal in brackets, in the
	// greeting and the farewell.
	Hostname string
	// Auth lets clients log in, by USER and PASS and by AUTH.
	Auth *account.Authenticator
	// Open returns the maildrop of who logged in. The server closes it. ErrInUse if
	// somebody else has it; other errors are answered by their place in the table of
	// the package comment. It may be called by many goroutines at once.
	Open func(ctx context.Context, who account.Identity) (Maildrop, error)

	// TLSConfig has the server's certificate. It makes the server offer STLS, and
	// ServeTLS needs it. Nil means no TLS.
	TLSConfig *tls.Config
	// AllowPlaintextAuth lets clients show their password to whoever listens, without TLS
	// (RFC 5034 §4). For tests and trusted networks.
	AllowPlaintextAuth bool

	// IdleTimeout is how long the server waits for a command, from the last reply to its
	// CRLF. Then the session ends without a word, and removes nothing. Zero means 10
	// minutes, the least RFC 1939 §3 permits; negative means no limit.
	IdleTimeout time.Duration
	// WriteTimeout is how long the client may take for each part of a reply, of at most 32
	// KiB. Zero means 5 minutes; negative means no limit.
	WriteTimeout time.Duration
	// HandshakeTimeout is how long a TLS handshake may take. Zero means 1 minute;
	// negative means no limit.
	HandshakeTimeout time.Duration
	// MaildropTimeout is how long one call of Open, of a Maildrop's method, or of Auth's
	// Directory may take before its context ends. Zero means 5 minutes; negative means no limit.
	MaildropTimeout time.Duration

	// MaxMessages is how many messages a session sees, the oldest ones; the others are
	// seen once some are removed. A message takes 16 octets in each session. Zero means
	// 1,000,000; negative means no limit.
	MaxMessages int
	// MaxErrors is how many commands of a session may be unknown, malformed or out of order. The
	// next ends it. Zero means 20; negative means no limit.
	MaxErrors int
	// MaxAuthFailures is how many logins of a session may fail. The last of them ends
	// it. Zero means 5; negative means no limit.
	MaxAuthFailures int
	// MaxSessions is how many sessions there may be at once. Zero means 1000; negative
	// means no limit.
	MaxSessions int
	// MaxPerClient is how many of them one client may have: one IPv4 address, or the 64 bits of
	// an IPv6 address that a site hands to one customer. Zero means 100;
	// negative means no limit. The loopback has none either, since a proxy there may speak for everybody.
	MaxPerClient int

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
	locks     locks
}

// ErrServerClosed is what Serve and ServeTLS return after Shutdown or Close.
var ErrServerClosed = errors.New("pop3: server closed")

// Settings are a Server's fields with zero made good; 0 is no limit. They never change.
type settings struct {
	idle, write, handshake, call                 time.Duration
	maxMessages, maxErrors, maxAuth, maxSessions int
	maxPerClient                                 int
	log                                          *slog.Logger
}

// orDefault gives a limit its value: the default for zero, none (0) for less.
func orDefault[T int | time.Duration](v, zero T) T {
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
			idle:         orDefault(s.IdleTimeout, 10*time.Minute),
			write:        orDefault(s.WriteTimeout, 5*time.Minute),
			handshake:    orDefault(s.HandshakeTimeout, time.Minute),
			call:         orDefault(s.MaildropTimeout, 5*time.Minute),
			maxMessages:  orDefault(s.MaxMessages, 1_000_000),
			maxErrors:    orDefault(s.MaxErrors, 20),
			maxAuth:      orDefault(s.MaxAuthFailures, 5),
			maxSessions:  orDefault(s.MaxSessions, 1000),
			maxPerClient: orDefault(s.MaxPerClient, 100),
			log:          s.Logger,
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
		errs = append(errs, fmt.Errorf("pop3: Server.%s %s", field, fmt.Sprintf(format, args...)))
	}
	if err := postrider.CheckDomain(s.Hostname); err != nil {
		wrong("Hostname", "is %q: %v", s.Hostname, err)
	} else if !(postrider.Address{Domain: s.Hostname}).IsASCII() {
		wrong("Hostname", "is %q; write it in A-labels", s.Hostname)
	}
	if s.Auth == nil {
		wrong("Auth", "is missing")
	} else if s.Auth.Directory == nil {
		wrong("Auth", "has no Directory")
	}
	if s.Open == nil {
		wrong("Open", "is missing")
	}
	if s.IdleTimeout > 0 && s.IdleTimeout < 10*time.Minute {
		wrong("IdleTimeout", "is %v; RFC 1939 §3 asks for 10m", s.IdleTimeout)
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
