package store_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
)

// open returns the account ann of a new store and her INBOX, with n messages.
func open(t testing.TB, s *memstore.Store, n int) (store.Account, store.Mailbox) {
	t.Helper()
	ctx := context.Background()
	a, err := store.OpenAccount(ctx, s, "ann", store.DefaultMailboxes()...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := a.Open(ctx, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	add(t, m, n)
	return a, m
}

// add appends n messages.
func add(t testing.TB, m store.Mailbox, n int) {
	t.Helper()
	msgs := make([]store.NewMessage, n)
	for i := range msgs {
		msgs[i].Content = postrider.String("Subject: hi\r\n\r\nhello\r\n")
	}
	if _, err := m.Append(context.Background(), msgs); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, a store.Account, m store.Mailbox) *store.View {
	t.Helper()
	v, err := store.NewView(context.Background(), a, m)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func sync(t testing.TB, v *store.View) store.Update {
	t.Helper()
	u, err := v.Sync(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func set(t testing.TB, s string) store.UIDSet {
	t.Helper()
	uids, err := store.ParseUIDSet(s)
	if err != nil {
		t.Fatal(err)
	}
	return uids
}

func expunge(t testing.TB, m store.Mailbox, s string) {
	t.Helper()
	if _, err := m.Expunge(context.Background(), set(t, s)); err != nil {
		t.Fatal(err)
	}
}

func flag(t testing.TB, m store.Mailbox, s string, f store.Flag) store.ModSeq {
	t.Helper()
	res, err := m.SetFlags(context.Background(), store.FlagChange{UIDs: set(t, s), Op: store.FlagsAdd, Flags: []store.Flag{f}})
	if err != nil {
		t.Fatal(err)
	}
	return res.ModSeq
}

func show(u store.Update) string {
	return fmt.Sprintf("arrived %s; flagged %s; vanished %s", u.Arrived, u.Flagged, u.Vanished)
}

// I3: a message that is gone keeps its number until the session may say EXPUNGE.
func TestViewKeepsNumbersOfVanishedMessagesUntilExpunge(t *testing.T) {
	a, m := open(t, memstore.New(), 12)
	v := view(t, a, m)
	expunge(t, m, "3:4,7,11")
	if got, want := show(sync(t, v)), "arrived ; flagged ; vanished 3:4,7,11"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	if v.Len() != 12 || v.UID(12) != 12 || v.Seq(7) != 7 || v.Pending().String() != "3:4,7,11" {
		t.Fatalf("numbers moved before Expunge: %d messages", v.Len())
	}
	if u := sync(t, v); !u.IsEmpty() {
		t.Fatalf("told twice: %s", show(u))
	}
	seqs, uids := v.Expunge()
	if !slices.Equal(seqs, []uint32{3, 3, 5, 8}) || uids.String() != "3:4,7,11" {
		t.Fatalf("announced %v, %s", seqs, uids)
	}
	if v.Len() != 8 || v.UID(3) != 5 || v.Seq(12) != 8 || v.Seq(7) != 0 || v.UID(9) != 0 || v.UID(0) != 0 {
		t.Fatalf("wrong numbers after Expunge: %s", v.UIDs())
	}
	if seqs, uids := v.Expunge(); len(seqs)+len(uids) > 0 {
		t.Fatalf("announced twice: %v %s", seqs, uids)
	}
}

// I14: .SILENT is about the session's own change only.
func TestViewReportsForeignChangesBesideOwn(t *testing.T) {
	a, m := open(t, memstore.New(), 5)
	v := view(t, a, m)
	flag(t, m, "2:3", store.FlagFlagged)
	v.Own(flag(t, m, "1:4", store.FlagSeen))
	flag(t, m, "4:5", store.FlagDraft)
	if got, want := show(sync(t, v)), "arrived ; flagged 2:5; vanished "; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	v.Own(flag(t, m, "1", store.FlagDraft))
	if u := sync(t, v); !u.IsEmpty() {
		t.Fatalf("own change reported: %s", show(u))
	}
}

func TestViewPassesOverWhatCameAndWent(t *testing.T) {
	a, m := open(t, memstore.New(), 2)
	v := view(t, a, m)
	add(t, m, 3)
	flag(t, m, "3:5", store.FlagSeen)
	expunge(t, m, "4")
	flag(t, m, "1", store.FlagSeen)
	expunge(t, m, "1")
	if got, want := show(sync(t, v)), "arrived 3,5; flagged ; vanished 1"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	if v.Len() != 4 || v.UID(3) != 3 || v.UID(4) != 5 {
		t.Fatalf("view is %s", v.UIDs())
	}
}

func TestViewResolvesSequenceNumbers(t *testing.T) {
	a, m := open(t, memstore.New(), 10)
	expunge(t, m, "2,5:6,10")
	v := view(t, a, m) // 1 3 4 7 8 9
	for in, want := range map[string]string{
		"1": "1", "*": "9", "2:4": "3:4,7", "4:2": "3:4,7", "1:*": "1,3:4,7:9", "*:1": "1,3:4,7:9", "3:3,1": "1,4",
		"6:*": "9", "1,1,1": "1", "*,6": "9",
	} {
		nums, err := store.ParseNumSet(in)
		if err != nil {
			t.Fatal(err)
		}
		uids, err := v.Resolve(nums)
		if err != nil || uids.String() != want {
			t.Errorf("%s: got %s, %v, want %s", in, uids, err, want)
		}
	}
	for _, in := range []string{"7", "1:7", "7:*"} {
		nums, _ := store.ParseNumSet(in)
		if uids, err := v.Resolve(nums); !errors.Is(err, store.ErrNotExist) {
			t.Errorf("%s: got %s, %v", in, uids, err)
		}
	}
}

// I14: UID forms ignore missing UIDs, and n:* includes the last message.
func TestViewResolvesUIDs(t *testing.T) {
	a, m := open(t, memstore.New(), 10)
	expunge(t, m, "2,5:6,10")
	v := view(t, a, m)
	for in, want := range map[string]string{
		"2": "", "1:4": "1,3:4", "*": "9", "559:*": "9", "8:*": "8:9", "1:4294967295": "1,3:4,7:9", "10": "",
	} {
		nums, err := store.ParseNumSet(in)
		if err != nil {
			t.Fatal(err)
		}
		if uids := v.ResolveUIDs(nums); uids.String() != want {
			t.Errorf("%s: got %s, want %s", in, uids, want)
		}
	}
	for in, want := range map[string]string{"1:3": "1:2", "7,9": "4,6", "2": "", "1:4294967295": "1:6"} {
		if seqs := v.Seqs(set(t, in)); seqs.String() != want {
			t.Errorf("Seqs(%s): got %s, want %s", in, seqs, want)
		}
	}
}

func TestViewOfAnEmptyMailbox(t *testing.T) {
	a, m := open(t, memstore.New(), 0)
	v := view(t, a, m)
	all := store.NumSet{{First: 1, Last: 0}}
	if v.Len() != 0 || v.UID(1) != 0 || v.Seq(1) != 0 || !v.ResolveUIDs(all).IsEmpty() {
		t.Error("an empty view must have nothing")
	}
	if _, err := v.Resolve(all); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("1:* of nothing: %v", err)
	}
}

func TestViewIsToldThatTheMailboxIsDeleted(t *testing.T) {
	ctx := context.Background()
	a, _ := open(t, memstore.New(), 0)
	m, err := a.Open(ctx, "Trash")
	if err != nil {
		t.Fatal(err)
	}
	v := view(t, a, m)
	if err := a.Rename(ctx, "Trash", "Bin"); err != nil {
		t.Fatal(err)
	}
	if u := sync(t, v); !u.IsEmpty() {
		t.Fatalf("a new name is no news of messages: %s", show(u))
	}
	if err := a.Delete(ctx, "Bin"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := v.Sync(ctx); !errors.Is(err, store.ErrNotExist) {
			t.Fatalf("got %v, want ErrNotExist", err)
		}
	}
}

func TestViewOfAQuietMailboxNeedsNoHistory(t *testing.T) {
	ctx := context.Background()
	s := memstore.New()
	s.History = 10
	a, m := open(t, s, 1)
	busy, err := a.Open(ctx, "Sent")
	if err != nil {
		t.Fatal(err)
	}
	counted := &countingMailbox{Mailbox: m}
	v := view(t, a, counted)
	counted.scans = 0
	for range 20 {
		for range 5 {
			add(t, busy, 1)
		}
		if u := sync(t, v); !u.IsEmpty() {
			t.Fatal(show(u))
		}
	}
	if counted.scans > 0 {
		t.Errorf("the mailbox was scanned %d times", counted.scans)
	}
}

type countingMailbox struct {
	store.Mailbox
	scans int
}

func (c *countingMailbox) Scan(ctx context.Context, q store.ScanQuery) iter.Seq2[store.Message, error] {
	c.scans++
	return c.Mailbox.Scan(ctx, q)
}

// client is what an IMAP client would know, told by updates only.
type client struct {
	uids []store.UID // by sequence number
}

func (c *client) arrive(uids store.UIDSet) { c.uids = slices.AppendSeq(c.uids, uids.All()) }

func (c *client) expunge(seqs []uint32) {
	for _, s := range seqs {
		c.uids = slices.Delete(c.uids, int(s)-1, int(s))
	}
}

// I3, I18: a client that believes what it is told is never out of step, whatever
// happens, also where the log is too short.
func TestViewKeepsAClientInStep(t *testing.T) {
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		s := memstore.New()
		s.History = rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "history")
		a, err := store.OpenAccount(ctx, s, "ann", store.DefaultMailboxes()...)
		must(t, err)
		m, err := a.Open(ctx, "INBOX")
		must(t, err)
		appendSome := func(t *rapid.T) {
			n := rapid.IntRange(1, 6).Draw(t, "n")
			_, err := m.Append(ctx, slices.Repeat([]store.NewMessage{{Content: postrider.String("\r\n")}}, n))
			must(t, err)
		}
		appendSome(t)
		v, err := store.NewView(ctx, a, m)
		must(t, err)
		c := &client{}
		c.arrive(v.UIDs())
		flags := map[store.UID]int{} // how often flagged since the client was told
		draw := func(t *rapid.T) store.UIDSet {
			first := store.UID(rapid.IntRange(1, 30).Draw(t, "first"))
			return store.RangeOfUIDs(first, first+store.UID(rapid.IntRange(0, 4).Draw(t, "more")))
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": appendSome,
			"expunge": func(t *rapid.T) {
				_, err := m.Expunge(ctx, draw(t))
				must(t, err)
			},
			"flag": func(t *rapid.T) {
				op := rapid.SampledFrom([]store.FlagOp{store.FlagsAdd, store.FlagsRemove}).Draw(t, "op")
				res, err := m.SetFlags(ctx, store.FlagChange{UIDs: draw(t), Op: op, Flags: []store.Flag{store.FlagSeen}})
				must(t, err)
				for u := range res.Changed.All() {
					flags[u]++
				}
			},
			"move to itself": func(t *rapid.T) {
				_, err := m.Move(ctx, draw(t), "INBOX")
				must(t, err)
			},
			"sync": func(t *rapid.T) {
				u, err := v.Sync(ctx)
				must(t, err)
				now, err := store.ListUIDs(ctx, m)
				must(t, err)
				for uid := range flags {
					if v.Seq(uid) > 0 && now.Contains(uid) && !u.Flagged.Contains(uid) && !u.Arrived.Contains(uid) {
						t.Fatalf("flags of %d changed, but nothing was said: %s", uid, show(u))
					}
				}
				clear(flags)
				c.arrive(u.Arrived)
				if got := v.UIDs().Subtract(v.Pending()); !slices.Equal(got, now) {
					t.Fatalf("view %s, mailbox %s", got, now)
				}
			},
			"expunge the view": func(t *rapid.T) {
				seqs, uids := v.Expunge()
				if len(seqs) != uids.Len() {
					t.Fatalf("%d numbers for %s", len(seqs), uids)
				}
				c.expunge(seqs)
			},
			"": func(t *rapid.T) {
				if v.Len() != len(c.uids) {
					t.Fatalf("the client knows of %d messages, the view of %d", len(c.uids), v.Len())
				}
				for i, u := range c.uids {
					if seq := uint32(i + 1); v.UID(seq) != u || v.Seq(u) != seq {
						t.Fatalf("client: %d is UID %d; view: UID %d, number of it %d", seq, u, v.UID(seq), v.Seq(u))
					}
				}
			},
		})
	})
}

func must(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// million is an account and a mailbox with a million messages that answers without
// having them, every step-th UID being there.
type million struct {
	store.Account
	store.Mailbox
	step    store.UID
	modSeq  store.ModSeq
	changes []store.Change
}

func (m *million) UIDs(context.Context) (store.UIDSet, error) {
	var s store.UIDSet
	for i := range store.UID(1_000_000) {
		s.Add(1 + i*m.step)
	}
	return s, nil
}

func (m *million) ID() string                                   { return "m" }
func (m *million) ModSeq(context.Context) (store.ModSeq, error) { return m.modSeq, nil }
func (m *million) Changes(context.Context, store.ModSeq, string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		for _, c := range m.changes {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func BenchmarkViewOfAMillion(b *testing.B) {
	for name, step := range map[string]store.UID{"dense": 1, "every second UID": 2} {
		b.Run(name, func(b *testing.B) {
			ctx := context.Background()
			m := &million{step: step, modSeq: 1}
			var v *store.View
			b.Run("NewView", func(b *testing.B) {
				v = nil
				before := heap()
				var err error
				for b.Loop() {
					if v, err = store.NewView(ctx, m, m); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric((heap()-before)/1e6, "MB")
			})
			b.Run("Sync one arrival and one flag", func(b *testing.B) {
				next := v.UIDs().Max()
				for b.Loop() {
					next += step
					m.modSeq++
					m.changes = []store.Change{
						{ModSeq: m.modSeq, Kind: store.MessagesArrived, UIDs: store.UIDs(next)},
						{ModSeq: m.modSeq, Kind: store.MessagesFlagged, UIDs: store.UIDs(501)},
					}
					if u, err := v.Sync(ctx); err != nil || u.Arrived.Len() != 1 || u.Flagged.Len() != 1 {
						b.Fatal(u, err)
					}
				}
			})
			b.Run("Sync and Expunge one", func(b *testing.B) {
				gone := store.UID(1)
				for b.Loop() {
					gone += step
					m.modSeq++
					m.changes = []store.Change{{ModSeq: m.modSeq, Kind: store.MessagesVanished, UIDs: store.UIDs(gone)}}
					if u, err := v.Sync(ctx); err != nil || u.Vanished.Len() != 1 {
						b.Fatal(u, err)
					}
					v.Expunge()
				}
			})
			b.Run("Seq", func(b *testing.B) {
				for b.Loop() {
					v.Seq(700_001)
				}
			})
		})
	}
}

// heap returns how many octets are in use.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// totalAlloc returns how many octets were ever allocated.
func totalAlloc() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
