package memqueue

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
)

// Queue is a queue.Queue and a queue.Notifier in memory. Use New.
type Queue struct {
	name string // what makes its IDs differ from other queues'

	mu       sync.Mutex // guards what follows
	closed   bool
	numbers  int // given out so far, for messages and tokens alike
	messages map[queue.ID]*entry
	order    []*entry // by age
	leases   map[queue.Token]*lease
	watchers map[*func()]bool
}

var (
	_ queue.Queue    = (*Queue)(nil)
	_ queue.Notifier = (*Queue)(nil)
)

// An entry is a message and those of its recipients that are not settled.
type entry struct {
	message    queue.Message
	content    []byte
	recipients []*recipient
}

type recipient struct {
	queue.Entry
	lease *lease // the last one, which may have run out; nil for none
}

type lease struct {
	token      queue.Token
	entry      *entry
	recipients []*recipient
	until      time.Time
}

// New returns an empty queue.
func New() *Queue {
	return &Queue{
		name:     strings.ToLower(rand.Text()[:10]),
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
	fresh, err := read(subs)
	if err != nil {
		return nil, err
	}
	if err := q.begin(ctx); err != nil {
		return nil, err
	}
	defer q.mu.Unlock()
	ids := q.add(fresh)
	q.tell()
	return ids, nil
}

// read makes entries of submissions, but for their IDs.
func read(subs []queue.Submission) ([]*entry, error) {
	var fresh []*entry
	for _, s := range subs {
		if err := s.Check(); err != nil {
			return nil, err
		}
		content, err := postrider.ReadAll(s.Content)
		if err != nil {
			return nil, err
		}
		e := &entry{content: content}
		e.message = queue.Message{Envelope: s.Envelope, Created: time.Now(), Size: int64(len(content))}
		e.message.Envelope.Recipients = nil
		due := s.NotBefore
		if due.IsZero() {
			due = e.message.Created
		}
		for i, r := range s.Recipients {
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
		e.message.ID = queue.ID(q.number())
		for _, r := range e.recipients {
			r.Message = e.message
		}
		q.messages[e.message.ID] = e
		q.order = append(q.order, e)
		ids = append(ids, e.message.ID)
	}
	return ids
}

func (q *Queue) number() string {
	q.numbers++
	return fmt.Sprintf("%s-%d", q.name, q.numbers)
}

func (r *recipient) hop() queue.Hop { return queue.Hop{Transport: r.Transport, NextHop: r.NextHop} }

// ready returns when the recipient may be claimed, if nobody holds it.
func (r *recipient) ready() time.Time {
	if r.lease != nil && r.lease.until.After(r.Due) {
		return r.lease.until
	}
	return r.Due
}

func (r *recipient) claimable(now time.Time) bool { return !r.Held && !r.ready().After(now) }

func (r *recipient) leased(now time.Time) bool { return r.lease != nil && r.lease.until.After(now) }

// shown returns the recipient as others see it.
func (r *recipient) shown(now time.Time) queue.Entry {
	e := r.Entry
	if r.leased(now) {
		e.LeasedUntil = r.lease.until
	}
	return e
}

// all yields the recipients of all messages, oldest first. The queue may be changed meanwhile.
func (q *Queue) all(yield func(*recipient) bool) {
	for _, e := range slices.Clone(q.order) {
		for _, r := range slices.Clone(e.recipients) {
			if !yield(r) {
				return
			}
		}
	}
}

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

// Entries implements queue.Queue. What it yields is the queue as it was at the call.
func (q *Queue) Entries(ctx context.Context, f queue.Filter) iter.Seq2[queue.Entry, error] {
	return func(yield func(queue.Entry, error) bool) {
		if err := q.begin(ctx); err != nil {
			yield(queue.Entry{}, err)
			return
		}
		now := time.Now()
		var found []queue.Entry
		for r := range q.all {
			if f.Match(&r.Entry) {
				found = append(found, r.shown(now))
			}
		}
		q.mu.Unlock()
		for _, e := range found {
			if err := ctx.Err(); err != nil {
				yield(queue.Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Update implements queue.Queue.
func (q *Queue) Update(ctx context.Context, f queue.Filter, c queue.Change) (int, error) {
	if err := c.Check(); err != nil {
		return 0, err
	}
	if err := q.begin(ctx); err != nil {
		return 0, err
	}
	defer q.mu.Unlock()
	now := time.Now()
	n := 0
	for r := range q.all {
		if r.leased(now) || !f.Match(&r.Entry) {
			continue
		}
		n++
		switch c {
		case queue.Hold, queue.Release:
			r.Held = c == queue.Hold
		case queue.RetryNow:
			if r.Due.After(now) {
				r.Due = now
			}
		case queue.Drop:
			q.remove(r)
		}
	}
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

// tell calls those who want to know, under the lock, so that none is called after its stop.
func (q *Queue) tell() {
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
