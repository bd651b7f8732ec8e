package store

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// I6, RFC 9051 §5.1.
func TestCanonicalName(t *testing.T) {
	level := strings.Repeat("x", MaxLevelLen)
	longest := strings.Repeat(level+"/", 3) + strings.Repeat("y", MaxNameLen-3*(MaxLevelLen+1))
	for in, want := range map[string]string{
		"INBOX":          "INBOX",
		"inbox":          "INBOX",
		"iNbOx/Child":    "INBOX/Child",
		"inboxes":        "inboxes",
		"a/inbox":        "a/inbox",
		"Entwu\u0308rfe": "Entwürfe",
		"ｉｎｂｏｘ":          "ｉｎｂｏｘ", // form C keeps full-width letters apart
		"50%*":           "50%*",
		" ":              " ",
		level:            level,
		longest:          longest,

		strings.Repeat("l/", MaxNameLevels-1) + "l":         strings.Repeat("l/", MaxNameLevels-1) + "l",
		strings.Repeat("\u1112\u1161\u11ab", MaxLevelLen/3): strings.Repeat("한", MaxLevelLen/3), // three times as long before
	} {
		if got, err := CanonicalName(in); err != nil || got != want {
			t.Errorf("%.40q: got %.40q, %v, want %.40q", in, got, err, want)
		}
	}
	for _, bad := range []string{
		"", "/", "a/", "/a", "a//b", "a\x00", "\r", "\n", "\t", "\x1f", "\x7f", "\u0080", "\u009f", "\u2028", "\u2029", "\xff", "\xed\xa0\x80",
		level + "x", longest + "y", strings.Repeat("l/", MaxNameLevels) + "l", strings.Repeat("x", 1<<20),
	} {
		if got, err := CanonicalName(bad); !errors.Is(err, ErrName) {
			t.Errorf("%.40q: got %.40q, %v, want ErrName", bad, got, err)
		}
	}
}

func FuzzCanonicalName(f *testing.F) {
	for _, s := range []string{"inbox/a", "a//b", "Entwu\u0308rfe", "\u0958", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		name, err := CanonicalName(in)
		if err != nil {
			return
		}
		if again, err := CanonicalName(name); err != nil || again != name {
			t.Fatalf("%q became %q, which becomes %q, %v", in, name, again, err)
		}
		if CompareNames(name, Inbox) < 0 {
			t.Fatalf("%q comes before INBOX", name)
		}
	})
}

func TestCompareNamesIsAnOrder(t *testing.T) {
	want := []string{"INBOX", "INBOX/a", "INBOX/z", " ", "A", "a", "a/INBOX", "a/b", "a/b/c", "a/c", "a-b", "a.b", "inboxes", "ä"}
	for i, a := range want {
		for j, b := range want {
			if got := CompareNames(a, b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("CompareNames(%q, %q) = %d", a, b, got)
			}
		}
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	if slices.SortFunc(got, CompareNames); !slices.Equal(got, want) {
		t.Errorf("sorted: %q", got)
	}
}

func TestIsBelow(t *testing.T) {
	for _, test := range []struct {
		name, parent string
		want         bool
	}{{"a/b", "a", true}, {"a/b/c", "a", true}, {"a", "a", false}, {"ab", "a", false}, {"a", "a/b", false}, {"b/a", "a", false}} {
		if got := IsBelow(test.name, test.parent); got != test.want {
			t.Errorf("IsBelow(%q, %q) = %v", test.name, test.parent, got)
		}
	}
}

func TestCheckAccountName(t *testing.T) {
	for _, good := range []string{"a", "ann@example.org", "用户", "a b", strings.Repeat("x", MaxAccountName)} {
		if err := CheckAccountName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "a\nb", "\x7f", "\xff", strings.Repeat("x", MaxAccountName+1)} {
		if err := CheckAccountName(bad); !errors.Is(err, ErrName) {
			t.Errorf("%.40q: got %v, want ErrName", bad, err)
		}
	}
}
