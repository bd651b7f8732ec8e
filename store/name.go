package store

import (
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Inbox is the name of the mailbox that every account has.
const Inbox = "INBOX"

// Bounds on names, in octets and in levels.
const (
	MaxNameLen     = 1000
	MaxLevelLen    = 255
	MaxNameLevels  = 32
	MaxAccountName = 255
)

// CanonicalName returns the one spelling of a mailbox name: in Unicode's
// normalization form C, as Net-Unicode wants it (RFC 9051 §5.1, RFC 5198 §2), and with
// INBOX in capitals where that is the first level, so that inbox/a and INBOX/a are one
// mailbox.
//
// The error wraps ErrName if the name is impossible: not UTF-8; empty, or with an empty
// level, be it the first or the last; with a control character or a line or
// paragraph separator; with more than MaxNameLevels levels, more than MaxLevelLen octets in
// one, more than MaxNameLen in all. The wildcards of LIST, "%" and "*", are allowed,
// as RFC 9051 §5.1 has it.
func CanonicalName(name string) (string, error) {
	switch {
	case len(name) > 3*MaxNameLen: // form C is never shorter than a third
		return "", fmt.Errorf("%w: longer than %d octets", ErrName, MaxNameLen)
	case !utf8.ValidString(name):
		return "", fmt.Errorf("%w: not UTF-8", ErrName)
	}
	name = norm.NFC.String(name)
	if len(name) > MaxNameLen {
		return "", fmt.Errorf("%w: longer than %d octets", ErrName, MaxNameLen)
	}
	levels := 0
	for level := range strings.SplitSeq(name, "/") {
		levels++
		switch {
		case level == "":
			return "", fmt.Errorf("%w: an empty level", ErrName)
		case len(level) > MaxLevelLen:
			return "", fmt.Errorf("%w: a level longer than %d octets", ErrName, MaxLevelLen)
		case levels > MaxNameLevels:
			return "", fmt.Errorf("%w: more than %d levels", ErrName, MaxNameLevels)
		case strings.ContainsFunc(level, isControl):
			return "", fmt.Errorf("%w: a control character", ErrName)
		}
	}
	if first, _, _ := strings.Cut(name, "/"); strings.EqualFold(first, Inbox) {
		name = Inbox + name[len(first):]
	}
	return name, nil
}

// isControl reports whether r is a control of ISO 646 or 8859, or one of the separators
// that Net-Unicode forbids beside them (RFC 5198 §2).
func isControl(r rune) bool {
	return r < ' ' || 0x7f <= r && r <= 0x9f || r == '\u2028' || r == '\u2029'
}

// CheckAccountName returns an error that wraps ErrName unless name is fit for an
// account: 1 to MaxAccountName octets of UTF-8 without control characters. It is
// compared octet for octet; who wants ann and Ann to be one, folds the case before.
func CheckAccountName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: empty", ErrName)
	case len(name) > MaxAccountName:
		return fmt.Errorf("%w: longer than %d octets", ErrName, MaxAccountName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: not UTF-8", ErrName)
	case strings.ContainsFunc(name, isControl):
		return fmt.Errorf("%w: a control character", ErrName)
	}
	return nil
}

// IsBelow reports whether name is below parent in the hierarchy, at whatever
// distance. Both are canonical.
func IsBelow(name, parent string) bool {
	return len(name) > len(parent) && name[len(parent)] == '/' && name[:len(parent)] == parent
}

// CompareNames orders canonical names as a list of mailboxes shows them: INBOX and
// what is below it first, then level by level, octet for octet, so that what is below a
// mailbox follows it at once.
func CompareNames(a, b string) int {
	if inA, inB := inInbox(a), inInbox(b); inA != inB {
		return map[bool]int{true: -1, false: 1}[inA]
	}
	for {
		levelA, restA, _ := strings.Cut(a, "/")
		levelB, restB, _ := strings.Cut(b, "/")
		if levelA != levelB || restA == "" || restB == "" {
			return cmp.Or(cmp.Compare(levelA, levelB), cmp.Compare(len(restA), len(restB)))
		}
		a, b = restA, restB
	}
}

func inInbox(name string) bool { return name == Inbox || IsBelow(name, Inbox) }
