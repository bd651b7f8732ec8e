package message

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// A Param is a parameter of a Content-Type or Content-Disposition field, with
// the continuations and character sets of RFC 2231 resolved.
type Param struct {
	Name  string // in lower case, without the asterisks of RFC 2231
	Value string // without quotes; UTF-8 if Extended, else the octets as they are

	// Extended tells that the value had a character set (name*=utf-8''...).
	Extended bool
}

// maxParams bounds the parameters of one field.
const maxParams = 100

// Param returns the value of the Content-Type parameter of that name, which is in
// lower case; empty if there is none. An extended one is preferred.
func (p *Part) Param(name string) string { return paramValue(p.Params, name) }

// DispositionParam is Param for Content-Disposition, as in "filename".
func (p *Part) DispositionParam(name string) string { return paramValue(p.DispositionParams, name) }

func paramValue(params []Param, name string) string {
	i := paramIndex(params, name)
	if i < 0 {
		return ""
	}
	return params[i].Value
}

// paramIndex returns the index of the extended parameter of that name, or else of
// the first one; -1 if there is none.
func paramIndex(params []Param, name string) int {
	at := -1
	for i, p := range params {
		if p.Name == name && p.Extended {
			return i
		}
		if p.Name == name && at < 0 {
			at = i
		}
	}
	return at
}

// Encode returns the value in the form of RFC 2231 §4, utf-8”%E2%82%AC, which
// goes with the name and an asterisk: the form that IMAP clients expect of an
// extended parameter.
func (p Param) Encode() string {
	const hex = "0123456789ABCDEF"
	b := []byte("utf-8''")
	for i := range len(p.Value) {
		c := p.Value[i]
		if isAttributeChar(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

// isAttributeChar is attribute-char of RFC 2231 §7.
func isAttributeChar(c byte) bool {
	return c > ' ' && c < 0x7f && isTokenChar(c) && strings.IndexByte("*'%", c) < 0
}

// parseMediaType reads the value of a Content-Type field. Type is empty if the
// value is none (RFC 2045 §5.2 then says text/plain); only a lone "text" or
// "multipart", which old software writes, is completed.
func parseMediaType(s string) (typ, subtype string, params []Param) {
	typ, rest := cutToken(s)
	typ = strings.ToLower(typ)
	rest = skipCFWS(rest)
	if strings.HasPrefix(rest, "/") {
		subtype, rest = cutToken(rest[1:])
	} else if typ == "text" {
		subtype = "plain"
	} else if typ == "multipart" {
		subtype = "mixed"
	}
	if typ == "" || subtype == "" {
		return "", "", nil
	}
	return typ, strings.ToLower(subtype), parseParams(rest)
}

// cutToken cuts off the first token of s, CFWS before it skipped.
func cutToken(s string) (token, rest string) {
	s = skipCFWS(s)
	n := 0
	for n < len(s) && isTokenChar(s[n]) {
		n++
	}
	return s[:n], s[n:]
}

// isTokenChar is token of RFC 2045 §5.1, with 8-bit octets allowed.
func isTokenChar(c byte) bool { return tokenChars[c] }

var tokenChars = func() (t [256]bool) {
	for c := range t {
		t[c] = c > ' ' && c != 0x7f && strings.IndexByte("()<>@,;:\\\"/[]?=", byte(c)) < 0
	}
	return t
}()

// skipCFWS skips white space and comments at the beginning of s.
func skipCFWS(s string) string {
	for s != "" {
		switch s[0] {
		case ' ', '\t':
			s = s[1:]
		case '(':
			s = s[commentEnd(s):]
		default:
			return s
		}
	}
	return s
}

// commentEnd returns the length of the comment s begins with, which is all of s
// if it does not end.
func commentEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// parseTokens reads a list of tokens with commas between, as in
// Content-Language (RFC 3282 §2).
func parseTokens(s string) (list []string) {
	for s != "" && len(list) < maxParams {
		token, rest := cutToken(s)
		if token != "" {
			list = append(list, token)
		}
		_, s, _ = strings.Cut(rest, ",")
	}
	return list
}

// parseParams reads parameters, each behind a semicolon. It forgives semicolons
// too many or too few, white space around the equals sign, and values that lack
// quotes.
func parseParams(s string) []Param {
	var params []Param
	extended := false
	for len(params) < maxParams {
		s = strings.TrimLeft(skipCFWS(s), "; \t")
		if s == "" {
			break
		}
		name, rest := cutToken(s)
		rest = skipCFWS(rest)
		if name == "" || !strings.HasPrefix(rest, "=") {
			s = rest[nextParam(rest):]
			continue
		}
		var value string
		value, s = cutValue(skipCFWS(rest[1:]))
		extended = extended || strings.Contains(name, "*")
		if params == nil {
			params = make([]Param, 0, 1+strings.Count(s[:min(len(s), 512)], "="))
		}
		params = append(params, Param{Name: strings.ToLower(name), Value: value})
	}
	if extended {
		params = joinParams(params)
	}
	return params
}

// nextParam returns how much of s to skip to get past something unreadable.
func nextParam(s string) int {
	if i := strings.IndexAny(s, "; \t"); i >= 0 {
		return i + 1
	}
	return len(s)
}

// cutValue cuts off a quoted string, or a value that should have been one and
// goes up to the next semicolon, comment, or what looks like a parameter.
func cutValue(s string) (value, rest string) {
	if strings.HasPrefix(s, `"`) {
		if n := quotedEnd(s); n > 0 {
			return unquote(s[1 : n-1]), s[n:]
		}
		s = s[1:]
	}
	end := strings.IndexAny(s, ";(")
	if end < 0 {
		end = len(s)
	}
	value, rest = s[:end], s[end:]
	if i := strings.IndexAny(value, " \t"); i >= 0 {
		next, after := cutToken(value[i:])
		if next != "" && strings.HasPrefix(strings.TrimLeft(after, " \t"), "=") {
			value, rest = s[:i], s[i:]
		}
	}
	return strings.TrimRight(value, " \t"), rest
}

// quotedEnd returns the length of the quoted string that s begins with, quotes
// included; 0 if it does not end.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// unquote resolves the quoted pairs of a quoted string's or comment's content.
func unquote(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	b := append(make([]byte, 0, len(s)), s[:i]...)
	for ; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// A segment is a parameter whose name has the asterisks of RFC 2231 §3 or §4.
type segment struct {
	index   int // of the continuation
	encoded bool
	value   string
}

// joinParams resolves RFC 2231 in params, whose order of appearance it keeps.
func joinParams(params []Param) []Param {
	var out []Param
	segments := make(map[string][]segment)
	for _, p := range params {
		base, mark, ok := strings.Cut(p.Name, "*")
		if !ok {
			out = append(out, p)
			continue
		}
		seg := segment{encoded: mark == "" || strings.HasSuffix(mark, "*"), value: p.Value}
		if number := strings.TrimSuffix(mark, "*"); number != "" {
			var err error
			if seg.index, err = strconv.Atoi(number); err != nil || seg.index < 0 {
				out = append(out, p) // an asterisk that means nothing
				continue
			}
		}
		if segments[base] == nil {
			out = append(out, Param{Name: base + "*"})
		}
		segments[base] = append(segments[base], seg)
	}
	for i, p := range out {
		base, ok := strings.CutSuffix(p.Name, "*")
		if segs := segments[base]; ok && segs != nil {
			out[i] = joinSegments(base, segs)
			delete(segments, base)
		}
	}
	return out
}

// joinSegments joins the segments of one parameter, up to the first gap.
func joinSegments(name string, segs []segment) Param {
	slices.SortStableFunc(segs, func(a, b segment) int { return cmp.Compare(a.index, b.index) })
	p := Param{Name: name}
	charset := ""
	var value []byte
	for i, seg := range segs {
		if i > 0 && seg.index != segs[i-1].index+1 {
			break
		}
		if !seg.encoded {
			value = append(value, seg.value...)
			continue
		}
		if text := seg.value; i == 0 {
			var ok bool
			if charset, text, ok = strings.Cut(seg.value, "'"); ok {
				_, text, _ = strings.Cut(text, "'") // the language
			} else {
				charset, text = "", seg.value
			}
			value = appendPercent(value, text)
		} else {
			value = appendPercent(value, text)
		}
		p.Extended = true
	}
	p.Value = string(value)
	if p.Extended {
		p.Value = decodeCharset(charset, value)
	}
	return p
}

// appendPercent appends s with its %XX resolved.
func appendPercent(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi >= 0 && lo >= 0 {
				c = byte(hi<<4 | lo)
				i += 2
			}
		}
		dst = append(dst, c)
	}
	return dst
}

// unhex returns the value of a hexadecimal digit, -1 if c is none.
func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
