package message

import (
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/transform"
)

// lookupCharset finds a charset by any of its names; nil if it is UTF-8, ASCII or
// unknown. The names of the Web come first:
// they mean what is meant in mail too, as windows-1252 for iso-8859-1.
func lookupCharset(name string) encoding.Encoding {
	name = strings.ToLower(name)
	switch name {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return nil
	}
	if e, err := htmlindex.Get(name); err == nil && e != encoding.Replacement {
		return e
	}
	if e, err := ianaindex.MIME.Encoding(name); err == nil {
		return e
	}
	return nil
}

// decodeCharset returns b as valid UTF-8.
func decodeCharset(charset string, b []byte) string {
	e := lookupCharset(charset)
	if e == nil && utf8.Valid(b) {
		return string(b)
	}
	var t transform.Transformer = lenientUTF8{}
	if e != nil {
		t = e.NewDecoder()
	}
	out, _, err := transform.Bytes(t, b)
	if err != nil {
		out, _, _ = transform.Bytes(lenientUTF8{}, b)
	}
	return string(out)
}

// charsetReader converts what r yields to valid UTF-8.
func charsetReader(charset string, r io.Reader) io.Reader {
	if e := lookupCharset(charset); e != nil {
		return transform.NewReader(r, e.NewDecoder())
	}
	return transform.NewReader(r, lenientUTF8{})
}

// lenientUTF8 makes UTF-8 of what claims to be UTF-8, ASCII or something
// unknown: octets that are not UTF-8 are taken for windows-1252, in which most
// undeclared 8-bit text is written.
type lenientUTF8 struct{ transform.NopResetter }

// Transform is the method of transform.Transformer.
func (lenientUTF8) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		if !atEOF && !utf8.FullRune(src[nSrc:]) {
			return nDst, nSrc, transform.ErrShortSrc
		}
		r, n := decodeLenient(src[nSrc:])
		if nDst+utf8.RuneLen(r) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += utf8.EncodeRune(dst[nDst:], r)
		nSrc += n
	}
	return nDst, nSrc, nil
}

// decodeLenient decodes the character that b begins with.
func decodeLenient(b []byte) (r rune, n int) {
	r, n = utf8.DecodeRune(b)
	if r == utf8.RuneError && n == 1 {
		r = charmap.Windows1252.DecodeByte(b[0])
	}
	return r, n
}
