package sqlstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/blob"
	"github.com/postrider/postrider/store/sqlstore"
)

// openWith opens a store that the end of the test closes unless the test did.
func openWith(tb testing.TB, cfg sqlstore.Config) *sqlstore.Store {
	tb.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet(tb)
	}
	s, err := sqlstore.OpenConfig(context.Background(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil && err != store.ErrClosed {
			tb.Error(err)
		}
	})
	return s
}

func createAccount(tb testing.TB, s *sqlstore.Store, name string, mailboxes ...string) {
	tb.Helper()
	var list []store.NewMailbox
	for _, m := range mailboxes {
		list = append(list, store.NewMailbox{Name: m})
	}
	if err := s.CreateAccount(context.Background(), name, list...); err != nil {
		tb.Fatal(err)
	}
}

// deliver delivers a message of that size and returns where it is.
func deliver(tb testing.TB, s *sqlstore.Store, size int, to ...store.Target) []store.Placed {
	tb.Helper()
	placed, err := s.Deliver(context.Background(), postrider.String(mail(rand.IntN(1<<30), size)), to)
	if err != nil {
		tb.Fatal(err)
	}
	return placed
}

func fill(tb testing.TB, m store.Mailbox, n int) {
	tb.Helper()
	msgs := make([]store.NewMessage, n)
	for i := range msgs {
		msgs[i] = store.NewMessage{Content: postrider.String(mail(i, 300)), InternalDate: time.Unix(1.7e9+int64(i), 0)}
	}
	if _, err := m.Append(context.Background(), msgs); err != nil {
		tb.Fatal(err)
	}
}

// listing is all that a mailbox tells, as text.
func listing(tb testing.TB, m store.Mailbox) string {
	tb.Helper()
	var b strings.Builder
	st, err := m.Status(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	fmt.Fprintf(&b, "%+v\n", st)
	for msg, err := range m.Scan(context.Background(), store.ScanQuery{Fields: store.FieldIDs}) {
		if err != nil {
			tb.Fatal(err)
		}
		flags := slices.Sorted(slices.Values(msg.Flags))
		fmt.Fprintln(&b, msg.UID, msg.ModSeq, flags, msg.InternalDate.Unix(), msg.Size, msg.ID, msg.SaveDate.Unix())
	}
	return b.String()
}

func wantNumber(tb testing.TB, s *sqlstore.Store, want int, query string) {
	tb.Helper()
	if got, err := s.Number(context.Background(), query); err != nil || got != want {
		tb.Errorf("%s: %d, want %d (%v)", query, got, want, err)
	}
}

func wantFiles(tb testing.TB, dir string, want int) {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "blob", "?", "??", "*"))
	if err != nil || len(files) != want {
		tb.Errorf("%d bodies in files, want %d (%v)", len(files), want, err)
	}
}

func check(tb testing.TB, s *sqlstore.Store) {
	tb.Helper()
	if err := s.Check(context.Background()); err != nil {
		tb.Error(err)
	}
}

// stir changes flags and removes messages at random.
func stir(tb testing.TB, m store.Mailbox, r *rand.Rand, changes int) {
	tb.Helper()
	ctx := context.Background()
	for range changes {
		st, err := m.Status(ctx)
		if err != nil {
			tb.Fatal(err)
		}
		first := store.UID(r.IntN(int(st.UIDNext)) + 1)
		uids := store.RangeOfUIDs(first, first+store.UID(r.IntN(40)))
		if r.IntN(10) == 0 {
			_, err = m.Expunge(ctx, uids)
		} else {
			_, err = m.SetFlags(ctx, store.FlagChange{
				UIDs: uids, Op: store.FlagOp(1 + r.IntN(3)),
				Flags: [][]store.Flag{{store.FlagSeen}, {"$a", "$b"}, {store.FlagDeleted, "$a"}}[r.IntN(3)],
			})
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}

func TestALargeMailboxIsTheSameAfterReopen(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 1))
	s := openWith(t, sqlstore.Config{Dir: dir})
	createAccount(t, s, "ann")
	for round := range 4 {
		m := open(t, s, "ann", "INBOX")
		fill(t, m, sqlstore.ChunkLen*3/4)
		stir(t, m, r, []int{sqlstore.SnapshotAtClose / 2, 300, 10, sqlstore.SnapshotAfter + 100}[round])
		want := listing(t, m)
		m.Close()
		closeStore(t, s)
		s = openWith(t, sqlstore.Config{Dir: dir})
		m = open(t, s, "ann", "INBOX")
		if got := listing(t, m); got != want {
			t.Fatalf("round %d: the mailbox is another after reopen", round)
		}
		m.Close()
		check(t, s)
	}
	if n, err := s.Number(t.Context(), "SELECT count(*) FROM snapshot"); err != nil || n < 2 {
		t.Errorf("the snapshot has %d pieces (%v)", n, err)
	}
}

func TestASnapshotIsWrittenWhileAMailboxIsOpen(t *testing.T) {
	s := openWith(t, sqlstore.Config{Dir: t.TempDir()})
	createAccount(t, s, "ann")
	m := open(t, s, "ann", "INBOX")
	defer m.Close()
	fill(t, m, 100)
	stir(t, m, rand.New(rand.NewPCG(2, 2)), sqlstore.SnapshotAfter+500)
	s.Upkeep(t.Context())
	if n, err := s.Number(t.Context(), "SELECT unsaved FROM mailbox"); err != nil || n > sqlstore.SnapshotAfter {
		t.Errorf("the snapshot lacks %d changes (%v)", n, err)
	}
	check(t, s)
}

func TestADamagedSnapshotIsMadeAnew(t *testing.T) {
	for name, damage := range map[string]string{
		"a piece cannot be read":     "UPDATE snapshot SET data = x'00010203' WHERE first_uid > 1",
		"no piece can be read":       "UPDATE snapshot SET data = x''",
		"a piece is missing":         "DELETE FROM snapshot WHERE first_uid > 1",
		"a piece is that of another": "UPDATE snapshot SET data = (SELECT data FROM snapshot WHERE first_uid = 1)",
		"the sums are wrong":         "UPDATE mailbox SET messages = messages + 1, unseen = 0",
		"sums and pieces are wrong":  "UPDATE mailbox SET size = 1, snapshot_mod_seq = mod_seq",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openWith(t, sqlstore.Config{Dir: dir})
			createAccount(t, s, "ann")
			m := open(t, s, "ann", "INBOX")
			fill(t, m, sqlstore.ChunkLen+200)
			stir(t, m, rand.New(rand.NewPCG(3, 3)), 200)
			want := listing(t, m)
			m.Close()
			closeStore(t, s) // with a snapshot

			s = openWith(t, sqlstore.Config{Dir: dir})
			if err := s.Tamper(t.Context(), damage); err != nil {
				t.Fatal(err)
			}
			if err := s.Check(t.Context()); !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("Check says %v", err)
			}
			closeStore(t, s)

			var log bytes.Buffer
			s = openWith(t, sqlstore.Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			m = open(t, s, "ann", "INBOX")
			if got := listing(t, m); got != want {
				t.Error("the mailbox is another")
			}
			if !strings.Contains(log.String(), "rebuilt") {
				t.Errorf("the log says only %q", &log)
			}
			m.Close()
			closeStore(t, s) // writes what was damaged

			s = openWith(t, sqlstore.Config{Dir: dir})
			open(t, s, "ann", "INBOX").Close()
			check(t, s)
		})
	}
}

func TestTheLogIsCutAndNothingElse(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	s := openWith(t, sqlstore.Config{Dir: dir, History: 200})
	createAccount(t, s, "ann", "quiet")
	quietBox, m := open(t, s, "ann", "quiet"), open(t, s, "ann", "INBOX")
	fill(t, quietBox, 10)
	if _, err := quietBox.SetFlags(ctx, store.FlagChange{UIDs: store.UIDs(3, 5), Op: store.FlagsAdd, Flags: []store.Flag{"$kept"}}); err != nil {
		t.Fatal(err)
	}
	wantQuiet := listing(t, quietBox)
	quietBox.Close()
	fill(t, m, 500)
	stir(t, m, rand.New(rand.NewPCG(5, 5)), 1000)
	want := listing(t, m)
	s.Upkeep(ctx)

	a, err := s.Account(ctx, "ann")
	if err != nil {
		t.Fatal(err)
	}
	newest, err := a.ModSeq(ctx)
	if err != nil {
		t.Fatal(err)
	}
	count := func(since store.ModSeq) (n int, err error) {
		for _, err := range a.Changes(ctx, since, "") {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	if n, err := count(0); !errors.Is(err, store.ErrForgotten) || n != 0 {
		t.Errorf("from the beginning: %d changes, %v", n, err)
	}
	if n, err := count(newest - 200); err != nil || n != 200 {
		t.Errorf("of the last 200 changes there are %d, %v", n, err)
	}
	m.Close()
	closeStore(t, s)

	s = openWith(t, sqlstore.Config{Dir: dir})
	m, quietBox = open(t, s, "ann", "INBOX"), open(t, s, "ann", "quiet")
	defer m.Close()
	defer quietBox.Close()
	if listing(t, m) != want || listing(t, quietBox) != wantQuiet {
		t.Error("a mailbox is another after its log was cut")
	}
	check(t, s)
}

func TestALargeExpungeIsOneChangeAndItsRowsGoLater(t *testing.T) {
	ctx := t.Context()
	s := openWith(t, sqlstore.Config{Dir: t.TempDir()})
	createAccount(t, s, "ann")
	m := open(t, s, "ann", "INBOX")
	defer m.Close()
	fill(t, m, 3000)
	if _, err := m.SetFlags(ctx, store.FlagChange{UIDs: store.RangeOfUIDs(11, 2990), Op: store.FlagsAdd, Flags: []store.Flag{store.FlagDeleted}}); err != nil {
		t.Fatal(err)
	}
	before := s.Stats().Operations
	e, err := m.Expunge(ctx, store.AllUIDs(), store.FlagDeleted)
	if err != nil || e.UIDs.String() != "11:2990" {
		t.Fatalf("%+v, %v", e, err)
	}
	check(t, s) // whether or not the rows are gone yet
	s.Upkeep(ctx)
	if n := s.Stats().Operations - before; n > 20 {
		t.Errorf("the removal took %d operations", n)
	}
	for _, table := range []string{"message", "content", "body"} {
		wantNumber(t, s, 20, "SELECT count(*) FROM "+table)
	}
	wantNumber(t, s, 0, "SELECT count(*) FROM removal")
	check(t, s)
}

func TestABodyGoesWithTheLastMessageThatHasIt(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	s := openWith(t, sqlstore.Config{Dir: dir, Inline: 1000})
	createAccount(t, s, "ann", "copies")
	createAccount(t, s, "ben")
	const large = 5000
	to := []store.Target{{Account: "ann"}, {Account: "ann", Mailbox: "copies"}, {Account: "ben"}}
	deliver(t, s, large, to...)
	deliver(t, s, 500, to[:2]...)
	wantFiles(t, dir, 1)
	wantNumber(t, s, 1, "SELECT count(*) FROM body")
	m := open(t, s, "ann", "INBOX")
	defer m.Close()
	c, err := m.Content(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i, left := range []struct{ files, bodies int }{{1, 1}, {1, 0}, {0, 0}} {
		m := open(t, s, to[i].Account, to[i].Mailbox+strings.Repeat("INBOX", 1-min(len(to[i].Mailbox), 1)))
		if _, err := m.Expunge(ctx, store.AllUIDs()); err != nil {
			t.Fatal(err)
		}
		m.Close()
		s.Upkeep(ctx)
		wantFiles(t, dir, left.files)
		wantNumber(t, s, left.bodies, "SELECT count(*) FROM body")
		check(t, s)
	}
	wantNumber(t, s, 0, "SELECT count(*) FROM content")
	if b, err := postrider.ReadAll(c); err != nil || len(b) != large {
		t.Errorf("an open body has %d octets once it is removed (%v)", len(b), err)
	}
}

func TestAMessageToAThousandIsOnDiskOnce(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	s := openWith(t, sqlstore.Config{Dir: dir})
	var to []store.Target
	var all sync.WaitGroup
	for i := range 1000 {
		name := fmt.Sprint("user", i)
		all.Go(func() {
			if err := s.CreateAccount(ctx, name); err != nil {
				t.Error(err)
			}
		})
		to = append(to, store.Target{Account: name})
	}
	all.Wait()
	start := time.Now()
	deliver(t, s, 1<<20, to...)
	t.Logf("1,000 recipients of 1 MiB: %v", time.Since(start))
	deliver(t, s, 4000, to...)
	wantFiles(t, dir, 2)
	for _, i := range []int{0, 500, 999} {
		m := open(t, s, to[i].Account, "INBOX")
		for uid, size := range map[store.UID]int64{1: 1 << 20, 2: 4000} {
			c, err := m.Content(ctx, uid)
			if err != nil || c.Size() != size {
				t.Fatal(c, err)
			}
			c.Close()
		}
		m.Close()
	}
	check(t, s)
}

func TestOrphansAreSweptAndNothingElse(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	s := openWith(t, sqlstore.Config{Dir: dir, Inline: -1})
	createAccount(t, s, "ann")
	deliver(t, s, 2000, store.Target{Account: "ann"})
	closeStore(t, s)
	// As a crash between body and row leaves it.
	d, err := blob.OpenDir(filepath.Join(dir, "blob"))
	if err != nil {
		t.Fatal(err)
	}
	orphan := postrider.String(strings.Repeat("orphan ", 1000))
	key, err := blob.KeyOf(orphan)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Put(ctx, key, orphan); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir, 2)

	s = openWith(t, sqlstore.Config{Dir: dir, Inline: -1})
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 30 {
				// The same few bodies again and again, gone and back.
				c := postrider.String(mail(i%3, 2000))
				placed, err := s.Deliver(ctx, c, []store.Target{{Account: "ann", Mailbox: fmt.Sprint("w", w), Create: true}})
				if err != nil {
					t.Error(err)
					return
				}
				m := open(t, s, "ann", fmt.Sprint("w", w))
				got, err := m.Content(ctx, placed[0].UID)
				if err != nil {
					t.Error(err)
				} else {
					got.Close()
				}
				if _, err := m.Expunge(ctx, store.AllUIDs()); err != nil {
					t.Error(err)
				}
				m.Close()
			}
		})
	}
	for range 10 {
		if err := s.SweepBodies(ctx); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	s.Upkeep(ctx)
	if err := s.SweepBodies(ctx); err != nil {
		t.Error(err)
	}
	wantFiles(t, dir, 1)
	check(t, s)
}

func TestABodyThatIsLostIsCorruption(t *testing.T) {
	dir := t.TempDir()
	s := openWith(t, sqlstore.Config{Dir: dir, Inline: -1})
	createAccount(t, s, "ann")
	deliver(t, s, 2000, store.Target{Account: "ann"})
	files, err := filepath.Glob(filepath.Join(dir, "blob", "?", "??", "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	m := open(t, s, "ann", "INBOX")
	defer m.Close()
	if _, err := m.Content(t.Context(), 1); !errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrNotExist) {
		t.Errorf("Content says %v", err)
	}
	if err := s.Check(t.Context()); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("Check says %v", err)
	}
}

func TestADeletedAccountLeavesNothing(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	s := openWith(t, sqlstore.Config{Dir: dir, Inline: 1000})
	createAccount(t, s, "ann", "a")
	createAccount(t, s, "ben")
	m := open(t, s, "ann", "INBOX")
	fill(t, m, 1500)
	stir(t, m, rand.New(rand.NewPCG(6, 6)), 100)
	m.Close()
	s.Upkeep(ctx)
	deliver(t, s, 5000, store.Target{Account: "ann", Mailbox: "a", Once: "x"})
	if err := s.DeleteAccount(ctx, "ann"); err != nil {
		t.Fatal(err)
	}
	check(t, s)
	s.Upkeep(ctx)
	for _, table := range []string{"message", "content", "body", "snapshot", "removal", "once", "subscription"} {
		wantNumber(t, s, 0, "SELECT count(*) FROM "+table)
	}
	wantNumber(t, s, 1, "SELECT count(DISTINCT account) FROM change")
	wantFiles(t, dir, 0)
	check(t, s)
}

func TestADeliveryIsRememberedForThirtyDays(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openWith(t, sqlstore.Config{Dir: dir})
		createAccount(t, s, "ann")
		to := store.Target{Account: "ann", Once: "x"}
		first := deliver(t, s, 500, to)[0]
		time.Sleep(30*24*time.Hour - time.Minute)
		if again := deliver(t, s, 500, to)[0]; again != first {
			t.Errorf("within thirty days: %+v, want %+v", again, first)
		}
		time.Sleep(2 * time.Hour)
		wantNumber(t, s, 0, "SELECT count(*) FROM once")
		if again := deliver(t, s, 500, to)[0]; again.UID != first.UID+1 {
			t.Errorf("after thirty days: %+v", again)
		}
		closeStore(t, s)
	})
}

func TestOneProcessHasTheStore(t *testing.T) {
	dir := t.TempDir()
	openWith(t, sqlstore.Config{Dir: dir})
	if _, err := sqlstore.Open(t.Context(), dir); !errors.Is(err, sqlite.ErrLocked) {
		t.Errorf("a second Open says %v", err)
	}
}

func TestANewerSchemaIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openWith(t, sqlstore.Config{Dir: dir})
	if err := s.Tamper(t.Context(), "INSERT INTO schema_migration (name, version, applied) VALUES ('store', 1000, '')"); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	if _, err := sqlstore.Open(t.Context(), dir); !errors.Is(err, sqlite.ErrNewer) {
		t.Errorf("Open says %v", err)
	}
}

func TestMailboxesThatNobodyHasOpenAreForgotten(t *testing.T) {
	ctx := t.Context()
	s := openWith(t, sqlstore.Config{Dir: t.TempDir(), CacheMessages: 1000})
	createAccount(t, s, "ann")
	a, err := s.Account(ctx, "ann")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for i := range 12 {
		name := fmt.Sprint("box", i)
		if _, err := a.Create(ctx, store.NewMailbox{Name: name}); err != nil {
			t.Fatal(err)
		}
		m := open(t, s, "ann", name)
		fill(t, m, 400)
		stir(t, m, rand.New(rand.NewPCG(7, uint64(i))), 100)
		want[name] = listing(t, m)
		m.Close()
	}
	s.Upkeep(ctx)
	if n := s.InMemory(); n < 2 || n > 6 {
		t.Errorf("%d mailboxes are in memory", n)
	}
	for name, want := range want {
		m := open(t, s, "ann", name)
		if listing(t, m) != want {
			t.Errorf("%s is another", name)
		}
		m.Close()
	}
	check(t, s)
}

// TestAMailboxMayBeOpenedWhileItChanges opens and forgets a mailbox all the time while
// others deliver into it and change it.
func TestAMailboxMayBeOpenedWhileItChanges(t *testing.T) {
	s := openWith(t, sqlstore.Config{Dir: t.TempDir(), CacheMessages: -1})
	createAccount(t, s, "ann")
	deliver(t, s, 300, store.Target{Account: "ann"})
	var all sync.WaitGroup
	stop := make(chan struct{})
	for w := range 3 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(8, uint64(w)))
			for {
				select {
				case <-stop:
					return
				default:
				}
				deliver(t, s, 300, store.Target{Account: "ann"})
				if w == 0 {
					m := open(t, s, "ann", "INBOX")
					stir(t, m, r, 1)
					m.Close()
				}
			}
		})
	}
	last := store.UID(0)
	for range 100 {
		placed := deliver(t, s, 300, store.Target{Account: "ann", Flags: []store.Flag{"$mine"}})[0]
		m := open(t, s, "ann", "INBOX")
		st, err := m.Status(t.Context())
		if err != nil || st.UIDNext <= placed.UID || st.UIDNext < last || st.HighestModSeq < placed.ModSeq {
			t.Errorf("after a delivery of %+v the status is %+v (%v)", placed, st, err)
		}
		last = st.UIDNext
		m.Close()
	}
	close(stop)
	all.Wait()
	check(t, s)
}
