package imap

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/internal/wire"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
)

// newServer returns a server of a store's mail that logs nothing.
func newServer(mail store.Store) *Server {
	return &Server{
		Auth: &account.Authenticator{Directory: people, Logger: slog.New(slog.DiscardHandler)},
		Open: func(ctx context.Context, who account.Identity) (store.Account, error) {
			return store.OpenAccount(ctx, mail, who.Account)
		},
		AllowPlaintextAuth: true,
		Logger:             slog.New(slog.DiscardHandler),
	}
}

// startServer runs s at 192.0.2.1:143 until the end of the test.
func startServer(t testing.TB, n *mailtest.Network, s *Server) {
	ln, err := n.Listen("tcp", "192.0.2.1:143")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(context.Background(), ln) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; err != ErrServerClosed {
			t.Error(err)
		}
	})
}

// A client of the tests.
type client struct {
	t testing.TB
	net.Conn
	*bufio.Reader
}

func dial(t testing.TB, n *mailtest.Network) *client {
	t.Helper()
	conn, err := n.DialContext(context.Background(), "tcp", "192.0.2.1:143")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &client{t, conn, bufio.NewReader(conn)}
	c.expect("* OK")
	return c
}

func (c *client) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func (c *client) send(lines ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, strings.Join(lines, "\r\n")+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// expect reads lines up to one that begins with prefix.
func (c *client) expect(prefix string) string {
	c.t.Helper()
	for {
		line, err := c.ReadString('\n')
		if err != nil {
			c.t.Fatalf("got %q, %v, want %s", line, err, prefix)
		}
		if strings.HasPrefix(line, prefix) {
			return strings.TrimSuffix(line, "\r\n")
		}
	}
}

// login logs in as ann.
func (c *client) login() {
	c.t.Helper()
	c.send("l LOGIN ann secret")
	c.expect("l OK")
}

func TestWrongSettingsAreReportedTogether(t *testing.T) {
	s := &Server{IdleTimeout: 30*time.Minute - 1, MaxLine: 8191, MaxLiteral: -1, TLSConfig: new(tls.Config)}
	var n mailtest.Network
	ln, err := n.Listen("tcp", "192.0.2.1:143")
	if err != nil {
		t.Fatal(err)
	}
	err = s.Serve(t.Context(), ln)
	for _, field := range []string{"Auth", "Open", "IdleTimeout", "MaxLine", "MaxLiteral", "TLSConfig"} {
		if err == nil || !strings.Contains(err.Error(), "Server."+field+" ") {
			t.Errorf("Server.%s is not reported: %v", field, err)
		}
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is not closed: %v", err)
	}
	s = newServer(memstore.New())
	s.Auth = new(account.Authenticator)
	if err := s.Serve(t.Context(), ln); err == nil || !strings.Contains(err.Error(), "Server.Auth has no Directory") {
		t.Errorf("got %v", err)
	}
	if err := newServer(memstore.New()).ServeTLS(t.Context(), ln); err == nil || !strings.Contains(err.Error(), "TLSConfig") {
		t.Errorf("ServeTLS without TLSConfig: %v", err)
	}
	s = newServer(memstore.New())
	s.IdleTimeout, s.MaxLine = 30*time.Minute, 8192
	if _, err := s.settle(); err != nil {
		t.Error(err)
	}
}

func TestZeroFieldsAreWhatTheirCommentsSay(t *testing.T) {
	got, err := newServer(memstore.New()).settle()
	if err != nil {
		t.Fatal(err)
	}
	want := settings{
		idle: 30 * time.Minute, login: 3 * time.Minute, write: 5 * time.Minute, handshake: time.Minute,
		maxLine: 64 << 10, maxLiteral: 256 << 10, maxMessage: 100 << 20,
		maxErrors: 20, maxAuth: 5, maxSessions: 10_000, maxPerClient: 1000, log: got.log,
	}
	if *got != want {
		t.Errorf("got %+v", *got)
	}
	s := newServer(memstore.New())
	s.IdleTimeout, s.WriteTimeout, s.HandshakeTimeout, s.MaxMessageSize, s.MaxErrors, s.MaxAuthFailures, s.MaxSessions, s.MaxPerClient = -1, -1, -1, -1, -1, -1, -1, -1
	got, err = s.settle()
	if err != nil {
		t.Fatal(err)
	}
	want = settings{maxLine: 64 << 10, maxLiteral: 256 << 10, log: got.log}
	if *got != want {
		t.Errorf("got %+v", *got)
	}
}

func TestTheEndOfTheContextEndsTheSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		s := newServer(memstore.New())
		ln, err := n.Listen("tcp", "192.0.2.1:143")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		served := make(chan error)
		go func() { served <- s.Serve(ctx, ln) }()
		c := dial(t, &n)
		c.login()
		why := errors.New("why")
		cancel(why)
		if err := <-served; err != why {
			t.Errorf("Serve = %v", err)
		}
		if _, err := c.ReadByte(); err == nil {
			t.Error("the session goes on")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAListenerThatFailsLeavesItsSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		s := newServer(memstore.New())
		ln, err := n.Listen("tcp", "192.0.2.1:143")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error)
		go func() { served <- s.Serve(t.Context(), ln) }()
		c := dial(t, &n)
		ln.Close()
		if err := <-served; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve = %v", err)
		}
		c.login()
		s.Close()
		if _, err := c.ReadByte(); err == nil {
			t.Error("the session goes on after Close")
		}
	})
}

// hanging is an account whose mailboxes cannot be opened before the end of the context.
type hanging struct{ store.Account }

func (hanging) Open(ctx context.Context, name string) (store.Mailbox, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestShutdownLetsACommandFinishOrGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		s := newServer(memstore.New())
		open := s.Open
		s.Open = func(ctx context.Context, who account.Identity) (store.Account, error) {
			a, err := open(ctx, who)
			return hanging{a}, err
		}
		startServer(t, &n, s)
		c := dial(t, &n)
		c.login()
		c.send("a SELECT INBOX")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("Shutdown = %v after %v", err, time.Since(start))
		}
		if err := s.Serve(t.Context(), closedListener{}); err != ErrServerClosed {
			t.Errorf("Serve after Shutdown = %v", err)
		}
	})
}

func TestShutdownWaitsForALiteral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		s := newServer(memstore.New())
		startServer(t, &n, s)
		c := dial(t, &n)
		c.login()
		c.send("a APPEND INBOX {4}")
		c.expect("+")
		done := make(chan error)
		go func() { done <- s.Shutdown(context.Background()) }()
		synctest.Wait()
		c.send("one\n", "b NOOP")
		c.expect("a OK")
		c.expect("* BYE [UNAVAILABLE]")
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

type closedListener struct{}

func (closedListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (closedListener) Close() error              { return nil }
func (closedListener) Addr() net.Addr            { return nil }

// An accept that fails for a moment must not end the server.
func TestTooManyOpenFilesPassAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		s := newServer(memstore.New())
		ln, err := n.Listen("tcp", "192.0.2.1:143")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error)
		go func() { served <- s.Serve(t.Context(), &flakyListener{Listener: ln, failures: 10}) }()
		dial(t, &n)
		s.Close()
		if err := <-served; err != ErrServerClosed {
			t.Error(err)
		}
	})
}

type flakyListener struct {
	net.Listener
	failures int
}

func (l *flakyListener) Accept() (net.Conn, error) {
	if l.failures > 0 {
		l.failures--
		return nil, temporaryError{}
	}
	return l.Listener.Accept()
}

type temporaryError struct{}

func (temporaryError) Error() string   { return "too many open files" }
func (temporaryError) Temporary() bool { return true }

func TestAClientThatReadsNothingIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		st := memstore.New()
		deliver(t, st, strings.Repeat("x\r\n", 1<<20))
		s := newServer(st)
		startServer(t, &n, s)
		c := dial(t, &n)
		c.login()
		c.send("a SELECT INBOX", "b FETCH 1 BODY[]")
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if s.group.Sessions() > 0 {
			t.Error("the session lives")
		}
	})
}

func TestAShutdownDoesNotWaitForHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		s := newServer(memstore.New())
		s.TLSConfig, _ = mailtest.TLS(t, "mail.example.org")
		ln, err := n.Listen("tcp", "192.0.2.1:993")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error)
		go func() { served <- s.ServeTLS(context.Background(), ln) }()
		conn, err := n.DialContext(t.Context(), "tcp", "192.0.2.1:993")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		synctest.Wait()
		start := time.Now()
		if err := s.Shutdown(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("it took %v: %v", time.Since(start), err)
		}
		<-served
	})
}

func TestALoginEndsThoughTheDirectoryDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		s := newServer(memstore.New())
		s.Auth = &account.Authenticator{Logger: slog.New(slog.DiscardHandler), Directory: account.Funcs{
			VerifyFunc: func(ctx context.Context, _, _ string) (string, error) {
				<-ctx.Done()
				return "", ctx.Err()
			},
		}}
		startServer(t, &n, s)
		c := dial(t, &n)
		start := time.Now()
		c.send("a LOGIN ann secret")
		c.expect("a NO")
		c.send("b AUTHENTICATE PLAIN AGFubgBzZWNyZXR0")
		c.expect("b NO")
		if took := time.Since(start); took != 2*loginTimeout {
			t.Errorf("two logins took %v", took)
		}
	})
}

func TestOneClientDoesNotGetAllSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		s := newServer(memstore.New())
		s.MaxPerClient = 2
		startServer(t, &n, s)
		dial(t, &n)
		dial(t, &n)
		conn, err := n.DialContext(t.Context(), "tcp", "192.0.2.1:143")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.HasPrefix(line, "* BYE [UNAVAILABLE]") {
			t.Errorf("the third of two gets %q, %v", line, err)
		}
	})
}

func TestAHandshakeMustNotTakeForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		s := newServer(memstore.New())
		s.TLSConfig, _ = mailtest.TLS(t, "mail.example.org")
		ln, err := n.Listen("tcp", "192.0.2.1:993")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error)
		go func() { served <- s.ServeTLS(context.Background(), ln) }()
		conn, err := n.DialContext(t.Context(), "tcp", "192.0.2.1:993")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := io.ReadAll(conn); time.Since(start) != time.Minute {
			t.Errorf("it took %v (%v)", time.Since(start), err)
		}
		s.Close()
		<-served
	})
}

// A session of a tls.Listener is one of TLS from the start, and Close does not wait for such clients.
func TestAConnectionMayComeWithTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		serverTLS, clientTLS := mailtest.TLS(t, "mail.example.org")
		s := newServer(memstore.New())
		s.AllowPlaintextAuth = false
		ln, err := n.Listen("tcp", "192.0.2.1:993")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error)
		go func() { served <- s.Serve(context.Background(), tls.NewListener(ln, serverTLS)) }()
		conn, err := n.DialContext(t.Context(), "tcp", "192.0.2.1:993")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		clientTLS.ServerName = "mail.example.org"
		encrypted := tls.Client(conn, clientTLS)
		c := &client{t, encrypted, bufio.NewReader(encrypted)}
		c.login()
		c.send("a SELECT INBOX", "b IDLE")
		c.expect("+")
		start := time.Now()
		if err := s.Close(); err != nil || time.Since(start) > 0 {
			t.Errorf("Close = %v after %v", err, time.Since(start))
		}
		<-served
	})
}

// deliver puts a message into ann's INBOX.
func deliver(t testing.TB, st store.Store, text string) {
	t.Helper()
	if _, err := store.OpenAccount(context.Background(), st, "ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Deliver(context.Background(), postrider.String(text), []store.Target{{Account: "ann"}}); err != nil {
		t.Fatal(err)
	}
}

func TestSecretsAreNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var log bytes.Buffer
		var n mailtest.Network
		st := memstore.New()
		deliver(t, st, "Subject: hush\r\n\r\nhush\r\n")
		s := newServer(st)
		s.Logger = slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return log.Write(p)
		}), &slog.HandlerOptions{Level: slog.LevelDebug}))
		s.Auth.Logger = s.Logger
		s.Rand = strings.NewReader("12345678")
		startServer(t, &n, s)
		c := dial(t, &n)
		c.send("a LOGIN down sesame", "b LOGIN ann sesame", "c AUTHENTICATE PLAIN c2VzYW1l", "d AUTHENTICATE PLAIN", "c2VzYW1l", "e LOGIN sesame",
			"f LOGIN ann secret", "g SELECT INBOX", "h FETCH 1 BODY[]", "i LOGOUT")
		if _, err := io.ReadAll(c.Reader); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		for _, secret := range []string{"sesame", "secret", "c2VzYW1l", "hush"} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("the log has %q:\n%s", secret, &log)
			}
		}
		for _, want := range []string{"msg=connect", "level=ERROR msg=reject", "command=LOGIN", "on fire", "msg=close", "account=ann", "session=3132333435363738", "remote=203.0.113.1:"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %s:\n%s", want, &log)
			}
		}
	})
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A message of 100 MiB goes through APPEND to a file, whatever it costs the store.
func TestAppendHoldsNoMessageInMemory(t *testing.T) {
	const size = 100 << 20
	st := &swallowing{Store: memstore.New()}
	a, err := st.open(t.Context(), account.Identity{Account: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	s := &session{server: &Server{SpoolDir: t.TempDir()}, set: &settings{maxMessage: size}, ctx: t.Context(), account: a}
	s.p = parser{maxLine: 8192, r: wire.NewReader(io.MultiReader(
		strings.NewReader(fmt.Sprintf(" INBOX {%d+}\r\n", size)),
		io.LimitReader(endless{}, size),
		strings.NewReader("\r\n"),
	))}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := s.p.begin(); err != nil {
		t.Fatal(err)
	}
	if r := replyOf(s.cmdAppend()); r.kind != "OK" {
		t.Fatalf("got %+v", r)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("%d KiB were allocated", used>>10)
	}
	if st.size != size {
		t.Errorf("%d octets arrived", st.size)
	}
}

// endless is a line without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// swallowing is a store that keeps no message.
type swallowing struct {
	store.Store
	size int64
}

func (s *swallowing) open(ctx context.Context, who account.Identity) (store.Account, error) {
	a, err := store.OpenAccount(ctx, s.Store, who.Account)
	return swallowingAccount{a, s}, err
}

type swallowingAccount struct {
	store.Account
	store *swallowing
}

func (a swallowingAccount) Open(ctx context.Context, name string) (store.Mailbox, error) {
	m, err := a.Account.Open(ctx, name)
	return swallowingMailbox{m, a.store}, err
}

type swallowingMailbox struct {
	store.Mailbox
	store *swallowing
}

func (m swallowingMailbox) Append(ctx context.Context, msgs []store.NewMessage) ([]store.Placed, error) {
	m.store.size += msgs[0].Content.Size()
	return []store.Placed{{UIDValidity: 1, UID: 1}}, nil
}
