package sqlstore

import (
	"encoding/binary"
	"hash/crc32"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/store"
)

// tableModel is a table as one would write it without a thought for speed.
type tableModel map[store.UID]entry

func (m tableModel) list() []entry {
	var out []entry
	for _, uid := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[uid])
	}
	return out
}

func tableEntries(t *table) []entry {
	var out []entry
	for e := range t.every() {
		out = append(out, *e)
	}
	return out
}

// drawUIDs returns a set of ranges among the first n UIDs.
func drawUIDs(t *rapid.T, n int) store.UIDSet {
	var uids store.UIDSet
	for range rapid.IntRange(1, 4).Draw(t, "ranges") {
		first := rapid.IntRange(1, n+1).Draw(t, "first")
		uids.AddRange(store.UID(first), store.UID(first+rapid.IntRange(0, n).Draw(t, "more")))
	}
	return uids
}

// TestATableIsWhatItsChangesMadeIt compares tables with a model, and every version with
// what it was when it was made: versions share memory.
func TestATableIsWhatItsChangesMadeIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sets flagSets
		flags := []uint32{sets.number(nil), sets.number([]store.Flag{store.FlagSeen}), sets.number([]store.Flag{"a", store.FlagDeleted})}
		tab, model := newTable(status{}), tableModel{}
		tab.sets = sets.sets
		type version struct {
			table *table
			was   []entry
		}
		var versions []version
		next, seq := store.UID(1), store.ModSeq(0)
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			seq++
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0, 1:
				for range rapid.IntRange(1, 2500).Draw(t, "arrivals") {
					e := entry{uid: next, modSeq: seq, size: int64(next) * 7, date: packDate(int64(next), int(next%1000)-500), flags: flags[next%3]}
					tab = tab.with(e)
					model[next] = e
					next += store.UID(1 + seq%2)
				}
			case 2:
				uids, to := drawUIDs(t, int(next)), rapid.SampledFrom(flags).Draw(t, "flags")
				var changed, want store.UIDSet
				tab, changed = tab.withFlags(uids, seq, func(*entry) uint32 { return to })
				for uid, e := range model {
					if uids.Contains(uid) && e.flags != to {
						e.flags, e.modSeq = to, seq
						model[uid] = e
						want.Add(uid)
					}
				}
				if !slices.Equal(changed, want) {
					t.Fatalf("changed %v, want %v", changed, want)
				}
			case 3:
				uids := drawUIDs(t, int(next))
				tab = tab.without(uids, seq)
				maps.DeleteFunc(model, func(uid store.UID, _ entry) bool { return uids.Contains(uid) })
			}
			versions = append(versions, version{tab, model.list()})
		}
		for i, v := range versions {
			if got := tableEntries(v.table); !slices.Equal(got, v.was) {
				t.Fatalf("version %d of %d has %d messages, want %d", i, len(versions), len(got), len(v.was))
			}
		}
		checkShape(t, tab)
		uids := drawUIDs(t, int(next))
		var got, want []entry
		for e := range tab.all(uids) {
			got = append(got, *e)
		}
		for _, e := range model.list() {
			if uids.Contains(e.uid) {
				want = append(want, e)
			}
			if found := tab.find(e.uid); found == nil || *found != e {
				t.Fatalf("find %d: %v", e.uid, found)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("of %v there are %d messages, want %d", uids, len(got), len(want))
		}
		if tab.find(next) != nil || tab.find(0) != nil {
			t.Fatal("found what is not there")
		}
	})
}

// checkShape holds the chunks to what chunk says of itself.
func checkShape(t *rapid.T, tab *table) {
	last := store.UID(0)
	for i := range len(tab.chunks) + 1 {
		c := tab.chunk(i)
		if len(c.entries) > chunkLen || i < len(tab.chunks) && len(c.entries) == 0 {
			t.Fatalf("chunk %d of %d has %d messages", i, len(tab.chunks)+1, len(c.entries))
		}
		if i > 0 && c.first <= last {
			t.Fatalf("chunk %d begins at %d, the one before ends at %d", i, c.first, last)
		}
		for _, e := range c.entries {
			if e.uid < c.first || e.modSeq > c.modSeq {
				t.Fatalf("chunk %d from %d as of %d has message %d of %d", i, c.first, c.modSeq, e.uid, e.modSeq)
			}
			last = e.uid
		}
	}
}

func TestASparseTableIsPacked(t *testing.T) {
	tab := newTable(status{})
	for uid := store.UID(1); uid <= 40*chunkLen; uid++ {
		tab = tab.with(entry{uid: uid})
	}
	var gone store.UIDSet
	for uid := store.UID(1); uid <= 40*chunkLen; uid++ {
		if uid%16 != 0 {
			gone.Add(uid)
		}
	}
	packed := tab.without(gone, 1)
	if n := packed.count(); n != 40*chunkLen/16 || len(packed.chunks) > 4 || packed.packing != tab.packing+1 {
		t.Errorf("%d messages in %d chunks", n, len(packed.chunks)+1)
	}
}

func TestATimeIsKeptToTheSecondWithItsZone(t *testing.T) {
	for _, offset := range []int{0, 3600, -3600, 14 * 3600, -12 * 3600, 5*3600 + 45*60, -(3*3600 + 30*60)} {
		for _, unix := range []int64{0, 1, -1, 1795389092, -62135596800, 253402300799} {
			want := time.Unix(unix, 0).In(time.FixedZone("", offset))
			got := packTime(want).time()
			if !got.Equal(want) || got.Format(time.RFC3339) != want.Format(time.RFC3339) {
				t.Errorf("%v became %v", want, got)
			}
		}
	}
}

func TestASnapshotIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sets flagSets
		for range rapid.IntRange(1, 5).Draw(t, "sets") {
			sets.number(rapid.SliceOfNDistinct(rapid.SampledFrom([]store.Flag{store.FlagSeen, store.FlagDraft, "a", "B", "$c"}), 0, 5, rapid.ID).Draw(t, "flags"))
		}
		var entries []entry
		uid := store.UID(0)
		for range rapid.IntRange(0, 50).Draw(t, "n") {
			uid += store.UID(rapid.Uint32Range(1, 1<<20).Draw(t, "step"))
			entries = append(entries, entry{
				uid: uid, modSeq: store.ModSeq(rapid.Int64Range(1, 1<<62).Draw(t, "modSeq")), size: rapid.Int64Range(0, 1<<62).Draw(t, "size"),
				date: packedTime(rapid.Int64().Draw(t, "date")), flags: rapid.Uint32Range(0, uint32(len(sets.sets)-1)).Draw(t, "set"),
			})
		}
		var other flagSets
		other.number([]store.Flag{"x"}) // so that numbers differ
		got, err := decodeEntries(encodeEntries(entries, sets.sets), &other)
		if err != nil || len(got) != len(entries) {
			t.Fatalf("%d entries, error %v", len(got), err)
		}
		for i, e := range got {
			if !slices.Equal(other.sets[e.flags].flags, sets.sets[entries[i].flags].flags) {
				t.Fatalf("entry %d has flags %v", i, other.sets[e.flags].flags)
			}
			if e.flags = entries[i].flags; e != entries[i] {
				t.Fatalf("entry %d is %+v, want %+v", i, e, entries[i])
			}
		}
	})
}

func FuzzSnapshot(f *testing.F) {
	var sets flagSets
	n := sets.number([]store.Flag{store.FlagSeen, "$x"})
	f.Add(encodeEntries(nil, nil))
	f.Add(encodeEntries([]entry{{uid: 1, modSeq: 2, size: 3, date: 4, flags: n}, {uid: 7, modSeq: 1, flags: n}}, sets.sets))
	f.Fuzz(func(t *testing.T, data []byte) {
		// Damage anywhere is found, also where the checksum happens to be right.
		for _, data := range [][]byte{data, sealed(data)} {
			var sets flagSets
			entries, err := decodeEntries(data, &sets)
			if err != nil {
				continue
			}
			for _, e := range entries {
				if int(e.flags) >= len(sets.sets) {
					t.Fatalf("flags %d of %d", e.flags, len(sets.sets))
				}
			}
		}
	})
}

// sealed returns data with a checksum that fits.
func sealed(data []byte) []byte {
	b := slices.Clone(data)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}
