package smtp

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postrider/postrider"
)

func offerDSN(c *serverConn) (string, bool) { return "", c.features.DSN }

// parseReturn reads RET (RFC 3461 §4.3).
func parseReturn(c *serverConn, e *postrider.Envelope, value string) error {
	switch ret := postrider.Return(strings.ToUpper(value)); ret {
	case postrider.ReturnFull, postrider.ReturnHeaders:
		e.Return = ret
		return nil
	}
	return errors.New("RET must be FULL or HDRS")
}

// parseEnvelopeID reads ENVID: up to 100 characters of xtext, of printable ASCII (RFC 3461 §4.4).
func parseEnvelopeID(c *serverConn, e *postrider.Envelope, value string) error {
	id, err := decodeXtext(value)
	if err != nil || value == "" || len(value) > 100 || !isPrintableASCII(id) {
		return errors.New("ENVID must be up to 100 characters of xtext")
	}
	e.EnvelopeID = id
	return nil
}

// parseNotify reads NOTIFY: NEVER alone, or a list of the others (RFC 3461 §4.1).
func parseNotify(c *serverConn, r *postrider.Recipient, value string) error {
	var n postrider.Notify
	for word := range strings.SplitSeq(strings.ToUpper(value), ",") {
		bit := notifyWords[word]
		if bit == 0 {
			return errors.New("NOTIFY must be NEVER or a list of SUCCESS, FAILURE, DELAY")
		}
		n |= bit
	}
	if n&postrider.NotifyNever != 0 && n != postrider.NotifyNever {
		return errors.New("NOTIFY=NEVER stands alone")
	}
	r.Notify = n
	return nil
}

var notifyWords = map[string]postrider.Notify{
	"NEVER": postrider.NotifyNever, "SUCCESS": postrider.NotifySuccess, "FAILURE": postrider.NotifyFailure, "DELAY": postrider.NotifyDelay,
}

// parseOriginal reads ORCPT: an address type, a semicolon and xtext, up to 500 characters in all (RFC
// 3461 §4.2). The type utf-8 has an encoding of its own (RFC 6533 §3).
func parseOriginal(c *serverConn, r *postrider.Recipient, value string) error {
	kind, encoded, ok := strings.Cut(value, ";")
	if !ok || !isAtom(kind) || encoded == "" || len("ORCPT=")+len(value) > 500 {
		return errors.New("ORCPT must be an address type, a semicolon and an address in xtext")
	}
	decode := decodeASCII
	if strings.EqualFold(kind, "utf-8") {
		decode = decodeUnitext
	}
	addr, err := decode(encoded)
	if err != nil {
		return errors.New("ORCPT: " + err.Error())
	}
	r.Original = postrider.OriginalRecipient{Type: kind, Address: addr, Raw: value}
	return nil
}

func decodeASCII(s string) (string, error) {
	s, err := decodeXtext(s)
	if err == nil && !isPrintableASCII(s) {
		err = errors.New("address is not of printable ASCII")
	}
	return s, err
}

// decodeUnitext undoes the encodings of RFC 6533 §3: \x{HEX}, and +HH, which old clients use.
func decodeUnitext(s string) (string, error) {
	s, err := decodeXtext(s)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, `\x{`)
		b.WriteString(before)
		if !found {
			break
		}
		hex, rest, ok := strings.Cut(after, "}")
		r, err := strconv.ParseUint(hex, 16, 32)
		if !ok || err != nil || len(hex) < 2 || len(hex) > 6 || !utf8.ValidRune(rune(r)) {
			return "", errors.New("malformed unitext")
		}
		b.WriteRune(rune(r))
		s = rest
	}
	if out := b.String(); utf8.ValidString(out) && !hasControl([]byte(out)) {
		return out, nil
	}
	return "", errors.New("address has control characters or malformed UTF-8")
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] != '\t' && s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// isAtom holds s to atom (RFC 5321 §4.1.2).
func isAtom(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`()<>@,;:\".[]`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}
