package smtp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/smtp"
)

var _ = mailtest.UpdateFlag()

// TestServerScripts plays testdata/script against the servers of serverKinds. A script says which one it wants
// in a line "# server: kind"; its section "-- mail --" lists what the handler was given.
func TestServerScripts(t *testing.T) {
	serverTLS, clientTLS := mailtest.TLS(t)
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			kind, ok := serverKinds[scriptKind(t, file)]
			if !ok {
				t.Fatalf("%s: no server of the kind %q", file, scriptKind(t, file))
			}
			var office *postOffice
			var srv *smtp.Server
			mailtest.RunScript(t, file, mailtest.Script{
				TLS:         clientTLS,
				ImplicitTLS: kind.implicit,
				Start: func(t *testing.T, n *mailtest.Network) {
					office = new(postOffice)
					srv = newTestServer(office)
					srv.TLSConfig = serverTLS
					if kind.set != nil {
						kind.set(srv)
					}
					serveTest(t, n, srv, kind.implicit)
				},
				Do:    func(t *testing.T, line string) error { return serverDeed(srv, line) },
				Check: func(t *testing.T, section string) string { return office.list() },
			})
		})
	}
}

// serverDeed does what a line "do ..." of a script says.
func serverDeed(srv *smtp.Server, line string) error {
	switch line {
	case "shutdown": // until the script ends
		go srv.Shutdown(context.Background())
		return nil
	case "close":
		return srv.Close()
	}
	return fmt.Errorf("unknown deed %q", line)
}

func scriptKind(t *testing.T, file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "# server: ")
	if !found {
		return ""
	}
	kind, _, _ := strings.Cut(after, "\n")
	return kind
}

// serverKinds are the servers that scripts can ask for. All are mx.example.org with TLS and the postOffice.
var serverKinds = map[string]struct {
	set      func(*smtp.Server)
	implicit bool
}{
	"":               {},
	"auth":           {set: withAuth},
	"submission":     {set: func(s *smtp.Server) { withAuth(s); s.Submission = true; s.AllowPlaintextAuth = true }},
	"implicit TLS":   {set: func(s *smtp.Server) { withAuth(s) }, implicit: true},
	"plaintext auth": {set: func(s *smtp.Server) { withAuth(s); s.AllowPlaintextAuth = true; s.TLSConfig = nil }},
	"trusts relays": {set: func(s *smtp.Server) {
		withAuth(s)
		s.AllowPlaintextAuth = true
		s.TrustSubmitter = func(s *smtp.Session, a postrider.Address) bool { return s.Identity != nil }
	}},
	"LMTP":                    {set: func(s *smtp.Server) { s.LMTP = true; s.Handler = eachOffice{s.Handler.(*postOffice)} }},
	"LMTP without DataEach":   {set: func(s *smtp.Server) { s.LMTP = true }},
	"DSN":                     {set: func(s *smtp.Server) { s.Handler = dsnOffice{s.Handler.(*postOffice)} }},
	"bare":                    {set: func(s *smtp.Server) { s.TLSConfig = nil; s.Withhold = []string{"SMTPUTF8", "8bitmime", "SIZE", "HELP"} }},
	"small":                   {set: smallLimits},
	"unlimited":               {set: noLimits},
	"hooks":                   {set: func(s *smtp.Server) { s.Hooks = testHooks }},
	"two of each client":      {set: func(s *smtp.Server) { s.MaxPerClient = 2 }},
	"refuses 198.51.100.0/24": {set: func(s *smtp.Server) { s.Hooks = []smtp.Hooks{{Connect: refuseNet}} }},
	"full disk":               {set: func(s *smtp.Server) { s.SpoolDir = "/nonexistent"; s.SpoolMemory = -1 }},
}

func withAuth(s *smtp.Server) {
	s.Auth = &account.Authenticator{
		Logger: slog.New(slog.DiscardHandler),
		Directory: account.Funcs{VerifyFunc: func(ctx context.Context, login, password string) (string, error) {
			switch {
			case login == "slow":
				<-ctx.Done()
				return "", ctx.Err()
			case login == "locked":
				return "", account.ErrDisabled
			case login == "broken":
				return "", errors.New("secret-db.internal is down")
			case login == "ann@example.org" && strings.HasPrefix(password, "tanstaaf"):
				return "ann", nil
			}
			return "", account.ErrCredentials
		}},
	}
}

func smallLimits(s *smtp.Server) {
	s.MaxMessageSize = 100
	s.MaxRecipients = 100
	s.MaxErrors = 3
	s.MaxJunk = 4
	s.MaxRefused = 3
	s.MaxAuthFailures = 2
	s.MaxSessions = 2
	s.MaxLine = 1024
	s.SpoolMemory = 10
	withAuth(s)
	s.AllowPlaintextAuth = true
}

func noLimits(s *smtp.Server) {
	s.MaxMessageSize = -1
	s.MaxRecipients = -1
	s.MaxErrors = -1
	s.MaxJunk = -1
	s.MaxRefused = -1
	s.MaxAuthFailures = -1
	s.MaxSessions = -1
	s.CommandTimeout = -1
	s.HandlerTimeout = -1
}

// refuseNet turns away 198.51.100.0/24: half of it for now, half for good.
func refuseNet(_ context.Context, s *smtp.Session) error {
	switch b := s.RemoteIP().As4(); {
	case b[0] != 198:
		return &postrider.Status{Code: "2.0.0", Text: "be welcome"}
	case b[3] < 128:
		return &postrider.Status{Code: "4.7.1", Text: "come back later"}
	}
	return &postrider.Status{Code: "5.7.1", Text: "your network is listed at https://list.example"}
}

// testHooks refuse and rename in all phases.
var testHooks = []smtp.Hooks{
	{
		Hello: func(_ context.Context, s *smtp.Session, name string) error {
			switch name {
			case "bad.example":
				return &postrider.Status{Code: "5.7.1", Text: "this name is not yours"}
			case "worse.example":
				return &postrider.Status{Code: "4.7.1", Reply: 421, Text: "mx.example.org has no time for you"}
			}
			return &postrider.Status{Code: "2.0.0", Text: "greets " + name}
		},
		StartTLS: func(_ context.Context, s *smtp.Session) error {
			if s.Hello == "busy.example" {
				return &postrider.Status{Code: "4.7.0", Text: "TLS not available due to a temporary reason"}
			}
			return &postrider.Status{Code: "2.0.0", Text: "welcome to TLS"}
		},
		Mail: func(_ context.Context, tx *smtp.Transaction) error {
			if tx.Envelope.ReversePath.Domain == "spam.example" {
				return &postrider.Status{Code: "5.7.1", Text: "no"}
			}
			if tx.Envelope.ReversePath.Local == "panic" {
				panic("a bug in a hook")
			}
			return &postrider.Status{Code: "2.1.0", Text: "first says yes"}
		},
	},
	{
		Mail: func(_ context.Context, tx *smtp.Transaction) error {
			if tx.Envelope.ReversePath.Local == "second" {
				return &postrider.Status{Code: "2.1.0", Text: "second says yes"}
			}
			return nil
		},
		Rcpt: func(_ context.Context, tx *smtp.Transaction, r *postrider.Recipient) error {
			if r.ForwardPath.Local == "alias" {
				r.ForwardPath.Local = "ann"
			}
			return nil
		},
		Data: func(_ context.Context, tx *smtp.Transaction) error {
			if len(tx.Envelope.Recipients) > 1 {
				return &postrider.Status{Code: "4.5.3", Text: "one at a time"}
			}
			return nil
		},
		Message: func(_ context.Context, tx *smtp.Transaction, c postrider.Content) error {
			if b, _ := postrider.ReadAll(c); strings.Contains(string(b), "virus") {
				return &postrider.Status{Code: "5.7.1", Text: "message has a virus"}
			}
			return &postrider.Status{Code: "2.6.0", Text: "clean"}
		},
		Vrfy: func(_ context.Context, s *smtp.Session, arg string) error {
			switch arg {
			case "ann":
				return &postrider.Status{Code: "2.1.5", Text: "Ann <ann@example.org>"}
			case "björn":
				return &postrider.Status{Code: "2.1.5", Text: "Björn <björn@example.org>"}
			case "nobody":
				return &postrider.Status{Code: "5.1.1", Text: "no such user"}
			case "günter":
				return &postrider.Status{Code: "5.1.1", Text: "günter has left"}
			}
			return nil
		},
		Expn: func(_ context.Context, s *smtp.Session, arg string) error {
			if arg == "staff" {
				return &postrider.Status{Code: "2.1.5", Text: "Ann <ann@example.org>\nBob <bob@example.org>"}
			}
			return nil
		},
	},
}

// postOffice is a Handler for example.org that keeps mail in memory. Some of its mailboxes are odd.
type postOffice struct {
	mu   sync.Mutex // guards mail
	mail []string
}

func (o *postOffice) Rcpt(_ context.Context, tx *smtp.Transaction, r *postrider.Recipient) error {
	switch local := r.ForwardPath.Local; {
	case r.ForwardPath.Domain != "" && !strings.EqualFold(r.ForwardPath.Domain, "example.org") && r.ForwardPath.Domain != "[192.0.2.1]":
		return &postrider.Status{Code: "5.7.1", Text: "relaying denied"}
	case local == "nobody":
		return &postrider.Status{Code: "5.1.1", Text: "no such mailbox"}
	case local == "busy":
		return &postrider.Status{Code: "4.2.1", Text: "mailbox is busy", Err: errors.New("secret: locked by process 42")}
	case local == "moved":
		return &postrider.Status{Code: "5.1.6", Reply: 551, Text: "try <grüße@example.net>"}
	case local == "forwarded":
		return &postrider.Status{Code: "2.1.5", Reply: 251, Text: "will forward to <ann@example.net>"}
	case local == "unsure":
		return errors.New("secret-db.internal: connection refused")
	case local == "crash":
		panic("a bug in the handler")
	case local == "talkative":
		return &postrider.Status{Code: "5.1.1", Text: "two\r\nlines with \x1b[2J and é" + strings.Repeat("x", 600)}
	case local == "remote":
		return &postrider.Status{Code: "4.4.2", Text: "lost the connection to another server"}
	case local == "terse":
		return &postrider.Status{Code: "5.1.1"}
	case local == "welcome":
		return &postrider.Status{Reply: 250}
	case local == "hangup":
		return &postrider.Status{Code: "4.7.0", Reply: 421, Text: "mx.example.org is tired"}
	}
	return nil
}

func (o *postOffice) Data(ctx context.Context, tx *smtp.Transaction, c postrider.Content) error {
	b, err := postrider.ReadAll(c)
	if err != nil {
		return err
	}
	text := string(b)
	switch {
	case strings.Contains(text, "unsure"):
		return errors.New("secret-db.internal: connection refused")
	case strings.Contains(text, "full"):
		return &postrider.Status{Code: "4.2.2", Text: "mailbox is full"}
	case strings.Contains(text, "spam"):
		return &postrider.Status{Code: "5.7.1", Text: "no spam please"}
	case strings.Contains(text, "slow"):
		<-ctx.Done()
		return context.Cause(ctx)
	case strings.Contains(text, "crash"):
		panic("a bug in the handler")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mail = append(o.mail, letter(tx, text))
	if strings.Contains(text, "number") {
		return &postrider.Status{Code: "2.6.0", Text: fmt.Sprintf("queued as %d", 4710+len(o.mail))}
	}
	return nil
}

func (o *postOffice) list() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.mail) == 0 {
		return "none"
	}
	return strings.Join(o.mail, "")
}

// letter shows a message and its envelope; each octet of the message can be told.
func letter(tx *smtp.Transaction, text string) string {
	e := tx.Envelope
	line := fmt.Sprintf("%s from <%s>", tx.Protocol(), e.ReversePath)
	for _, f := range []struct {
		name  string
		value any
		zero  any
	}{{"SIZE", e.Size, int64(0)}, {"BODY", e.Body, postrider.Body("")}, {"RET", e.Return, postrider.Return("")}, {"ENVID", e.EnvelopeID, ""}} {
		if f.value != f.zero {
			line += fmt.Sprintf(" %s=%v", f.name, f.value)
		}
	}
	if e.Auth != nil {
		line += fmt.Sprintf(" AUTH=<%s>", *e.Auth)
	}
	line += " to"
	for _, r := range e.Recipients {
		line += fmt.Sprintf(" <%s>", r.ForwardPath)
		if r.Notify != 0 {
			line += " NOTIFY=" + r.Notify.String()
		}
		if r.Original.Raw != "" {
			line += fmt.Sprintf(" ORCPT=%s (%s %s)", r.Original.Raw, r.Original.Type, r.Original.Address)
		}
	}
	if len(text) > 300 {
		return fmt.Sprintf("%s\n%d octets\n", line, len(text))
	}
	for part := range strings.SplitAfterSeq(text, "\r\n") {
		line += fmt.Sprintf("\n%q", part)
	}
	return line + "\n"
}

// eachOffice answers for each recipient: those named full are.
type eachOffice struct{ *postOffice }

func (o eachOffice) DataEach(ctx context.Context, tx *smtp.Transaction, c postrider.Content) (results []error) {
	if b, _ := postrider.ReadAll(c); strings.Contains(string(b), "miscount") {
		return nil
	}
	for _, r := range tx.Envelope.Recipients {
		if strings.HasPrefix(r.ForwardPath.Local, "full") {
			results = append(results, &postrider.Status{Code: "4.2.2", Text: "<" + r.ForwardPath.String() + "> is full"})
			continue
		}
		results = append(results, nil)
	}
	return results
}

// dsnOffice honours DSN.
type dsnOffice struct{ *postOffice }

func (dsnOffice) Features(*smtp.Session) smtp.Features { return smtp.Features{DSN: true} }

// newTestServer returns mx.example.org with predictable IDs.
func newTestServer(h smtp.Handler) *smtp.Server {
	return &smtp.Server{
		Hostname: "mx.example.org", Handler: h, Logger: slog.New(slog.DiscardHandler), Rand: new(countingReader),
	}
}

// countingReader yields 1, 2, 3 ... as 8 octets each.
type countingReader struct{ n uint64 }

func (r *countingReader) Read(p []byte) (int, error) {
	r.n++
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], r.n)
	return copy(p, b[:]), nil
}

// serveTest serves n's 192.0.2.1:25 until the test ends.
func serveTest(t testing.TB, n *mailtest.Network, srv *smtp.Server, implicit bool) {
	ln, err := n.Listen("tcp", "192.0.2.1:25")
	if err != nil {
		t.Fatal(err)
	}
	serve := srv.Serve
	if implicit {
		serve = srv.ServeTLS
	}
	served := make(chan error, 1)
	go func() { served <- serve(context.Background(), ln) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-served; !errors.Is(err, smtp.ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
}

var _ io.Reader = (*countingReader)(nil)
