package pop3

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
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/mailtest"
)

// newServer returns a server of ann's and bob's mail that logs nothing.
func newServer(f *fakeStore) *Server {
	return &Server{
		Hostname:           "mail.example.org",
		Auth:               &account.Authenticator{Directory: people, Logger: slog.New(slog.DiscardHandler)},
		Open:               f.Open,
		AllowPlaintextAuth: true,
		Logger:             slog.New(slog.DiscardHandler),
	}
}

// serve runs s at 192.0.2.1:110 until the end of the test.
func startServer(t testing.TB, n *mailtest.Network, s *Server) {
	ln, err := n.Listen("tcp", "192.0.2.1:110")
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
	conn, err := n.DialContext(context.Background(), "tcp", "192.0.2.1:110")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &client{t, conn, bufio.NewReader(conn)}
	c.expect("+OK")
	return c
}

func (c *client) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func (c *client) send(lines ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, strings.Join(lines, "\r\n")+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) expect(prefix string) string {
	c.t.Helper()
	line, err := c.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, prefix) {
		c.t.Fatalf("got %q, %v, want %s", line, err, prefix)
	}
	return strings.TrimSuffix(line, "\r\n")
}

// login logs in as ann.
func (c *client) login() {
	c.t.Helper()
	c.send("AUTH PLAIN AGFubgBzZWNyZXQ=")
	c.expect("+OK")
}

func TestWrongSettingsAreReportedTogether(t *testing.T) {
	s := &Server{
		Hostname:    "m\u00e4il.example.org",
		IdleTimeout: 10*time.Minute - 1,
		TLSConfig:   new(tls.Config),
	}
	var n mailtest.Network
	ln, err := n.Listen("tcp", "192.0.2.1:110")
	if err != nil {
		t.Fatal(err)
	}
	err = s.Serve(t.Context(), ln)
	for _, field := range []string{"Hostname", "Auth", "Open", "IdleTimeout", "TLSConfig"} {
		if err == nil || !strings.Contains(err.Error(), "Server."+field+" ") {
			t.Errorf("Server.%s is not reported: %v", field, err)
		}
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is not closed: %v", err)
	}
	s = newServer(new(fakeStore))
	s.Auth = new(account.Authenticator)
	s.Hostname = ""
	err = s.Serve(t.Context(), ln)
	if err == nil || !strings.Contains(err.Error(), "Server.Auth has no Directory") || !strings.Contains(err.Error(), "Server.Hostname") {
		t.Errorf("got %v", err)
	}
	if err := newServer(new(fakeStore)).ServeTLS(t.Context(), ln); err == nil || !strings.Contains(err.Error(), "TLSConfig") {
		t.Errorf("ServeTLS without TLSConfig: %v", err)
	}
}

func TestTheEndOfTheContextEndsTheSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		s := newServer(new(fakeStore))
		ln, err := n.Listen("tcp", "192.0.2.1:110")
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
		if len(s.locks.held) != 0 {
			t.Error("the lock is held")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAListenerThatFailsLeavesItsSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		s := newServer(new(fakeStore))
		ln, err := n.Listen("tcp", "192.0.2.1:110")
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

func TestTooManySessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		s := newServer(new(fakeStore))
		s.MaxSessions = 2
		startServer(t, &n, s)
		first, second := dial(t, &n), dial(t, &n)
		conn, err := n.DialContext(t.Context(), "tcp", "192.0.2.1:110")
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(conn); string(got) != "-ERR [SYS/TEMP] too many sessions, try again later\r\n" {
			t.Errorf("the third is told %q", got)
		}
		first.send("QUIT")
		first.expect("+OK")
		synctest.Wait()
		dial(t, &n)
		second.login()
	})
}

func TestTooManySessionsOfAClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		s := newServer(new(fakeStore))
		s.MaxPerClient = 1
		startServer(t, &n, s)
		dial(t, &n)
		conn, err := n.DialContext(t.Context(), "tcp", "192.0.2.1:110")
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(conn); string(got) != "-ERR [SYS/TEMP] too many sessions, try again later\r\n" {
			t.Errorf("the second is told %q", got)
		}
	})
}

func TestMaxMessagesShowsTheOldest(t *testing.T) {
	for most, want := range map[int]string{2: "+OK 2 10", 3: "+OK 3 17", 4: "+OK 3 17", -1: "+OK 3 17"} {
		synctest.Test(t, func(t *testing.T) {
			var n mailtest.Network
			f := new(fakeStore)
			for _, text := range []string{"one\r\n", "two\r\n", "three\r\n"} {
				f.deliver("ann", text)
			}
			s := newServer(f)
			s.MaxMessages = most
			startServer(t, &n, s)
			c := dial(t, &n)
			c.login()
			c.send("STAT", "UIDL 1", "DELE 1", "QUIT")
			if got := c.expect("+OK"); got != want {
				t.Errorf("with MaxMessages %d: %s, want %s", most, got, want)
			}
			c.expect("+OK 1 00000001")
			c.expect("+OK")
			c.expect("+OK")
			if got := f.left("ann"); got != "2 \"two\\r\\n\"\n3 \"three\\r\\n\"\n" {
				t.Errorf("left: %s", got)
			}
		})
	}
}

func TestAMaildropThatHangsIsTemporary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		s := newServer(new(fakeStore))
		s.Open = func(ctx context.Context, who account.Identity) (Maildrop, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		startServer(t, &n, s)
		c := dial(t, &n)
		start := time.Now()
		c.send("AUTH PLAIN AGFubgBzZWNyZXQ=")
		c.expect("-ERR [SYS/TEMP]")
		if took := time.Since(start); took != 5*time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

func TestAClientThatReadsNothingIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		f := new(fakeStore)
		f.deliver("ann", strings.Repeat("x\r\n", 1<<20))
		s := newServer(f)
		startServer(t, &n, s)
		c := dial(t, &n)
		c.login()
		c.send("DELE 1", "RSET", "RETR 1")
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if f.open != 0 || f.contents != 0 || len(s.locks.held) != 0 {
			t.Errorf("still open: %d maildrops, %d contents, locks %v", f.open, f.contents, s.locks.held)
		}
	})
}

// panicking is a maildrop of an application with a bug.
type panicking struct{ Maildrop }

func (panicking) Close() error { panic("close") }

func TestAPanicOfTheApplicationEndsOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		f := new(fakeStore)
		s := newServer(f)
		bad := true
		s.Open = func(ctx context.Context, who account.Identity) (Maildrop, error) {
			if who.Account == "bob" {
				panic("open")
			}
			m, err := f.Open(ctx, who)
			if bad {
				m = panicking{m}
			}
			return m, err
		}
		startServer(t, &n, s)
		c := dial(t, &n)
		c.login()
		c.send("QUIT")
		c.expect("+OK")
		c2 := dial(t, &n)
		c2.send("AUTH PLAIN AGJvYgAgdHdvICB3b3JkcyA=")
		if got, err := io.ReadAll(c2.Reader); err != nil || len(got) > 0 {
			t.Errorf("a panic in Open says %q, %v", got, err)
		}
		bad = false
		c3 := dial(t, &n)
		c3.login() // the lock is free
	})
}

func TestSecretsAreNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var log bytes.Buffer
		var n mailtest.Network
		f := new(fakeStore)
		f.deliver("ann", "Subject: hush\r\n\r\nhush\r\n")
		s := newServer(f)
		s.Logger = slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return log.Write(p)
		}), &slog.HandlerOptions{Level: slog.LevelDebug}))
		s.Auth.Logger = s.Logger
		s.Rand = strings.NewReader("12345678")
		startServer(t, &n, s)
		c := dial(t, &n)
		c.send("USER down", "PASS sesame", "USER ann", "PASS sesame", "AUTH PLAIN c2VzYW1l", "AUTH PLAIN", "c2VzYW1l", "PASS sesame", "USER ann", "PASS secret", "RETR 1", "DELE 1", "QUIT")
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
		for _, want := range []string{"msg=connect", "level=INFO msg=reject", "level=ERROR msg=reject", "code=AUTH", "code=SYS/TEMP", "on fire", "msg=close", "account=ann", "retrieved=1", "removed=1", "session=3132333435363738", "remote=203.0.113.1:"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %s:\n%s", want, &log)
			}
		}
	})
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n mailtest.Network
		f := new(fakeStore)
		f.deliver("ann", "one\r\n")
		s := newServer(f)
		startServer(t, &n, s)
		c := dial(t, &n)
		c.login()
		c.send("DELE 1")
		c.expect("+OK")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("Shutdown = %v after %v", err, time.Since(start))
		}
		if f.open != 0 || f.left("ann") == "" {
			t.Errorf("%d maildrops are open; left: %s", f.open, f.left("ann"))
		}
		if err := s.Serve(t.Context(), closedListener{}); err != ErrServerClosed {
			t.Errorf("Serve after Shutdown = %v", err)
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
		s := newServer(new(fakeStore))
		ln, err := n.Listen("tcp", "192.0.2.1:110")
		if err != nil {
			t.Fatal(err)
		}
		flaky := &flakyListener{Listener: ln, failures: 10}
		served := make(chan error)
		go func() { served <- s.Serve(t.Context(), flaky) }()
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
		return nil, &net.OpError{Op: "accept", Err: temporary{}}
	}
	return l.Listener.Accept()
}

type temporary struct{}

func (temporary) Error() string   { return "too many open files" }
func (temporary) Timeout() bool   { return false }
func (temporary) Temporary() bool { return true }

// An idle session holds no buffers, also when it has sent a message.
func TestAnIdleSessionIsSmall(t *testing.T) {
	f := new(fakeStore)
	f.deliver("ann", strings.Repeat(strings.Repeat("x", 998)+"\r\n", 60))
	s := newServer(f)
	s.Open = func(ctx context.Context, who account.Identity) (Maildrop, error) {
		return f.Open(ctx, account.Identity{Account: "ann"})
	}
	var logins atomic.Int64
	s.Auth.Directory = account.Funcs{VerifyFunc: func(ctx context.Context, login, password string) (string, error) {
		return fmt.Sprint("user", logins.Add(1)), nil
	}}
	ln := newPipeListener()
	served := make(chan error)
	go func() { served <- s.Serve(context.Background(), ln) }()
	defer func() {
		s.Close()
		<-served
	}()
	const sessions = 300
	before := heap()
	for range sessions {
		server, conn := net.Pipe() // has no buffer of its own
		ln.conns <- server
		defer conn.Close()
		c := &client{t, conn, bufio.NewReader(conn)}
		c.expect("+OK")
		c.login()
		c.send("RETR 1")
		for c.expect("") != "." {
		}
	}
	per := (heap() - before) / sessions
	t.Logf("%d octets per idle session", per)
	if per > 16<<10 { // the buffers alone would be 64 KiB
		t.Errorf("%d octets per idle session", per)
	}
}

// A pipeListener accepts what is put into conns.
type pipeListener struct {
	conns chan net.Conn
	done  context.Context
	close context.CancelFunc
}

func newPipeListener() *pipeListener {
	l := &pipeListener{conns: make(chan net.Conn)}
	l.done, l.close = context.WithCancel(context.Background())
	return l
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done.Done():
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.close()
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
