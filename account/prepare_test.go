package account

import (
	"strings"
	"testing"

	"github.com/postrider/postrider"
)

func TestPrepareLogin(t *testing.T) {
	for _, tt := range []struct{ login, want string }{
		{"ann", "ann"},
		{"ANN", "ann"},
		{"Ann@Example.ORG", "ann@example.org"},
		{"ann@B\u00dcCHER.example", "ann@xn--bcher-kva.example"},
		{"ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"},
		{`"a b"@example.org`, `"a b"@example.org`},
		{`"ann"@example.org`, "ann@example.org"},
		{"ann@[192.0.2.1]", "ann@[192.0.2.1]"},
		{"zoe\u0308", "zo\u00eb"},                                // composed, as NFC wants
		{"\uff21nn", "ann"},                                      // full-width
		{"\u03a3", "\u03c3"},                                     // RFC 8265 §3.6, examples 5 and 6
		{"fu\u00dfball", "fu\u00dfball"},                         // example 3: not "fussball"
		{"Foo Bar", "foo bar"},                                   // a username of two userparts
		{"Foo  Bar", "foo bar"},                                  // RFC 8265 §3.5 leaves the spaces to us
		{"\U0001f600@example.org", "\U0001f600@example.org"},     // an address, though no username
		{"ann@localhost", "ann@localhost"},                       // one label is a domain
		{"domain\\ann", "domain\\ann"},                           // what an old directory may want
		{"ann+tag@example.org", "ann+tag@example.org"},           // subaddresses are not ours to cut
		{strings.Repeat("a", 512), strings.Repeat("a", 512)},     // the longest
		{"\u05d0\u05d1@example.org", "\u05d0\u05d1@example.org"}, // right to left before an LTR domain
	} {
		got, err := PrepareLogin(tt.login)
		if got != tt.want || err != nil {
			t.Errorf("PrepareLogin(%q) = %q, %v, want %q", tt.login, got, err, tt.want)
		}
	}
}

func TestPrepareLoginRefuses(t *testing.T) {
	for _, login := range []string{
		"", " ", "a\x00b", "a\tb", "a\nb", "a\u00a0b", "\xff", "henry\u2163", "\u221e", // RFC 8265 §3.6, examples 9 to 11
		strings.Repeat("a", 513),
	} {
		if got, err := PrepareLogin(login); err == nil {
			t.Errorf("PrepareLogin(%q) = %q", login, got)
		}
	}
}

func TestPreparePassword(t *testing.T) {
	for _, tt := range []struct{ password, want string }{
		{"correct horse", "correct horse"},
		{"Secret", "Secret"},
		{" a ", " a "},
		{"pa\u0308ss", "p\u00e4ss"},
		{"a\u00a0b", "a b"}, // every space is the ASCII one
		{"\uff21", "\uff21"},
		{"\U0001f600", "\U0001f600"},
		{strings.Repeat("s", 1024), strings.Repeat("s", 1024)},
	} {
		got, err := PreparePassword(tt.password)
		if got != tt.want || err != nil {
			t.Errorf("PreparePassword(%q) = %q, %v, want %q", tt.password, got, err, tt.want)
		}
	}
	for _, password := range []string{"", "a\x00", "a\tb", "\xff", "\u200b\ue000", strings.Repeat("s", 1025)} {
		if got, err := PreparePassword(password); err == nil {
			t.Errorf("PreparePassword(%q) = %q", password, got)
		} else if password != "" && strings.Contains(err.Error(), password) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func FuzzPrepareLogin(f *testing.F) {
	for _, s := range []string{"ann", "Ann@Example.ORG", `"A B"@[IPv6:2001:db8::1]`, "zoe\u0308 \uff21", "\u1e9e", "a@b@c", "\u0130"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, err := PrepareLogin(s)
		if err != nil {
			return
		}
		if once == "" {
			t.Fatalf("PrepareLogin(%q) is empty", s)
		}
		if addr, err := postrider.ParseAddress(s); err == nil && PrepareAddress(addr) != once {
			t.Fatalf("%q is %q as a login and %q as an address", s, once, PrepareAddress(addr))
		}
	})
}
