package postrider_test

import (
	"encoding/xml"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/postrider/postrider"
)

func TestParseAddress(t *testing.T) {
	label := strings.Repeat("b", 61) // with its dot, a quarter of a long domain
	for _, tt := range []struct {
		in   string
		want postrider.Address
	}{
		{"ann@example.org", postrider.Address{Local: "ann", Domain: "example.org"}},
		{"Ann@Example.ORG", postrider.Address{Local: "Ann", Domain: "Example.ORG"}}, // S9
		{`"two words"@example.org`, postrider.Address{Local: "two words", Domain: "example.org"}},
		{`"a\"b\\c"@example.org`, postrider.Address{Local: `a"b\c`, Domain: "example.org"}},
		{`"ann"@example.org`, postrider.Address{Local: "ann", Domain: "example.org"}},
		{`""@example.org`, postrider.Address{Local: "", Domain: "example.org"}},
		{"a@b", postrider.Address{Local: "a", Domain: "b"}},
		{"ann@[192.0.2.1]", postrider.Address{Local: "ann", Domain: "[192.0.2.1]"}},
		{"ann@[IPv6:2001:db8::1]", postrider.Address{Local: "ann", Domain: "[IPv6:2001:db8::1]"}},
		{"ann@[ipv6:::1]", postrider.Address{Local: "ann", Domain: "[ipv6:::1]"}},
		{"用户@例え.jp", postrider.Address{Local: "用户", Domain: "例え.jp"}},
		{"ann@bücher.example", postrider.Address{Local: "ann", Domain: "bücher.example"}},
		{"ann@xn--bcher-kva.example", postrider.Address{Local: "ann", Domain: "xn--bcher-kva.example"}},
		{"!#$%&'*+-/=?^_`{|}~@example.org", postrider.Address{Local: "!#$%&'*+-/=?^_`{|}~", Domain: "example.org"}},
		// S4: 64 octets of local part, and 254 in all, are taken.
		{strings.Repeat("a", 64) + "@example.org", postrider.Address{Local: strings.Repeat("a", 64), Domain: "example.org"}},
		{"aaaaaa@" + strings.Repeat(label+".", 3) + label, postrider.Address{Local: "aaaaaa", Domain: strings.Repeat(label+".", 3) + label}},
	} {
		got, err := postrider.ParseAddress(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("ParseAddress(%q) = %+v, %v; want %+v", tt.in, got, err, tt.want)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":                   "",
		"no domain":                 "ann",
		"empty domain":              "ann@",
		"empty local part":          "@example.org",
		"angle brackets":            "<ann@example.org>",
		"two at signs":              "ann@bob@example.org",
		"space":                     "ann smith@example.org",
		"leading dot":               ".ann@example.org",
		"trailing dot":              "ann.@example.org",
		"two dots":                  "an..n@example.org",
		"root dot":                  "ann@example.org.",
		"CR LF":                     "ann@example.org\r\n",
		"CR LF in quotes":           "\"a\r\nRCPT TO:<b@c>\"@example.org",
		"NUL":                       "a\x00b@example.org",
		"DEL in quotes":             "\"\x7f\"@example.org",
		"comment":                   "ann(boss)@example.org",
		"underscore in the domain":  "ann@exa_mple.org",
		"hyphen first":              "ann@-example.org",
		"hyphen last":               "ann@example-.org",
		"not UTF-8":                 "ann\xff@example.org",
		"other full stop":           "ann@例え。jp",
		"IPv4 out of range":         "ann@[192.0.2.256]",
		"IPv6 without its tag":      "ann@[2001:db8::1]",
		"IPv4 with the tag of IPv6": "ann@[IPv6:192.0.2.1]",
		"IPv6 with a zone":          "ann@[IPv6:fe80::1%eth0]",
		"tag nobody registered":     "ann@[X.400:something]",
		"open literal":              "ann@[192.0.2.1",
		"S4: local part of 65":      strings.Repeat("a", 65) + "@example.org",
		"S4: 255 in all":            "aaaaaaa@" + strings.Repeat(strings.Repeat("b", 61)+".", 3) + strings.Repeat("b", 61),
		"label of 64":               "ann@" + strings.Repeat("b", 64) + ".org",
	} {
		if got, err := postrider.ParseAddress(in); !errors.Is(err, postrider.ErrAddress) {
			t.Errorf("%s: ParseAddress(%q) = %+v, %v; want an error", name, in, got, err)
		}
	}
}

// TestIsEmail runs Dominic Sayers' collection. What it calls valid, or valid by RFC 5321,
// or in need only of DNS, is an address to us; what needs comments, folding, RFC 5322's wider or obsolete
// grammar, is none.
func TestIsEmail(t *testing.T) {
	raw, err := os.ReadFile("testdata/address/tests.xml")
	if err != nil {
		t.Fatal(err)
	}
	var suite struct {
		Tests []struct {
			ID        string `xml:"id,attr"`
			Address   string `xml:"address"`
			Category  string `xml:"category"`
			Diagnosis string `xml:"diagnosis"`
		} `xml:"test"`
	}
	if err := xml.Unmarshal(raw, &suite); err != nil {
		t.Fatal(err)
	}
	if len(suite.Tests) != 164 {
		t.Fatalf("read %d tests, want 164", len(suite.Tests))
	}
	valid := map[string]bool{"ISEMAIL_VALID_CATEGORY": true, "ISEMAIL_DNSWARN": true, "ISEMAIL_RFC5321": true}
	for _, tt := range suite.Tests {
		// RFC 5321 §4.1.3 lets "::" stand for one group; it only shall not be written so.
		want := valid[tt.Category] || tt.Diagnosis == "ISEMAIL_RFC5321_IPV6DEPRECATED"
		in := unpicture(tt.Address)
		if _, err := postrider.ParseAddress(in); (err == nil) != want {
			t.Errorf("test %s: ParseAddress(%q): %v; the suite says %s", tt.ID, in, err, tt.Diagnosis)
		}
	}
}

// unpicture turns the suite's pictures of control characters (U+2400 and on) into them.
func unpicture(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0x2400 && r < 0x2420 {
			return r - 0x2400
		}
		return r
	}, s)
}

func TestAddressPrintsAsItParses(t *testing.T) {
	for a, want := range map[postrider.Address]string{
		{}:                                           "",
		{Local: "Postmaster"}:                        "Postmaster",
		{Local: "ann", Domain: "example.org"}:        "ann@example.org",
		{Local: "", Domain: "example.org"}:           `""@example.org`,
		{Local: "a b", Domain: "example.org"}:        `"a b"@example.org`,
		{Local: `a"\`, Domain: "example.org"}:        `"a\"\\"@example.org`,
		{Local: ".ann", Domain: "example.org"}:       `".ann"@example.org`,
		{Local: "a@b", Domain: "example.org"}:        `"a@b"@example.org`,
		{Local: "用户", Domain: "例え.jp"}:               "用户@例え.jp",
		{Local: "ann", Domain: "[IPv6:2001:db8::1]"}: "ann@[IPv6:2001:db8::1]",
	} {
		if got := a.String(); got != want {
			t.Errorf("%+v prints as %q, want %q", a, got, want)
		}
		var back postrider.Address
		if err := back.UnmarshalText([]byte(want)); err != nil || back != a {
			t.Errorf("UnmarshalText(%q) = %+v, %v; want %+v", want, back, err, a)
		}
	}
}

func TestAddressCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"Ann@EXAMPLE.org":                 "Ann@example.org",
		"ann@BÜCHER.example":              "ann@xn--bcher-kva.example",
		"ann@XN--BCHER-KVA.example":       "ann@xn--bcher-kva.example",
		"ann@[ipv6:2001:DB8:0:0:0:0:0:1]": "ann@[IPv6:2001:db8::1]",
		"用户@例え.jp":                        "用户@xn--r8jz45g.jp",
	} {
		a, err := postrider.ParseAddress(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Canonical().String(); got != want {
			t.Errorf("Canonical of %q is %q, want %q", in, got, want)
		}
	}
}

func TestCheckDomain(t *testing.T) {
	for domain, ok := range map[string]bool{"example.org": true, "[192.0.2.1]": true, "bücher.example": true, "": false, "a\xff.org": false, "a..b": false} {
		if err := postrider.CheckDomain(domain); (err == nil) != ok {
			t.Errorf("CheckDomain(%q): %v", domain, err)
		}
	}
}

func TestAddressASCII(t *testing.T) {
	if a, ok := (postrider.Address{Local: "ann", Domain: "bücher.example"}).ASCII(); !ok || a.Domain != "xn--bcher-kva.example" {
		t.Errorf("got %v, %v", a, ok)
	}
	if a, ok := (postrider.Address{Local: "用户", Domain: "bücher.example"}).ASCII(); ok || a.Domain != "bücher.example" {
		t.Errorf("an address with a UTF-8 local part has no ASCII form, got %v", a)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"ann@example.org", `"a b"@[192.0.2.1]`, `"\""@x`, "用户@例え.jp", "a@[IPv6:::1]", `"`, "@", "a@b.", "\"\\\x80\"@b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := postrider.ParseAddress(s)
		if err != nil {
			return
		}
		back, err := postrider.ParseAddress(a.String())
		if err != nil || back != a {
			t.Fatalf("%q parses to %+v, prints as %q, which parses to %+v, %v", s, a, a.String(), back, err)
		}
		if strings.ContainsAny(a.String(), "\r\n\x00") {
			t.Fatalf("%q lets control characters through", s)
		}
		if c := a.Canonical(); c != c.Canonical() {
			t.Fatalf("canonical form of %q is not canonical: %+v", s, c)
		}
	})
}
