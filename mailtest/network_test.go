package mailtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
)

func TestConnBehavesAsNetConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		client, server := Pipe()
		return client, server, func() { client.Close(); server.Close() }, nil
	})
}

// pair returns the two ends of a connection over n.
func pair(t *testing.T, n *Network) (client, server *Conn) {
	t.Helper()
	l, err := n.Listen("tcp", "192.0.2.1:25")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := n.DialContext(t.Context(), "tcp", "192.0.2.1:25")
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*Conn), s.(*Conn)
}

func TestAddressesAreTheOnesDialled(t *testing.T) {
	var n Network
	for _, test := range []struct{ listen, from, to, client, server string }{
		{"192.0.2.1:25", "198.51.100.7:1234", "192.0.2.1:25", "198.51.100.7:1234", "192.0.2.1:25"},
		{"[2001:db8::1]:25", "2001:db8::2", "[2001:db8::1]:25", "[2001:db8::2]:49152", "[2001:db8::1]:25"},
		{":26", "198.51.100.7", "192.0.2.9:26", "198.51.100.7:49153", "192.0.2.9:26"},
		{"0.0.0.0:27", "198.51.100.7", "192.0.2.9:27", "198.51.100.7:49154", "192.0.2.9:27"},
		{"[::]:28", "2001:db8::2", "[2001:db8::9]:28", "[2001:db8::2]:49155", "[2001:db8::9]:28"},
		{"192.0.2.1:0", "198.51.100.7", "192.0.2.1:49156", "198.51.100.7:49157", "192.0.2.1:49156"},
	} {
		l, err := n.Listen("tcp", test.listen)
		if err != nil {
			t.Fatal(err)
		}
		c, err := n.From(test.from).DialContext(t.Context(), "tcp", test.to)
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		got := []string{c.LocalAddr().(*net.TCPAddr).String(), c.RemoteAddr().String(), s.LocalAddr().String(), s.RemoteAddr().(*net.TCPAddr).String()}
		for i, want := range []string{test.client, test.server, test.server, test.client} {
			if got[i] != want {
				t.Errorf("%+v: addresses are %q", test, got)
				break
			}
		}
		l.Close()
	}
}

func TestDialAndListenFailAsTheyDoOnTCP(t *testing.T) {
	var n Network
	l, err := n.Listen("tcp", "192.0.2.1:25")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Listen("tcp", "192.0.2.1:25"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("address in use: %v", err)
	}
	var dns *net.DNSError
	if _, err := n.DialContext(t.Context(), "tcp", "mx.example.org:25"); !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("a name: %v", err)
	}
	for _, bad := range [][2]string{{"udp", "192.0.2.1:25"}, {"tcp", "192.0.2.1"}, {"tcp", "192.0.2.1:smtp"}, {"tcp", "192.0.2.1:65536"}, {"tcp6", "192.0.2.1:25"}, {"tcp4", "[::1]:25"}} {
		var op *net.OpError
		if _, err := n.DialContext(t.Context(), bad[0], bad[1]); !errors.As(err, &op) || op.Op != "dial" || errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial %v: %v", bad, err)
		}
		if _, err := n.Listen(bad[0], bad[1]); !errors.As(err, &op) || op.Op != "listen" {
			t.Errorf("listen %v: %v", bad, err)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.DialContext(cancelled, "tcp", "192.0.2.1:25"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	l.Close()
	if _, err := n.DialContext(t.Context(), "tcp", "192.0.2.1:25"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after Close: %v", err)
	}
	n.Dialing = func(ctx context.Context, from, to netip.AddrPort) error { return syscall.EHOSTUNREACH }
	if _, err := n.DialContext(t.Context(), "tcp", "192.0.2.1:25"); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("Dialing: %v", err)
	}
}

func TestListenerCloseEndsAcceptAndResetsTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Network
		l, _ := n.Listen("tcp", "192.0.2.1:25")
		c, err := n.DialContext(t.Context(), "tcp", "192.0.2.1:25")
		if err != nil {
			t.Fatal(err)
		}
		other, _ := n.Listen("tcp", "192.0.2.1:26")
		accepted := make(chan error)
		go func() {
			_, err := other.Accept()
			accepted <- err
		}()
		synctest.Wait()
		l.Close()
		other.Close()
		if err := <-accepted; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept with a connection waiting: %v", err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Read: %v", err)
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close again: %v", err)
		}
	})
}

func TestAFullBacklogMakesDialWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Network
		l, _ := n.Listen("tcp", "192.0.2.1:25")
		defer l.Close()
		for range backlog {
			if _, err := n.DialContext(t.Context(), "tcp", "192.0.2.1:25"); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if _, err := n.DialContext(ctx, "tcp", "192.0.2.1:25"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		time.AfterFunc(time.Second, func() { l.Accept() })
		if _, err := n.DialContext(t.Context(), "tcp", "192.0.2.1:25"); err != nil {
			t.Errorf("after Accept: %v", err)
		}
	})
}

func TestWriteWaitsWhenTheBufferIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(t, &Network{Buffer: 10})
		client.SetWriteDeadline(time.Now().Add(time.Minute))
		if n, err := client.Write(make([]byte, 15)); n != 10 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %d, %v, want 10 and a deadline", n, err)
		}
		client.SetWriteDeadline(time.Time{})
		go func() {
			client.Write(make([]byte, 100))
			client.CloseWrite()
		}()
		if got, err := io.ReadAll(server); len(got) != 110 || err != nil {
			t.Errorf("%d octets, %v", len(got), err)
		}
		if _, err := server.Write([]byte("x")); err != nil {
			t.Errorf("the other direction: %v", err)
		}
		if _, err := client.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("after CloseWrite: %v", err)
		}
	})
}

func TestWritesDoNotMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(t, &Network{Buffer: 7})
		for _, c := range "abc" {
			go client.Write(bytes.Repeat([]byte{byte(c)}, 100))
		}
		got := make([]byte, 300)
		if _, err := io.ReadFull(server, got); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < 300; i += 100 {
			if n := bytes.Count(got[i:i+100], got[i:i+1]); n != 100 {
				t.Errorf("writes mix: %s", got[i:i+100])
			}
		}
	})
}

func TestCloseDeliversWhatWasWritten(t *testing.T) {
	for _, unread := range []bool{false, true} {
		client, server := pair(t, &Network{ResetUnread: true})
		server.Write([]byte("421 bye\r\n"))
		if unread {
			client.Write([]byte("NOOP\r\n"))
		}
		server.Close()
		got, err := io.ReadAll(client)
		if !unread && (string(got) != "421 bye\r\n" || err != nil) {
			t.Errorf("got %q, %v", got, err)
		}
		if unread && (len(got) > 0 || !errors.Is(err, syscall.ECONNRESET)) {
			t.Errorf("with octets unread: got %q, %v", got, err)
		}
		if _, err := client.Write([]byte("x")); err == nil {
			t.Error("a write to a closed connection succeeded")
		}
		if err := server.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close again: %v", err)
		}
		for _, err := range []error{server.SetDeadline(time.Time{}), server.SetWriteDeadline(time.Time{}), server.CloseWrite()} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
	}
}

func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name      string
		fault     Fault
		arrives   string
		readErr   error // of the server, after that
		written   int   // of ten octets, with a buffer of eight
		writeErr  error
		answerErr error // of the server's Write
	}{
		{"none", Fault{}, "0123456789", os.ErrDeadlineExceeded, 10, nil, nil},
		{"cut", Fault{Kind: Cut, After: 4}, "0123", syscall.ECONNRESET, 4, syscall.ECONNRESET, syscall.ECONNRESET},
		{"cut at once", Fault{Kind: Cut}, "", syscall.ECONNRESET, 0, syscall.ECONNRESET, syscall.ECONNRESET},
		{"end", Fault{Kind: End, After: 4}, "0123", io.EOF, 10, nil, nil},
		{"stall", Fault{Kind: Stall, After: 1}, "0", os.ErrDeadlineExceeded, 9, os.ErrDeadlineExceeded, nil},
		{"drop", Fault{Kind: Drop, After: 4}, "0123", os.ErrDeadlineExceeded, 10, nil, nil},
		{"not yet", Fault{Kind: Cut, After: 11}, "0123456789", os.ErrDeadlineExceeded, 10, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := pair(t, &Network{Buffer: 8, Faults: func(from, to netip.AddrPort) (Fault, Fault) { return test.fault, Fault{} }})
				client.SetDeadline(time.Now().Add(time.Minute))
				server.SetDeadline(time.Now().Add(time.Minute))
				done := make(chan string)
				go func() {
					got, err := io.ReadAll(server)
					if test.readErr == io.EOF && err != nil || test.readErr != io.EOF && !errors.Is(err, test.readErr) {
						t.Errorf("Read: %v, want %v", err, test.readErr)
					}
					done <- string(got)
				}()
				n, err := client.Write([]byte("0123456789"))
				if n != test.written || !errors.Is(err, test.writeErr) {
					t.Errorf("Write: %d, %v, want %d, %v", n, err, test.written, test.writeErr)
				}
				if got := <-done; got != test.arrives {
					t.Errorf("%q arrives, want %q", got, test.arrives)
				}
				server.SetDeadline(time.Time{})
				if _, err := server.Write([]byte("x")); !errors.Is(err, test.answerErr) {
					t.Errorf("the server's Write: %v, want %v", err, test.answerErr)
				}
			})
		})
	}
}

func TestALostEndIsNeverSeen(t *testing.T) {
	for _, kind := range []FaultKind{Stall, Drop} {
		for _, leave := range []func(c *Conn){func(c *Conn) { c.Close() }, (*Conn).Reset, func(c *Conn) { c.CloseWrite() }} {
			synctest.Test(t, func(t *testing.T) {
				client, server := pair(t, &Network{Faults: func(from, to netip.AddrPort) (Fault, Fault) { return Fault{Kind: kind}, Fault{} }})
				leave(client)
				server.SetReadDeadline(time.Now().Add(time.Minute))
				if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("fault %d: %v", kind, err)
				}
			})
		}
	}
}

func TestChunksLimitEachRead(t *testing.T) {
	client, server := pair(t, &Network{Faults: func(from, to netip.AddrPort) (Fault, Fault) { return Fault{Chunk: 1}, Fault{Chunk: 2} }})
	client.Write([]byte("abc"))
	server.Write([]byte("abc"))
	p := make([]byte, 10)
	if n, err := server.Read(p); n != 1 || err != nil {
		t.Errorf("to the server: %d, %v", n, err)
	}
	if n, err := client.Read(p); n != 2 || err != nil {
		t.Errorf("to the client: %d, %v", n, err)
	}
}
