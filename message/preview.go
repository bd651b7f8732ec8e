package message

import (
	"bytes"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/transform"
)

// maxPreview is how many characters a preview has at most. RFC 8970 §3.3 wants
// 200 and forbids more than 256.
const maxPreview = 200

// How many octets of an encoded body are looked at for a preview: enough for 200
// characters of four octets in quoted-printable, and for the style sheets that
// stand before the text in HTML.
const (
	plainSample = maxPreview * 4 * 3
	htmlSample  = 64 << 10
)

// startSample decides whether a preview is to be made of part, whose body begins.
func (s *Scanner) startSample(part *Part) {
	if s.sum.Preview != "" || part.Type != "text" || part.Disposition == "attachment" {
		return
	}
	switch part.Subtype {
	case "plain":
		s.sampling = plainSample
	case "html":
		s.sampling = htmlSample
	default:
		return
	}
	s.sampled = part
	s.sample = s.sample[:0]
}

// endSample makes the preview of the part that was sampled, if there was one. If
// that has no text the next part may try.
func (s *Scanner) endSample() {
	if s.sampled == nil {
		return
	}
	s.sum.Preview = preview(s.sampled, s.sample)
	s.sampled, s.sampling = nil, 0
}

// preview makes a preview of the beginning of the body of part.
func preview(part *Part, sample []byte) string {
	if isEncoded(part.Encoding) {
		sample, _ = io.ReadAll(decodeTransfer(part.Encoding, bytes.NewReader(sample)))
	}
	if e := lookupCharset(part.Param("charset")); e != nil {
		sample, _, _ = transform.Bytes(e.NewDecoder(), sample) // as far as it goes
	}
	w := previewWriter{out: make([]byte, 0, maxPreview)}
	if part.Subtype == "html" {
		w.html(sample)
	} else {
		w.text(sample)
	}
	return string(bytes.TrimRight(w.out, " "))
}

// A previewWriter folds white space and stops when the preview is full.
type previewWriter struct {
	out   []byte
	chars int
	space bool // white space since the last character
}

func (w *previewWriter) full() bool { return w.chars >= maxPreview }

// text adds b, in UTF-8 or what claims to be that.
func (w *previewWriter) text(b []byte) {
	for len(b) > 0 && !w.full() {
		r, n := decodeLenient(b)
		b = b[n:]
		w.rune(r)
	}
}

// rune adds a character. Control and formatting characters, such as the invisible
// ones that pad the previews of newsletters, show nothing and are left out.
func (w *previewWriter) rune(r rune) {
	if r == ' ' || r == '\n' || unicode.IsSpace(r) {
		w.space = true
		return
	}
	if r < ' ' || r > '~' && (r == '\u034f' || unicode.In(r, unicode.Cc, unicode.Cf)) {
		return
	}
	if w.space && w.chars > 0 {
		w.out = append(w.out, ' ')
		w.chars++
	}
	w.space = false
	if !w.full() {
		w.out = utf8.AppendRune(w.out, r)
		w.chars++
	}
}

// html adds the text of b: what is outside tags, comments, and elements whose
// content is not shown, with the commonest character references resolved.
func (w *previewWriter) html(b []byte) {
	for len(b) > 0 && !w.full() {
		switch b[0] {
		case '<':
			b = b[w.tag(b):]
		case '&':
			r, n := reference(b)
			w.rune(r)
			b = b[n:]
		default:
			n := bytes.IndexAny(b, "<&")
			if n < 0 {
				n = len(b)
			}
			w.text(b[:n])
			b = b[n:]
		}
	}
}

// tag takes the tag or comment that b begins with, with the content of an element
// that is not shown, and returns its length.
func (w *previewWriter) tag(b []byte) int {
	if bytes.HasPrefix(b, []byte("<!--")) {
		return through(b, "-->")
	}
	if len(b) > 1 && !isLetter(b[1]) && strings.IndexByte("/!?", b[1]) < 0 {
		w.rune('<')
		return 1
	}
	n := 1
	for n < len(b) && n < 20 && (b[n] == '/' || isLetter(b[n]) || '0' <= b[n] && b[n] <= '9') {
		n++
	}
	name := strings.ToLower(string(b[1:n]))
	end := through(b, ">")
	switch name {
	case "head", "style", "script", "title", "template", "noscript":
		return end + throughTag(b[end:], "</"+name)
	}
	switch strings.TrimPrefix(name, "/") {
	case "a", "b", "em", "font", "i", "span", "strong", "u": // go on in the line
	default:
		w.space = true
	}
	return end
}

func isLetter(c byte) bool { return 'a' <= lower(c) && lower(c) <= 'z' }

// through returns the length of b up to and with the first mark, all of b if there
// is none.
func through(b []byte, mark string) int {
	if i := bytes.Index(b, []byte(mark)); i >= 0 {
		return i + len(mark)
	}
	return len(b)
}

// throughTag is through for the beginning of a tag in any case, and skips the rest
// of that tag as well.
func throughTag(b []byte, mark string) int {
	for at := 0; at < len(b); {
		i := bytes.Index(b[at:], []byte("</"))
		if i < 0 {
			break
		}
		at += i
		if len(b)-at >= len(mark) && strings.EqualFold(string(b[at:at+len(mark)]), mark) {
			return at + through(b[at:], ">")
		}
		at += 2
	}
	return len(b)
}

// references are the character references that are common in text; all others but
// the numeric ones stay as they stand.
var references = map[string]rune{
	"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\'', "nbsp": ' ',
	"ndash": '–', "mdash": '—', "hellip": '…', "bull": '•', "middot": '·',
	"lsquo": '‘', "rsquo": '’', "ldquo": '“', "rdquo": '”', "laquo": '«', "raquo": '»',
	"euro": '€', "copy": '©', "reg": '®', "trade": '™', "zwnj": '\u200c', "zwj": '\u200d', "shy": '\u00ad',
	"auml": 'ä', "ouml": 'ö', "uuml": 'ü', "Auml": 'Ä', "Ouml": 'Ö', "Uuml": 'Ü', "szlig": 'ß',
	"eacute": 'é', "egrave": 'è', "agrave": 'à', "ccedil": 'ç', "ntilde": 'ñ',
}

// reference reads the character reference that b begins with; one that is unknown
// is only an ampersand.
func reference(b []byte) (r rune, n int) {
	end := bytes.IndexByte(b[:min(len(b), 12)], ';')
	if end < 2 {
		return '&', 1
	}
	name := string(b[1:end])
	if r, ok := references[name]; ok {
		return r, end + 1
	}
	if name[0] != '#' {
		return '&', 1
	}
	number, base := name[1:], rune(10)
	if number != "" && lower(number[0]) == 'x' {
		number, base = number[1:], 16
	}
	for i := range len(number) {
		d := rune(unhex(number[i]))
		if d < 0 || d >= base || r > unicode.MaxRune {
			return '&', 1
		}
		r = r*base + d
	}
	if number == "" || !utf8.ValidRune(r) {
		return '&', 1
	}
	return r, end + 1
}
