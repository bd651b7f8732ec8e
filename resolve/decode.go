package resolve

import (
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// The records come from messages, so that addresses have their length and hex is hex.

func decodeA(rr *dns.A) netip.Addr {
	addr, _ := netip.AddrFromSlice(rr.A.To4())
	return addr
}

func decodeAAAA(rr *dns.AAAA) netip.Addr {
	addr, _ := netip.AddrFromSlice(rr.AAAA.To16())
	return addr
}

func decodeCNAME(rr *dns.CNAME) string { return plainName(rr.Target) }

func decodeMX(rr *dns.MX) MX {
	return MX{Host: plainName(rr.Mx), Preference: rr.Preference}
}

func decodePTR(rr *dns.PTR) string { return plainName(rr.Ptr) }

func decodeTLSA(rr *dns.TLSA) TLSA {
	data, _ := hex.DecodeString(rr.Certificate)
	return TLSA{Usage: rr.Usage, Selector: rr.Selector, MatchingType: rr.MatchingType, Data: data}
}

func decodeTXT(rr *dns.TXT) string {
	var b strings.Builder
	for _, s := range rr.Txt {
		unescape(&b, s)
	}
	return b.String()
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
