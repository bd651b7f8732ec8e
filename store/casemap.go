package store

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// appendCasemap appends src, which is UTF-8, to dst as i;unicode-casemap compares it (RFC
// 5051 §2): in titlecase, then decomposed. It returns how much of src it took: all,
// unless src ends within a character and more is to come.
func appendCasemap(dst, src []byte, more bool) ([]byte, int) {
	for n := 0; n < len(src); {
		if src[n] < utf8.RuneSelf {
			ascii := src[n : n+asciiLen(src[n:])]
			dst = append(dst, ascii...)
			upper(dst[len(dst)-len(ascii):])
			n += len(ascii)
			continue
		}
		if more && !utf8.FullRune(src[n:]) {
			return dst, n
		}
		r, size := utf8.DecodeRune(src[n:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, src[n]) // binary, as RFC 5051 §2 (1)(b) has it
		} else {
			dst = appendDecomposed(dst, unicode.ToTitle(r))
		}
		n += size
	}
	return dst, len(src)
}

// Octets eight at a time: each constant has the same octet in all places.
const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// asciiLen returns how many octets of ASCII b begins with.
func asciiLen(b []byte) int {
	n := 0
	for n+8 <= len(b) && binary.LittleEndian.Uint64(b[n:])&highs == 0 {
		n += 8
	}
	for n < len(b) && b[n] < utf8.RuneSelf {
		n++
	}
	return n
}

// upper turns b, which is ASCII, into capitals.
func upper(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		// The high bit of an octet: it is at least 'a', and it is at most 'z'.
		fromA, toZ := x+(0x80-'a')*ones, (0x80+'z')*ones-x
		letters := fromA & toZ & highs
		binary.LittleEndian.PutUint64(b, x-letters>>2) // 'a' - 'A' is 0x80 >> 2
	}
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - ('a' - 'A')
		}
	}
}

// appendDecomposed appends the full compatibility decomposition of a character.
func appendDecomposed(dst []byte, r rune) []byte {
	const firstHangul, lastHangul = 0xac00, 0xd7a3 // decomposed by rule, not by table
	if firstHangul <= r && r <= lastHangul {
		return norm.NFKD.AppendString(dst, string(r))
	}
	start := len(dst)
	dst = utf8.AppendRune(dst, r)
	if d := norm.NFKD.Properties(dst[start:]).Decomposition(); d != nil {
		dst = append(dst[:start], d...)
	}
	return dst
}

// casemap returns s as i;unicode-casemap compares it.
func casemap(s string) []byte {
	b, _ := appendCasemap(make([]byte, 0, len(s)), []byte(s), false)
	return b
}

// textChunk is how much text a textSearch reads at once.
const textChunk = 32 << 10

// A needle is a text to look for.
type needle struct {
	text  []byte // as casemap returns it
	found bool
}

// A textSearch looks for needles in one text after the other, in memory that does not
// grow with the texts.
type textSearch struct {
	needles []*needle // not found yet
	overlap int       // octets of a text that may begin a needle which the next chunk ends
	raw     []byte    // to read into
	mapped  []byte
}

// newTextSearch returns a textSearch for needles up to a length.
func newTextSearch(longest int) *textSearch { return &textSearch{overlap: max(longest-1, 0)} }

// start begins with another text, in which to look for those needles that are not found
// yet.
func (t *textSearch) start(needles ...*needle) {
	t.mapped = t.mapped[:0]
	t.needles = t.needles[:0]
	for _, n := range needles {
		if !n.found {
			t.needles = append(t.needles, n)
		}
	}
}

// done reports whether nothing is left to look for.
func (t *textSearch) done() bool { return len(t.needles) == 0 }

// add looks through a short text.
func (t *textSearch) add(s string) {
	t.mapped, _ = appendCasemap(t.mapped, []byte(s), false)
	t.look()
}

// read looks through what r yields, to its end or until all is found.
func (t *textSearch) read(r io.Reader) error {
	if t.raw == nil {
		t.raw = make([]byte, textChunk)
	}
	for left := 0; !t.done(); { // left is how much of raw is the beginning of a character
		n, err := r.Read(t.raw[left:])
		n += left
		var taken int
		t.mapped, taken = appendCasemap(t.mapped, t.raw[:n], err == nil)
		left = copy(t.raw, t.raw[taken:n])
		t.look()
		if err != nil && err != io.EOF {
			return err
		}
		if err == io.EOF {
			break
		}
	}
	return nil
}

// look looks for the needles in what is mapped, and keeps only what may be the beginning of
// one.
func (t *textSearch) look() {
	t.needles = slices.DeleteFunc(t.needles, func(n *needle) bool {
		n.found = bytes.Contains(t.mapped, n.text)
		return n.found
	})
	if len(t.mapped) > t.overlap {
		t.mapped = t.mapped[:copy(t.mapped, t.mapped[len(t.mapped)-t.overlap:])]
	}
}
