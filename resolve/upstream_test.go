package resolve_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/resolve"
	"github.com/postrider/postrider/resolve/resolvetest"
)

// A system is a resolv.conf and what a resolver does with it.
type system struct {
	path string

	mu      sync.Mutex // guards dialled
	dialled []string
}

func (s *system) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(s.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *system) dial(server *resolvetest.Server) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		s.mu.Lock()
		s.dialled = append(s.dialled, address)
		s.mu.Unlock()
		return server.Dial(ctx, network, address)
	}
}

func (s *system) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := strings.Join(s.dialled, " ")
	s.dialled = nil
	return d
}

func TestServersComeFromTheSystem(t *testing.T) {
	tests := []struct {
		name, conf, dialled string
		authentic           bool
	}{
		{"one", "nameserver 192.0.2.53\n", "192.0.2.53:53", false},
		{"several, the first is asked", "nameserver 2001:db8::53\nnameserver 192.0.2.53\n", "[2001:db8::53]:53", false},
		{"a zone", "nameserver fe80::1%eth0\n", "[fe80::1%eth0]:53", false},
		{"comments, search lists and what is unknown", "# nameserver 192.0.2.1\n; x\nsearch test\ndomain test\nsortlist x\nnameserver\t192.0.2.2 # x\n", "192.0.2.2:53", false},
		{"no address", "nameserver localhost\nnameserver\n", "127.0.0.1:53", false},
		{"nothing", "", "127.0.0.1:53", false},
		{"trust", "options edns0 trust-ad ndots:1\nnameserver 192.0.2.53\n", "192.0.2.53:53", true},
		{"no trust", "options trust-ad-not\nnameserver 192.0.2.53\n", "192.0.2.53:53", false},
		{"no file", "-", "127.0.0.1:53", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			z := resolvetest.MustZone(wireZone)
			z.SetAuthentic(".", true)
			server := resolvetest.NewServer(z)
			defer server.Close()
			s := &system{path: filepath.Join(t.TempDir(), "resolv.conf")}
			if tt.conf != "-" {
				s.write(t, tt.conf)
			}
			d := closing(t, &resolve.DNS{ResolvConf: s.path, Dial: s.dial(server)})
			a, err := d.A(t.Context(), "example.test")
			if err != nil || a.Authentic != tt.authentic || s.take() != tt.dialled {
				t.Errorf("answer %+v, error %v", a, err)
			}
		})
	}
}

func TestServersFollowTheSystemAndTheCacheEndsWithThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := resolvetest.MustZone(wireZone)
		z.SetAuthentic(".", true)
		server := resolvetest.NewServer(z)
		defer server.Close()
		s := &system{path: filepath.Join(t.TempDir(), "resolv.conf")}
		d := closing(t, &resolve.DNS{ResolvConf: s.path, Dial: s.dial(server)})
		step := func(what, conf string, dialled string, authentic bool) {
			t.Helper()
			if conf != "" {
				s.write(t, conf)
			}
			a, err := d.A(t.Context(), "example.test")
			if got := s.take(); err != nil || got != dialled || a.Authentic != authentic {
				t.Errorf("%s: asked %q, want %q; Authentic %t, error %v", what, got, dialled, a.Authentic, err)
			}
		}
		step("no file yet", "", "127.0.0.1:53", false)
		step("looked at a moment ago", "nameserver 192.0.2.1\n", "", false)
		time.Sleep(5 * time.Second)
		step("the file is there", "", "192.0.2.1:53", false)
		time.Sleep(5 * time.Second)
		step("nothing new", "", "", false)
		time.Sleep(5 * time.Second)
		step("written again, the same", "nameserver 192.0.2.1\n", "", false)
		time.Sleep(5 * time.Second)
		step("trust", "nameserver 192.0.2.1\noptions trust-ad\n", "192.0.2.1:53", true)
		time.Sleep(5 * time.Second)
		step("trust withdrawn", "nameserver 192.0.2.1\n", "192.0.2.1:53", false)
		time.Sleep(5 * time.Second)
		step("another server", "nameserver 192.0.2.2\n", "192.0.2.2:53", false)
		if err := os.Remove(s.path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		step("the file is gone for a moment", "", "", false)
	})
}

func TestGivenServersAreAskedAtTheirPorts(t *testing.T) {
	for given, want := range map[string]string{
		"192.0.2.53":           "192.0.2.53:53",
		"192.0.2.53:5353":      "192.0.2.53:5353",
		"2001:db8::53":         "[2001:db8::53]:53",
		"[2001:db8::53]":       "[2001:db8::53]:53",
		"[2001:db8::53]:5353":  "[2001:db8::53]:5353",
		"dns.example.test":     "dns.example.test:53",
		"dns.example.test:530": "dns.example.test:530",
	} {
		server := resolvetest.NewServer(resolvetest.MustZone(wireZone))
		s := new(system)
		d := closing(t, &resolve.DNS{Servers: []string{given}, ResolvConf: "/nowhere", Dial: s.dial(server)})
		_, err := d.A(t.Context(), "example.test")
		if got := s.take(); err != nil || got != want {
			t.Errorf("%s: asked %s, want %s; error %v", given, got, want, err)
		}
		server.Close()
	}
}

func TestALargeResolvConfIsReadInPart(t *testing.T) {
	server := resolvetest.NewServer(resolvetest.MustZone(wireZone))
	server.Close()
	s := &system{path: filepath.Join(t.TempDir(), "resolv.conf")}
	s.write(t, strings.Repeat("nameserver 192.0.2.1\n", 100_000))
	d := closing(t, &resolve.DNS{ResolvConf: s.path, Dial: s.dial(server), Tries: 1})
	if _, err := d.A(t.Context(), "example.test"); !resolve.IsTemporary(err) {
		t.Error(err)
	}
	if n := len(strings.Fields(s.take())); n != 16 {
		t.Errorf("%d servers", n)
	}
}

// The zero value has a real socket per question, closed at the end (see TestMain for goroutines).
func TestTheZeroValueAsksOverItsOwnSockets(t *testing.T) {
	z := resolvetest.MustZone(wireZone)
	s := resolvetest.Start(t, z)
	d := closing(t, &resolve.DNS{Servers: []string{s.Addr()}, Tries: 1, TryTimeout: 100 * time.Millisecond})
	if _, err := d.MX(t.Context(), "example.test"); err != nil {
		t.Error(err)
	}
	z.Fail("example.test", "A", resolvetest.Truncate)
	if _, err := d.A(t.Context(), "example.test"); err != nil {
		t.Error(err)
	}
	z.Fail("mx.example.test", "A", resolvetest.Drop)
	if _, err := d.A(t.Context(), "mx.example.test"); !resolve.IsTemporary(err) {
		t.Error(err)
	}
	var networks []string
	for _, q := range s.Queries() {
		networks = append(networks, q.Network)
	}
	if !slices.Equal(networks, []string{"udp", "udp", "tcp", "udp"}) {
		t.Errorf("asked over %q", networks)
	}
}

// A reply from another address than the server's is not seen at all (RFC 5452 §9.1).
func TestRepliesFromOtherAddressesDoNotArrive(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	stranger, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer server.Close()
	wg.Go(func() {
		buf := make([]byte, 1500)
		for {
			n, client, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			buf[2], buf[3] = 0x81, 0x83 // NXDOMAIN, with the right ID and question
			stranger.WriteTo(buf[:n], client)
		}
	})
	d := closing(t, &resolve.DNS{Servers: []string{server.LocalAddr().String()}, Tries: 1, TryTimeout: 50 * time.Millisecond})
	if _, err := d.MX(t.Context(), "example.test"); !resolve.IsTemporary(err) {
		t.Errorf("error %v", err)
	}
}

func TestInvalidNamesAreNotAskedFor(t *testing.T) {
	d := closing(t, &resolve.DNS{Servers: []string{"192.0.2.53"}, Dial: noDial(t)})
	for _, name := range []string{"", "..", "bücher.test", "a b"} {
		_, err := d.MX(t.Context(), name)
		if resolve.KindOf(err) != resolve.Invalid {
			t.Errorf("%q: %v", name, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.MX(ended, "example.test"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
