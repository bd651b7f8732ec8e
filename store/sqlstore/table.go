package sqlstore

import (
	"iter"
	"sort"
	"time"

	"github.com/postrider/postrider/store"
)

// chunkLen is how many messages a chunk has at most.
const chunkLen = 1024

// entry is what is known of a message without asking the database: 32 octets.
type entry struct {
	modSeq store.ModSeq
	size   int64
	date   packedTime // the internal date
	uid    store.UID
	flags  uint32 // index in table.sets
}

// packedTime is a time to the second with its zone to the minute, in 12 bits.
type packedTime int64

const (
	zoneBits = 12
	zoneBias = 1 << (zoneBits - 1)
)

func packTime(t time.Time) packedTime {
	_, offset := t.Zone()
	return packDate(t.Unix(), offset/60)
}

func packDate(unix int64, zone int) packedTime {
	zone = min(max(zone, -zoneBias), zoneBias-1)
	return packedTime(unix<<zoneBits | int64(zone+zoneBias))
}

func (p packedTime) unix() int64 { return int64(p >> zoneBits) }
func (p packedTime) zone() int   { return int(p&(1<<zoneBits-1)) - zoneBias }

func (p packedTime) time() time.Time {
	if p.zone() == 0 {
		return time.Unix(p.unix(), 0).UTC()
	}
	return time.Unix(p.unix(), 0).In(time.FixedZone("", p.zone()*60))
}

// chunk is a run of messages in ascending order of UID. It never changes, but for
// the room behind its entries, which the chunks share that extend it.
type chunk struct {
	first   store.UID    // no less than all UIDs of chunks before, no greater than its own
	modSeq  store.ModSeq // of the newest change of what it holds
	entries []entry
}

// table is the state of a mailbox after some change. It never changes: each change
// makes a new one, which shares what is the same. So whoever holds one can take
// any time over reading it.
type table struct {
	status
	chunks []*chunk
	tail   *chunk // after chunks; it takes what arrives. Never nil
	sets   []flagSet
	// packing counts how often the chunks were cut anew.
	packing int
}

// status is the row of a mailbox.
type status struct {
	store.Status
	deletedMailbox bool
	unclaimed      store.UID
	unsaved        int
	snapshotModSeq store.ModSeq // as of when the table was read
}

// search returns the index of the first entry with that UID or a greater one.
func (c *chunk) search(uid store.UID) int {
	return sort.Search(len(c.entries), func(i int) bool { return c.entries[i].uid >= uid })
}

// chunk returns chunk i; the last is the tail.
func (t *table) chunk(i int) *chunk {
	if i == len(t.chunks) {
		return t.tail
	}
	return t.chunks[i]
}

// chunkOf returns the index of the chunk that has uid if any has.
func (t *table) chunkOf(uid store.UID) int {
	if uid >= t.tail.first {
		return len(t.chunks)
	}
	i := sort.Search(len(t.chunks), func(i int) bool { return t.chunks[i].first > uid })
	return max(i-1, 0)
}

// find returns the message of that UID, nil if there is none.
func (t *table) find(uid store.UID) *entry {
	c := t.chunk(t.chunkOf(uid))
	if i := c.search(uid); i < len(c.entries) && c.entries[i].uid == uid {
		return &c.entries[i]
	}
	return nil
}

// every yields all messages in ascending order.
func (t *table) every() iter.Seq[*entry] { return t.all(store.AllUIDs()) }

// all yields the messages of uids in ascending order.
func (t *table) all(uids store.UIDSet) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for s := range t.spans(uids) {
			entries := t.chunk(s.chunk).entries
			for i := s.from; i < s.to; i++ {
				if !yield(&entries[i]) {
					return
				}
			}
		}
	}
}

// span is a run of entries of one chunk: from the first index to before the other.
type span struct{ chunk, from, to int }

// spans yields the runs of messages that are in uids.
func (t *table) spans(uids store.UIDSet) iter.Seq[span] {
	return func(yield func(span) bool) {
		for _, r := range uids {
			for i := t.chunkOf(r.First); i <= len(t.chunks); i++ {
				c := t.chunk(i)
				if c.first > r.Last {
					break
				}
				s := span{i, c.search(r.First), len(c.entries)}
				if n := len(c.entries); n > 0 && c.entries[n-1].uid > r.Last {
					s.to = c.search(r.Last + 1)
				}
				if s.from < s.to && !yield(s) {
					return
				}
			}
		}
	}
}
