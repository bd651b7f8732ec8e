package store

import (
	"fmt"
	"slices"
	"strings"
)

// A Flag is a system flag such as \Seen, in the spelling of the constants, or a
// keyword such as $Forwarded (RFC 9051 §2.3.2). Keywords are the same in any case;
// a mailbox keeps the spelling it saw first.
type Flag string

// The system flags that a message keeps.
const (
	FlagSeen     Flag = `\Seen`
	FlagAnswered Flag = `\Answered`
	FlagFlagged  Flag = `\Flagged`
	FlagDeleted  Flag = `\Deleted`
	FlagDraft    Flag = `\Draft`
)

// Bounds on flags.
const (
	// MaxFlagLen is how many octets a flag may have.
	MaxFlagLen = 255
	// MaxKeywords is how many different keywords a mailbox may have; what would bring
	// another answers ErrLimit. A store may have to stop earlier, but not before 26.
	MaxKeywords = 1000
)

// SystemFlags returns the system flags that a message keeps.
func SystemFlags() []Flag {
	return []Flag{FlagAnswered, FlagFlagged, FlagDeleted, FlagSeen, FlagDraft}
}

// flagRecent belongs to a session, not to a message (RFC 3501 §2.3.2).
const flagRecent = `\recent`

// ParseFlag returns s as a Flag: a system flag in any case, or a keyword, which is
// an IMAP atom of at most MaxFlagLen octets. \Recent, which no client can set, \*
// and other names with a backslash are errors that wrap ErrFlag.
func ParseFlag(s string) (Flag, error) {
	name, isSystem := strings.CutPrefix(s, `\`)
	if name == "" || len(s) > MaxFlagLen || !isAtom(name) {
		return "", fmt.Errorf("%w: not an atom of at most %d octets", ErrFlag, MaxFlagLen)
	}
	if !isSystem {
		return Flag(s), nil
	}
	for _, f := range SystemFlags() {
		if f.Equal(Flag(s)) {
			return f, nil
		}
	}
	return "", fmt.Errorf("%w: no such system flag", ErrFlag)
}

// isAtom reports whether s has ATOM-CHARs only (RFC 9051 §9).
func isAtom(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return true
}

// Fold returns the flag in lower case, the same for all spellings of a keyword.
func (f Flag) Fold() Flag { return Flag(strings.ToLower(string(f))) }

// Equal reports whether f and g are the same flag.
func (f Flag) Equal(g Flag) bool { return strings.EqualFold(string(f), string(g)) }

// IsSystem reports whether f is one of the system flags, and not a keyword.
func (f Flag) IsSystem() bool { return strings.HasPrefix(string(f), `\`) }

// HasFlag reports whether f is among flags.
func HasFlag(flags []Flag, f Flag) bool { return slices.ContainsFunc(flags, f.Equal) }

// FlagsEqual reports whether a and b are the same set of flags, in whatever order and
// spelling.
func FlagsEqual(a, b []Flag) bool {
	in := func(flags []Flag) func(Flag) bool {
		return func(f Flag) bool { return !HasFlag(flags, f) }
	}
	return !slices.ContainsFunc(a, in(b)) && !slices.ContainsFunc(b, in(a))
}

// CanonicalFlags returns flags as a store keeps them: system flags in their spelling,
// each flag once, in its first spelling, and \Recent left out. The error wraps ErrFlag if
// one is none by ParseFlag. The result is a new slice.
func CanonicalFlags(flags []Flag) ([]Flag, error) {
	out := make([]Flag, 0, len(flags))
	for _, f := range flags {
		if f.Fold() == flagRecent {
			continue
		}
		f, err := ParseFlag(string(f))
		if err != nil {
			return nil, err
		}
		if !HasFlag(out, f) {
			out = append(out, f)
		}
	}
	return out, nil
}

// Apply returns the flags that a message with the given flags has after the
// operation. Both arguments are as CanonicalFlags returns them and stay as they are. An
// operation that is none of the constants changes nothing.
func (op FlagOp) Apply(flags, change []Flag) []Flag {
	switch op {
	case FlagsAdd:
		out := slices.Clip(flags)
		for _, f := range change {
			if !HasFlag(flags, f) {
				out = append(out, f)
			}
		}
		return out
	case FlagsRemove:
		return slices.DeleteFunc(slices.Clone(flags), func(f Flag) bool { return HasFlag(change, f) })
	case FlagsReplace:
		return slices.Clone(change)
	}
	return flags
}
