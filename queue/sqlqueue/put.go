package sqlqueue

import (
	"context"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/queue"
)

// A message is a submission made ready for its rows.
type message struct {
	queue.Submission
	body     *body
	created  int64
	due      int64
	sender   string
	envelope []byte
	records  [][]byte // of the recipients
}

// Put implements queue.Queue.
func (q *Queue) Put(ctx context.Context, subs ...queue.Submission) ([]queue.ID, error) {
	if err := q.begin(ctx); err != nil {
		return nil, err
	}
	defer q.end()
	messages, release, err := q.prepare(ctx, subs)
	defer release()
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	var numbers []int64
	err = q.write(ctx, func(t *tx) (err error) {
		numbers, err = t.insert(messages)
		return err
	})
	if err != nil {
		return nil, err
	}
	ids := make([]queue.ID, len(numbers))
	for i, n := range numbers {
		ids[i] = q.id(n)
	}
	q.notes.tell()
	return ids, nil
}

// prepare does what need not be done in a transaction. The bodies may be released when the rows are there.
func (q *Queue) prepare(ctx context.Context, subs []queue.Submission) (messages []*message, release func(), err error) {
	release = func() {
		for _, m := range messages {
			m.body.release()
		}
	}
	for i := range subs {
		if err := subs[i].Check(); err != nil {
			return messages, release, err
		}
	}
	for _, s := range subs {
		b, err := q.keep(ctx, s.Content)
		if err != nil {
			return messages, release, err
		}
		messages = append(messages, newMessage(s, b))
	}
	return messages, release, nil
}

func newMessage(s queue.Submission, b *body) *message {
	now := time.Now()
	m := &message{
		Submission: s,
		body:       b,
		created:    micro(now),
		due:        micro(now),
		sender:     s.Envelope.ReversePath.Canonical().String(),
		envelope:   encoded(func(c *coder) { c.envelope(&s.Envelope) }),
	}
	if !s.NotBefore.IsZero() {
		m.due = micro(s.NotBefore)
	}
	for i := range s.Recipients {
		m.records = append(m.records, encoded(func(c *coder) { c.recipient(&s.Recipients[i]) }))
	}
	return m
}

// insert makes the rows of messages and returns their numbers.
func (t *tx) insert(messages []*message) ([]int64, error) {
	var numbers []int64
	for _, m := range messages {
		r, err := t.Exec("INSERT INTO message (created, sender, size, file, envelope) VALUES (?, ?, ?, ?, ?)",
			m.created, m.sender, m.body.size, orNull(m.body.file), m.envelope)
		if err != nil {
			return nil, err
		}
		number := r.LastID()
		if m.body.file == nil {
			if _, err := t.Exec("INSERT INTO body (message, octets) VALUES (?, ?)", number, m.body.octets); err != nil {
				return nil, err
			}
		}
		if err := t.insertRecipients(number, m); err != nil {
			return nil, err
		}
		numbers = append(numbers, number)
	}
	return numbers, nil
}

// orNull keeps an absent value from becoming an empty one.
func orNull(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

func (t *tx) insertRecipients(number int64, m *message) error {
	hops := map[queue.Hop]int64{}
	for i, r := range m.Recipients {
		hop := queue.Hop{Transport: r.Transport, NextHop: r.NextHop}
		if _, ok := hops[hop]; !ok {
			id, err := t.hop(hop, m.due, m.Held)
			if err != nil {
				return err
			}
			hops[hop] = id
		}
		_, err := t.Exec("INSERT INTO recipient (message, hop, place, domain, due, held, record) VALUES (?, ?, ?, ?, ?, ?, ?)",
			number, hops[hop], i, postrider.CanonicalDomain(r.ForwardPath.Domain), m.due, m.Held, m.records[i])
		if err != nil {
			return err
		}
	}
	return nil
}

// hop returns the number of a hop that gets a recipient, made if it is new.
func (t *tx) hop(h queue.Hop, due int64, held bool) (id int64, err error) {
	var ready any
	if !held {
		ready = due
	}
	var old int64
	var has bool
	err = t.QueryRow("SELECT id, ready, ready IS NOT NULL FROM hop WHERE transport = ? AND next_hop = ?", h.Transport, h.NextHop).Scan(&id, &old, &has)
	switch {
	case err == sqlite.ErrNoRows:
		r, err := t.Exec("INSERT INTO hop (transport, next_hop, ready) VALUES (?, ?, ?)", h.Transport, h.NextHop, ready)
		return r.LastID(), err
	case err == nil && !held && (!has || due < old):
		_, err = t.Exec("UPDATE hop SET ready = ? WHERE id = ?", due, id)
	}
	return id, err
}
