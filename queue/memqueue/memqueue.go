package memqueue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
)

// Queue is a queue.Queue and a queue.Notifier in memory. Use New.
type Queue struct {
	mu       sync.Mutex // guards what follows
	closed   bool
	ids      int // given out so far, for messages and tokens alike
	messages map[queue.ID]*entry
	order    []*entry // by age
	leases   map[queue.Token]*lease
	watchers map[*func()]bool
}

// An entry is a message and those of its recipients that are not settled.
type entry struct {
	message    queue.Message
	content    []byte
	recipients []*recipient
}

type recipient struct {
	queue.Entry
	lease queue.Token // the last one, which may have run out; empty for none
}

type lease struct {
	entry      *entry
	recipients []*recipient
	until      time.Time
}

// New returns an empty queue.
func New() *Queue {
	return &Queue{
		messages: map[queue.ID]*entry{},
		leases:   map[queue.Token]*lease{},
		watchers: map[*func()]bool{},
	}
}

// begin locks the queue, unless it is closed or ctx is done.
func (q *Queue) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return queue.ErrClosed
	}
	return nil
}

// Put implements queue.Queue.
func (q *Queue) Put(ctx context.Context, subs ...queue.Submission) ([]queue.ID, error) {
	fresh, err := q.read(subs)
	if err != nil {
		return nil, err
	}
	if err := q.begin(ctx); err != nil {
		return nil, err
	}
	ids := q.add(fresh)
	q.mu.Unlock()
	q.tell()
	return ids, nil
}

// read makes entries of submissions, but for their IDs.
func (q *Queue) read(subs []queue.Submission) ([]*entry, error) {
	var fresh []*entry
	for _, s := range subs {
		if len(s.Recipients) == 0 {
			return nil, errors.New("memqueue: submission without recipients")
		}
		content, err := postrider.ReadAll(s.Content)
		if err != nil {
			return nil, err
		}
		e := &entry{content: content}
		e.message = queue.Message{Envelope: s.Envelope, Created: time.Now(), Size: int64(len(content))}
		e.message.Envelope.Recipients = nil
		for i, r := range s.Recipients {
			due := s.NotBefore
			if due.IsZero() {
				due = e.message.Created
			}
			e.recipients = append(e.recipients, &recipient{Entry: queue.Entry{Index: i, Recipient: r, Due: due, Held: s.Held}})
		}
		fresh = append(fresh, e)
	}
	return fresh, nil
}

// add gives entries their IDs and takes them in.
func (q *Queue) add(fresh []*entry) []queue.ID {
	var ids []queue.ID
	for _, e := range fresh {
		q.ids++
		e.message.ID = queue.ID(fmt.Sprintf("m%d", q.ids))
		for _, r := range e.recipients {
			r.Message = e.message
		}
		q.messages[e.message.ID] = e
		q.order = append(q.order, e)
		ids = append(ids, e.message.ID)
	}
	return ids
}

// leased reports whether somebody has a lease of r now.
func (q *Queue) leased(r *recipient, now time.Time) bool {
	l := q.leases[r.lease]
	return l != nil && now.Before(l.until)
}

// Claim implements queue.Queue.
func (q *Queue) Claim(ctx context.Context, query queue.ClaimQuery) ([]queue.Claim, error) {
	if err := q.begin(ctx); err != nil {
		return nil, err
	}
	defer q.mu.Unlock()
	now := time.Now()
	under := map[queue.Hop]int{}
	for hop, n := range query.Busy {
		under[hop] = n
	}
	var claims []queue.Claim
	for _, first := range q.due(now) {
		hop := hopOf(first)
		if len(claims) == query.Max {
			break
		}
		if q.leased(first, now) || query.PerHop > 0 && under[hop] >= query.PerHop {
			continue // an earlier claim took it, or nobody may
		}
		under[hop]++
		claims = append(claims, q.lease(q.messages[first.Message.ID], hop, query, now))
	}
	return claims, nil
}

// due returns the recipients that may be claimed, those due first first.
func (q *Queue) due(now time.Time) []*recipient {
	var due []*recipient
	for _, e := range q.order {
		for _, r := range e.recipients {
			if !r.Held && !r.Due.After(now) && !q.leased(r, now) {
				due = append(due, r)
			}
		}
	}
	slices.SortStableFunc(due, func(a, b *recipient) int { return a.Due.Compare(b.Due) })
	return due
}

func hopOf(r *recipient) queue.Hop { return queue.Hop{Transport: r.Transport, NextHop: r.NextHop} }

// lease claims all recipients of the message that are due for the hop. Leases that ran out end here: their
// tokens are stale from now on.
func (q *Queue) lease(e *entry, hop queue.Hop, query queue.ClaimQuery, now time.Time) queue.Claim {
	q.ids++
	token := queue.Token(fmt.Sprintf("t%d", q.ids))
	l := &lease{entry: e, until: now.Add(query.Lease)}
	c := queue.Claim{Token: token, Message: e.message, Hop: hop}
	most := query.MaxRecipients
	if most == 0 {
		most = 100
	}
	for _, r := range e.recipients {
		if len(c.Recipients) == most || hopOf(r) != hop || r.Held || r.Due.After(now) || q.leased(r, now) {
			continue
		}
		delete(q.leases, r.lease)
		r.lease = token
		l.recipients = append(l.recipients, r)
		c.Recipients = append(c.Recipients, q.show(r, l.until))
	}
	q.leases[token] = l
	return c
}

// show returns r as others see it.
func (q *Queue) show(r *recipient, leasedUntil time.Time) queue.Entry {
	shown := r.Entry
	shown.LeasedUntil = leasedUntil
	return shown
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
	fresh, err := q.read(reports)
	if err != nil {
		return err
	}
	if err := q.begin(ctx); err != nil {
		return err
	}
	l := q.leases[t]
	if l == nil {
		q.mu.Unlock()
		return queue.ErrStale
	}
	delete(q.leases, t)
	now := time.Now()
	for _, o := range outcomes {
		for _, r := range l.recipients {
			if r.Index == o.Index {
				q.settle(l.entry, r, o, now)
			}
		}
	}
	for _, r := range l.recipients {
		r.lease = ""
	}
	q.add(fresh)
	q.mu.Unlock()
	q.tell()
	return nil
}

func (q *Queue) settle(e *entry, r *recipient, o queue.Outcome, now time.Time) {
	if o.Result != queue.Deferred {
		q.remove(e, r)
		return
	}
	r.Attempts++
	r.LastAttempt, r.LastStatus, r.LastRemote = now, o.Status, o.Remote
	r.Due = o.RetryAt
}

// remove takes a recipient out of the queue, and the message with the last one.
func (q *Queue) remove(e *entry, r *recipient) {
	e.recipients = slices.DeleteFunc(e.recipients, func(x *recipient) bool { return x == r })
	if len(e.recipients) == 0 {
		delete(q.messages, e.message.ID)
		q.order = slices.DeleteFunc(q.order, func(x *entry) bool { return x == e })
	}
}

// Content implements queue.Queue.
func (q *Queue) Content(ctx context.Context, id queue.ID) (postrider.Content, error) {
	if err := q.begin(ctx); err != nil {
		return nil, err
	}
	defer q.mu.Unlock()
	e := q.messages[id]
	if e == nil {
		return nil, queue.ErrNotExist
	}
	return postrider.Bytes(e.content), nil
}

// NextDue implements queue.Queue.
func (q *Queue) NextDue(ctx context.Context) (time.Time, error) {
	if err := q.begin(ctx); err != nil {
		return time.Time{}, err
	}
	defer q.mu.Unlock()
	now := time.Now()
	var next time.Time
	for _, e := range q.order {
		for _, r := range e.recipients {
			at := r.Due
			if q.leased(r, now) {
				at = q.leases[r.lease].until
			} else if r.Held {
				continue
			}
			if next.IsZero() || at.Before(next) {
				next = at
			}
		}
	}
	return next, nil
}

// Entries implements queue.Queue. What it yields is the queue as it was at the call.
func (q *Queue) Entries(ctx context.Context, f queue.Filter) iter.Seq2[queue.Entry, error] {
	return func(yield func(queue.Entry, error) bool) {
		if err := q.begin(ctx); err != nil {
			yield(queue.Entry{}, err)
			return
		}
		now := time.Now()
		var found []queue.Entry
		for _, e := range q.order {
			for _, r := range e.recipients {
				if !f.Match(&r.Entry) {
					continue
				}
				until := time.Time{}
				if q.leased(r, now) {
					until = q.leases[r.lease].until
				}
				found = append(found, q.show(r, until))
			}
		}
		q.mu.Unlock()
		for _, entry := range found {
			if !yield(entry, nil) {
				return
			}
		}
	}
}

// Update implements queue.Queue.
func (q *Queue) Update(ctx context.Context, f queue.Filter, c queue.Change) (int, error) {
	if err := q.begin(ctx); err != nil {
		return 0, err
	}
	n := 0
	now := time.Now()
	for _, e := range slices.Clone(q.order) {
		for _, r := range slices.Clone(e.recipients) {
			if q.leased(r, now) || !f.Match(&r.Entry) {
				continue
			}
			n++
			switch c {
			case queue.Hold:
				r.Held = true
			case queue.Release:
				r.Held = false
			case queue.RetryNow:
				r.Due = now
			case queue.Drop:
				q.remove(e, r)
			}
		}
	}
	q.mu.Unlock()
	q.tell()
	return n, nil
}

// Notify implements queue.Notifier.
func (q *Queue) Notify(due func()) (stop func()) {
	key := &due
	q.mu.Lock()
	defer q.mu.Unlock()
	q.watchers[key] = true
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.watchers, key)
	}
}

// tell calls those who want to know, with the lock held so that none is called after its stop.
func (q *Queue) tell() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for due := range q.watchers {
		(*due)()
	}
}

// Close implements queue.Queue.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	return nil
}
