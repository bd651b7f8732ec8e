package message

import (
	"strings"
	"testing"
)

// RFC 5256 §2.1, step by step.
func TestBaseSubject(t *testing.T) {
	for _, c := range []struct {
		subject, base string
		reply         bool
	}{
		{"hello", "hello", false},
		{"  hello \t world  ", "hello world", false},
		{"Re: hello", "hello", true},
		{"RE : hello", "hello", true},
		{"Re[2]: hello", "hello", true},
		{"fw: fwd: FWD: hello", "hello", true},
		{"Re: Re: [list] Re: hello", "hello", true},
		{"[list] hello", "hello", false},
		{"[list] [other] Re: hello", "hello", true},
		{"[list]", "[list]", false},
		{"Re: [list]", "[list]", true},
		{"[a] [b]", "[b]", false},
		{"hello (fwd)", "hello", true},
		{"hello (fwd) (FWD) ", "hello", true},
		{"[fwd: hello]", "hello", true},
		{"[Fwd: Re: [list] hello (fwd)]", "hello", true},
		{"Re: [fwd: [fwd: hello]] (fwd)", "hello", true},
		{"[fwd: hello] there", "there", false},
		{"=?utf-8?q?Re=3A_h=C3=A9llo?=", "héllo", true},
		{"Regarding: hello", "Regarding: hello", false},
		{"[unclosed hello", "[unclosed hello", false},
		{"Re:", "", true},
		{"", "", false},
	} {
		if base, reply := BaseSubject(c.subject); base != c.base || reply != c.reply {
			t.Errorf("%q: %q, %v, want %q, %v", c.subject, base, reply, c.base, c.reply)
		}
	}
}

// RFC 2047 §8 has most of these (M3).
func TestEncodedWordsAreDecoded(t *testing.T) {
	for _, c := range [][2]string{
		{"=?ISO-8859-1?Q?a?=", "a"},
		{"=?ISO-8859-1?Q?a?= b", "a b"},
		{"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
		{"=?ISO-8859-1?Q?a?=  \t =?ISO-8859-2?Q?b?=", "ab"},
		{"=?ISO-8859-1?Q?a_b?=", "a b"},
		{"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?= c", "a b c"},
		{"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"}, // RFC 2231 §5
		{"=?utf-8?B?w6Q=?=", "ä"},
		{"=?utf-8?B?w6Q?=", "ä"}, // no padding
		{"=?utf-8?Q?=C3?= =?utf-8?Q?=A4?=", "ä"},
		{"=?utf-8?q?a b?=", "a b"}, // white space forgiven
		{"=?windows-1251?B?z/Do4uXy?=", "Привет"},
		{"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"},
		{"=?unknown-charset?q?=E4?=", "ä"},
		{"=?utf-8?x?a?=", "=?utf-8?x?a?="},
		{"=?utf-8?q?a", "=?utf-8?q?a"},
		{"=??q?a?=", "=??q?a?="},
		{"a =?", "a =?"},
		{"gr\xfc\xdfe", "grüße"},
		{"grüße", "grüße"},
	} {
		if got := DecodeHeader(c[0]); got != c[1] {
			t.Errorf("%q: %q, want %q", c[0], got, c[1])
		}
	}
}

func TestMessageIDsAreNormalised(t *testing.T) {
	for _, c := range [][2]string{
		{"<a@b>", "a@b"},
		{"<a@b><c@d>\t<e@f>", "a@b c@d e@f"},
		{`<"01KF8JCEOCBS0045PS"@xxx.yyy.com>`, "01KF8JCEOCBS0045PS@xxx.yyy.com"}, // RFC 5256 (REFERENCES)
		{`<"a>\"b"@c>`, `a>"b@c`},
		{"Your message of Monday <a@b>", "a@b"},
		{"<a@b", ""}, {"a@b", ""}, {"<ab>", ""}, {"<@b>", ""}, {"<a@>", ""},
		{"<a <b@c>", "b@c"},
		{`<"a@b> <c@d>`, "a@b c@d"},
		{"<" + strings.Repeat("a", 1000) + "@b>", ""},
	} {
		if got := strings.Join(ParseMessageIDs(c[0]), " "); got != c[1] {
			t.Errorf("%q: %q, want %q", c[0], got, c[1])
		}
	}
}

func TestReferencesAreTheFirstAndTheLast(t *testing.T) {
	many := "<first@x>" + strings.Repeat("<between@x>", 5*MaxReferences) + "<last@x>"
	ids := ParseMessageIDs(many)
	if len(ids) != MaxReferences || ids[0] != "first@x" || ids[len(ids)-1] != "last@x" {
		t.Errorf("%d identifiers from %s to %s", len(ids), ids[0], ids[len(ids)-1])
	}
	if n := len(ParseMessageIDs(strings.Repeat("<a@b>", MaxReferences))); n != MaxReferences {
		t.Errorf("%d identifiers of %d", n, MaxReferences)
	}
}

// RFC 5256 (REFERENCES): without References the first of In-Reply-To.
func TestReferencesComeFromInReplyToOtherwise(t *testing.T) {
	for _, c := range [][2]string{
		{"References: <a@b> <c@d>\nIn-Reply-To: <e@f>", "a@b c@d"},
		{"References: none\nIn-Reply-To: <e@f> <g@h>", "e@f"},
		{"In-Reply-To: Your message of Monday", ""},
		{"Content-Type: message/rfc822\n\nReferences: <a@b>", ""},
	} {
		s := summarize(t, crlf([]byte(c[0]+"\n\n")))
		if got := strings.Join(s.References, " "); got != c[1] {
			t.Errorf("%q: %q, want %q", c[0], got, c[1])
		}
	}
}
