package imap

import (
	"cmp"
	"strconv"

	"github.com/postrider/postrider/store"
)

// search is the command SEARCH (RFC 3501 §6.4.4).
func (s *session) search() error { return s.searchBy(bySeq) }

func (s *session) searchBy(by numbering) error {
	q := search{view: s.selected.view, recent: s.selected.recent}
	if err := s.p.search(&q); err != nil {
		return err
	}
	found, err := store.Search(s.ctx, s.selected.mailbox, &q.query)
	if err != nil {
		return err
	}
	// The client was not told yet of what arrived meanwhile.
	found = found.Intersect(s.selected.view.UIDs())
	var b []byte
	if q.returns {
		b = s.appendESearch(nil, &q, found, by)
	} else {
		b = s.appendSearch(nil, found, by)
	}
	s.out.Write(append(b, "\r\n"...))
	return nil
}

// appendSearch appends SEARCH, which is sent even if nothing was found (I15).
func (s *session) appendSearch(b []byte, found store.UIDSet, by numbering) []byte {
	b = append(b, "* SEARCH"...)
	for _, r := range s.numbers(found, by) {
		// Not n <= r.Last: that is always so for the greatest number there is.
		for n := r.First; ; n++ {
			b = append(b, ' ')
			b = strconv.AppendUint(b, uint64(n), 10)
			if n == r.Last {
				break
			}
		}
	}
	return b
}

// appendESearch appends ESEARCH (RFC 4731 §3.1), which has only the tag and COUNT if nothing was found.
func (s *session) appendESearch(b []byte, q *search, found store.UIDSet, by numbering) []byte {
	b = append(b, "* ESEARCH (TAG "...)
	b = appendString(b, s.tag)
	b = append(b, ')')
	if by == byUID {
		b = append(b, " UID"...)
	}
	numbers := s.numbers(found, by)
	if n := len(numbers); n > 0 {
		if q.min {
			b = append(b, " MIN "...)
			b = strconv.AppendUint(b, uint64(numbers[0].First), 10)
		}
		if q.max {
			b = append(b, " MAX "...)
			b = strconv.AppendUint(b, uint64(numbers[n-1].Last), 10)
		}
		if q.all {
			b = append(b, " ALL "...)
			b = numbers.Append(b)
		}
	}
	if q.count {
		b = append(b, " COUNT "...)
		b = strconv.AppendInt(b, int64(found.Len()), 10)
	}
	return b
}

// numbers returns what was found as ascending ranges of sequence numbers or UIDs.
func (s *session) numbers(found store.UIDSet, by numbering) store.NumSet {
	if by == bySeq {
		return s.selected.view.Seqs(found)
	}
	set := make(store.NumSet, len(found))
	for i, r := range found {
		set[i] = store.NumRange{First: uint32(r.First), Last: uint32(r.Last)}
	}
	return set
}

// span returns a set that has those UIDs of the view that a sequence set names, and perhaps others that are not in the
// view. It has no more ranges than the sequence set, however many gaps the view has, so that a search with many sets needs
// little memory.
func span(view *store.View, set store.NumSet, by numbering) (store.UIDSet, error) {
	star := uint32(view.Len())
	if by == byUID {
		star = uint32(view.UIDs().Max())
	}
	uids := store.UIDSet{} // not nil, which would be all
	for _, r := range set {
		first, last := cmp.Or(r.First, star), cmp.Or(r.Last, star)
		first, last = min(first, last), max(first, last)
		switch {
		case by == byUID:
			// Without a message "*" is 0, and AddRange takes 0 for 1: there is nothing to find.
			uids.AddRange(store.UID(first), store.UID(last))
		case first == 0 || int64(last) > int64(view.Len()):
			return nil, syntaxError("no such message")
		default:
			uids.AddRange(view.UID(first), view.UID(last))
		}
	}
	return uids, nil
}
