package postrider

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Limits of an address, in octets as written (RFC 5321 §4.5.3.1). A path is
// two octets longer than its address, for the angle brackets.
const (
	MaxLocalLen   = 64
	MaxDomainLen  = 255
	MaxAddressLen = 254
)

// An Address is a Mailbox in the sense of RFC 5321 §4.1.2, extended by RFC 6531
// to UTF-8: ann@example.org, "two words"@example.org, ann@[192.0.2.1],
// 用户@例え.jp.
//
// The zero Address is the null path, which prints as the empty string and
// stands between angle brackets as <>. An Address with a Local and no Domain is
// the Postmaster that RFC 5321 §4.5.1 wants accepted without a domain.
//
// Addresses compare with ==, octet for octet. Use [Address.Canonical] to compare
// them as mail does.
type Address struct {
	// Local is the local part without quotes and backslashes. Its case is
	// kept: only the domain's owner knows whether it matters (RFC 5321 §2.4).
	Local string
	// Domain is the domain as written, A-labels or U-labels, or an address
	// literal with its brackets.
	Domain string
}

// ErrAddress is wrapped by every error of [ParseAddress].
var ErrAddress = errors.New("invalid address")

func addressError(s, why string) error {
	if len(s) > 80 {
		s = s[:80] + "..."
	}
	return fmt.Errorf("%w %q: %s", ErrAddress, s, why)
}

// ParseAddress reads s as a Mailbox of RFC 5321 §4.1.2 with the UTF-8 of RFC
// 6531 §3.3. It is strict: comments, white space and the obsolete forms of RFC
// 5322 are errors, as are the empty string and a local part alone. The address
// is at most [MaxAddressLen] octets. Errors wrap [ErrAddress].
func ParseAddress(s string) (Address, error) {
	switch {
	case len(s) > MaxAddressLen:
		return Address{}, addressError(s, "longer than 254 octets")
	case !utf8.ValidString(s):
		return Address{}, addressError(s, "not UTF-8")
	}
	local, rest, err := cutLocal(s)
	if err != nil {
		return Address{}, err
	}
	domain, ok := strings.CutPrefix(rest, "@")
	if !ok {
		return Address{}, addressError(s, "no domain")
	}
	if err := checkDomain(domain); err != nil {
		return Address{}, addressError(s, err.Error())
	}
	return Address{Local: local, Domain: domain}, nil
}

// cutLocal returns the local part at the start of s, unquoted, and what follows it.
func cutLocal(s string) (local, rest string, err error) {
	n := 0
	if strings.HasPrefix(s, `"`) {
		local, n, err = unquoteLocal(s)
	} else {
		local, n, err = dotString(s)
	}
	if err == nil && n > MaxLocalLen {
		err = addressError(s, "local part longer than 64 octets")
	}
	return local, s[n:], err
}

// dotString reads a Dot-string and returns its length too.
func dotString(s string) (string, int, error) {
	n := 0
	for n < len(s) && (s[n] == '.' || isAtext(s[n])) {
		n++
	}
	local := s[:n]
	if local == "" || local[0] == '.' || local[n-1] == '.' || strings.Contains(local, "..") {
		return "", 0, addressError(s, "bad local part")
	}
	return local, n, nil
}

// unquoteLocal reads a Quoted-string and returns its content and its length as written.
func unquoteLocal(s string) (string, int, error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), i + 1, nil
		case c == '\\':
			i++
			if i == len(s) || s[i] < ' ' || s[i] > '~' {
				return "", 0, addressError(s, "bad quoted pair")
			}
			b.WriteByte(s[i])
		case c < ' ' || c == 0x7f:
			return "", 0, addressError(s, "control character")
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, addressError(s, "quoted string without an end")
}

// isAtext reports whether c is atext (RFC 5322 §3.2.3) or part of a
// UTF8-non-ascii (RFC 6531 §3.3).
func isAtext(c byte) bool {
	return c >= 0x80 || isAlnum(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// CheckDomain reports what keeps s from being a Domain or an address literal in
// the sense of RFC 5321 §4.1.2, with the U-labels of RFC 6531 §3.3. It returns nil
// for a valid one.
func CheckDomain(s string) error { return checkDomain(s) }

func checkDomain(s string) error {
	switch {
	case s == "":
		return errors.New("empty domain")
	case len(s) > MaxDomainLen:
		return errors.New("domain longer than 255 octets")
	case !utf8.ValidString(s):
		return errors.New("domain is not UTF-8")
	case s[0] == '[':
		if _, ok := literalIP(s); !ok {
			return errors.New("bad address literal")
		}
		return nil
	}
	ascii := s
	if !isASCII(s) {
		a, err := idna.Lookup.ToASCII(s)
		// Lookup's mapping would read other full stops as dots; RFC 6531 §3.3 does not.
		if err != nil || strings.Count(a, ".") != strings.Count(s, ".") {
			return errors.New("bad internationalised domain")
		}
		ascii = a
	}
	if len(ascii) > 253 {
		return errors.New("domain longer than DNS allows")
	}
	for label := range strings.SplitSeq(ascii, ".") {
		if err := checkLabel(label); err != nil {
			return err
		}
	}
	return nil
}

// checkLabel holds a sub-domain to Let-dig [Ldh-str] and to the 63 octets of RFC 1035 §2.3.4.
func checkLabel(label string) error {
	if label == "" {
		return errors.New("empty label in the domain")
	}
	if len(label) > 63 {
		return errors.New("label longer than 63 octets in the domain")
	}
	if label[0] == '-' || label[len(label)-1] == '-' {
		return errors.New("label begins or ends with a hyphen")
	}
	for i := range len(label) {
		if c := label[i]; c != '-' && !isAlnum(c) {
			return errors.New("bad character in the domain")
		}
	}
	return nil
}

// literalIP reads an IPv4 or IPv6 address literal (RFC 5321 §4.1.3). No other
// tag is registered, so a General-address-literal is no address.
func literalIP(s string) (netip.Addr, bool) {
	if len(s) < 2 || s[0] != '[' || s[len(s)-1] != ']' {
		return netip.Addr{}, false
	}
	s = s[1 : len(s)-1]
	const tag = "IPv6:"
	if len(s) > len(tag) && strings.EqualFold(s[:len(tag)], tag) {
		ip, err := netip.ParseAddr(s[len(tag):])
		return ip, err == nil && strings.Contains(s[len(tag):], ":") && ip.Zone() == ""
	}
	ip, err := netip.ParseAddr(s)
	return ip, err == nil && ip.Is4()
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// IsNull reports whether a is the null path.
func (a Address) IsNull() bool { return a == Address{} }

// IsASCII reports whether a can travel without SMTPUTF8 as it stands.
func (a Address) IsASCII() bool { return isASCII(a.Local) && isASCII(a.Domain) }

// IP returns the address of an address literal, and whether the domain is one.
func (a Address) IP() (netip.Addr, bool) { return literalIP(a.Domain) }

// String returns a as RFC 5321 writes it, without angle brackets, the local part
// quoted if it must be. [ParseAddress] reads it back unless a is null or has no
// domain.
func (a Address) String() string {
	if a.IsNull() {
		return ""
	}
	local := a.Local
	if _, n, err := dotString(local); err != nil || n != len(local) {
		local = quoteLocal(local)
	}
	if a.Domain == "" {
		return local
	}
	return local + "@" + a.Domain
}

func quoteLocal(s string) string {
	b := make([]byte, 0, len(s)+2)
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return string(append(b, '"'))
}

// ASCII returns a with its domain in A-labels, as DNS and servers without
// SMTPUTF8 want it. It reports false, and a as it is, where the local part has no
// such form.
func (a Address) ASCII() (Address, bool) {
	if !isASCII(a.Local) {
		return a, false
	}
	return Address{Local: a.Local, Domain: CanonicalDomain(a.Domain)}, true
}

// Canonical returns the form in which two addresses are the same mailbox as far
// as RFC 5321 §2.4 lets anybody but the domain's owner tell: the domain in
// A-labels and lower case, the local part untouched.
func (a Address) Canonical() Address {
	return Address{Local: a.Local, Domain: CanonicalDomain(a.Domain)}
}

// CanonicalDomain returns domain in A-labels and lower case, an address literal
// in its shortest spelling, and anything invalid in lower case.
func CanonicalDomain(domain string) string {
	if ip, ok := literalIP(domain); ok {
		if ip.Is4() {
			return "[" + ip.String() + "]"
		}
		return "[IPv6:" + ip.String() + "]"
	}
	domain = strings.ToLower(domain)
	if isASCII(domain) {
		return domain
	}
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		return ascii
	}
	return domain
}

// MarshalText returns String's form, so that an Address can be a value or a key in JSON.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote: the empty text is the null path,
// and a local part may stand alone.
func (a *Address) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "" {
		*a = Address{}
		return nil
	}
	if local, rest, err := cutLocal(s); err == nil && rest == "" {
		*a = Address{Local: local}
		return nil
	}
	parsed, err := ParseAddress(s)
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}
