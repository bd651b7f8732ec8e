package store

import (
	"iter"
	"math"
	"slices"
	"sort"
)

// A UIDSet is a set of UIDs as ascending ranges that neither overlap nor touch. The
// nil UIDSet is empty. A million messages without a gap are one range.
//
// Add, AddRange and AddSet change the set they are called on, and the ranges it shares with
// copies of it; every other method leaves all sets as they are and shares nothing. Two sets are the same if slices.Equal says so.
type UIDSet []UIDRange

// UIDs returns the set of the given UIDs, in any order. Zeroes are passed over.
func UIDs(uids ...UID) UIDSet {
	var s UIDSet
	for _, u := range uids {
		s.Add(u)
	}
	return s
}

// AllUIDs returns the set of all UIDs there can be.
func AllUIDs() UIDSet { return UIDSet{{1, math.MaxUint32}} }

// RangeOfUIDs returns the set of the UIDs from first to last, both included, empty if
// last is less than first.
func RangeOfUIDs(first, last UID) UIDSet {
	var s UIDSet
	s.AddRange(first, last)
	return s
}

// Add adds a UID. It costs little where the UID is greater than all others. Zero is
// passed over.
func (s *UIDSet) Add(uid UID) { s.AddRange(uid, uid) }

// AddRange adds the UIDs from first to last, both included. It costs little where
// they are greater than all others. Zero is passed over, and so is all where last is
// less than first.
func (s *UIDSet) AddRange(first, last UID) {
	first = max(first, 1)
	if last < first {
		return
	}
	set := *s
	// The ranges from i to before j overlap or touch the new one.
	i := set.search(first - 1)
	j := i
	for j < len(set) && (last == math.MaxUint32 || set[j].First <= last+1) {
		first, last = min(first, set[j].First), max(last, set[j].Last)
		j++
	}
	*s = slices.Replace(set, i, j, UIDRange{first, last})
}

// AddSet adds the UIDs of t, and leaves t as it is.
func (s *UIDSet) AddSet(t UIDSet) {
	const few = 8
	if len(t) > few {
		*s = s.Union(t)
		return
	}
	for _, r := range t {
		s.AddRange(r.First, r.Last)
	}
}

// search returns the index of the first range that ends at uid or after it.
func (s UIDSet) search(uid UID) int {
	if n := len(s); n == 0 || s[n-1].Last < uid {
		return n
	}
	return sort.Search(len(s), func(i int) bool { return s[i].Last >= uid })
}

// Contains reports whether uid is in the set, in time that grows with the logarithm
// of the number of ranges.
func (s UIDSet) Contains(uid UID) bool {
	i := s.search(uid)
	return i < len(s) && s[i].First <= uid
}

// Next returns the least UID of the set that is uid or greater, 0 if there is none.
func (s UIDSet) Next(uid UID) UID {
	i := s.search(uid)
	if i == len(s) {
		return 0
	}
	return max(uid, s[i].First)
}

// Len returns how many UIDs the set has.
func (s UIDSet) Len() int {
	n := 0
	for _, r := range s {
		n += r.Len()
	}
	return n
}

// IsEmpty reports whether the set has no UID.
func (s UIDSet) IsEmpty() bool { return len(s) == 0 }

// Min returns the least UID, 0 for the empty set.
func (s UIDSet) Min() UID {
	if len(s) == 0 {
		return 0
	}
	return s[0].First
}

// Max returns the greatest UID, 0 for the empty set.
func (s UIDSet) Max() UID {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1].Last
}

// Nth returns the n-th UID in ascending order, counted from 0; 0 if there is none. It
// walks over the ranges: a [View] answers faster.
func (s UIDSet) Nth(n int) UID {
	if n < 0 {
		return 0
	}
	for _, r := range s {
		if n < r.Len() {
			return r.First + UID(n)
		}
		n -= r.Len()
	}
	return 0
}

// All yields the UIDs in ascending order.
func (s UIDSet) All() iter.Seq[UID] {
	return func(yield func(UID) bool) {
		for _, r := range s {
			for u := r.First; ; u++ {
				if !yield(u) {
					return
				}
				if u == r.Last {
					break
				}
			}
		}
	}
}

// Union returns the UIDs that are in s, in t or in both, in time that grows with
// the number of ranges.
func (s UIDSet) Union(t UIDSet) UIDSet {
	out := make(UIDSet, 0, len(s)+len(t))
	for len(s) > 0 || len(t) > 0 {
		if len(t) == 0 || len(s) > 0 && s[0].First < t[0].First {
			out.AddRange(s[0].First, s[0].Last)
			s = s[1:]
		} else {
			out.AddRange(t[0].First, t[0].Last)
			t = t[1:]
		}
	}
	return out
}

// Intersect returns the UIDs that are both in s and in t. Where one has few ranges
// and the other many, the many are not walked over.
func (s UIDSet) Intersect(t UIDSet) UIDSet {
	var out UIDSet
	for len(s) > 0 && len(t) > 0 {
		switch {
		case s[0].Last < t[0].First:
			s = s[s.search(t[0].First):]
			continue
		case t[0].Last < s[0].First:
			t = t[t.search(s[0].First):]
			continue
		}
		out.AddRange(max(s[0].First, t[0].First), min(s[0].Last, t[0].Last))
		if s[0].Last < t[0].Last {
			s = s[1:]
		} else {
			t = t[1:]
		}
	}
	return out
}

// Subtract returns the UIDs that are in s and not in t.
func (s UIDSet) Subtract(t UIDSet) UIDSet {
	t = s.Intersect(t)
	if len(t) == 0 {
		return slices.Clone(s)
	}
	out := make(UIDSet, 0, len(s)+len(t))
	from := UID(0) // what is less has been dealt with
	keep := func(ranges ...UIDRange) {
		if len(ranges) > 0 {
			out = append(out, ranges...)
			first := &out[len(out)-len(ranges)].First
			*first = max(*first, from)
		}
	}
	for _, cut := range t {
		i := s.search(cut.First)
		keep(s[:i]...)
		s = s[i:]
		// A range of the intersection lies within one range of s.
		if max(s[0].First, from) < cut.First {
			keep(UIDRange{s[0].First, cut.First - 1})
		}
		if s[0].Last > cut.Last {
			from = cut.Last + 1
		} else {
			s = s[1:]
		}
	}
	keep(s...)
	return out
}
