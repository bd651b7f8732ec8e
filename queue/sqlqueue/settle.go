package sqlqueue

import (
	"context"
	"slices"
	"time"

	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/queue"
)

// Renew implements queue.Queue.
func (q *Queue) Renew(ctx context.Context, t queue.Token, d time.Duration) error {
	if err := q.begin(ctx); err != nil {
		return err
	}
	defer q.end()
	c, ok := parseToken(t)
	if !ok {
		return queue.ErrStale
	}
	return q.write(ctx, func(t *tx) error {
		r, err := t.Exec("UPDATE recipient SET lease = ? WHERE message = ? AND hop = ? AND token = ?", micro(time.Now().Add(d)), c.message, c.hop, c.number)
		if err == nil && r.Changed() == 0 {
			return queue.ErrStale
		}
		if err != nil {
			return err
		}
		return t.retime(c.hop)
	})
}

// Settle implements queue.Queue.
func (q *Queue) Settle(ctx context.Context, t queue.Token, outcomes []queue.Outcome, reports ...queue.Submission) error {
	if err := queue.CheckOutcomes(outcomes); err != nil {
		return err
	}
	if err := q.begin(ctx); err != nil {
		return err
	}
	defer q.end()
	c, ok := parseToken(t)
	if !ok {
		return queue.ErrStale
	}
	messages, release, err := q.prepare(ctx, reports)
	defer release()
	if err != nil {
		return err
	}
	now := time.Now()
	var gone [][]byte
	err = q.write(ctx, func(t *tx) (err error) {
		if gone, err = t.settle(c, outcomes, now); err != nil {
			return err
		}
		_, err = t.insert(messages)
		return err
	})
	if err != nil {
		return err
	}
	q.forget(ctx, gone)
	q.notes.tell()
	return nil
}

// settle records the outcomes of a claim and returns the keys of bodies that may have gone with it.
func (t *tx) settle(c claim, outcomes []queue.Outcome, now time.Time) (gone [][]byte, err error) {
	places, err := t.places(c)
	if err != nil {
		return nil, err
	}
	if len(places) == 0 {
		return nil, queue.ErrStale
	}
	left := len(places)
	for _, o := range outcomes {
		switch {
		case !slices.Contains(places, o.Index):
		case o.Result == queue.Deferred:
			err = t.deferUntil(c, o, now)
		default:
			_, err = t.Exec("DELETE FROM recipient WHERE message = ? AND hop = ? AND place = ?", c.message, c.hop, o.Index)
			left--
		}
		if err != nil {
			return nil, err
		}
	}
	if left > 0 {
		if err := t.giveBack(c); err != nil {
			return nil, err
		}
	}
	if left < len(places) {
		if gone, err = t.removeEmpty(c.message); err != nil {
			return nil, err
		}
	}
	return gone, t.retime(c.hop)
}

// places returns the recipients of a claim.
func (t *tx) places(c claim) (places []int, err error) {
	rows := t.Query("SELECT place FROM recipient WHERE message = ? AND hop = ? AND token = ?", c.message, c.hop, c.number)
	defer rows.Close()
	for rows.Next() {
		var place int
		if err := rows.Scan(&place); err != nil {
			return nil, err
		}
		places = append(places, place)
	}
	return places, rows.Err()
}

func (t *tx) deferUntil(c claim, o queue.Outcome, now time.Time) error {
	var e queue.Entry
	e.Defer(o, now)
	last := encoded(func(c *coder) { c.last(&e) })
	_, err := t.Exec("UPDATE recipient SET attempts = attempts + 1, last = ?, due = ? WHERE message = ? AND hop = ? AND place = ?",
		last, micro(e.Due), c.message, c.hop, o.Index)
	return err
}

// removeEmpty removes a message if it has no recipients any more.
func (t *tx) removeEmpty(message int64) (gone [][]byte, err error) {
	var file []byte
	err = t.Returning("DELETE FROM message WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM recipient WHERE message = ?1) RETURNING file", []any{message}, &file)
	switch {
	case err == sqlite.ErrNoRows:
		return nil, nil
	case err != nil:
		return nil, err
	case file != nil:
		return [][]byte{file}, nil
	}
	_, err = t.Exec("DELETE FROM body WHERE message = ?", message)
	return nil, err
}
