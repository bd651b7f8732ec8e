package store

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// errSet is wrapped by the errors of ParseUIDSet and ParseNumSet.
var errSet = errors.New("invalid sequence set")

// String returns the set as IMAP's sequence-set writes it, such as "1:3,7" (RFC 9051
// §9). The empty set is the empty string, which is none of IMAP's.
func (s UIDSet) String() string { return string(s.Append(nil)) }

// Append appends what String returns to b.
func (s UIDSet) Append(b []byte) []byte {
	for i, r := range s {
		if i > 0 {
			b = append(b, ',')
		}
		b = NumRange{uint32(r.First), uint32(r.Last)}.append(b)
	}
	return b
}

// ParseUIDSet reads what String wrote: ranges in any order, which may overlap. A "*"
// is an error, for only a [View] knows what it means: see ParseNumSet.
func ParseUIDSet(s string) (UIDSet, error) {
	if s == "" {
		return nil, nil
	}
	nums, err := ParseNumSet(s)
	if err != nil {
		return nil, err
	}
	var out UIDSet
	for _, r := range nums {
		if r.First == 0 || r.Last == 0 {
			return nil, fmt.Errorf("%w: * has no meaning here", errSet)
		}
		out.AddRange(UID(min(r.First, r.Last)), UID(max(r.First, r.Last)))
	}
	return out, nil
}

// A NumRange is the numbers between First and Last, both included, in either order. 0
// is IMAP's "*", the greatest number in use.
type NumRange struct{ First, Last uint32 }

func (r NumRange) append(b []byte) []byte {
	b = appendNum(b, r.First)
	if r.First == r.Last {
		return b
	}
	return appendNum(append(b, ':'), r.Last)
}

func appendNum(b []byte, n uint32) []byte {
	if n == 0 {
		return append(b, '*')
	}
	return strconv.AppendUint(b, uint64(n), 10)
}

// A NumSet is a sequence-set as a client writes it (RFC 9051 §9): sequence numbers or
// UIDs, in any order, overlapping or not. [View.Resolve] and [View.ResolveUIDs] tell
// which messages it means.
type NumSet []NumRange

// MaxNumRanges is how many ranges ParseNumSet takes. It is more than a command line
// of 8,192 octets can hold.
const MaxNumRanges = 10_000

// ParseNumSet reads a sequence-set (RFC 9051 §9) without "$". The empty string, the
// number 0, a leading zero and more than MaxNumRanges ranges are errors.
func ParseNumSet(s string) (NumSet, error) {
	n := strings.Count(s, ",") + 1
	if n > MaxNumRanges {
		return nil, fmt.Errorf("%w: %w ranges", errSet, ErrLimit)
	}
	set := make(NumSet, 0, n)
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, ":")
		if !isRange {
			last = first
		}
		a, err := parseNum(first)
		if err != nil {
			return nil, err
		}
		b, err := parseNum(last)
		if err != nil {
			return nil, err
		}
		set = append(set, NumRange{a, b})
	}
	return set, nil
}

// parseNum reads a seq-number: an nz-number or "*".
func parseNum(s string) (uint32, error) {
	if s == "*" {
		return 0, nil
	}
	if s == "" || s[0] < '1' || s[0] > '9' {
		return 0, fmt.Errorf("%w: not a number", errSet)
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%w: not a number", errSet)
	}
	return uint32(n), nil
}

// String returns the set as a client writes it.
func (s NumSet) String() string { return string(s.Append(nil)) }

// Append appends what String returns to b.
func (s NumSet) Append(b []byte) []byte {
	for i, r := range s {
		if i > 0 {
			b = append(b, ',')
		}
		b = r.append(b)
	}
	return b
}
