package sqlqueue

import (
	"context"
	"math"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
)

// matching is queue.Filter.Match on rows that are not leased at ?1. The + keeps the rows from being sought by their hop
// where they are few by their message.
const matching = ` WHERE lease <= ?1 AND message BETWEEN ?2 AND ?3 AND (?4 = '' OR domain = ?4) AND (?5 = 0 OR held)
	AND +hop IN (SELECT id FROM hop WHERE (?6 = '' OR transport = ?6) AND (?7 = '' OR next_hop = ?7))
	AND EXISTS (SELECT 1 FROM message m WHERE m.id = recipient.message AND (?8 = '' OR m.sender = ?8) AND m.created < ?9)`

// changes are the statements of each change.
var changes = map[queue.Change]string{
	queue.Hold:     "UPDATE recipient SET held = 1" + matching,
	queue.Release:  "UPDATE recipient SET held = 0" + matching,
	queue.RetryNow: "UPDATE recipient SET due = min(due, ?1)" + matching,
	queue.Drop:     "DELETE FROM recipient" + matching,
}

// Update implements queue.Queue. It may take long in a long queue, and all else waits for it.
func (q *Queue) Update(ctx context.Context, f queue.Filter, c queue.Change) (n int, err error) {
	if err := c.Check(); err != nil {
		return 0, err
	}
	if err := q.begin(ctx); err != nil {
		return 0, err
	}
	defer q.end()
	args, ok := q.match(f)
	if !ok {
		return 0, nil
	}
	var gone [][]byte
	err = q.write(ctx, func(t *tx) error {
		args[0] = micro(time.Now())
		r, err := t.Exec(changes[c], args...)
		if err != nil || r.Changed() == 0 {
			return err
		}
		n = r.Changed()
		if c == queue.Drop {
			if gone, err = t.removeAllEmpty(args[1], args[2]); err != nil {
				return err
			}
		}
		return t.retimeAll()
	})
	if err != nil {
		return 0, err
	}
	q.forget(ctx, gone)
	q.notes.tell()
	return n, nil
}

// match returns the arguments of matching, save the first. It reports false if nothing can match.
func (q *Queue) match(f queue.Filter) (args []any, ok bool) {
	first, last, sender, domain, before := int64(0), int64(math.MaxInt64), "", "", int64(math.MaxInt64)
	if f.ID != "" {
		if first, ok = q.number(f.ID); !ok {
			return nil, false
		}
		last = first
	}
	if !f.ReversePath.IsNull() {
		sender = f.ReversePath.Canonical().String()
	}
	if f.Domain != "" {
		domain = postrider.CanonicalDomain(f.Domain)
	}
	if !f.CreatedBefore.IsZero() {
		before = micro(f.CreatedBefore)
	}
	return []any{nil, first, last, domain, f.Held, f.Transport, f.NextHop, sender, before}, true
}

// removeAllEmpty removes the messages in a range of numbers that have no recipients any more.
func (t *tx) removeAllEmpty(first, last any) (gone [][]byte, err error) {
	const empty = " WHERE id BETWEEN ? AND ? AND NOT EXISTS (SELECT 1 FROM recipient r WHERE r.message = message.id)"
	rows := t.Query("SELECT file FROM message"+empty+" AND file IS NOT NULL", first, last)
	defer rows.Close()
	for rows.Next() {
		var file []byte
		if err := rows.Scan(&file); err != nil {
			return nil, err
		}
		gone = append(gone, file)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if _, err := t.Exec("DELETE FROM body WHERE message IN (SELECT id FROM message"+empty+")", first, last); err != nil {
		return nil, err
	}
	_, err = t.Exec("DELETE FROM message"+empty, first, last)
	return gone, err
}

// retimeAll is retime for all hops.
func (t *tx) retimeAll() error {
	const ready = "(SELECT r.ready FROM recipient r WHERE r.hop = hop.id AND r.ready IS NOT NULL ORDER BY r.ready LIMIT 1)"
	if _, err := t.Exec("UPDATE hop SET ready = " + ready + " WHERE ready IS NOT " + ready); err != nil {
		return err
	}
	_, err := t.Exec("DELETE FROM hop WHERE ready IS NULL AND NOT EXISTS (SELECT 1 FROM recipient r WHERE r.hop = hop.id)")
	return err
}
