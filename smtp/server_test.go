package smtp_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/smtp"
)

// talk sends commands one by one and returns the replies, those of several lines joined by "|".
func talk(t testing.TB, conn net.Conn, commands ...string) (replies []string) {
	if t != nil {
		t.Helper()
	}
	r := bufio.NewReader(conn)
	if !slices.Contains(commands, "(greeted)") {
		replies = append(replies, readReply(r))
	}
	for _, cmd := range commands {
		if cmd == "(greeted)" {
			continue
		}
		if _, err := io.WriteString(conn, cmd+"\r\n"); err != nil {
			return append(replies, err.Error())
		}
		replies = append(replies, readReply(r))
	}
	return replies
}

func readReply(r *bufio.Reader) string {
	var lines []string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err.Error()
		}
		lines = append(lines, strings.TrimSuffix(line, "\r\n"))
		if line[3] == ' ' {
			return strings.Join(lines, "|")
		}
	}
}

func dialTest(t testing.TB, n *mailtest.Network) net.Conn {
	t.Helper()
	conn, err := n.DialContext(context.Background(), "tcp", "192.0.2.1:25")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

var oneMessage = []string{"EHLO client.example.net", "MAIL FROM:<bob@example.net>", "RCPT TO:<ann@example.org>", "DATA", "hello\r\n."}

func TestWrongSettingsAreReportedTogetherBeforeTheFirstAccept(t *testing.T) {
	srv := &smtp.Server{
		Hostname: "no name", MaxRecipients: 99, MaxLine: 512, Submission: true, LMTP: true, TLSConfig: new(tls.Config),
		Withhold: []string{"8bitmime", "PIPELINING", "CRAM"},
	}
	ln := &failingListener{}
	err := srv.Serve(context.Background(), ln)
	if ln.accepts != 0 || !ln.closed.Load() {
		t.Errorf("%d Accepts, closed: %v", ln.accepts, ln.closed.Load())
	}
	for _, want := range []string{"Hostname", "Handler", "MaxRecipients", "MaxLine", "TLSConfig", "Submission needs", "exclude", "8BITMIME", "PIPELINING", "CRAM"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("the error does not mention %s: %v", want, err)
		}
	}
	ok := newTestServer(new(postOffice))
	ok.MaxRecipients, ok.MaxLine, ok.Hostname = 100, 1024, "[192.0.2.1]"
	ok.Close()
	if err := ok.Serve(context.Background(), ln); err != smtp.ErrServerClosed {
		t.Errorf("settings at their limits: %v", err)
	}
	if err := newTestServer(new(postOffice)).ServeTLS(context.Background(), ln); err == nil || !strings.Contains(err.Error(), "TLSConfig") {
		t.Errorf("ServeTLS without TLSConfig: %v", err)
	}
}

// failingListener fails a few times as if there were too many open files, then for good.
type failingListener struct {
	passing int
	accepts int
	closed  atomic.Bool
}

func (l *failingListener) Accept() (net.Conn, error) {
	l.accepts++
	if l.accepts <= l.passing {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", syscall.EMFILE)}
	}
	return nil, io.ErrClosedPipe
}

func (l *failingListener) Close() error   { l.closed.Store(true); return nil }
func (l *failingListener) Addr() net.Addr { return &net.TCPAddr{} }

func TestAcceptIsTriedAgainAfterTemporaryErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ln := &failingListener{passing: 10}
		err := newTestServer(new(postOffice)).Serve(context.Background(), ln)
		if took := time.Since(start); !errors.Is(err, io.ErrClosedPipe) || ln.accepts != 11 || took < 2*time.Second || took > 5*time.Second {
			t.Errorf("%v after %d Accepts and %v", err, ln.accepts, took)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err = newTestServer(new(postOffice)).Serve(ctx, &failingListener{passing: 1e6})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestServeEndsWithItsContextAndLeavesNothing(t *testing.T) {
	mailtest.Leaks(t)
	n := new(mailtest.Network)
	ln, _ := n.Listen("tcp", "192.0.2.1:25")
	other, _ := n.Listen("tcp", "192.0.2.1:26")
	var ended []string
	srv := newTestServer(new(postOffice))
	srv.Hooks = []smtp.Hooks{{Close: func(ctx context.Context, s *smtp.Session, err error) { ended = append(ended, s.Local.String()) }}}
	reason := errors.New("time for lunch")
	ctx, cancel := context.WithCancelCause(context.Background())
	served, servedOther := make(chan error, 1), make(chan error, 1)
	go func() { served <- srv.Serve(ctx, ln) }()
	go func() { servedOther <- srv.Serve(context.Background(), other) }()
	idle := dialTest(t, n)
	talk(t, idle, "EHLO client.example.net")
	otherConn, err := n.DialContext(t.Context(), "tcp", "192.0.2.1:26")
	if err != nil {
		t.Fatal(err)
	}
	talk(t, otherConn, "NOOP")
	cancel(reason)
	if err := <-served; err != reason {
		t.Errorf("Serve returned %v", err)
	}
	if !slices.Equal(ended, []string{"192.0.2.1:25"}) {
		t.Errorf("sessions that ended: %v", ended)
	}
	if got := talk(t, otherConn, "(greeted)", "NOOP"); got[0] != "250 2.0.0 ok" {
		t.Errorf("the other listener's session: %v", got)
	}
	srv.Close()
	if err := <-servedOther; err != smtp.ErrServerClosed {
		t.Errorf("the other Serve returned %v", err)
	}
	if err := srv.Serve(context.Background(), ln); err != smtp.ErrServerClosed {
		t.Errorf("Serve after Close: %v", err)
	}
}

func TestShutdownWaitsForTheTransactionAndNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(mailtest.Network)
		release := make(chan struct{})
		var cause error
		srv := newTestServer(smtp.HandlerFunc(func(ctx context.Context, tx *smtp.Transaction, _ postrider.Content) error {
			select {
			case <-release:
				return nil
			case <-ctx.Done():
				cause = context.Cause(ctx)
				return cause
			}
		}))
		serveTest(t, n, srv, false)
		first, second := dialTest(t, n), dialTest(t, n)
		replies := make(chan []string, 2)
		go func() { replies <- talk(t, first, oneMessage...) }()
		go func() { replies <- talk(t, second, oneMessage...) }()
		synctest.Wait()

		down := make(chan error, 1)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		go func() { down <- srv.Shutdown(ctx) }()
		time.Sleep(59 * time.Second)
		select {
		case err := <-down:
			t.Fatalf("Shutdown did not wait: %v", err)
		default:
		}
		release <- struct{}{} // one of the two is done in time
		synctest.Wait()
		if err := <-down; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown returned %v", err)
		}
		if cause != smtp.ErrServerClosed {
			t.Errorf("the handler's context ended because of %v", cause)
		}
		if done, cut := (<-replies)[5], (<-replies)[5]; !strings.HasPrefix(done, "250 2.0.0") || cut != "EOF" {
			t.Errorf("the clients heard %q and %q", done, cut)
		}
		if _, err := n.DialContext(t.Context(), "tcp", "192.0.2.1:25"); err == nil {
			t.Error("the listener is open after Shutdown")
		}
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Errorf("second Shutdown: %v", err)
		}
	})
}

func TestHooksHearOfEachPhaseInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []string
		note := func(set, what string) { heard = append(heard, set+what) }
		hooks := func(set string) smtp.Hooks {
			return smtp.Hooks{
				Connect:       func(context.Context, *smtp.Session) error { note(set, "connect"); return nil },
				Hello:         func(_ context.Context, s *smtp.Session, name string) error { note(set, "hello "+name); return nil },
				Auth:          func(_ context.Context, s *smtp.Session, m string) error { note(set, "auth "+m); return nil },
				Authenticated: func(_ context.Context, s *smtp.Session) error { note(set, "is "+s.Identity.Account); return nil },
				Mail: func(_ context.Context, tx *smtp.Transaction) error {
					note(set, "mail "+tx.Envelope.ReversePath.Local)
					return nil
				},
				Rcpt: func(_ context.Context, tx *smtp.Transaction, r *postrider.Recipient) error {
					note(set, "rcpt "+r.ForwardPath.Local)
					return nil
				},
				Data: func(_ context.Context, tx *smtp.Transaction) error { note(set, "data"); return nil },
				Message: func(_ context.Context, tx *smtp.Transaction, c postrider.Content) error {
					note(set, fmt.Sprint("message ", c.Size()))
					return nil
				},
				Vrfy:  func(_ context.Context, s *smtp.Session, arg string) error { note(set, "vrfy "+arg); return nil },
				Reset: func(_ context.Context, tx *smtp.Transaction) { note(set, "reset "+tx.Envelope.ReversePath.Local) },
				Close: func(_ context.Context, s *smtp.Session, err error) { note(set, fmt.Sprint("close ", err)) },
			}
		}
		n := new(mailtest.Network)
		srv := newTestServer(new(postOffice))
		withAuth(srv)
		srv.AllowPlaintextAuth = true
		srv.Hooks = []smtp.Hooks{hooks("1 "), {}, hooks("2 ")}
		serveTest(t, n, srv, false)
		talk(t, dialTest(t, n), "EHLO one.example", "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwB0YW5zdGFhZg==", "MAIL FROM:<a@example.net>",
			"RCPT TO:<ann@example.org>", "DATA", "hi\r\n.", "VRFY ann", "MAIL FROM:<b@example.net>", "RSET", "MAIL FROM:<c@example.net>",
			"EHLO two.example", "MAIL FROM:<refused@example.net>", "RCPT TO:<ann@example.org>", "DATA", "h\ni\r\n.",
			"MAIL FROM:<d@example.net>", "QUIT")
		synctest.Wait()
		var want []string
		for _, what := range []string{
			"connect", "hello one.example", "auth PLAIN", "is ann", "mail a", "rcpt ann", "data", "message 4", "vrfy ann", "mail b", "reset b",
			"mail c", "hello two.example", "reset c", "mail refused", "rcpt ann", "data", "reset refused", "mail d", "reset d", "close <nil>",
		} {
			want = append(want, "1 "+what, "2 "+what)
		}
		if !slices.Equal(heard, want) {
			t.Errorf("heard %q\nwant  %q", heard, want)
		}
	})
}

func TestAHookRefusesALoginAndAFurtherSetIsNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(mailtest.Network)
		srv := newTestServer(new(postOffice))
		withAuth(srv)
		srv.Submission, srv.AllowPlaintextAuth = true, true
		srv.Hooks = []smtp.Hooks{
			{
				Auth: func(_ context.Context, s *smtp.Session, m string) error {
					if m != "PLAIN" {
						return &postrider.Status{Code: "5.7.9", Text: "PLAIN only"}
					}
					return nil
				},
				Authenticated: func(_ context.Context, s *smtp.Session) error {
					return &postrider.Status{Code: "5.7.13", Text: s.Identity.Account + " has not paid"}
				},
			},
			{Authenticated: func(context.Context, *smtp.Session) error { t.Error("asked after a refusal"); return nil }},
		}
		serveTest(t, n, srv, false)
		got := talk(t, dialTest(t, n), "EHLO one.example", "AUTH LOGIN", "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwB0YW5zdGFhZg==", "MAIL FROM:<a@example.net>")
		want := []string{"534 5.7.9 PLAIN only", "525 5.7.13 ann has not paid", "530 5.7.0 authentication required"}
		if !slices.Equal(got[2:], want) {
			t.Errorf("got %q", got[2:])
		}
	})
}

func TestAPanicCostsOneSessionAndIsLoggedWithItsStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(mailtest.Network)
		var log logBuffer
		closed := 0
		srv := newTestServer(new(postOffice))
		srv.Logger = log.logger()
		srv.Hooks = []smtp.Hooks{
			{Close: func(context.Context, *smtp.Session, error) { panic("and another") }},
			{Close: func(_ context.Context, s *smtp.Session, err error) { closed++ }},
		}
		serveTest(t, n, srv, false)
		bystander := dialTest(t, n)
		talk(t, bystander, "EHLO client.example.net")
		got := talk(t, dialTest(t, n), "EHLO client.example.net", "MAIL FROM:<bob@example.net>", "RCPT TO:<crash@example.org>")
		if got[3] != "421 4.3.0 internal error, closing the connection" {
			t.Errorf("got %q", got)
		}
		if got := talk(t, bystander, append([]string{"(greeted)"}, oneMessage...)...); !strings.HasPrefix(got[4], "250") {
			t.Errorf("the other session: %q", got)
		}
		synctest.Wait()
		panics := log.events("panic")
		if len(panics) != 2 || !strings.Contains(panics[0]["stack"].(string), "postOffice") || panics[0]["err"] != "a bug in the handler" {
			t.Errorf("logged %v", panics)
		}
		if closed != 1 {
			t.Errorf("the second Close hook was asked %d times", closed)
		}
	})
}

func TestEachEventIsOneLineOfTheLogAndSecretsAreInNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(mailtest.Network)
		var log logBuffer
		srv := newTestServer(new(postOffice))
		withAuth(srv)
		srv.AllowPlaintextAuth = true
		srv.Logger = log.logger()
		serveTest(t, n, srv, false)
		got := talk(t, dialTest(t, n), "EHLO client.example.net", "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwBndWVzcw==", "AUTH PLAIN", "AGFubkBleGFtcGxlLm9yZwB0YW5zdGFhZg==",
			"MAIL FROM:<bob@example.net>", "RCPT TO:<nobody@example.org>", "RCPT TO:<unsure@example.org>", "RCPT TO:<ann@example.org>", "DATA", "hello\r\n.", "QUIT")
		synctest.Wait()
		want := []map[string]any{
			{"msg": "connect", "level": "INFO", "session": "0000000000002", "remote": "203.0.113.1:49152", "local": "192.0.2.1:25"},
			{"msg": "reject", "level": "INFO", "session": "0000000000002", "remote": "203.0.113.1:49152", "err": "535 5.7.8 authentication credentials invalid: wrong name or password"},
			{"msg": "reject", "transaction": "0000000000002-1", "from": "bob@example.net", "to": "nobody@example.org", "err": "550 5.1.1 no such mailbox"},
			{"msg": "defer", "transaction": "0000000000002-1", "to": "unsure@example.org", "err": "451 4.3.0 try again later: secret-db.internal: connection refused"},
			{"msg": "accept", "transaction": "0000000000002-1", "from": "bob@example.net", "recipients": 1.0, "size": 7.0, "took": 0.0},
			{"msg": "close", "session": "0000000000002", "took": 0.0},
		}
		if len(log.all()) != len(want) {
			t.Errorf("%d lines: %v", len(log.all()), log.all())
		}
		for i, line := range log.all() {
			for key, value := range want[min(i, len(want)-1)] {
				if line[key] != value {
					t.Errorf("line %d: %s is %v, want %v", i, key, line[key], value)
				}
			}
		}
		for _, secret := range []string{"guess", "tanstaaf", "AGFu", "hello"} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("the log tells %s", secret)
			}
		}
		if strings.Contains(strings.Join(got, ""), "secret") {
			t.Errorf("the client was told: %q", got)
		}
	})
}

// logBuffer collects a log as JSON.
type logBuffer struct {
	mu sync.Mutex // guards the buffer
	bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *logBuffer) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(b, nil)) }

func (b *logBuffer) all() (lines []map[string]any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range bytes.Lines(b.Bytes()) {
		m := make(map[string]any)
		if err := json.Unmarshal(line, &m); err != nil {
			panic(err)
		}
		lines = append(lines, m)
	}
	return lines
}

func (b *logBuffer) events(msg string) []map[string]any {
	return slices.DeleteFunc(b.all(), func(m map[string]any) bool { return m["msg"] != msg })
}

// RFC 2920 §3.2: what can leave together does.
func TestRepliesToABatchLeaveInOnePiece(t *testing.T) {
	n := new(mailtest.Network)
	inner, _ := n.Listen("tcp", "192.0.2.1:25")
	ln := &countingListener{Listener: inner}
	srv := newTestServer(new(postOffice))
	go srv.Serve(context.Background(), ln)
	defer srv.Close()
	conn := dialTest(t, n)
	talk(t, conn, "EHLO client.example.net")
	before := ln.count()
	talk(t, conn, "(greeted)", "MAIL FROM:<bob@example.net>\r\nRCPT TO:<ann@example.org>\r\nRCPT TO:<nobody@example.org>\r\nDATA")
	if got := ln.count() - before; got != 1 {
		t.Errorf("a batch of four commands was answered in %d pieces", got)
	}
}

type countingListener struct {
	net.Listener
	mu     sync.Mutex // guards writes
	writes int
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &countingConn{Conn: c, l: l}, err
}

func (l *countingListener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.writes
}

type countingConn struct {
	net.Conn
	l *countingListener
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.l.mu.Lock()
	c.l.writes++
	c.l.mu.Unlock()
	return c.Conn.Write(p)
}

func TestAListenerOfTLSIsServedAsServeTLSDoes(t *testing.T) {
	n := new(mailtest.Network)
	serverTLS, clientTLS := mailtest.TLS(t)
	office := new(postOffice)
	srv := newTestServer(office)
	ln, _ := n.Listen("tcp", "192.0.2.1:25")
	go srv.Serve(context.Background(), tls.NewListener(ln, serverTLS))
	defer srv.Close()
	got := talk(t, tls.Client(dialTest(t, n), clientTLS), oneMessage...)
	if strings.Contains(got[1], "STARTTLS") || !strings.HasPrefix(office.list(), "ESMTPS from") {
		t.Errorf("got %q, mail %s", got, office.list())
	}
}

func TestLMTPWorksOverAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lmtp")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := newTestServer(new(postOffice))
	srv.LMTP = true
	var ip fmt.Stringer
	srv.Hooks = []smtp.Hooks{{Connect: func(_ context.Context, s *smtp.Session) error { ip = s.RemoteIP(); return nil }}}
	go srv.Serve(context.Background(), ln)
	defer srv.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	commands := slices.Clone(oneMessage)
	commands[0] = "LHLO localhost"
	if got := talk(t, conn, commands...); !strings.HasPrefix(got[5], "250 2.0.0") || ip.String() != "invalid IP" {
		t.Errorf("got %q from %v", got, ip)
	}
}

func TestProtocolIsTheWithClauseOfReceived(t *testing.T) {
	id, state := new(account.Identity), new(tls.ConnectionState)
	for _, test := range []struct {
		session smtp.Session
		utf8    bool
		want    string
	}{
		{smtp.Session{}, false, "SMTP"},
		{smtp.Session{TLS: state}, false, "SMTP"},
		{smtp.Session{Extended: true}, false, "ESMTP"},
		{smtp.Session{Extended: true, TLS: state}, false, "ESMTPS"},
		{smtp.Session{Extended: true, Identity: id}, false, "ESMTPA"},
		{smtp.Session{Extended: true, TLS: state, Identity: id}, false, "ESMTPSA"},
		{smtp.Session{Extended: true}, true, "UTF8SMTP"},
		{smtp.Session{Extended: true, TLS: state, Identity: id}, true, "UTF8SMTPSA"},
		{smtp.Session{Extended: true, LMTP: true}, false, "LMTP"},
		{smtp.Session{Extended: true, LMTP: true, TLS: state}, false, "LMTPS"},
		{smtp.Session{Extended: true, LMTP: true, TLS: state, Identity: id}, true, "UTF8LMTPSA"},
	} {
		tx := &smtp.Transaction{Session: &test.session, Envelope: postrider.Envelope{SMTPUTF8: test.utf8}}
		if got := tx.Protocol(); got != test.want {
			t.Errorf("%+v, SMTPUTF8 %v: %s, want %s", test.session, test.utf8, got, test.want)
		}
		if got := test.session.Protocol(); !test.utf8 && got != test.want {
			t.Errorf("Session.Protocol is %s, want %s", got, test.want)
		}
	}
}

func TestValuesStayWithTheirSessionAndTransaction(t *testing.T) {
	type key struct{}
	s, tx := new(smtp.Session), new(smtp.Transaction)
	if s.Value(key{}) != nil {
		t.Error("a value before any was set")
	}
	s.Set(key{}, 1)
	s.Set("key", 2)
	s.Set(key{}, 3)
	tx.Set(key{}, 4)
	if s.Value(key{}) != 3 || s.Value("key") != 2 || tx.Value(key{}) != 4 {
		t.Errorf("%v %v %v", s.Value(key{}), s.Value("key"), tx.Value(key{}))
	}
}

func TestAFailingRandDoesNotFailSessions(t *testing.T) {
	n := new(mailtest.Network)
	srv := newTestServer(new(postOffice))
	srv.Rand = strings.NewReader("short")
	serveTest(t, n, srv, false)
	if got := talk(t, dialTest(t, n), oneMessage...); !strings.HasPrefix(got[5], "250") {
		t.Errorf("got %q", got)
	}
}

func TestAClientThatDoesNotReadIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(mailtest.Network)
		srv := newTestServer(new(postOffice))
		srv.MaxJunk = -1
		var ended error
		srv.Hooks = []smtp.Hooks{{Close: func(_ context.Context, _ *smtp.Session, err error) { ended = err }}}
		serveTest(t, n, srv, false)
		conn := dialTest(t, n)
		start := time.Now()
		_, err := io.WriteString(conn, strings.Repeat("HELP\r\n", 100_000))
		if took := time.Since(start); !errors.Is(err, syscall.EPIPE) || took != 5*time.Minute {
			t.Errorf("%v after %v", err, took)
		}
		synctest.Wait()
		if !errors.Is(ended, os.ErrDeadlineExceeded) {
			t.Errorf("the session ended with %v", ended)
		}
	})
}
