package resolve

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestNegativeTTLIsTheLeastOfTheSOA(t *testing.T) {
	for _, tt := range []struct {
		ttl, minimum uint32
		want         time.Duration
	}{{60, 600, time.Minute}, {600, 60, time.Minute}, {86400, 86400, time.Hour}, {0, 60, 0}, {60, 1 << 31, 0}} {
		m := &dns.Msg{Ns: []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Ttl: tt.ttl}, Minttl: tt.minimum}}}
		if got, ok := new(DNS).negativeTTL(m); got != tt.want || !ok {
			t.Errorf("TTL %d, minimum %d: %v, %t, want %v", tt.ttl, tt.minimum, got, ok, tt.want)
		}
	}
}

func TestUnescape(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "plain": "plain", `\"`: `"`, `\\`: `\`, `\065`: "A", `\255\000`: "\xff\x00",
		`\256`: "256", `\25`: "25", `\2`: "2", `end\`: `end\`, `\\065`: `\065`,
	} {
		var b strings.Builder
		if unescape(&b, s); b.String() != want {
			t.Errorf("%q became %q, want %q", s, b.String(), want)
		}
	}
}

// What canonicalName accepts has one form, fits in a message, and comes back from it.
func FuzzCanonicalName(f *testing.F) {
	for _, s := range []string{
		"", ".", "example.org", "EXAMPLE.org.", "a..b", `a\.b.org`, `a\046b.org`, `\065.org`, `\300.org`, `org\`, `org\.`, `\@x`,
		"_25._tcp.mx", "bücher.example", strings.Repeat("a.", 127), strings.Repeat("a.", 128), strings.Repeat("a", 64), "a b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := canonicalName(s)
		if err != nil {
			return
		}
		if again, err := canonicalName(name); err != nil || again != name {
			t.Fatalf("%q became %q, then %q, %v", s, name, again, err)
		}
		if again, err := canonicalName(plainName(name)); err != nil || again != name {
			t.Fatalf("%q, shown as %q, became %q, %v", name, plainName(name), again, err)
		}
		var wire [maxNameWire]byte
		n, err := dns.PackDomainName(name, wire[:], 0, nil, false)
		if err != nil {
			t.Fatalf("%q does not fit: %v", name, err)
		}
		back, _, err := dns.UnpackDomainName(wire[:n], 0)
		if err != nil || back != name {
			t.Fatalf("%q came back as %q, %v", name, back, err)
		}
	})
}

// Whatever octets a TXT record has, decodeTXT returns them.
func FuzzTXTKeepsEachOctet(f *testing.F) {
	f.Add([]byte("v=spf1 -all"))
	f.Add([]byte(`quote " backslash \ digits \065 end \`))
	f.Add([]byte{0, 1, 0x7f, 0x80, 0xff})
	f.Add(bytes.Repeat([]byte{'\\'}, 255))
	f.Fuzz(func(t *testing.T, octets []byte) {
		octets = octets[:min(len(octets), 255)]
		wire := []byte{0, 0, 16, 0, 1, 0, 0, 0, 0, 0, byte(len(octets) + 1), byte(len(octets))} // root TXT IN 0, length, string
		if len(octets) == 255 {
			wire[9], wire[10] = 1, 0
		}
		rr, _, err := dns.UnpackRR(append(wire, octets...), 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := decodeTXT(rr.(*dns.TXT)); got != string(octets) {
			t.Fatalf("%q became %q", octets, got)
		}
	})
}

// Strangers' bytes: no panic, and what is taken for our reply is one.
func FuzzParseReply(f *testing.F) {
	query := &dns.Msg{MsgHdr: dns.MsgHdr{Id: 0x1234}, Question: []dns.Question{{Name: "example.org.", Qtype: dns.TypeMX, Qclass: dns.ClassINET}}}
	honest := new(dns.Msg).SetReply(query)
	honest.Answer = []dns.RR{
		&dns.CNAME{Hdr: dns.RR_Header{Name: "example.org.", Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 60}, Target: "example.net."},
		&dns.MX{Hdr: dns.RR_Header{Name: "example.net.", Rrtype: dns.TypeMX, Class: dns.ClassINET, Ttl: 60}, Preference: 10, Mx: "mx.example.net."},
	}
	for _, rcode := range []int{dns.RcodeSuccess, dns.RcodeNameError, dns.RcodeServerFailure} {
		honest.Rcode = rcode
		b, err := honest.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)-3])
		f.Add(b[:12])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		reply, ours, err := parseReply(b, query)
		switch {
		case !ours && (reply != nil || err != nil):
			t.Fatalf("not ours, but %v, %v", reply, err)
		case !ours, err != nil:
			return
		case reply.Id != query.Id || !reply.Response:
			t.Fatalf("taken for ours: %v", reply)
		}
		if verdict(reply) != nil {
			return
		}
		name := "example.org."
		for range maxAliases {
			target, _, ok := aliasOf(reply, name, dns.TypeMX)
			if !ok {
				break
			}
			name = target
		}
		records, ttl := recordsOf(reply, name, dns.TypeMX)
		for _, rr := range records {
			if mx := decodeMX(rr.(*dns.MX)); mx.Host == "" || mx.Host != lowerASCII(mx.Host) || ttl < 0 {
				t.Fatalf("%v became %v, TTL %v", rr, mx, ttl)
			}
		}
	})
}

// A resolv.conf is the system's, but its text may be anyone's: whatever it says, servers are addresses and few.
func FuzzResolvConf(f *testing.F) {
	f.Add("nameserver 192.0.2.53\noptions trust-ad\n")
	f.Add("nameserver fe80::1%eth0\r\nnameserver x\n\n;\n")
	f.Add(strings.Repeat("nameserver ::1\n", 20))
	f.Add("nameserver " + strings.Repeat("1", 70_000))
	f.Fuzz(func(t *testing.T, s string) {
		c := readResolvConf(strings.NewReader(s))
		if len(c.servers) > maxServers {
			t.Fatalf("%d servers", len(c.servers))
		}
		for _, server := range c.servers {
			if _, err := netip.ParseAddr(server); err != nil {
				t.Fatal(err)
			}
			withPort(server)
		}
	})
}

func FuzzParseLiteral(f *testing.F) {
	for _, s := range []string{"[192.0.2.1]", "[IPv6:2001:db8::1]", "[ipv6:::ffff:192.0.2.1]", "[]", "[", "[IPv6:]", "[IPv6:192.0.2.1]", "[::1]", "[IPv6:fe80::1%x]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := parseLiteral(s)
		if err != nil {
			return
		}
		again := "[" + addr.String() + "]"
		if !addr.Is4() {
			again = "[IPv6:" + addr.String() + "]"
		}
		if back, err := parseLiteral(again); err != nil || back != addr {
			t.Fatalf("%q is %v, and %q is %v, %v", s, addr, again, back, err)
		}
	})
}
