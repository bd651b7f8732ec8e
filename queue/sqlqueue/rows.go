package sqlqueue

import (
	"fmt"

	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/queue"
)

// messageRow is a row of message.
type messageRow struct {
	number   int64
	created  int64
	size     int64
	envelope []byte
}

// message reads the row of a message.
func (t *tx) message(number int64) (messageRow, error) {
	m := messageRow{number: number}
	err := t.QueryRow("SELECT created, size, envelope FROM message WHERE id = ?", number).Scan(&m.created, &m.size, &m.envelope)
	return m, err
}

func (m *messageRow) decode(q *Queue) (queue.Message, error) {
	message := queue.Message{ID: q.id(m.number), Created: when(m.created), Size: m.size}
	if err := decode(m.envelope, func(c *coder) { c.envelope(&message.Envelope) }); err != nil {
		return message, fmt.Errorf("message %s: envelope: %w", message.ID, err)
	}
	return message, nil
}

// recipientRow is a row of recipient.
type recipientRow struct {
	place, attempts int
	due, lease      int64
	held            bool
	token           int64 // 0 for none
	record, last    []byte
}

// scan reads place, due, held, lease, token, attempts, record and last, and what comes before them into first.
func (r *recipientRow) scan(rows *sqlite.Rows, first ...any) error {
	return rows.Scan(append(first, &r.place, &r.due, &r.held, &r.lease, &r.token, &r.attempts, &r.record, &r.last)...)
}

func (r *recipientRow) decode(m queue.Message, hop queue.Hop, now int64) (queue.Entry, error) {
	e := queue.Entry{Message: m, Index: r.place, Due: when(r.due), Held: r.held, Attempts: r.attempts}
	e.Transport, e.NextHop = hop.Transport, hop.NextHop
	if r.lease > now {
		e.LeasedUntil = when(r.lease)
	}
	err := decode(r.record, func(c *coder) { c.recipient(&e.Recipient) })
	if err == nil {
		err = decode(r.last, func(c *coder) { c.last(&e) })
	}
	if err != nil {
		return e, fmt.Errorf("message %s, recipient %d: %w", m.ID, r.place, err)
	}
	return e, nil
}
