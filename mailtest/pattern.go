package mailtest

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pattern is the text of a C: or S: line.
type pattern struct {
	tokens []token
	noEnd  bool // no CRLF follows: the line ends with a backslash
}

// token is a part of a pattern: exact octets, "..." or "$name".
type token struct {
	octets []byte
	skip   bool
	name   string
}

// maxRepeat bounds what (repeat) makes.
const maxRepeat = 64 << 20

var (
	repeated = regexp.MustCompile(`^\(repeat ([0-9]{1,8}) "((?:[^"\\]|\\.)*)"\)`)
	variable = regexp.MustCompile(`^\$([a-z][a-z0-9_]*)`)
)

// parsePattern reads the text of a line. Only expected text has a "...".
func parsePattern(text string, expected bool) (pattern, error) {
	var p pattern
	for text != "" {
		switch {
		case text == `\`:
			p.noEnd = true
			text = ""
		case expected && strings.HasPrefix(text, "..."):
			p.tokens = append(p.tokens, token{skip: true})
			text = text[3:]
		case variable.MatchString(text):
			m := variable.FindStringSubmatch(text)
			p.tokens = append(p.tokens, token{name: m[1]})
			text = text[len(m[0]):]
		case repeated.MatchString(text):
			m := repeated.FindStringSubmatch(text)
			octets, err := repeat(m[1], m[2])
			if err != nil {
				return p, err
			}
			p.add(octets...)
			text = text[len(m[0]):]
		default:
			c, n, err := octet(text)
			if err != nil {
				return p, err
			}
			p.add(c...)
			text = text[n:]
		}
	}
	return p, nil
}

// add appends exact octets.
func (p *pattern) add(octets ...byte) {
	if last := len(p.tokens) - 1; last >= 0 && p.tokens[last].octets != nil {
		p.tokens[last].octets = append(p.tokens[last].octets, octets...)
		return
	}
	p.tokens = append(p.tokens, token{octets: append([]byte{}, octets...)})
}

// repeat makes the octets of (repeat count "text").
func repeat(count, text string) ([]byte, error) {
	n, err := strconv.Atoi(count)
	if err != nil {
		return nil, err
	}
	var unit []byte
	for text != "" {
		c, used, err := octet(text)
		if err != nil {
			return nil, err
		}
		unit = append(unit, c...)
		text = text[used:]
	}
	if n*len(unit) > maxRepeat {
		return nil, fmt.Errorf("(repeat) makes %d octets, more than %d", n*len(unit), maxRepeat)
	}
	return bytes.Repeat(unit, n), nil
}

// octet reads the next octet, or the two of a backslash that means itself, from text, and returns how much of it that took.
func octet(text string) ([]byte, int, error) {
	if text[0] != '\\' || len(text) == 1 {
		return []byte{text[0]}, 1, nil
	}
	switch c := text[1]; {
	case c == 'r':
		return []byte{'\r'}, 2, nil
	case c == 'n':
		return []byte{'\n'}, 2, nil
	case c == 't':
		return []byte{'\t'}, 2, nil
	case c == '0':
		return []byte{0}, 2, nil
	case c == '\\' || c == '$' || c == '.' || c == '(':
		return []byte{c}, 2, nil
	case c == 'x' && len(text) >= 4:
		if v, err := strconv.ParseUint(text[2:4], 16, 8); err == nil {
			return []byte{byte(v)}, 4, nil
		}
	case c < 'a' && (c < '0' || c > '9') || c > 'z':
		return []byte{'\\'}, 1, nil // \Seen, \* and \" of IMAP stay as they are
	}
	return nil, 0, fmt.Errorf(`unknown escape \%c in %q; a backslash itself is \\`, text[1], text)
}

// expand returns the octets to send, or to expect exactly.
func (p pattern) expand(vars map[string]string) ([]byte, error) {
	var b []byte
	for _, t := range p.tokens {
		switch value, set := vars[t.name]; {
		case t.skip:
			return nil, fmt.Errorf("... in a line without its end")
		case t.name == "":
			b = append(b, t.octets...)
		case set:
			b = append(b, value...)
		default:
			return nil, fmt.Errorf("no $%s was captured yet", t.name)
		}
	}
	if !p.noEnd {
		b = append(b, '\r', '\n')
	}
	return b, nil
}

// match reports whether tokens match all of b. It adds what they capture to vars.
func match(tokens []token, b []byte, vars map[string]string) bool {
	if len(tokens) == 0 {
		return len(b) == 0
	}
	t, rest := tokens[0], tokens[1:]
	if t.skip {
		for n := 0; n <= len(b); n++ {
			if match(rest, b[n:], vars) {
				return true
			}
		}
		return false
	}
	octets := t.octets
	if t.name != "" {
		value, set := vars[t.name]
		if !set {
			return capture(t.name, rest, b, vars)
		}
		octets = []byte(value)
	}
	return bytes.HasPrefix(b, octets) && match(rest, b[len(octets):], vars)
}

// capture gives the variable the least of b, without white space, that lets the rest match.
func capture(name string, rest []token, b []byte, vars map[string]string) bool {
	for n := 1; n <= len(b) && b[n-1] != ' ' && b[n-1] != '\t'; n++ {
		vars[name] = string(b[:n])
		if match(rest, b[n:], vars) {
			return true
		}
	}
	delete(vars, name)
	return false
}

// quote writes octets as the text of an expected line that matches only them.
func quote(b []byte) string {
	var s strings.Builder
	text := string(b)
	for i := 0; i < len(text); i++ {
		c, rest := text[i], text[i:]
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case size > 1 && unicode.IsGraphic(r):
			s.WriteRune(r)
			i += size - 1
		case c == '\r':
			s.WriteString(`\r`)
		case c == '\n':
			s.WriteString(`\n`)
		case c == '\t':
			s.WriteString(`\t`)
		case c < ' ' || c > '~' || c == ' ' && i == len(text)-1:
			fmt.Fprintf(&s, `\x%02x`, c)
		case c == '.' && strings.HasPrefix(rest, "...") || c == '$' && variable.MatchString(rest) ||
			c == '(' && (i == 0 || repeated.MatchString(rest)) || c == '\\' && mustEscape(rest[1:]):
			s.WriteString(`\` + string(c))
		default:
			s.WriteByte(c)
		}
	}
	return s.String()
}

// mustEscape reports whether a backslash before rest has to be doubled. It need not before what IMAP puts there: \Seen, \* and \".
func mustEscape(rest string) bool {
	return rest == "" || rest[0] != '*' && rest[0] != '"' && (rest[0] < 'A' || rest[0] > 'Z')
}
