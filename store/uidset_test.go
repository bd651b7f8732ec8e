package store

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// model is the plainest set there is.
type model map[UID]bool

func (m model) sorted() []UID {
	var uids []UID
	for u := range m {
		uids = append(uids, u)
	}
	slices.Sort(uids)
	return uids
}

// drawSet draws a set and its model: UIDs at the small end, or at the great one.
func drawSet(t *rapid.T, name string) (UIDSet, model) {
	base := rapid.SampledFrom([]UID{1, math.MaxUint32 - 40}).Draw(t, "base")
	var s UIDSet
	m := model{}
	for range rapid.IntRange(0, 8).Draw(t, name) {
		first := base + UID(rapid.IntRange(0, 40).Draw(t, "first"))
		n := UID(rapid.IntRange(0, 5).Draw(t, "more"))
		last := first + min(n, math.MaxUint32-first)
		s.AddRange(first, last)
		for u := first; ; u++ {
			m[u] = true
			if u == last {
				break
			}
		}
	}
	return s, m
}

// checkCanonical holds s to the promise of the type.
func checkCanonical(t *rapid.T, s UIDSet) {
	for i, r := range s {
		if r.First == 0 || r.Last < r.First {
			t.Fatalf("%v: impossible range", s)
		}
		if i > 0 && uint64(r.First) <= uint64(s[i-1].Last)+1 {
			t.Fatalf("%v: ranges must ascend and neither overlap nor touch", s)
		}
	}
}

func same(t *rapid.T, what string, s UIDSet, m model) {
	t.Helper()
	checkCanonical(t, s)
	if got, want := slices.Collect(s.All()), m.sorted(); !slices.Equal(got, want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func TestUIDSetIsAsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, m := drawSet(t, "s")
		o, n := drawSet(t, "o")
		same(t, "AddRange", s, m)
		keepS, keepO := slices.Clone(s), slices.Clone(o)

		union, both, less, rest := model{}, model{}, model{}, AllUIDs().Subtract(s)
		for u := range m {
			union[u] = true
			if n[u] {
				both[u] = true
			} else {
				less[u] = true
			}
		}
		for u := range n {
			union[u] = true
		}
		same(t, "Union", s.Union(o), union)
		same(t, "Intersect", s.Intersect(o), both)
		same(t, "Subtract", s.Subtract(o), less)
		if got := s.Union(rest); !slices.Equal(got, AllUIDs()) || len(s.Intersect(rest)) > 0 {
			t.Fatalf("all but %v is %v", s, rest)
		}
		added := slices.Clone(s)
		added.AddSet(o)
		same(t, "AddSet", added, union)
		if !slices.Equal(s, keepS) || !slices.Equal(o, keepO) {
			t.Fatal("an operand changed")
		}
	})
}

func TestUIDSetLooksUpAsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, m := drawSet(t, "s")
		all := m.sorted()
		if s.Len() != len(all) || s.IsEmpty() != (len(all) == 0) {
			t.Fatalf("Len %d, want %d", s.Len(), len(all))
		}
		for i, u := range all {
			if s.Nth(i) != u {
				t.Fatalf("Nth(%d) = %d, want %d", i, s.Nth(i), u)
			}
		}
		if s.Nth(len(all)) != 0 || s.Nth(-1) != 0 {
			t.Fatal("Nth beyond the ends must be 0")
		}
		if len(all) > 0 && (s.Min() != all[0] || s.Max() != all[len(all)-1]) {
			t.Fatalf("%v: Min %d, Max %d", s, s.Min(), s.Max())
		}
		for u := UID(1); u < 60; u++ {
			if s.Contains(u) != m[u] {
				t.Fatalf("%v: Contains(%d) = %v", s, u, !m[u])
			}
			next := UID(0)
			if i, _ := slices.BinarySearch(all, u); i < len(all) {
				next = all[i]
			}
			if s.Next(u) != next {
				t.Fatalf("%v: Next(%d) = %d, want %d", s, u, s.Next(u), next)
			}
		}
	})
}

func TestUIDSetPrintsWhatItParses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, m := drawSet(t, "s")
		back, err := ParseUIDSet(s.String())
		if err != nil {
			t.Fatal(err)
		}
		same(t, "ParseUIDSet", back, m)
	})
}

func TestParseUIDSet(t *testing.T) {
	for in, want := range map[string]string{
		"":               "",
		"1":              "1",
		"4:2":            "2:4",
		"5,1:3,4":        "1:5",
		"4294967295":     "4294967295",
		"1,4294967295:2": "1:4294967295",
	} {
		s, err := ParseUIDSet(in)
		if err != nil || s.String() != want {
			t.Errorf("%q: got %q, %v, want %q", in, s, err, want)
		}
	}
	for _, bad := range []string{"0", "01", "1:", ":1", ",", "1,", "*", "1:*", "4294967296", "1:2:3", " 1", "+1", "a", "1;2"} {
		if s, err := ParseUIDSet(bad); err == nil {
			t.Errorf("%q: got %q, want an error", bad, s)
		}
	}
}

func TestUIDSetZeroIsNoMessage(t *testing.T) {
	s := UIDs(0, 3, 0)
	s.AddRange(0, 1)
	s.AddRange(9, 8)
	if s.String() != "1,3" {
		t.Errorf("got %q", s)
	}
	var none UIDSet
	if none.Contains(0) || none.Next(0) != 0 || none.Min() != 0 || none.Max() != 0 || none.Nth(0) != 0 {
		t.Error("the empty set must have nothing")
	}
}

func FuzzParseNumSet(f *testing.F) {
	for _, s := range []string{"1:*,3", "*:4294967295", "2,4:7,9,12:*", "0", "1,,2", "$"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		set, err := ParseNumSet(in)
		if err != nil {
			return
		}
		again, err := ParseNumSet(set.String())
		if err != nil || !slices.Equal(again, set) {
			t.Fatalf("%q: %v became %v, %v", in, set, again, err)
		}
		total := set.numbers(1000)
		for _, u := range []UID{1, 1000, 1001, math.MaxUint32} {
			want := slices.ContainsFunc(set, func(r NumRange) bool {
				a, b := UID(r.First), UID(r.Last)
				if a == 0 {
					a = 1000
				}
				if b == 0 {
					b = 1000
				}
				return min(a, b) <= u && u <= max(a, b)
			})
			if total.Contains(u) != want {
				t.Fatalf("%q: has %d: %v", in, u, !want)
			}
		}
	})
}

func BenchmarkUIDSetAddAscending(b *testing.B) {
	for b.Loop() {
		var s UIDSet
		for u := UID(2); u < 200_000; u += 2 {
			s.Add(u)
		}
	}
}
