package sqlqueue

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/postrider/postrider/internal/sqlite"
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
	defer q.end()
	var c *claimer
	err := q.write(ctx, func(t *tx) error {
		now := time.Now()
		c = &claimer{tx: t, q: q, query: query, now: micro(now), until: micro(now.Add(query.Lease))}
		return c.run()
	})
	if err != nil {
		return nil, err
	}
	return c.claims(ctx), nil
}

// A claimer gives out claims in one transaction.
type claimer struct {
	*tx
	q     *Queue
	query queue.ClaimQuery
	now   int64
	until int64
	taken []*taken
}

// due is a hop with something to claim.
type due struct {
	queue.Hop
	id    int64
	ready int64
	given int
}

// taken is a claim before it is decoded, which can wait until others have the writer.
type taken struct {
	claim
	hop        queue.Hop
	message    messageRow
	recipients []recipientRow
}

// run gives out claims, always that of the hop whose turn it is.
func (c *claimer) run() error {
	hops, err := c.dueHops()
	if err != nil {
		return err
	}
	touched := map[int64]bool{}
	for len(hops) > 0 && len(c.taken) < c.query.Max {
		hop := slices.MinFunc(hops, func(a, b *due) int { return cmp.Or(cmp.Compare(a.ready, b.ready), cmp.Compare(a.id, b.id)) })
		more, err := c.take(hop)
		if err != nil {
			return err
		}
		touched[hop.id] = true
		if !more || c.query.Full(hop.Hop, hop.given) {
			hops = slices.DeleteFunc(hops, func(h *due) bool { return h == hop })
		}
	}
	for id := range touched {
		if err := c.retime(id); err != nil {
			return err
		}
	}
	return nil
}

// dueHops returns the hops that may get a claim: no more of them than there may be claims, for each comes back to the
// end when it had its turn.
func (c *claimer) dueHops() ([]*due, error) {
	busy := 0
	for h := range c.query.Busy {
		if c.query.Full(h, 0) {
			busy++
		}
	}
	rows := c.Query("SELECT id, transport, next_hop, ready FROM hop WHERE ready <= ? ORDER BY ready, id LIMIT ?", c.now, c.query.Max+busy)
	defer rows.Close()
	var hops []*due
	for rows.Next() {
		h := &due{}
		if err := rows.Scan(&h.id, &h.Transport, &h.NextHop, &h.ready); err != nil {
			return nil, err
		}
		if !c.query.Full(h.Hop, 0) {
			hops = append(hops, h)
		}
	}
	return hops, rows.Err()
}

// take leases the first recipient of a hop and those of the same message. It reports whether more is due there.
func (c *claimer) take(hop *due) (more bool, err error) {
	k := &taken{claim: claim{hop: hop.id, number: c.q.claims.Add(1)}, hop: hop.Hop}
	err = c.QueryRow("SELECT message FROM recipient WHERE hop = ? AND ready <= ? ORDER BY ready, message LIMIT 1", hop.id, c.now).Scan(&k.claim.message)
	if err != nil {
		return false, err
	}
	if err := c.takeRecipients(k); err != nil {
		return false, err
	}
	if k.message, err = c.message(k.claim.message); err != nil {
		return false, err
	}
	c.taken = append(c.taken, k)
	hop.given++
	ready, ok, err := c.ready(hop.id)
	hop.ready = ready
	return ok && ready <= c.now, err
}

// takeRecipients leases what is due of a message and a hop. Leases that ran out end here: their tokens are stale from
// now on, also where only some of their recipients are taken.
func (c *claimer) takeRecipients(k *taken) error {
	rows := c.Query(`SELECT place, due, held, lease, token, attempts, record, last FROM recipient
		WHERE message = ? AND hop = ? AND ready <= ? ORDER BY place LIMIT ?`, k.claim.message, k.claim.hop, c.now, c.query.Recipients())
	defer rows.Close()
	old := map[int64]bool{}
	for rows.Next() {
		var r recipientRow
		if err := r.scan(rows); err != nil {
			return err
		}
		if r.token != 0 {
			old[r.token] = true
		}
		r.lease = c.until
		k.recipients = append(k.recipients, r)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for token := range old {
		if err := c.giveBack(claim{k.claim.message, k.claim.hop, token}); err != nil {
			return err
		}
	}
	_, err := c.Exec("UPDATE recipient SET token = ?, lease = ? WHERE message = ? AND hop = ? AND ready <= ? AND place <= ?",
		k.number, c.until, k.claim.message, k.claim.hop, c.now, k.recipients[len(k.recipients)-1].place)
	return err
}

// claims are what was taken, decoded. What is damaged stays leased, so that it comes up again when the lease ends and
// keeps nothing else from going out.
func (c *claimer) claims(ctx context.Context) []queue.Claim {
	claims := make([]queue.Claim, 0, len(c.taken))
	for _, k := range c.taken {
		claim, err := k.decode(c.q, c.now)
		if err != nil {
			c.q.cfg.Logger.ErrorContext(ctx, "claim", "err", err)
			continue
		}
		claims = append(claims, claim)
	}
	return claims
}

func (k *taken) decode(q *Queue, now int64) (queue.Claim, error) {
	m, err := k.message.decode(q)
	if err != nil {
		return queue.Claim{}, err
	}
	claim := queue.Claim{Token: k.token(), Message: m, Hop: k.hop, Recipients: make([]queue.Entry, len(k.recipients))}
	for i := range k.recipients {
		if claim.Recipients[i], err = k.recipients[i].decode(m, k.hop, now); err != nil {
			return queue.Claim{}, err
		}
	}
	return claim, nil
}

// giveBack ends a lease.
func (t *tx) giveBack(c claim) error {
	_, err := t.Exec("UPDATE recipient SET token = NULL, lease = 0 WHERE message = ? AND hop = ? AND token = ?", c.message, c.hop, c.number)
	return err
}

// ready returns when the first recipient of a hop may be claimed, and whether there is one that is not held.
func (t *tx) ready(hop int64) (ready int64, ok bool, err error) {
	err = t.QueryRow("SELECT ready FROM recipient WHERE hop = ? AND ready IS NOT NULL ORDER BY ready LIMIT 1", hop).Scan(&ready)
	if err == sqlite.ErrNoRows {
		return 0, false, nil
	}
	return ready, err == nil, err
}

// retime makes the row of a hop say what its recipients say, and go with the last of them.
func (t *tx) retime(hop int64) error {
	ready, ok, err := t.ready(hop)
	if err != nil {
		return err
	}
	if ok {
		_, err = t.Exec("UPDATE hop SET ready = ?1 WHERE id = ?2 AND ready IS NOT ?1", ready, hop)
		return err
	}
	r, err := t.Exec("DELETE FROM hop WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM recipient WHERE hop = ?1)", hop)
	if err == nil && r.Changed() == 0 {
		_, err = t.Exec("UPDATE hop SET ready = NULL WHERE id = ?", hop)
	}
	return err
}

// NextDue implements queue.Queue.
func (q *Queue) NextDue(ctx context.Context, except ...queue.Hop) (next time.Time, err error) {
	if err := q.begin(ctx); err != nil {
		return time.Time{}, err
	}
	defer q.end()
	err = q.read(ctx, func(c *sqlite.Conn) error {
		rows := c.Query("SELECT transport, next_hop, ready FROM hop WHERE ready IS NOT NULL ORDER BY ready LIMIT ?", len(except)+1)
		defer rows.Close()
		for rows.Next() {
			var h queue.Hop
			var ready int64
			if err := rows.Scan(&h.Transport, &h.NextHop, &ready); err != nil {
				return err
			}
			if !slices.Contains(except, h) {
				next = when(ready)
				return nil
			}
		}
		return rows.Err()
	})
	return next, err
}
