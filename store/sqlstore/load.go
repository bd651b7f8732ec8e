package sqlstore

import (
	"context"
	"slices"
	"sort"

	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/store"
)

// load reads the mailbox's table and has it follow the changes. While one loads, others
// wait for it.
func (b *box) load(ctx context.Context) error {
	select {
	case <-b.loading:
		defer func() { b.loading <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if b.published.Load() != nil {
		return nil
	}
	s := b.all.s
	// The table is read beside the writer. It can follow the changes if none came
	// meanwhile. In a mailbox where they come all the time it is read once more, on
	// the writer's goroutine.
	for range 2 {
		var l *loader
		err := s.read(ctx, func(c *sqlite.Conn) (err error) {
			l, err = loadTable(c, b.key)
			return err
		})
		if err != nil {
			return err
		}
		current := false
		err = s.write(ctx, func(t *tx) error {
			row, err := mailboxAt(t, b.key)
			current = err == nil && row.HighestModSeq == l.row.HighestModSeq && row.unclaimed == l.row.unclaimed
			if !current {
				return err
			}
			return b.attach(t, l)
		})
		if err != nil || current {
			return err
		}
	}
	return s.write(ctx, func(t *tx) error {
		l, err := loadTable(t, b.key)
		if err != nil {
			return err
		}
		return b.attach(t, l)
	})
}

// loader puts a mailbox's table together: from the snapshot as far as there is one
// and from the rows behind it, and then from the log what befell them.
type loader struct {
	q      querier
	row    mailboxRow
	sets   flagSets
	pieces []piece
	gone   store.UIDSet // of which rows are still there
	tail   store.UID    // the least UID that no piece of the snapshot can have
	saved  map[store.UID]store.ModSeq
	table  *table

	damaged   bool // the snapshot could not be used, in part or at all
	corrected bool // the mailbox's sums were wrong
}

// piece is a chunk in the making.
type piece struct {
	first   store.UID
	modSeq  store.ModSeq // changes up to this are in it
	rebuilt bool         // from rows
	touched bool         // differs from what is on disk
	entries []entry
}

// vanished marks an entry that is no more.
const vanished = ^uint32(0)

// loadTable loads the table of a mailbox. If what it finds does not agree with the
// mailbox's sums, the snapshot is wrong, and everything is made from rows and log.
func loadTable(q querier, key boxKey) (*loader, error) {
	row, err := mailboxAt(q, key)
	if err != nil {
		return nil, err
	}
	l := newLoader(q, row)
	if err := l.load(true); err != nil || l.agrees() {
		return l, err
	}
	l = newLoader(q, row)
	l.damaged = true
	if err := l.load(false); err != nil || l.agrees() {
		return l, err
	}
	l.correct()
	return l, nil
}

func newLoader(q querier, row mailboxRow) *loader {
	return &loader{q: q, row: row, saved: map[store.UID]store.ModSeq{}}
}

// load loads the table; the snapshot only if it is to be trusted.

func (l *loader) load(trust bool) error {
	if err := l.readRemovals(); err != nil {
		return err
	}
	if err := l.readSnapshot(trust); err != nil {
		return err
	}
	if err := l.readTail(); err != nil {
		return err
	}
	if err := l.replay(); err != nil {
		return err
	}
	l.build()
	return nil
}

// readRemovals reads which messages are gone though their rows are there.
func (l *loader) readRemovals() error {
	rows := l.q.Query(`SELECT uids FROM removal WHERE account = ? AND mailbox = ?`, l.row.account, l.row.mailbox)
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		uids, err := parseUIDs(text)
		if err != nil {
			return err
		}
		l.gone = l.gone.Union(uids)
	}
	return rows.Err()
}

// readSnapshot reads the pieces on disk. A damaged one is made anew from the rows.
func (l *loader) readSnapshot(trust bool) error {
	rows := l.q.Query(`SELECT first_uid, mod_seq, data FROM snapshot WHERE account = ? AND mailbox = ? ORDER BY first_uid`,
		l.row.account, l.row.mailbox)
	defer rows.Close()
	for rows.Next() {
		var first uint32
		var seq int64
		var data []byte
		if err := rows.Scan(&first, &seq, &data); err != nil {
			return err
		}
		p := piece{first: store.UID(first), modSeq: max(store.ModSeq(seq), l.row.snapshotModSeq)}
		l.saved[p.first] = 0 // until we know better, to be written anew
		if !trust {
			continue
		}
		var err error
		if p.entries, err = decodeEntries(data, &l.sets); err == nil && l.fits(&p) {
			l.saved[p.first] = p.modSeq
		} else {
			p = piece{first: p.first, rebuilt: true}
			l.damaged = true
		}
		l.pieces = append(l.pieces, p)
	}
	l.tail = 1
	if trust {
		l.tail = l.row.snapshotUIDNext
	}
	return rows.Err()
}

// fits reports whether the entries of p lie behind those of the piece before.
func (l *loader) fits(p *piece) bool {
	ascending := slices.IsSortedFunc(p.entries, func(a, b entry) int { return int(int64(a.uid) - int64(b.uid)) })
	if !ascending || len(p.entries) > 0 && p.entries[0].uid < p.first {
		return false
	}
	n := len(l.pieces)
	return n == 0 || len(l.pieces[n-1].entries) == 0 || l.pieces[n-1].last() < p.first
}

// last returns the greatest UID of the piece.
func (p *piece) last() store.UID {
	if len(p.entries) == 0 {
		return 0
	}
	return p.entries[len(p.entries)-1].uid
}

// readTail reads the messages that no piece has: those of damaged ones, and those that
// arrived after the snapshot.
func (l *loader) readTail() error {
	for i := range l.pieces {
		p := &l.pieces[i]
		if !p.rebuilt {
			continue
		}
		end := l.tail
		if i+1 < len(l.pieces) {
			end = l.pieces[i+1].first
		}
		if err := l.readRows(p, p.first, end-1); err != nil {
			return err
		}
	}
	first := l.tail
	if n := len(l.pieces); n > 0 {
		first = max(first, l.pieces[n-1].last()+1)
	}
	tail := piece{first: first, rebuilt: true}
	if err := l.readRows(&tail, first, ^store.UID(0)); err != nil {
		return err
	}
	l.pieces = append(l.pieces, tail)
	return nil
}

func (l *loader) readRows(p *piece, first, last store.UID) error {
	rows := l.q.Query(`SELECT uid, mod_seq, flags, internal_date, zone, size FROM message
		WHERE account = ? AND mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid`,
		l.row.account, l.row.mailbox, uint32(first), uint32(last))
	defer rows.Close()
	for rows.Next() {
		var uid uint32
		var seq, date, size int64
		var flags string
		var zone int
		if err := rows.Scan(&uid, &seq, &flags, &date, &zone, &size); err != nil {
			return err
		}
		if l.gone.Contains(store.UID(uid)) {
			continue
		}
		p.entries = append(p.entries, entry{
			uid: store.UID(uid), modSeq: store.ModSeq(seq), size: size,
			date: packDate(date, zone), flags: l.sets.number(splitFlags(flags)),
		})
	}
	return rows.Err()
}

// replay applies the log to the pieces.
func (l *loader) replay() error {
	since := l.row.HighestModSeq
	for i := range l.pieces {
		if len(l.pieces[i].entries) > 0 {
			since = min(since, l.pieces[i].modSeq)
		}
	}
	rows := l.q.Query(`SELECT mod_seq, kind, uids, op, flags FROM change
		WHERE account = ? AND mailbox = ? AND mod_seq > ? ORDER BY mod_seq`,
		l.row.account, l.row.mailbox, int64(since))
	defer rows.Close()
	for rows.Next() {
		var seq int64
		var kind, op int
		var text, flags string
		if err := rows.Scan(&seq, &kind, &text, &op, &flags); err != nil {
			return err
		}
		switch store.ChangeKind(kind) {
		case store.MessagesFlagged, store.MessagesVanished:
		default:
			continue
		}
		uids, err := parseUIDs(text)
		if err != nil {
			return err
		}
		if store.ChangeKind(kind) == store.MessagesVanished {
			l.apply(store.ModSeq(seq), uids, func(uint32) uint32 { return vanished })
		} else {
			l.apply(store.ModSeq(seq), uids, l.sets.change(store.FlagOp(op), splitFlags(flags)))
		}
	}
	return rows.Err()
}

// apply makes one change to all messages of uids in pieces that lack it.
func (l *loader) apply(seq store.ModSeq, uids store.UIDSet, change func(uint32) uint32) {
	for _, r := range uids {
		i := sort.Search(len(l.pieces), func(i int) bool { return l.pieces[i].first > r.First })
		for i = max(i-1, 0); i < len(l.pieces) && l.pieces[i].first <= r.Last; i++ {
			p := &l.pieces[i]
			if p.modSeq >= seq {
				continue
			}
			k := sort.Search(len(p.entries), func(k int) bool { return p.entries[k].uid >= r.First })
			for ; k < len(p.entries) && p.entries[k].uid <= r.Last; k++ {
				if e := &p.entries[k]; e.flags != vanished {
					e.flags, e.modSeq = change(e.flags), seq
					p.touched = true
				}
			}
		}
	}
}

// build makes the table of the pieces. What arrived after the snapshot fills its
// last chunk first.
func (l *loader) build() {
	t := newTable(l.row.status)
	for i, p := range l.pieces {
		entries := slices.DeleteFunc(p.entries, func(e entry) bool { return e.flags == vanished })
		c := &chunk{first: p.first, modSeq: p.modSeq, entries: entries}
		if p.rebuilt || p.touched {
			c.modSeq = l.row.HighestModSeq
		}
		switch {
		case i == len(l.pieces)-1:
			for _, e := range entries {
				t = t.with(e)
			}
		case len(entries) == 0:
		case len(t.tail.entries) == 0:
			t.tail = c
		default:
			t.chunks = append(t.chunks, t.tail)
			t.tail = c
		}
	}
	t.sets = l.sets.sets
	l.table = t
}

// sums returns the sums of the table's messages.
func (t *table) sums() (s store.Status) {
	for e := range t.every() {
		t.add(&s, *e, 1)
	}
	return s
}

// add adds n times a message to the sums of s.
func (t *table) add(s *store.Status, e entry, n int) {
	s.Messages += n
	s.Size += int64(n) * e.size
	if !t.sets[e.flags].seen {
		s.Unseen += n
	}
	if t.sets[e.flags].deleted {
		s.Deleted += n
	}
	if e.uid >= t.unclaimed {
		s.Recent += n
	}
}

// agrees reports whether the table has what the mailbox's row says.
func (l *loader) agrees() bool {
	got, want := l.table.sums(), l.row.Status
	return got.Messages == want.Messages && got.Size == want.Size && got.Recent == want.Recent &&
		got.Unseen == want.Unseen && got.Deleted == want.Deleted
}

// correct believes the messages rather than the sums.
func (l *loader) correct() {
	l.corrected = true
	got := l.table.sums()
	st := &l.table.Status
	st.Messages, st.Size, st.Recent = got.Messages, got.Size, got.Recent
	st.Unseen, st.Deleted = got.Unseen, got.Deleted
}
