package message

import "strings"

// BaseSubject returns the subject by which SORT and THREAD compare messages (RFC
// 5256 §2.1), from the raw value of a Subject field; compare it in any case. The
// second result tells whether it is the subject of a reply or a forward, as the
// REFERENCES algorithm asks.
func BaseSubject(subject string) (base string, isReply bool) {
	s := strings.Join(strings.FieldsFunc(DecodeHeader(subject), isSpaceRune), " ") // (1)
	for {
		s, isReply = trimTrailers(s, isReply) // (2)
		s, isReply = trimLeaders(s, isReply)  // (3) to (5)
		if len(s) < len("[fwd:]") || !strings.EqualFold(s[:5], "[fwd:") || s[len(s)-1] != ']' {
			return s, isReply
		}
		s, isReply = s[5:len(s)-1], true // (6)
	}
}

func isSpaceRune(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }

// trimTrailers removes all subj-trailer.
func trimTrailers(s string, isReply bool) (string, bool) {
	for {
		s = strings.TrimRight(s, " ")
		if len(s) < 5 || !strings.EqualFold(s[len(s)-5:], "(fwd)") {
			return s, isReply
		}
		s, isReply = s[:len(s)-5], true
	}
}

// trimLeaders removes all subj-leader, and a subj-blob where something is left
// behind it.
func trimLeaders(s string, isReply bool) (string, bool) {
	for {
		s = strings.TrimLeft(s, " ")
		rest := s
		for n := blob(rest); n > 0; n = blob(rest) {
			rest = rest[n:]
		}
		if n := refwd(rest); n > 0 {
			s, isReply = rest[n:], true
			continue
		}
		if rest != "" {
			return rest, isReply // all blobs, one by one
		}
		// Only blobs: the last one is the subject.
		for n := blob(s); n > 0 && n < len(s); n = blob(s) {
			s = s[n:]
		}
		return s, isReply
	}
}

// refwd returns the length of the subj-refwd that s begins with, 0 if none.
func refwd(s string) int {
	n := 0
	for _, word := range []string{"re", "fwd", "fw"} {
		if len(s) >= len(word) && strings.EqualFold(s[:len(word)], word) {
			n = len(word)
			break
		}
	}
	if n == 0 {
		return 0
	}
	n += len(s[n:]) - len(strings.TrimLeft(s[n:], " "))
	n += blob(s[n:])
	if n < len(s) && s[n] == ':' {
		return n + 1
	}
	return 0
}

// blob returns the length of the subj-blob that s begins with, 0 if none.
func blob(s string) int {
	if s == "" || s[0] != '[' {
		return 0
	}
	n := strings.IndexAny(s[1:], "[]") + 1
	if n == 0 || s[n] != ']' {
		return 0
	}
	n++
	return n + len(s[n:]) - len(strings.TrimLeft(s[n:], " "))
}
