package sqlstore

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"sync"

	"github.com/postrider/postrider/store"
)

const (
	// saveAfter is after how many changes a mailbox's snapshot is written anew.
	saveAfter = 2000
	// saveAtClose is how many changes are worth writing it when the mailbox is no longer
	// open: fewer are quickly read from the log.
	saveAtClose = 64
	// saveAtOnce is how many chunks are written in one transaction.
	saveAtOnce = 16
)

// saved knows which chunks of a box are on disk, and as of which change.
type saved struct {
	saving sync.Mutex // held by save; guards what follows
	chunks map[store.UID]store.ModSeq
	// packing is that of the chunks on disk.
	packing int
}

func (s *saved) set(chunks map[store.UID]store.ModSeq, packing int) {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.chunks, s.packing = chunks, packing
}

// save writes the chunks that differ from what is on disk. The snapshot is that of one
// commit; what comes meanwhile is in the log.
func (b *box) save(ctx context.Context) error {
	b.saved.saving.Lock()
	defer b.saved.saving.Unlock()
	t := b.published.Load()
	dirty, left := b.saved.compare(t)
	step := saveAtOnce
	if t.packing != b.saved.packing {
		step = len(dirty) // chunks of different packings must not lie side by side
	}
	for len(dirty) > step {
		if err := b.saveChunks(ctx, t, dirty[:step], nil, false); err != nil {
			return err
		}
		dirty = dirty[step:]
	}
	if err := b.saveChunks(ctx, t, dirty, left, true); err != nil {
		return err
	}
	b.saved.packing = t.packing
	return nil
}

// compare returns the chunks that are to be written, and the keys that are to go.
func (s *saved) compare(t *table) (dirty []*chunk, left []store.UID) {
	there := map[store.UID]bool{}
	for i := range len(t.chunks) + 1 {
		c := t.chunk(i)
		if len(c.entries) == 0 {
			continue
		}
		there[c.first] = true
		if s.chunks[c.first] < c.modSeq {
			dirty = append(dirty, c)
		}
	}
	for first := range s.chunks {
		if !there[first] {
			left = append(left, first)
		}
	}
	return dirty, left
}

// errStale means that the box is no longer the one that follows the changes, or the
// mailbox is gone.
var errStale = errors.New("mailbox is in other hands")

// saveChunks writes some chunks of t, and if they are the last, that all are written.
func (b *box) saveChunks(ctx context.Context, t *table, dirty []*chunk, left []store.UID, last bool) error {
	data := make([][]byte, len(dirty))
	for i, c := range dirty {
		data[i] = encodeEntries(c.entries, t.sets)
	}
	err := b.all.s.write(ctx, func(tx *tx) error {
		if tx.open(b.key) != b || b.head.deletedMailbox {
			return errStale
		}
		for i, c := range dirty {
			_, err := tx.Exec(`INSERT INTO snapshot (account, mailbox, first_uid, mod_seq, data) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (account, mailbox, first_uid) DO UPDATE SET mod_seq = excluded.mod_seq, data = excluded.data`,
				b.key.account, b.key.mailbox, uint32(c.first), int64(t.HighestModSeq), data[i])
			if err != nil {
				return err
			}
		}
		for _, first := range left {
			_, err := tx.Exec(`DELETE FROM snapshot WHERE account = ? AND mailbox = ? AND first_uid = ?`,
				b.key.account, b.key.mailbox, uint32(first))
			if err != nil {
				return err
			}
		}
		if last {
			return tx.saved(b, t)
		}
		return nil
	})
	if err == errStale {
		return nil
	}
	if err != nil {
		return err
	}
	for _, c := range dirty {
		b.saved.chunks[c.first] = t.HighestModSeq
	}
	for _, first := range left {
		delete(b.saved.chunks, first)
	}
	return nil
}

// saved notes that the snapshot is that of t.
func (t *tx) saved(b *box, of *table) error {
	next := *b.head
	next.snapshotModSeq = of.HighestModSeq
	next.unsaved = max(next.unsaved-of.unsaved, 0)
	_, err := t.Exec(`UPDATE mailbox SET snapshot_mod_seq = ?, snapshot_uid_next = ?, unsaved = ? WHERE account = ? AND mailbox = ?`,
		int64(of.HighestModSeq), uint32(of.UIDNext), next.unsaved, b.key.account, b.key.mailbox)
	if err != nil {
		return err
	}
	t.set(b, &next)
	return nil
}

// The data of a chunk, version 1. Numbers are varints, those that may fall are in
// zigzag (package encoding/binary).
//
//	data  = version count sets *set *entry crc32c
//	set   = length *OCTET                    ; flags with spaces between them
//	entry = uid-step mod-seq-step size date-step set-index
const snapshotVersion = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errSnapshot = errors.New("damaged snapshot")

// encodeEntries writes the data of a chunk.
func encodeEntries(entries []entry, sets []flagSet) []byte {
	index := map[uint32]uint64{}
	var names []byte
	for i := range entries {
		if f := entries[i].flags; index[f] == 0 {
			index[f] = uint64(len(index) + 1)
			name := joinFlags(sets[f].flags)
			names = binary.AppendUvarint(names, uint64(len(name)))
			names = append(names, name...)
		}
	}
	b := make([]byte, 0, 16+len(names)+14*len(entries))
	b = append(b, snapshotVersion)
	b = binary.AppendUvarint(b, uint64(len(entries)))
	b = binary.AppendUvarint(b, uint64(len(index)))
	b = append(b, names...)
	var last entry
	for _, e := range entries {
		b = binary.AppendUvarint(b, uint64(e.uid-last.uid))
		b = binary.AppendVarint(b, int64(e.modSeq-last.modSeq))
		b = binary.AppendUvarint(b, uint64(e.size))
		b = binary.AppendVarint(b, int64(e.date-last.date))
		b = binary.AppendUvarint(b, index[e.flags]-1)
		last = e
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeEntries reads the data of a chunk.
func decodeEntries(data []byte, sets *flagSets) ([]entry, error) {
	n := len(data) - 4
	if n < 1 || data[0] != snapshotVersion || crc32.Checksum(data[:n], castagnoli) != binary.BigEndian.Uint32(data[n:]) {
		return nil, errSnapshot
	}
	d := decoder{data: data[1:n]}
	// Each entry and each set takes an octet at least, so that a count cannot claim more.
	count, kinds := d.count(), d.count()
	index := make([]uint32, kinds)
	for i := range index {
		index[i] = sets.number(splitFlags(d.string()))
	}
	entries := make([]entry, count, count+count/8)
	var last entry
	for i := range entries {
		last.uid += store.UID(d.uvarint())
		last.modSeq += store.ModSeq(d.varint())
		last.size = int64(d.uvarint())
		last.date += packedTime(d.varint())
		k := d.uvarint()
		if k >= uint64(len(index)) {
			return nil, errSnapshot
		}
		last.flags = index[k]
		entries[i] = last
	}
	if d.bad || len(d.data) > 0 {
		return nil, errSnapshot
	}
	return entries, nil
}

// decoder takes numbers and strings off data. After a mistake it yields zeroes.
type decoder struct {
	data []byte
	bad  bool
}

func (d *decoder) uvarint() uint64 {
	if len(d.data) > 0 && d.data[0] < 0x80 { // most are
		v := uint64(d.data[0])
		d.data = d.data[1:]
		return v
	}
	v, n := binary.Uvarint(d.data)
	if n <= 0 {
		d.bad, d.data = true, nil
		return 0
	}
	d.data = d.data[n:]
	return v
}

func (d *decoder) varint() int64 {
	v := d.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.data)) {
		d.bad, d.data = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) string() string {
	n := d.count()
	s := string(d.data[:n])
	d.data = d.data[n:]
	return s
}
