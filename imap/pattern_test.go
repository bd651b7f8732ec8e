package imap

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPatternsMatchAsTheRFCSays(t *testing.T) {
	for _, test := range []struct {
		reference, pattern, name string
		want                     bool
	}{
		{"", "*", "a/b/c", true},
		{"", "%", "a", true},
		{"", "%", "a/b", false},
		{"", "%/%", "a/b", true},
		{"", "a%b", "ab", true},
		{"", "a%b", "axxb", true},
		{"", "a%b", "a/b", false},
		{"", "a*b", "a/b", true},
		{"", "%*", "a/b", true},
		{"", "*%", "a/b", true},
		{"", "%%", "ab", true},
		{"", "", "a", false},
		{"", "inbox", "INBOX", true},
		{"", "iNb*", "INBOX/x", true},
		{"", "INBOX/X", "INBOX/x", false},
		{"", "inbox/x", "INBOX/x", true},
		{"", "inboxes", "INBOXES", false},
		{"", "INBOX", "inboxes", false},
		{"in", "box", "INBOX", true},
		{"a", "b", "ab", true},
		{"a/", "%", "a/b", true},
		{"a/", "/b", "a/b", false},
		{"", "M&APw-%", "M\u00fcll", true},
		{"", "Mu%", "M\u00fcll", false},
		{"", "u&AwgA-", "u\u0308", false},
		{"", "&", "&", false},
		{"", "&-", "&", true},
		{"", "@", "`", false},
		{"", strings.Repeat("*a", 40), strings.Repeat("a", 64), true},
		{"", strings.Repeat("a", 64), strings.Repeat("a", 64), true},
		{"", strings.Repeat("a", 63) + "*", strings.Repeat("a", 63), true},
		{"", strings.Repeat("a", 63) + "%b", strings.Repeat("a", 64) + "b", true},
	} {
		p := newPattern(test.reference, test.pattern)
		if got := p != nil && p.matches(test.name); got != test.want {
			t.Errorf("%q + %q matches %q: %v", test.reference, test.pattern, test.name, got)
		}
	}
}

// slowMatch is what matches means, at a cost without bound.
func slowMatch(pattern, name string) bool {
	if pattern == "" {
		return name == ""
	}
	switch pattern[0] {
	case '*', '%':
		for i := 0; ; i++ {
			if slowMatch(pattern[1:], name[i:]) {
				return true
			}
			if i == len(name) || pattern[0] == '%' && name[i] == '/' {
				return false
			}
		}
	}
	return name != "" && name[0] == pattern[0] && slowMatch(pattern[1:], name[1:])
}

func TestPatternsMatchAsTheirDefinitionSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pad := strings.Repeat("x", rapid.SampledFrom([]int{0, 60, 62, 63, 64}).Draw(t, "pad"))
		pattern := pad + rapid.StringMatching(`[ab/*%]{1,8}`).Draw(t, "pattern")
		name := pad + rapid.StringMatching(`[ab/]{0,10}`).Draw(t, "name")
		if got, want := newPattern("", pattern).matches(name), slowMatch(pattern, name); got != want {
			t.Errorf("%q matches %q: %v", pattern, name, got)
		}
	})
}

func TestNoPatternIsExpensive(t *testing.T) {
	start := time.Now()
	p := newPattern("", strings.Repeat("*a%a", 250)+"b")
	for range 100 {
		if p.matches(strings.Repeat("a", 1000)) {
			t.Error("it matches")
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("", "INBOX/%", "INBOX/a")
	f.Add("a/", "*%&APw-", "a/b\u00fc")
	f.Fuzz(func(t *testing.T, reference, pattern, name string) {
		if p := newPattern(reference, pattern); p != nil {
			p.matches(name)
		}
	})
}
