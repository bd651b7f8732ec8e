package message

import (
	"encoding/base32"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// FormatDate writes t as the value of a Date field (RFC 5322 §3.3), in t's zone.
func FormatDate(t time.Time) string {
	return t.Format("Mon, 2 Jan 2006 15:04:05 -0700")
}

// NewMessageID returns a fresh value for a Message-ID field, angle brackets
// included: 128 bits of chance, before the domain name of the host that vouches
// for them (RFC 5322 §3.6.4). Chance is usually crypto/rand.Reader; the error is
// its own.
func NewMessageID(chance io.Reader, host string) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(chance, b[:]); err != nil {
		return "", fmt.Errorf("message identifier: %w", err)
	}
	id := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:])
	return "<" + strings.ToLower(id) + "@" + host + ">", nil
}

// foldAt is how long a line should be at most without its CRLF (RFC 5322
// §2.1.1).
const foldAt = 78

// AppendField appends a header field to b, for mail that the server itself
// writes: folded at white space where a line would exceed 78 columns, and ended
// by CRLF. Line breaks in value count as spaces, so that no value can add a field
// of its own, and NUL is left out. Words longer than a line may be at all (998
// octets) are cut. The name is not checked.
//
// Text that is not ASCII stands as UTF-8 (RFC 6532); where that may not be, encode
// it first: mime.QEncoding.Encode of the standard library does.
func AppendField(b []byte, name, value string) []byte {
	b = append(append(b, name...), ':')
	column := len(name) + 1
	for value != "" {
		n := len(value) - len(strings.TrimLeft(value, foldable))
		blank := cleanBlank(value[:n])
		value = value[n:]
		if n = strings.IndexAny(value, foldable); n < 0 {
			n = len(value)
		}
		word := strings.ReplaceAll(value[:n], "\x00", "")
		value = value[n:]
		if word == "" {
			continue // trailing white space
		}
		if blank == "" {
			blank = " " // behind the colon
		}
		if width := utf8.RuneCountInString(word); column+len(blank)+width > foldAt && column > len(name)+1 {
			b = append(b, "\r\n"...)
			column = 0
		}
		b = append(b, blank...)
		b, column = appendWord(b, word, column+len(blank))
	}
	return append(b, "\r\n"...)
}

const foldable = " \t\r\n"

// cleanBlank returns white space to write in the place of s, which may have line
// breaks.
func cleanBlank(s string) string {
	if strings.ContainsAny(s, "\r\n") || len(s) > foldAt/2 {
		return " "
	}
	return s
}

// appendWord appends a word at that column and returns the column behind it.
func appendWord(b []byte, word string, column int) ([]byte, int) {
	for column+len(word) > maxLine {
		n := max(1, maxLine-column)
		for n > 1 && n < len(word) && !utf8.RuneStart(word[n]) {
			n--
		}
		b = append(append(b, word[:n]...), "\r\n "...)
		word, column = word[n:], 1
	}
	return append(b, word...), column + utf8.RuneCountInString(word)
}
