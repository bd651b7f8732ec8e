package memqueue

import (
	"context"
	"iter"
	"time"

	"github.com/postrider/postrider/queue"
)

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
