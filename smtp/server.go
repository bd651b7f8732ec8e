package smtp

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/base32"
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

// A Server receives mail by SMTP or LMTP. Hostname and Handler are required; what is
// left zero is what RFC 5321 asks for or a careful operator would choose. The
// fields must not change once Serve or ServeTLS was called. One Server may serve
// several listeners, and is done for good after Shutdown or Close.
type Server struct {
	// Hostname is the server's domain name, or address literal in brackets, in the greeting and in the
	// reply to EHLO.
	Hostname string
	// Handler decides what becomes of the mail.
	Handler Handler
	// Hooks are asked before the Handler, in order.
	Hooks []Hooks

	// TLSConfig has the server's certificate. It makes the server offer STARTTLS, and
	// ServeTLS needs it. Nil means no TLS.
	TLSConfig *tls.Config
	// Auth lets clients log in. Nil means that AUTH is not offered.
	Auth *account.Authenticator
	// AllowPlaintextAuth offers mechanisms that show the password to whoever
	// listens also without TLS (RFC 4954 §4). For tests and trusted networks.
	AllowPlaintextAuth bool
	// TrustSubmitter reports whether the client is trusted to name the submitter of a
	// message, MAIL's AUTH parameter (RFC 4954 §5). Nil trusts nobody: the submitter
	// is taken as unknown, <>.
	TrustSubmitter func(s *Session, submitter postrider.Address) bool
	// Submission makes it a server of RFC 6409: mail is taken from those who
	// logged in only (530).
	Submission bool
	// LMTP makes it a server of RFC 2033, with LHLO in place of EHLO and a reply for each
	// recipient after the data. It is not for port 25.
	LMTP bool
	// Withhold are keywords of extensions that are not to be offered, such as
	// "SMTPUTF8".
	Withhold []string

	// MaxMessageSize is how many octets a message may have, CRLFs counted, dots for
	// transparency not (RFC 1870 §5). Beyond it the reply is 552 5.3.4. Zero means 50 MiB; negative
	// means no limit.
	MaxMessageSize int64
	// MaxRecipients is how many recipients a message may have. Beyond it the reply
	// is 452 4.5.3, so that the client sends the others later. Zero means 1000; the least is 100 (RFC
	// 5321 §4.5.3.1.8); negative means no limit.
	MaxRecipients int
	// MaxLine is how many octets a command line may have, with its CRLF. Zero means
	// 2048, enough for RFC 5321's 512 and all that the extensions add; the least is 1024. The
	// lines of AUTH may always have 12288 (RFC 4954 §4).
	MaxLine int
	// MaxErrors is how many commands may be unknown, malformed or out of order since
	// the session began or a message was accepted. The next is answered 421 4.7.0. Zero means 20;
	// negative means no limit.
	MaxErrors int
	// MaxJunk is how many commands may come that do nothing for a message, such as NOOP, RSET
	// and VRFY, since the session began or a message was accepted. The next is answered 421
	// 4.7.0. Zero means 200; negative means no limit.
	MaxJunk int
	// MaxRefused is how many recipients may be refused since the session began or a
	// message was accepted, so that nobody tries out a dictionary. The next RCPT is
	// answered 421 4.7.0. Zero means 1000; negative means no limit.
	MaxRefused int
	// MaxAuthFailures is how many logins may fail in a session. The next AUTH
	// is answered 421 4.7.0. Zero means 5; negative means no limit.
	MaxAuthFailures int
	// MaxSessions is how many sessions there may be at once. Others are answered 421
	// 4.3.2. Zero means 1000; negative means no limit.
	MaxSessions int
	// MaxPerClient is how many of them one client may have: one IPv4 address, or the 64 bits of
	// an IPv6 address that a site hands to one customer. Others are answered 421
	// 4.3.2. Zero means 100;
	// negative means no limit. The loopback has none either, since a proxy there may speak for everybody.
	MaxPerClient int

	// CommandTimeout is how long the server waits for a command line, from the last reply to
	// its CRLF. Zero means 5 minutes, the least RFC 5321 §4.5.3.2.7 asks for; negative
	// means no limit.
	CommandTimeout time.Duration
	// DataTimeout is how long the server waits for the next block of a message. Zero
	// means 5 minutes; negative means no limit.
	DataTimeout time.Duration
	// WriteTimeout is how long a reply may take to leave. Zero means 5 minutes;
	// negative means no limit.
	WriteTimeout time.Duration
	// HandshakeTimeout is how long a TLS handshake may take. Zero means 1 minute;
	// negative means no limit.
	HandshakeTimeout time.Duration
	// HandlerTimeout is how long one call of the Handler, of a hook, or of Auth's Directory may take before its
	// context ends, and with it, after the reply, the session. Zero means 9 minutes: the client waits 10 for
	// the reply to the final dot (RFC 5321 §4.5.3.2.6). Negative means no limit.
	HandlerTimeout time.Duration

	// SpoolDir is where messages lie that are too large for SpoolMemory, until
	// the Handler has them. Empty means os.TempDir.
	SpoolDir string
	// SpoolMemory is how many octets of a message stay in memory. Zero means
	// postrider.DefaultSpoolMemory; negative means none.
	SpoolMemory int

	// Logger gets one line for each connect, accept, reject and close. Nil means
	// slog.Default.
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
var ErrServerClosed = errors.New("smtp: server closed")

// settings are a Server's fields with zero made good, and the tables that follow
// from them. They never change.
type settings struct {
	maxSize                                 int64 // 0 is no limit, here and below
	maxRecipients                           int
	maxLine, lineLimit                      int // of most commands; of the longest
	maxErrors, maxJunk, maxRefused, maxAuth int
	maxSessions, maxPerClient               int
	command, data, write, handshake, handle time.Duration
	log                                     *slog.Logger

	commands   map[string]*serverCommand
	extensions []*serverExtension
	mailParams map[string]parameter[parseMailParam]
	rcptParams map[string]parameter[parseRcptParam]
}

// maxAuthLine is the longest line of an AUTH exchange, its CRLF not counted (RFC 4954 §4).
const maxAuthLine = 12288

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
		if s.unsettled = s.check(); s.unsettled == nil {
			s.settled = s.settings()
		}
	})
	return s.settled, s.unsettled
}

func (s *Server) settings() *settings {
	set := &settings{
		maxSize:       orDefault(s.MaxMessageSize, 50<<20),
		maxRecipients: orDefault(s.MaxRecipients, 1000),
		maxLine:       orDefault(s.MaxLine, 2048),
		maxErrors:     orDefault(s.MaxErrors, 20),
		maxJunk:       orDefault(s.MaxJunk, 200),
		maxRefused:    orDefault(s.MaxRefused, 1000),
		maxAuth:       orDefault(s.MaxAuthFailures, 5),
		maxSessions:   orDefault(s.MaxSessions, 1000),
		maxPerClient:  orDefault(s.MaxPerClient, 100),
		command:       orDefault(s.CommandTimeout, 5*time.Minute),
		data:          orDefault(s.DataTimeout, 5*time.Minute),
		write:         orDefault(s.WriteTimeout, 5*time.Minute),
		handshake:     orDefault(s.HandshakeTimeout, time.Minute),
		handle:        orDefault(s.HandlerTimeout, 9*time.Minute),
		log:           s.Logger,
	}
	if set.log == nil {
		set.log = slog.Default()
	}
	set.lineLimit = set.maxLine
	if s.Auth != nil {
		set.lineLimit = max(set.maxLine, maxAuthLine+2)
	}
	set.commands = commandTable(s.LMTP)
	set.extensions = extensionTable(s.Withhold)
	set.mailParams, set.rcptParams = parameterTables(set.extensions)
	return set
}

// check reports all that is wrong with the fields.
func (s *Server) check() error {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("smtp: Server.%s %s", field, fmt.Sprintf(format, args...)))
	}
	if err := checkHelloName(s.Hostname); err != nil {
		wrong("Hostname", "is %q: %v", s.Hostname, err)
	}
	if s.Handler == nil {
		wrong("Handler", "is missing")
	}
	if s.MaxRecipients > 0 && s.MaxRecipients < 100 {
		wrong("MaxRecipients", "is %d; RFC 5321 §4.5.3.1.8 asks for 100", s.MaxRecipients)
	}
	if s.MaxLine != 0 && s.MaxLine < 1024 {
		wrong("MaxLine", "is %d; the least is 1024", s.MaxLine)
	}
	if s.TLSConfig != nil && !hasCertificate(s.TLSConfig) {
		wrong("TLSConfig", "has no certificate")
	}
	if s.Submission && s.Auth == nil {
		wrong("Submission", "needs Auth")
	}
	if s.Submission && s.LMTP {
		wrong("Submission", "and LMTP exclude each other")
	}
	for _, why := range checkWithheld(s.Withhold, s.LMTP) {
		wrong("Withhold", "%s", why)
	}
	return errors.Join(errs...)
}

func hasCertificate(c *tls.Config) bool {
	return len(c.Certificates) > 0 || c.GetCertificate != nil || c.GetConfigForClient != nil
}

// newID returns the ID of a session: 13 letters and digits.
func (s *Server) newID() string {
	var b [8]byte
	if s.Rand != nil {
		s.randMu.Lock()
		defer s.randMu.Unlock()
		if _, err := io.ReadFull(s.Rand, b[:]); err == nil {
			return idEncoding.EncodeToString(b[:])
		}
	}
	rand.Read(b[:])
	return idEncoding.EncodeToString(b[:])
}

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)
