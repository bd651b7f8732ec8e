package store

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// RFC 9051 §2.3.2, §9.
func TestParseFlag(t *testing.T) {
	for in, want := range map[string]Flag{
		`\Seen`:     FlagSeen,
		`\SEEN`:     FlagSeen,
		`\answered`: FlagAnswered,
		`\fLaGgEd`:  FlagFlagged,
		`\deleted`:  FlagDeleted,
		`\DRAFT`:    FlagDraft,
		`$Junk`:     "$Junk",
		`NonJunk`:   "NonJunk",
		`a.b-c_d#1`: "a.b-c_d#1",
		`}`:         "}",
		`[`:         "[",

		strings.Repeat("x", MaxFlagLen): Flag(strings.Repeat("x", MaxFlagLen)),
	} {
		if got, err := ParseFlag(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
	for _, bad := range []string{
		"", `\`, `\Recent`, `\*`, `\Unknown`, `\\Seen`, "a b", "(", ")", "{", "%", "*", `"`, "]", "a\\b", "\x7f", "\x00", "ü",
		"\\\u017feen", // a long s folds to s, but is none
		strings.Repeat("x", MaxFlagLen+1),
	} {
		if got, err := ParseFlag(bad); !errors.Is(err, ErrFlag) {
			t.Errorf("%q: got %q, %v, want ErrFlag", bad, got, err)
		}
	}
}

func TestCanonicalFlags(t *testing.T) {
	in := []Flag{`\SEEN`, "$a", `\Recent`, "$A", FlagSeen, `\recent`, "b"}
	keep := slices.Clone(in)
	got, err := CanonicalFlags(in)
	if want := []Flag{FlagSeen, "$a", "b"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if !slices.Equal(in, keep) {
		t.Errorf("the argument became %q", in)
	}
	if got, err := CanonicalFlags([]Flag{FlagSeen, "a b"}); !errors.Is(err, ErrFlag) || got != nil {
		t.Errorf("got %q, %v, want ErrFlag", got, err)
	}
}

func TestFlagsEqual(t *testing.T) {
	for _, test := range []struct {
		a, b []Flag
		want bool
	}{
		{nil, []Flag{}, true},
		{[]Flag{FlagSeen, "$A"}, []Flag{"$a", FlagSeen}, true},
		{[]Flag{FlagSeen}, []Flag{FlagSeen, "$A"}, false},
		{[]Flag{FlagSeen, "$A"}, []Flag{FlagSeen}, false},
		{[]Flag{FlagSeen}, []Flag{FlagDraft}, false},
	} {
		if got := FlagsEqual(test.a, test.b); got != test.want {
			t.Errorf("%q and %q: %v", test.a, test.b, got)
		}
	}
	if !FlagSeen.IsSystem() || Flag("$A").IsSystem() || FlagSeen.Fold() != `\seen` {
		t.Error("a flag does not know what it is")
	}
}

func TestFlagOpApply(t *testing.T) {
	had, change := []Flag{FlagSeen, "$A"}, []Flag{"$a", FlagDraft}
	for op, want := range map[FlagOp][]Flag{
		FlagsAdd:     {FlagSeen, "$A", FlagDraft},
		FlagsRemove:  {FlagSeen},
		FlagsReplace: {"$a", FlagDraft},
		0:            {FlagSeen, "$A"},
		99:           {FlagSeen, "$A"},
	} {
		had := append(make([]Flag, 0, 10), had...) // with room that must stay as it is
		if got := op.Apply(had, change); !slices.Equal(got, want) {
			t.Errorf("%d: got %q, want %q", op, got, want)
		}
		if !slices.Equal(had, []Flag{FlagSeen, "$A"}) || had[:3][2] != "" {
			t.Errorf("%d: the argument became %q", op, had[:3])
		}
	}
}
