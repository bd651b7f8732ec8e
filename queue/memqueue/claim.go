package memqueue

import (
	"context"
	"slices"
	"time"

	"github.com/postrider/postrider/queue"
)

// Claim implements queue.Queue.
func (q *Queue) Claim(ctx context.Context, query queue.ClaimQuery) ([]queue.Claim, error) {
	if err := query.Check(); err != nil {
		return nil, err
	}
	if err := q.begin(ctx); err != nil {
		return nil, err
	}
	defer q.mu.Unlock()
	now := time.Now()
	var due []*recipient
	for r := range q.all {
		if r.claimable(now) {
			due = append(due, r)
		}
	}
	slices.SortStableFunc(due, func(a, b *recipient) int { return a.ready().Compare(b.ready()) })

	given := map[queue.Hop]int{}
	var claims []queue.Claim
	for _, first := range due {
		if len(claims) == query.Max {
			break
		}
		// An earlier claim may have taken it.
		if hop := first.hop(); first.claimable(now) && !query.Full(hop, given[hop]) {
			given[hop]++
			claims = append(claims, q.claim(first, query, now))
		}
	}
	return claims, nil
}

// claim leases a recipient and those of its message that are due for the same hop. Leases that ran out end here:
// their tokens are stale from now on.
func (q *Queue) claim(first *recipient, query queue.ClaimQuery, now time.Time) queue.Claim {
	e := q.messages[first.Message.ID]
	l := &lease{token: queue.Token(q.number()), entry: e, until: now.Add(query.Lease)}
	c := queue.Claim{Token: l.token, Message: e.message, Hop: first.hop()}
	for _, r := range e.recipients {
		if len(c.Recipients) == query.Recipients() || r.hop() != c.Hop || !r.claimable(now) {
			continue
		}
		q.end(r.lease)
		r.lease = l
		l.recipients = append(l.recipients, r)
		c.Recipients = append(c.Recipients, r.shown(now))
	}
	q.leases[l.token] = l
	return c
}

// end makes the token of a lease stale. What is left of its recipients is nobody's.
func (q *Queue) end(l *lease) {
	if l == nil {
		return
	}
	delete(q.leases, l.token)
	for _, r := range l.recipients {
		if r.lease == l {
			r.lease = nil
		}
	}
}

// Renew implements queue.Queue.
func (q *Queue) Renew(ctx context.Context, t queue.Token, d time.Duration) error {
	if err := q.begin(ctx); err != nil {
		return err
	}
	defer q.mu.Unlock()
	l := q.leases[t]
	if l == nil {
		return queue.ErrStale
	}
	l.until = time.Now().Add(d)
	return nil
}

// Settle implements queue.Queue.
func (q *Queue) Settle(ctx context.Context, t queue.Token, outcomes []queue.Outcome, reports ...queue.Submission) error {
	if err := queue.CheckOutcomes(outcomes); err != nil {
		return err
	}
	fresh, err := read(reports)
	if err != nil {
		return err
	}
	if err := q.begin(ctx); err != nil {
		return err
	}
	defer q.mu.Unlock()
	l := q.leases[t]
	if l == nil {
		return queue.ErrStale
	}
	now := time.Now()
	recipients := slices.Clone(l.recipients)
	q.end(l)
	for _, o := range outcomes {
		for _, r := range recipients {
			switch {
			case r.Index != o.Index:
			case o.Result == queue.Deferred:
				r.Defer(o, now)
			default:
				q.remove(r)
			}
		}
	}
	q.add(fresh)
	q.tell()
	return nil
}

// remove takes a recipient out of the queue, the message with the last one, and the lease with
// the last of its.
func (q *Queue) remove(r *recipient) {
	is := func(x *recipient) bool { return x == r }
	if l := r.lease; l != nil {
		if l.recipients = slices.DeleteFunc(l.recipients, is); len(l.recipients) == 0 {
			q.end(l)
		}
	}
	e := q.messages[r.Message.ID]
	if e.recipients = slices.DeleteFunc(e.recipients, is); len(e.recipients) == 0 {
		delete(q.messages, e.message.ID)
		q.order = slices.DeleteFunc(q.order, func(x *entry) bool { return x == e })
	}
}

// NextDue implements queue.Queue.
func (q *Queue) NextDue(ctx context.Context, except ...queue.Hop) (time.Time, error) {
	if err := q.begin(ctx); err != nil {
		return time.Time{}, err
	}
	defer q.mu.Unlock()
	var next time.Time
	for r := range q.all {
		if at := r.ready(); !r.Held && !slices.Contains(except, r.hop()) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, nil
}
