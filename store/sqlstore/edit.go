package sqlstore

import (
	"slices"

	"github.com/postrider/postrider/store"
)

// newTable returns a table without messages.
func newTable(s status) *table {
	return &table{status: s, tail: &chunk{first: 1}}
}

// with returns the table with one more message, whose UID is greater than all before.
func (t *table) with(e entry) *table {
	out := *t
	tail := *t.tail
	if len(tail.entries) >= chunkLen {
		out.chunks = append(t.chunks, t.tail)
		tail = chunk{first: e.uid}
	}
	tail.entries = append(tail.entries, e)
	tail.modSeq = max(tail.modSeq, e.modSeq)
	out.tail = &tail
	return &out
}

// editor makes a new table of an old one, chunk by chunk in ascending order.
type editor struct {
	out  table
	last int // the chunk that was replaced last, -1 if none
}

func (t *table) edit() *editor { return &editor{out: *t, last: -1} }

// own returns a copy of chunk i that may be changed, in place of the old one.
func (ed *editor) own(i int, seq store.ModSeq) *chunk {
	if i == ed.last {
		return ed.out.chunk(i)
	}
	old := ed.out.chunk(i)
	c := &chunk{first: old.first, modSeq: seq, entries: slices.Clone(old.entries)}
	if i == len(ed.out.chunks) {
		ed.out.tail = c
	} else {
		if ed.last < 0 {
			ed.out.chunks = slices.Clone(ed.out.chunks)
		}
		ed.out.chunks[i] = c
	}
	ed.last = i
	return c
}

// withFlags returns the table with other flags for some messages of uids, and which: those
// of which pick tells flags that are not what they were.
func (t *table) withFlags(uids store.UIDSet, seq store.ModSeq, pick func(*entry) uint32) (*table, store.UIDSet) {
	ed := t.edit()
	var changed store.UIDSet
	for s := range t.spans(uids) {
		entries := t.chunk(s.chunk).entries
		for i := s.from; i < s.to; i++ {
			e := &entries[i]
			flags := pick(e)
			if flags == e.flags {
				continue
			}
			mine := &ed.own(s.chunk, seq).entries[i]
			mine.flags, mine.modSeq = flags, seq
			changed.Add(e.uid)
		}
	}
	return &ed.out, changed
}

// without returns the table without the messages of gone.
func (t *table) without(gone store.UIDSet, seq store.ModSeq) *table {
	ed := t.edit()
	lost := map[int]bool{}
	for s := range t.spans(gone) {
		if !lost[s.chunk] {
			lost[s.chunk] = true
			c := ed.own(s.chunk, seq)
			c.entries = slices.DeleteFunc(c.entries, func(e entry) bool { return gone.Contains(e.uid) })
		}
	}
	out := &ed.out
	if len(lost) > 0 {
		out.chunks = slices.DeleteFunc(slices.Clone(out.chunks), func(c *chunk) bool { return len(c.entries) == 0 })
	}
	if sparse := len(out.chunks)*chunkLen/8 > out.count(); sparse && len(out.chunks) > 16 {
		return out.packed()
	}
	return out
}

// count counts the messages.
func (t *table) count() int {
	n := len(t.tail.entries)
	for _, c := range t.chunks {
		n += len(c.entries)
	}
	return n
}

// packed returns the table with its chunks filled.
func (t *table) packed() *table {
	out := *t
	out.chunks, out.tail = nil, &chunk{first: 1}
	p := &out
	for e := range t.every() {
		p = p.with(*e)
	}
	// Every chunk is another now, and goes to disk as of the newest change.
	for i := range len(p.chunks) + 1 {
		p.chunk(i).modSeq = t.HighestModSeq
	}
	p.packing++
	return p
}
