package resolvetest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

const serverText = `
	test.        SOA ns.test. hostmaster.test. 1 7200 3600 604800 60
	a.test.      A 192.0.2.1
	alias.test.  CNAME a.test.
	self.test.   CNAME self.test.
`

// ask puts one question to address with an independent client.
func askServer(t *testing.T, network, address string, q *dns.Msg) *dns.Msg {
	t.Helper()
	c := &dns.Client{Net: network, Timeout: 5 * time.Second}
	reply, _, err := c.Exchange(q, address)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func question(name string, qtype uint16) *dns.Msg {
	q := new(dns.Msg)
	return q.SetQuestion(name, qtype)
}

func TestServerAnswersOverBothNetworks(t *testing.T) {
	s := Start(t, MustZone(serverText))
	var want []Query
	for _, network := range []string{"udp", "tcp"} {
		q := question("alias.test.", dns.TypeA)
		r := askServer(t, network, s.Addr(), q)
		if len(r.Answer) != 2 || r.Answer[0].Header().Rrtype != dns.TypeCNAME || r.Rcode != dns.RcodeSuccess || !r.RecursionAvailable {
			t.Errorf("%s: %v", network, r)
		}
		want = append(want, Query{Network: network, Name: "alias.test", Type: "A", ID: q.Id})
	}
	none := askServer(t, "udp", s.Addr(), question("nowhere.test.", dns.TypeMX))
	if none.Rcode != dns.RcodeNameError || len(none.Ns) != 1 || none.Ns[0].Header().Ttl != 60 {
		t.Errorf("a name that does not exist: %v", none)
	}
	if diff := cmp.Diff(want, s.Queries()[:2]); diff != "" {
		t.Error(diff)
	}
}

func TestServerTruncatesAtTheSizeAskedFor(t *testing.T) {
	s := Start(t, kitZone())
	for _, size := range []uint16{0, 512, 1232, 4096} {
		q := question("large.test.", dns.TypeA)
		if size > 0 {
			q.SetEdns0(size, false)
		}
		r := askServer(t, "udp", s.Addr(), q)
		r.Compress = true
		if !r.Truncated || r.Len() > max(int(size), dns.MinMsgSize) {
			t.Errorf("size %d: truncated %t, %d octets", size, r.Truncated, r.Len())
		}
	}
	if r := askServer(t, "tcp", s.Addr(), question("large.test.", dns.TypeA)); r.Truncated || len(r.Answer) != largeAnswer {
		t.Errorf("over TCP: truncated %t, %d records", r.Truncated, len(r.Answer))
	}
}

// RFC 6840 §5.7: AD comes to those who ask with AD or DO.
func TestServerSaysAuthenticToThoseWhoAsk(t *testing.T) {
	z := MustZone(serverText)
	z.SetAuthentic("a.test", true)
	s := Start(t, z)
	for _, tt := range []struct{ name, how string }{{"a.test.", ""}, {"a.test.", "AD"}, {"a.test.", "DO"}, {"alias.test.", "AD"}} {
		q := question(tt.name, dns.TypeA)
		q.AuthenticatedData = tt.how == "AD"
		if tt.how == "DO" {
			q.SetEdns0(1232, true)
		}
		want := tt.how != "" && tt.name == "a.test."
		if r := askServer(t, "udp", s.Addr(), q); r.AuthenticatedData != want {
			t.Errorf("%s with %q: AD is %t", tt.name, tt.how, r.AuthenticatedData)
		}
	}
}

func TestServerFailsALoopOfAliases(t *testing.T) {
	s := Start(t, MustZone(serverText))
	if r := askServer(t, "udp", s.Addr(), question("self.test.", dns.TypeA)); r.Rcode != dns.RcodeServerFailure {
		t.Errorf("%v", r)
	}
}

func TestTamperSendsAnything(t *testing.T) {
	s := NewServer(MustZone(serverText))
	defer s.Close()
	s.Tamper = func(network string, query, reply []byte) [][]byte {
		return [][]byte{[]byte(network), query[:2]}
	}
	for _, network := range []string{"udp", "tcp"} {
		conn, err := s.Dial(t.Context(), network, "anywhere")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		q, err := question("a.test.", dns.TypeA).Pack()
		if err != nil {
			t.Fatal(err)
		}
		if network == "tcp" {
			q = append(binary.BigEndian.AppendUint16(nil, uint16(len(q))), q...)
		}
		if _, err := conn.Write(q); err != nil {
			t.Fatal(err)
		}
		want := "udp" + string(q[:2])
		if network == "tcp" {
			want = "\x00\x03tcp\x00\x02" + string(q[2:4])
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v, want %q", network, got, err, want)
		}
	}
}

func TestServerPassesOverWhatIsNoQuestion(t *testing.T) {
	s := NewServer(MustZone(serverText))
	defer s.Close()
	conn, err := s.Dial(t.Context(), "udp", "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, junk := range []string{"x", "0123456789ab", "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"} {
		if _, err := conn.Write([]byte(junk)); err != nil {
			t.Fatal(err)
		}
	}
	q, _ := question("a.test.", dns.TypeA).Pack()
	if _, err := conn.Write(q); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 512)
	if n, err := conn.Read(buf); err != nil || string(buf[:2]) != string(q[:2]) {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	if n := len(s.Queries()); n != 1 {
		t.Errorf("%d questions", n)
	}
}

// TestMain sees to it that no goroutine is left.
func TestCloseEndsConnectionsAndDelays(t *testing.T) {
	z := MustZone(serverText)
	z.Delay("a.test", time.Hour)
	s := NewServer(z)
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	q, _ := question("a.test.", dns.TypeA).Pack()
	for _, network := range []string{"udp", "tcp"} {
		conn, err := s.Dial(t.Context(), network, "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(q); err != nil {
			t.Fatal(err)
		}
		real, err := net.Dial(network, s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer real.Close()
		if _, err := real.Write(q); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Dial(t.Context(), "udp", ""); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Dial after Close: %v", err)
	}
	if err := s.Listen("127.0.0.1:0"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Listen after Close: %v", err)
	}
}

func TestListenAtAnOccupiedPortFails(t *testing.T) {
	s := Start(t, MustZone(""))
	_, port, err := net.SplitHostPort(s.Addr())
	if n, _ := strconv.Atoi(port); err != nil || n == 0 {
		t.Fatalf("address %q", s.Addr())
	}
	other := NewServer(MustZone(""))
	defer other.Close()
	if err := other.Listen(s.Addr()); err == nil {
		t.Error("two servers at one port")
	}
}

func TestDialHeedsItsContext(t *testing.T) {
	s := NewServer(MustZone(""))
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Dial(ctx, "udp", ""); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
