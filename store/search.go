package store

import (
	"context"
	"errors"

	"github.com/postrider/postrider"
)

// A Searcher is a Mailbox that can search better than by looking at each message.
type Searcher interface {
	// Search returns the UIDs of the messages that q wants, exactly those that
	// Search would find by scanning. q has passed Check. The error
	// errors.ErrUnsupported says that this query is better answered by scanning.
	Search(ctx context.Context, q *Query) (UIDSet, error)
}

// Search returns the UIDs in m that match q, by m's own Searcher if it has one, by
// scanning otherwise.
//
// Scanning looks at what is cheap first: flags, dates and sizes, then the summary, then
// the header, and at last the body. A message of which less decides is not read. Bodies
// are read once, whatever the number of keys, in memory that does not grow with
// them. A message that arrives or changes meanwhile may or may not be found; one that
// vanishes is passed over.
func Search(ctx context.Context, m Mailbox, q *Query) (UIDSet, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	if s, ok := as[Searcher](m); ok {
		uids, err := s.Search(ctx, q)
		if !errors.Is(err, errors.ErrUnsupported) {
			return uids, err
		}
	}
	s := search{m, newPlan(q)}
	return s.run(ctx, q.within())
}

// A search is one search by scanning.
type search struct {
	m    Mailbox
	plan *plan
}

// run scans first by what is cheap, and then those messages of which that did not
// decide.
func (s *search) run(ctx context.Context, within UIDSet) (UIDSet, error) {
	var found UIDSet
	if s.plan.has(costFlags) || s.plan.isCheap() {
		var err error
		found, within, err = s.scan(ctx, ScanQuery{UIDs: within}, costFlags)
		if err != nil || within.IsEmpty() {
			return found, err
		}
	}
	more, _, err := s.scan(ctx, ScanQuery{UIDs: within, Fields: FieldSummary}, costBody)
	return found.Union(more), err
}

// scan returns the messages that match, and those of which keys up to the given cost
// do not decide.
func (s *search) scan(ctx context.Context, q ScanQuery, most cost) (found, open UIDSet, err error) {
	for msg, err := range s.m.Scan(ctx, q) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, nil, err
		}
		v, err := s.match(ctx, &msg, most)
		if err != nil {
			return nil, nil, err
		}
		switch v {
		case yes:
			found.Add(msg.UID)
		case unknown:
			open.Add(msg.UID)
		}
	}
	return found, open, nil
}

// match reports whether a message matches, as far as keys up to the given cost tell.
func (s *search) match(ctx context.Context, msg *Message, most cost) (verdict, error) {
	s.plan.reset()
	s.plan.lookAtFlags(msg)
	if v := s.plan.root.verdict(); v != unknown || most == costFlags {
		return v, nil
	}
	s.plan.lookAtSummary(msg.Summary)
	if v := s.plan.root.verdict(); v != unknown {
		return v, nil
	}
	c, err := s.m.Content(ctx, msg.UID)
	if errors.Is(err, ErrNotExist) {
		return no, nil // gone meanwhile
	}
	if err != nil {
		return unknown, err
	}
	v, err := s.matchContent(ctx, msg, c)
	return v, errors.Join(err, c.Close())
}

func (s *search) matchContent(ctx context.Context, msg *Message, c postrider.Content) (verdict, error) {
	if s.plan.wantsHeader() {
		header, err := msg.Summary.Structure.Header(c)
		if err != nil {
			return unknown, err
		}
		s.plan.lookAtHeader(header)
		if v := s.plan.root.verdict(); v != unknown {
			return v, nil
		}
	}
	err := s.plan.lookAtBody(ctx, c, msg.Summary.Structure)
	return s.plan.root.verdict(), err
}

// within returns a set that has all messages q can want, nil if that may be any.
func (q *Query) within() UIDSet {
	switch q.Key {
	case KeyUIDs:
		return append(UIDSet{}, q.UIDs...)
	case KeyAnd:
		var all UIDSet
		for i := range q.Args {
			w := q.Args[i].within()
			switch {
			case w == nil:
			case all == nil:
				all = w
			default:
				all = append(UIDSet{}, all.Intersect(w)...)
			}
		}
		return all
	case KeyOr:
		all := UIDSet{}
		for i := range q.Args {
			w := q.Args[i].within()
			if w == nil {
				return nil
			}
			all = all.Union(w)
		}
		return all
	}
	return nil
}
