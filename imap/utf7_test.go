package imap

import (
	"testing"
	"unicode/utf8"
)

func TestModifiedUTF7(t *testing.T) {
	for name, wire := range map[string]string{
		"":                   "",
		"INBOX":              "INBOX",
		"Tom & Jerry":        "Tom &- Jerry",
		"~peter/mail/台北/日本語": "~peter/mail/&U,BTFw-/&ZeVnLIqe-", // RFC 3501 §5.1.3
		"Entwürfe":           "Entw&APw-rfe",
		"😀":                  "&2D3eAA-",
		"&ü&":                "&-&APw-&-",
		"a\tb":               "a&AAk-b",
	} {
		if got := encodeUTF7(name); got != wire {
			t.Errorf("%q is written %q, want %q", name, got, wire)
		}
		if got, err := decodeUTF7(wire); err != nil || got != name {
			t.Errorf("%q is read as %q, %v; want %q", wire, got, err, name)
		}
	}
}

// TestModifiedUTF7HasOneForm holds I7: what could be written otherwise is refused.
func TestModifiedUTF7HasOneForm(t *testing.T) {
	for why, wire := range map[string]string{
		"open shift":                 "&U,BTFw",
		"lone ampersand":             "Tom & Jerry",
		"printable ASCII in a shift": "&AEE-",
		"null shift between two":     "&U,A-&U,A-",
		"slash instead of comma":     "&U/BTFw-",
		"padding":                    "&U,BTFw=-",
		"bits left over":             "&U,BTFx-",
		"half a code unit":           "&U-",
		"half a surrogate pair":      "&2D0-",
		"8-bit octet":                "Entw\xc3\xbcrfe",
		"control character":          "a\tb",
	} {
		if got, err := decodeUTF7(wire); err == nil {
			t.Errorf("%s: %q is read as %q", why, wire, got)
		}
	}
}

func FuzzModifiedUTF7(f *testing.F) {
	for _, s := range []string{"INBOX", "&-", "&U,BTFw-", "&", "&AEE-", "&2D3eAA-x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if name, err := decodeUTF7(s); err == nil {
			if !utf8.ValidString(name) || encodeUTF7(name) != s {
				t.Fatalf("%q is read as %q, which is written %q", s, name, encodeUTF7(name))
			}
		}
		if utf8.ValidString(s) {
			if back, err := decodeUTF7(encodeUTF7(s)); err != nil || back != s {
				t.Fatalf("%q is written %q, which is read as %q, %v", s, encodeUTF7(s), back, err)
			}
		}
	})
}
