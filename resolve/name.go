package resolve

import (
	"strings"

	"github.com/miekg/dns"
)

// maxNameWire bounds a name on the wire (RFC 1035 §2.3.4).
const maxNameWire = 255

// canonicalName returns name as the DNS compares it: lower case, absolute, with
// its final dot, octets that need it escaped in one way only.
func canonicalName(name string) (string, error) {
	plain, lower := true, true
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c >= 0x7f, c < ' ', c == ' ' && (i == 0 || name[i-1] != '\\'):
			return "", errNotASCII
		case 'A' <= c && c <= 'Z':
			lower = false
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			plain = false
		}
	}
	if _, ok := dns.IsDomainName(name); !ok {
		return "", errBadName
	}
	name = dns.Fqdn(name)
	var wire [maxNameWire]byte
	n, err := dns.PackDomainName(name, wire[:], 0, nil, false)
	if err != nil {
		return "", errBadName
	}
	if !plain {
		if name, _, err = dns.UnpackDomainName(wire[:n], 0); err != nil {
			return "", errBadName
		}
	}
	if !lower || !plain {
		name = lowerASCII(name)
	}
	return name, nil
}

// plainName turns a name from a message into the form of MX.Host.
func plainName(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(lowerASCII(name), ".")
}

// lowerASCII is strings.ToLower for the 26 letters that the DNS folds (RFC 4343).
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
