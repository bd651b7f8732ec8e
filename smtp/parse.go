package smtp

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postrider/postrider"
)

// maxVerb is longer than any verb.
const maxVerb = 16

// cutVerb splits a command line into its verb, in upper case, and its argument. White space at the
// end is tolerated (RFC 5321 §4.1.1). The verb lies in buf.
func cutVerb(line []byte, buf *[maxVerb]byte) (verb, arg []byte) {
	n := 0
	for n < len(line) && line[n] != ' ' {
		if n == maxVerb {
			return nil, nil
		}
		buf[n] = line[n]
		if 'a' <= line[n] && line[n] <= 'z' {
			buf[n] -= 'a' - 'A'
		}
		n++
	}
	arg = line[n:]
	for len(arg) > 0 && arg[0] == ' ' {
		arg = arg[1:]
	}
	return buf[:n], trimEnd(arg)
}

func trimEnd(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// hasControl reports whether b has a control character, which no command may have (RFC
// 5321 §4.1.2).
func hasControl(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return true
		}
	}
	return false
}

// cutPrefixFold removes prefix, in any case, and the spaces behind it. RFC 5321 §3.3
// allows none there, but clients send them and nobody is fooled.
func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return strings.TrimLeft(s[len(prefix):], " "), true
}

var (
	errPath  = errors.New("address must stand in angle brackets")
	errRoute = errors.New("bad source route")
)

// cutPath reads the Path at the start of s (RFC 5321 §4.1.2) and returns its address
// and what follows. A source route is checked and forgotten (RFC 5321 §3.6.1). The
// null path is the zero Address; only <Postmaster> may lack a domain (RFC 5321 §4.5.1).
func cutPath(s string) (a postrider.Address, rest string, err error) {
	if s == "" || s[0] != '<' {
		return a, "", errPath
	}
	if s, err = cutRoute(s[1:]); err != nil {
		return a, "", err
	}
	n := mailboxLen(s)
	if n < 0 {
		return a, "", errPath
	}
	mailbox, rest := s[:n], s[n+1:]
	if rest != "" && rest[0] != ' ' {
		return a, "", errors.New("no space between the address and its parameters")
	}
	switch {
	case mailbox == "":
	case strings.EqualFold(mailbox, "postmaster"):
		a.Local = mailbox
	default:
		a, err = postrider.ParseAddress(mailbox)
	}
	return a, rest, err
}

// mailboxLen returns where the ">" stands that ends the mailbox at the start of s, -1 for none.
// One in a quoted local part ends nothing.
func mailboxLen(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case quoted && s[i] == '\\':
			i++
		case !quoted && s[i] == '>':
			return i
		}
	}
	return -1
}

// cutRoute removes a source route: @a.example,@b.example: and what follows stays.
func cutRoute(s string) (string, error) {
	for strings.HasPrefix(s, "@") {
		n := strings.IndexAny(s, ",:")
		if strings.HasPrefix(s, "@[") {
			n = strings.IndexByte(s, ']') + 1
		}
		if n <= 0 || n >= len(s) || postrider.CheckDomain(s[1:n]) != nil {
			return "", errRoute
		}
		sep, after := s[n], s[n+1:]
		if sep == ':' && !strings.HasPrefix(after, "@") && !strings.HasPrefix(after, ">") {
			return after, nil
		}
		if sep != ',' || !strings.HasPrefix(after, "@") {
			return "", errRoute
		}
		s = after
	}
	return s, nil
}

// cutParam reads the next of the parameters in s (RFC 5321 §4.1.2), its keyword in upper
// case. It returns an empty keyword at the end.
func cutParam(s string) (p postrider.Param, rest string, err error) {
	s = strings.TrimLeft(s, " ")
	word, rest, _ := strings.Cut(s, " ")
	hasValue := false
	p.Keyword, p.Value, hasValue = strings.Cut(word, "=")
	p.Keyword = strings.ToUpper(p.Keyword)
	switch {
	case word == "":
		return p, "", nil
	case !isKeyword(p.Keyword):
		return p, "", errors.New("malformed parameter")
	case hasValue && !isParamValue(p.Value):
		return p, "", errors.New("malformed value of " + p.Keyword)
	}
	return p, rest, nil
}

// isKeyword holds s to esmtp-keyword.
func isKeyword(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' && i > 0) {
			return false
		}
	}
	return s != ""
}

// isParamValue holds s to esmtp-value, with the UTF-8 of RFC 6531 §3.3.
func isParamValue(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == '=' || s[i] == 0x7f {
			return false
		}
	}
	return s != "" && utf8.ValidString(s)
}

// decodeXtext undoes the encoding of RFC 3461 §4.
func decodeXtext(s string) (string, error) {
	if strings.IndexByte(s, '+') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '+' {
			b.WriteByte(s[i])
			continue
		}
		if i+3 > len(s) || !isUpperHex(s[i+1]) || !isUpperHex(s[i+2]) {
			return "", errors.New("malformed xtext")
		}
		v, _ := strconv.ParseUint(s[i+1:i+3], 16, 8)
		b.WriteByte(byte(v))
		i += 2
	}
	return b.String(), nil
}

func isUpperHex(c byte) bool { return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' }

// checkHelloName holds s to what EHLO may name: a Domain or an address literal, of ASCII (RFC 5321
// §4.1.1.1).
func checkHelloName(s string) error {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return errors.New("not ASCII")
		}
	}
	return postrider.CheckDomain(s)
}
