package imap

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Mailbox names travel in modified UTF-7 (RFC 3501 §5.1.3) unless the client enabled UTF-8. Names
// have one form only: what could be written otherwise is refused, so that no two spellings
// mean the same mailbox (I7).

var utf7Encoding = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

var errUTF7 = errors.New("bad modified UTF-7 in mailbox name")

// encodeUTF7 writes a name of valid UTF-8 in modified UTF-7.
func encodeUTF7(name string) string {
	var b strings.Builder
	for len(name) > 0 {
		i := strings.IndexFunc(name, func(r rune) bool { return !plainUTF7(r) })
		if i < 0 {
			i = len(name)
		}
		b.WriteString(strings.ReplaceAll(name[:i], "&", "&-"))
		name = name[i:]
		end := strings.IndexFunc(name, plainUTF7)
		if end < 0 {
			end = len(name)
		}
		if end > 0 {
			b.WriteString("&" + shift(name[:end]) + "-")
		}
		name = name[end:]
	}
	return b.String()
}

// plainUTF7 reports whether r stands for itself, "&" doubled up aside.
func plainUTF7(r rune) bool { return r >= ' ' && r <= '~' }

// shift is the base64 form of a run that does not stand for itself.
func shift(s string) string {
	var raw []byte
	for _, u := range utf16.Encode([]rune(s)) {
		raw = append(raw, byte(u>>8), byte(u))
	}
	return utf7Encoding.EncodeToString(raw)
}

// decodeUTF7 reads a name in modified UTF-7.
func decodeUTF7(s string) (string, error) {
	var b strings.Builder
	for len(s) > 0 {
		c := s[0]
		switch {
		case c < ' ' || c > '~':
			return "", errUTF7
		case c != '&':
			b.WriteByte(c)
			s = s[1:]
			continue
		}
		run, rest, ok := strings.Cut(s[1:], "-")
		if !ok {
			return "", errUTF7
		}
		text := "&"
		if run != "" {
			var err error
			if text, err = unshift(run); err != nil {
				return "", err
			}
			// "&AAA-&BBB-" could be one run.
			if strings.HasPrefix(rest, "&") && !strings.HasPrefix(rest, "&-") {
				return "", errUTF7
			}
		}
		b.WriteString(text)
		s = rest
	}
	return b.String(), nil
}

// unshift reads the base64 form of a run, which must be the one that shift writes.
func unshift(run string) (string, error) {
	raw, err := utf7Encoding.DecodeString(run)
	if err != nil || len(raw)%2 != 0 {
		return "", errUTF7
	}
	units := make([]uint16, 0, len(raw)/2)
	for i := 0; i < len(raw); i += 2 {
		units = append(units, uint16(raw[i])<<8|uint16(raw[i+1]))
	}
	text := string(utf16.Decode(units))
	if strings.ContainsFunc(text, plainUTF7) || strings.ContainsRune(text, utf8.RuneError) || shift(text) != run {
		return "", errUTF7
	}
	return text, nil
}
