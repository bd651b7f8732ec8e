package resolve

import (
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

func decodeA(rr dns.RR) (netip.Addr, bool) {
	a, ok := rr.(*dns.A)
	if !ok {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(a.A.To4())
}

func decodeAAAA(rr dns.RR) (netip.Addr, bool) {
	a, ok := rr.(*dns.AAAA)
	if !ok {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(a.AAAA.To16())
}

func decodeCNAME(rr dns.RR) (string, bool) {
	c, ok := rr.(*dns.CNAME)
	if !ok {
		return "", false
	}
	return plainName(c.Target), true
}

func decodeMX(rr dns.RR) (MX, bool) {
	m, ok := rr.(*dns.MX)
	if !ok {
		return MX{}, false
	}
	return MX{Host: plainName(m.Mx), Preference: m.Preference}, true
}

func decodePTR(rr dns.RR) (string, bool) {
	p, ok := rr.(*dns.PTR)
	if !ok {
		return "", false
	}
	return plainName(p.Ptr), true
}

func decodeTLSA(rr dns.RR) (TLSA, bool) {
	t, ok := rr.(*dns.TLSA)
	if !ok {
		return TLSA{}, false
	}
	data, err := hex.DecodeString(t.Certificate)
	return TLSA{Usage: t.Usage, Selector: t.Selector, MatchingType: t.MatchingType, Data: data}, err == nil
}

func decodeTXT(rr dns.RR) (string, bool) {
	t, ok := rr.(*dns.TXT)
	if !ok {
		return "", false
	}
	var b strings.Builder
	for _, s := range t.Txt {
		unescape(&b, s)
	}
	return b.String(), true
}

// unescape writes the octets that the character-string s stands for in the
// presentation form of RFC 1035 §5.1, in which package dns holds it: \DDD is an
// octet, a backslash before anything else quotes it. What is no escape stands for itself.
func unescape(b *strings.Builder, s string) {
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+1 == len(s) {
			b.WriteString(s)
			return
		}
		b.WriteString(s[:i])
		s = s[i+1:]
		if c, ok := decimalOctet(s); ok {
			b.WriteByte(c)
			s = s[3:]
		} else {
			b.WriteByte(s[0])
			s = s[1:]
		}
	}
}

// decimalOctet reads the three digits that s begins with.
func decimalOctet(s string) (byte, bool) {
	if len(s) < 3 {
		return 0, false
	}
	n := 0
	for i := range 3 {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return byte(n), n <= 255
}
