package sqlstore

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/message"
	"github.com/postrider/postrider/store"
)

// scanBatch is how many messages' rows Scan reads at once.
const scanBatch = 200

// Scan is the method of store.Mailbox. It yields the mailbox as it is when it begins,
// but for messages that went meanwhile.
func (m *mailbox) Scan(ctx context.Context, q store.ScanQuery) iter.Seq2[store.Message, error] {
	return func(yield func(store.Message, error) bool) {
		t, err := m.begin(ctx)
		if err != nil {
			annotate(&err, "scan", m.a.name, m.name)
			yield(store.Message{}, err)
			return
		}
		m.a.s.end()
		if q.UIDs == nil {
			q.UIDs = store.AllUIDs()
		}
		if q.Fields == 0 {
			m.scanTable(ctx, t, q, yield)
		} else {
			m.scanRows(ctx, t, q, yield)
		}
	}
}

// scanTable yields what the table tells.
func (m *mailbox) scanTable(ctx context.Context, t *table, q store.ScanQuery, yield func(store.Message, error) bool) {
	n := 0
	for e := range t.all(q.UIDs) {
		if e.modSeq <= q.ChangedSince {
			continue
		}
		if n++; n%scanBatch == 0 && ctx.Err() != nil {
			yield(store.Message{}, m.scanError(ctx.Err()))
			return
		}
		if !yield(t.message(e), nil) {
			return
		}
	}
}

func (m *mailbox) scanError(err error) error {
	annotate(&err, "scan", m.a.name, m.name)
	return err
}

// message is what the table tells of a message.
func (t *table) message(e *entry) store.Message {
	return store.Message{
		UID: e.uid, ModSeq: e.modSeq, Flags: t.sets[e.flags].flags, InternalDate: e.date.time(), Size: e.size,
	}
}

// scanRows yields what the table and the rows tell, batch by batch: no transaction is
// open while the consumer has its turn.
func (m *mailbox) scanRows(ctx context.Context, t *table, q store.ScanQuery, yield func(store.Message, error) bool) {
	batch := make([]store.Message, 0, scanBatch)
	flush := func() bool {
		found, err := m.readRows(ctx, batch, q.Fields)
		if err != nil {
			yield(store.Message{}, m.scanError(err))
			return false
		}
		for _, msg := range found {
			if !yield(msg, nil) {
				return false
			}
		}
		batch = batch[:0]
		return true
	}
	for e := range t.all(q.UIDs) {
		if e.modSeq <= q.ChangedSince {
			continue
		}
		if batch = append(batch, t.message(e)); len(batch) == scanBatch && !flush() {
			return
		}
	}
	if len(batch) > 0 {
		flush()
	}
}

// readRows adds to messages what their rows tell, and drops those that are gone.
func (m *mailbox) readRows(ctx context.Context, messages []store.Message, fields store.Fields) ([]store.Message, error) {
	if _, err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.a.s.end()
	summaries := make([][]byte, len(messages))
	found := make([]bool, len(messages))
	err := m.a.s.read(ctx, func(c *sqlite.Conn) error {
		for from := 0; from < len(messages); {
			to := dense(messages, from)
			if err := m.readRun(c, messages[from:to], found[from:to], summaries[from:to]); err != nil {
				return err
			}
			from = to
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	kept := messages[:0]
	for i := range messages {
		if !found[i] {
			continue
		}
		msg := messages[i]
		if fields&store.FieldSummary != 0 {
			msg.Summary = new(message.Summary)
			if err := msg.Summary.UnmarshalBinary(summaries[i]); err != nil {
				return nil, fmt.Errorf("%w: summary of message %d: %w", store.ErrCorrupt, msg.UID, err)
			}
		}
		kept = append(kept, msg)
	}
	return kept, nil
}

// dense returns the end of the run that begins at from and whose UIDs are so close that
// it is best read at once.
func dense(messages []store.Message, from int) int {
	const gap = 8
	to := from + 1
	for to < len(messages) && messages[to].UID-messages[to-1].UID <= gap {
		to++
	}
	return to
}

// readRun reads the rows of messages that lie close together.
func (m *mailbox) readRun(c *sqlite.Conn, messages []store.Message, found []bool, summaries [][]byte) error {
	rows := c.Query(`SELECT m.uid, m.save_date, c.hash, c.summary FROM message m JOIN content c ON c.content = m.content
		WHERE m.account = ? AND m.mailbox = ? AND m.uid BETWEEN ? AND ? ORDER BY m.uid`,
		m.b.key.account, m.b.key.mailbox, uint32(messages[0].UID), uint32(messages[len(messages)-1].UID))
	defer rows.Close()
	for i := 0; rows.Next(); {
		var uid uint32
		var saved int64
		var hash, summary []byte
		if err := rows.Scan(&uid, &saved, &hash, &summary); err != nil {
			return err
		}
		for i < len(messages) && messages[i].UID < store.UID(uid) {
			i++
		}
		if i == len(messages) || messages[i].UID != store.UID(uid) {
			continue
		}
		messages[i].ID, messages[i].SaveDate = messageID(hash), time.Unix(saved, 0).UTC()
		found[i], summaries[i] = true, summary
	}
	return rows.Err()
}
