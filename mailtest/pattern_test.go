package mailtest

import (
	"strings"
	"testing"
)

func TestPatternsMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, line string
		want          bool
		vars          string // name=value after a match
	}{
		{"250 ok", "250 ok", true, ""},
		{"250 ok", "250 ok ", false, ""},
		{"250 ...", "250 ", true, ""},
		{"250 ...", "250", false, ""},
		{"... ok ...", "250 ok ok ok ", true, ""},
		{"...", "", true, ""},
		{`\...`, "...", true, ""},
		{`\...`, "....", false, ""},
		{"[UIDVALIDITY $v] ...", "[UIDVALIDITY 17] [x] ok", true, "17"},
		{"<$v@...>", "<a@b@example.org>", true, "a"},
		{"$v $v", "7 7", true, "7"},
		{"$v $v", "7 8", false, ""},
		{"$v", "", false, ""},
		{"$v", "a b", false, ""},
		{"$v ok", "a\tb ok", false, ""},
		{"$Junk", "$Junk", true, ""},
		{`\$v`, "$v", true, ""},
		{`(repeat 3 "a\"\x00")`, "a\\\"\x00a\\\"\x00a\\\"\x00", true, ""},
		{`\(repeat 3 "a")`, `(repeat 3 "a")`, true, ""},
		{`\xff\x00`, "\xff\x00", true, ""},
	} {
		p, err := parsePattern(test.pattern, true)
		if err != nil {
			t.Errorf("%s: %v", test.pattern, err)
			continue
		}
		vars := map[string]string{}
		if got := match(p.tokens, []byte(test.line), vars); got != test.want || vars["v"] != test.vars {
			t.Errorf("%s with %q: got %v, $v=%q", test.pattern, test.line, got, vars["v"])
		}
	}
}

func FuzzQuoteIsTheInverseOfParsing(f *testing.F) {
	for _, seed := range []string{"250 ok", "...", `\Seen \* \`, `\x41 \\`, "$v", `(repeat 3 "a")`, "(closed)", "a \r\n\t\x00\xff", "grüß ", "250-..."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted := quote([]byte(text))
		if strings.ContainsAny(quoted, "\r\n") {
			t.Fatalf("%q became %q, which is no line", text, quoted)
		}
		s, err := parseStep("S: "+quoted, Client)
		if err != nil || s.kind != expect {
			t.Fatalf("%q became %q: %v, kind %d", text, quoted, err, s.kind)
		}
		vars := map[string]string{}
		got, err := s.text.expand(vars)
		if err != nil || string(got) != text+"\r\n" || !match(s.text.tokens, []byte(text), vars) || len(vars) > 0 {
			t.Fatalf("%q became %q, which means %q, %v", text, quoted, got, err)
		}
	})
}
