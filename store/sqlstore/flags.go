package sqlstore

import (
	"slices"
	"strings"

	"github.com/postrider/postrider/store"
)

// flagSet is a combination of flags that messages of a mailbox have.
type flagSet struct {
	flags         []store.Flag // never changes
	seen, deleted bool
}

// flagSets numbers the combinations of flags of a mailbox. It only ever grows, so a
// table keeps the slice as it was and needs no lock to read it.
type flagSets struct {
	sets  []flagSet
	index map[string]uint32 // by key
}

// number returns the number of a combination.
func (s *flagSets) number(flags []store.Flag) uint32 {
	flags = slices.SortedFunc(slices.Values(flags), func(a, b store.Flag) int { return strings.Compare(string(a), string(b)) })
	key := joinFlags(flags)
	if n, ok := s.index[key]; ok {
		return n
	}
	if s.index == nil {
		s.index = map[string]uint32{}
	}
	n := uint32(len(s.sets))
	s.sets = append(s.sets, flagSet{
		flags: flags, seen: store.HasFlag(flags, store.FlagSeen), deleted: store.HasFlag(flags, store.FlagDeleted),
	})
	s.index[key] = n
	return n
}

// change returns what an operation makes of combinations.
func (s *flagSets) change(op store.FlagOp, flags []store.Flag) func(uint32) uint32 {
	known := map[uint32]uint32{}
	return func(old uint32) uint32 {
		n, ok := known[old]
		if !ok {
			n = s.number(applyFlags(s.sets[old].flags, op, flags))
			known[old] = n
		}
		return n
	}
}

// applyFlags returns what an operation makes of flags.
func applyFlags(old []store.Flag, op store.FlagOp, flags []store.Flag) []store.Flag {
	switch op {
	case store.FlagsReplace:
		return flags
	case store.FlagsRemove:
		return slices.DeleteFunc(slices.Clone(old), func(f store.Flag) bool { return store.HasFlag(flags, f) })
	}
	out := slices.Clone(old)
	for _, f := range flags {
		if !store.HasFlag(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// joinFlags is how flags stand in the database. A flag has no spaces.
func joinFlags(flags []store.Flag) string {
	if len(flags) == 0 {
		return ""
	}
	var b strings.Builder
	for i, f := range flags {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(f))
	}
	return b.String()
}

// splitFlags reads what joinFlags wrote.
func splitFlags(s string) []store.Flag {
	var flags []store.Flag
	for f := range strings.FieldsSeq(s) {
		flags = append(flags, store.Flag(f))
	}
	return flags
}

// learn returns the keywords of a mailbox together with those among flags; ErrLimit if
// that is too many.
func learn(keywords, flags []store.Flag) ([]store.Flag, error) {
	out := slices.Clip(keywords)
	for _, f := range flags {
		if !f.IsSystem() && !store.HasFlag(out, f) {
			out = append(out, f)
		}
	}
	if len(out) > store.MaxKeywords {
		return nil, store.ErrLimit
	}
	return out, nil
}

// spelled returns flags with the keywords in the mailbox's spelling. It is flags itself
// where nothing differs.
func spelled(keywords, flags []store.Flag) []store.Flag {
	out := flags
	for i, f := range flags {
		k := slices.IndexFunc(keywords, f.Equal)
		if k < 0 || keywords[k] == f {
			continue
		}
		if &out[0] == &flags[0] {
			out = slices.Clone(flags)
		}
		out[i] = keywords[k]
	}
	return out
}
