package smtp

import (
	"fmt"
	"strings"
)

// clientSendable reports whether line can be a command: no control character ends or splits it, and it is not endless.
func clientSendable(line []byte) bool {
	if len(line) > clientMaxCommand {
		return false
	}
	for _, b := range line {
		if b < ' ' || b == 0x7f {
			return false
		}
	}
	return true
}

// clientMaxCommand is more than MAIL with the longest path and all the parameters known here takes.
const clientMaxCommand = 4 << 10

// clientValue reports whether s can be an esmtp-value (RFC 5321 §4.1.2; RFC 6531 §3.3 with UTF-8).
func clientValue(s string, utf8 bool) bool {
	for i := range len(s) {
		if b := s[i]; b <= ' ' || b == '=' || b == 0x7f || b >= 0x80 && !utf8 {
			return false
		}
	}
	return s != ""
}

// clientXtext encodes s as xtext (RFC 3461 §4).
func clientXtext(s string) string {
	if clientValue(s, false) && !strings.Contains(s, "+") {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '=' || c == '+' || c >= 0x7f {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// clientUnitext encodes s as utf-8-addr-xtext (RFC 6533 §3), which needs no SMTPUTF8.
func clientUnitext(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r <= ' ' || r == '\\' || r == '+' || r == '=' || r >= 0x7f {
			fmt.Fprintf(&b, `\x{%02X}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
