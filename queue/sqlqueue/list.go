package sqlqueue

import (
	"context"
	"iter"
	"math"
	"time"

	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/queue"
)

// page is how many rows Entries reads at a time.
const page = 200

// Entries implements queue.Queue. It reads page by page, so that what comes meanwhile may be yielded or not.
func (q *Queue) Entries(ctx context.Context, f queue.Filter) iter.Seq2[queue.Entry, error] {
	return func(yield func(queue.Entry, error) bool) {
		p := &pager{q: q, last: math.MaxInt64}
		if f.ID != "" {
			number, ok := q.number(f.ID)
			p.next.message, p.last = number, number
			if !ok {
				p.last = 0 // less than any
			}
		}
		for !p.done {
			entries, err := p.read(ctx)
			if err != nil {
				yield(queue.Entry{}, err)
				return
			}
			for _, e := range entries {
				if err := ctx.Err(); err != nil {
					yield(queue.Entry{}, err)
					return
				}
				if f.Match(&e) && !yield(e, nil) {
					return
				}
			}
		}
	}
}

// A pager reads recipients in the order of their key.
type pager struct {
	q    *Queue
	next struct { // from here on
		message, hop int64
		place        int
	}
	last    int64 // message
	done    bool
	message queue.Message // of the last row
}

// listed is a row of a page.
type listed struct {
	message   messageRow
	hop       queue.Hop
	recipient recipientRow
}

// read returns the next page. It decodes once the database is free again.
func (p *pager) read(ctx context.Context) ([]queue.Entry, error) {
	if err := p.q.begin(ctx); err != nil {
		return nil, err
	}
	defer p.q.end()
	var rows []listed
	if err := p.q.read(ctx, func(c *sqlite.Conn) (err error) {
		rows, err = p.rows(c)
		return err
	}); err != nil {
		return nil, err
	}
	p.done = len(rows) < page
	now := micro(time.Now())
	entries := make([]queue.Entry, len(rows))
	for i := range rows {
		r := &rows[i]
		if p.message.ID != p.q.id(r.message.number) {
			m, err := r.message.decode(p.q)
			if err != nil {
				return nil, err
			}
			p.message = m
		}
		e, err := r.recipient.decode(p.message, r.hop, now)
		if err != nil {
			return nil, err
		}
		entries[i] = e
	}
	return entries, nil
}

func (p *pager) rows(c *sqlite.Conn) (list []listed, err error) {
	rows := c.Query(`SELECT m.id, m.created, m.size, m.envelope, r.hop, h.transport, h.next_hop, r.place, r.due, r.held, r.lease, r.token, r.attempts, r.record, r.last
		FROM recipient r CROSS JOIN message m ON m.id = r.message CROSS JOIN hop h ON h.id = r.hop
		WHERE (r.message, r.hop, r.place) >= (?, ?, ?) AND r.message <= ?
		ORDER BY r.message, r.hop, r.place LIMIT ?`, p.next.message, p.next.hop, p.next.place, p.last, page)
	defer rows.Close()
	for rows.Next() {
		var l listed
		err := l.recipient.scan(rows, &l.message.number, &l.message.created, &l.message.size, &l.message.envelope, &p.next.hop, &l.hop.Transport, &l.hop.NextHop)
		if err != nil {
			return nil, err
		}
		p.next.message, p.next.place = l.message.number, l.recipient.place+1
		list = append(list, l)
	}
	return list, rows.Err()
}
