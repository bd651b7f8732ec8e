package message

import (
	"encoding/base64"
	"strings"
)

// DecodeHeader returns the text of an unstructured field such as Subject, or of a
// display name, as UTF-8: encoded-words are decoded (RFC 2047), and white space
// between two of them dropped. What is no lawful encoded-word stays as it is,
// 8-bit octets that are not UTF-8 are taken for windows-1252.
func DecodeHeader(s string) string {
	if !strings.Contains(s, "=?") {
		return decodeCharset("", []byte(s))
	}
	var d wordDecoder
	for s != "" {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		w, n := parseWord(s[i:])
		if n == 0 {
			i += 2
			d.plain(s[:i])
			s = s[i:]
			continue
		}
		d.plain(s[:i])
		d.word(w)
		s = s[i+n:]
	}
	d.plain(s)
	d.flush()
	return d.out.String()
}

// An encodedWord is an encoded-word with its text decoded to octets.
type encodedWord struct {
	charset string
	text    []byte
}

// parseWord reads the encoded-word that s begins with and returns its length, 0
// if there is none. White space in it is forgiven, as are 75 characters
// exceeded.
func parseWord(s string) (w encodedWord, n int) {
	rest := s[2:]
	mark := strings.IndexAny(rest, "? \t")
	if mark <= 0 || mark+2 >= len(rest) || rest[mark] != '?' || rest[mark+2] != '?' {
		return w, 0
	}
	text := rest[mark+3:]
	end := strings.IndexByte(text, '?')
	if end < 0 || end+1 >= len(text) || text[end+1] != '=' {
		return w, 0
	}
	switch rest[mark+1] {
	case 'B', 'b':
		w.text = decodeB(text[:end])
	case 'Q', 'q':
		w.text = decodeQ(text[:end])
	default:
		return w, 0
	}
	w.charset, _, _ = strings.Cut(rest[:mark], "*") // the language of RFC 2231 §5
	return w, 2 + mark + 3 + end + 2
}

func decodeB(s string) []byte {
	clean := strings.Map(func(r rune) rune {
		if r >= 0x80 || base64Values[r] == base64Skip {
			return -1
		}
		return r
	}, s)
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	b, _ := base64.RawStdEncoding.DecodeString(clean)
	return b
}

func decodeQ(s string) []byte {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '_':
			c = ' '
		case c == '=' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0:
			c = byte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
		}
		b = append(b, c)
	}
	return b
}

// wordDecoder joins neighbours in one charset before converting them, since
// many writers cut words in the middle of a character.
type wordDecoder struct {
	out     strings.Builder
	pending encodedWord
	between string // white space behind pending
}

func (d *wordDecoder) word(w encodedWord) {
	if d.pending.text != nil && strings.EqualFold(d.pending.charset, w.charset) {
		d.pending.text = append(d.pending.text, w.text...)
		d.between = ""
		return
	}
	d.between = ""
	d.flush()
	d.pending = w
}

func (d *wordDecoder) plain(s string) {
	if d.pending.text != nil && strings.Trim(s, " \t\r\n") == "" {
		d.between += s
		return
	}
	d.flush()
	d.out.WriteString(decodeCharset("", []byte(s)))
}

func (d *wordDecoder) flush() {
	if d.pending.text != nil {
		d.out.WriteString(decodeCharset(d.pending.charset, d.pending.text))
		d.pending = encodedWord{}
	}
	d.out.WriteString(d.between)
	d.between = ""
}
