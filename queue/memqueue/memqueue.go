package memqueue

import (
	"context"
	"crypto/rand"
	"fmt"
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

// Close implements queue.Queue.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	return nil
}
