package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/internal/sqlite/sqlitetest"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/sqlstore"
)

// noisy returns a logger for a store whose disk fails.
func noisy() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// onLayer returns a Config of a store all of which lies on a layer.
func onLayer(dir string, layer *sqlitetest.Layer) sqlstore.Config {
	return sqlstore.Config{Dir: dir, VFS: layer.Name(), Inline: 1 << 30, Logger: noisy()}
}

// TestMemoryAndDiskAgreeAfterFaults has the disk fail at random under load. What is in
// memory must be what the database has, and every promise kept.
func TestMemoryAndDiskAgreeAfterFaults(t *testing.T) {
	layer := sqlitetest.NewLayer(t)
	dir := t.TempDir()
	s := openWith(t, onLayer(dir, layer))
	createAccount(t, s, "ann", "Work")
	createAccount(t, s, "ben", "Work")
	inbox, work := open(t, s, "ann", "INBOX"), open(t, s, "ann", "Work")

	var dice sync.Mutex
	r := rand.New(rand.NewPCG(9, 9))
	faulty := func(sqlitetest.Op) int {
		dice.Lock()
		defer dice.Unlock()
		switch r.IntN(100) {
		case 0, 1:
			return sqlitetest.IOError
		case 2, 3:
			return sqlitetest.Full
		}
		return 0
	}
	kept := map[string]int{}
	failed := 0
	for round := range 8 {
		layer.OnOp(faulty)
		var all sync.WaitGroup
		var mu sync.Mutex
		for w := range 6 {
			all.Go(func() {
				say := func(format string, args ...any) {
					mu.Lock()
					defer mu.Unlock()
					if line := fmt.Sprintf(format, args...); strings.HasPrefix(line, "kept ann") {
						kept[strings.Fields(line)[2]]++
					}
				}
				c := crashWorker{s: s, say: say, r: rand.New(rand.NewPCG(uint64(round), uint64(w)))}
				for n := range 30 {
					if err := c.work(context.Background(), fmt.Sprintf("%d-%d-%d", round, w, n), n); err != nil {
						if postrider.IsPermanent(err) {
							t.Errorf("a fault of the disk is permanent: %v", err)
						}
						mu.Lock()
						failed++
						mu.Unlock()
					}
				}
			})
		}
		all.Wait()
		layer.OnOp(nil)
		deliver(t, s, 300, store.Target{Account: "ben"}) // the writer works again
	}
	if failed == 0 || len(kept) == 0 {
		t.Errorf("%d operations failed, %d were kept: nothing was tried", failed, len(kept))
	}
	wantInbox, wantWork := listing(t, inbox), listing(t, work)
	check(t, s)
	inbox.Close()
	work.Close()
	closeStore(t, s)

	s = openWith(t, sqlstore.Config{Dir: dir, Inline: 1 << 30})
	inbox, work = open(t, s, "ann", "INBOX"), open(t, s, "ann", "Work")
	defer inbox.Close()
	defer work.Close()
	if listing(t, inbox) != wantInbox || listing(t, work) != wantWork {
		t.Error("what was in memory is not what the database has")
	}
	found := readAll(t, s, "ann", "INBOX")
	for id := range kept {
		if found[id] != 1 {
			t.Errorf("%d messages %s", found[id], id)
		}
	}
	t.Logf("%d operations failed, %d messages kept", failed, len(kept))
}

func TestAFullDiskIsTemporaryAndSaysSo(t *testing.T) {
	layer := sqlitetest.NewLayer(t)
	s := openWith(t, onLayer(t.TempDir(), layer))
	createAccount(t, s, "ann")
	layer.OnOp(func(op sqlitetest.Op) int {
		if op.Kind == sqlitetest.Write {
			return sqlitetest.Full
		}
		return 0
	})
	_, err := s.Deliver(t.Context(), postrider.String(mail(1, 300)), []store.Target{{Account: "ann"}})
	if st := postrider.StatusOf(err); st == nil || st.ReplyCode() != 452 || st.EnhancedCode() != "4.3.1" || errors.Is(err, store.ErrOverQuota) {
		t.Errorf("Deliver says %v", err)
	}
	m := open(t, s, "ann", "INBOX")
	defer m.Close()
	if st, err := m.Status(t.Context()); err != nil || st.Messages != 0 || st.UIDNext != 1 {
		t.Errorf("status %+v, %v", st, err)
	}
	layer.OnOp(nil)
	if placed := deliver(t, s, 300, store.Target{Account: "ann"}); placed[0].UID != 1 {
		t.Errorf("placed %+v", placed)
	}
}

// TestAPowerCutLosesNothingThatWasPromised cuts the power at any write or sync of a
// store under load and opens what the disk then has. POSTRIDER_CUTS says how often.
func TestAPowerCutLosesNothingThatWasPromised(t *testing.T) {
	cuts := 60
	if n, err := strconv.Atoi(os.Getenv("POSTRIDER_CUTS")); err == nil {
		cuts = n
	}
	for done := 0; done < cuts && !t.Failed(); {
		done += cutPower(t, min(cuts-done, 30))
	}
}

// powerCut is what a power cut leaves, and what had been promised before it.
type powerCut struct {
	image map[string][]byte
	kept  map[string]map[string]int
}

// cutPower works on a store and takes n images of the disk meanwhile.
func cutPower(t *testing.T, n int) int {
	layer := sqlitetest.NewLayer(t)
	dir := t.TempDir()
	s := openWith(t, onLayer(dir, layer))
	for _, name := range crashAccounts {
		createAccount(t, s, name, "Work")
	}
	var mu sync.Mutex // guards what follows
	kept := map[string]map[string]int{"ann": {}, "ben": {}}
	var cuts []powerCut
	r := rand.New(rand.NewPCG(rand.Uint64(), 0))
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		if f := strings.Fields(fmt.Sprintf(format, args...)); f[0] == "kept" {
			kept[f[1]][f[2]]++
		}
	}
	layer.OnOp(func(sqlitetest.Op) int {
		mu.Lock()
		defer mu.Unlock()
		if r.IntN(12) == 0 && len(cuts) < n {
			c := powerCut{kept: map[string]map[string]int{}}
			for account, ids := range kept {
				c.kept[account] = map[string]int{}
				for id := range ids {
					c.kept[account][id] = 1
				}
			}
			c.image = layer.Image(r)
			cuts = append(cuts, c)
		}
		return 0
	})
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			c := crashWorker{s: s, say: say, r: rand.New(rand.NewPCG(rand.Uint64(), uint64(w)))}
			for i := range 40 {
				if err := c.work(context.Background(), fmt.Sprintf("%d-%d", w, i), i+1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	layer.OnOp(nil)
	closeStore(t, s)
	for _, c := range cuts {
		dir := filepath.Join(t.TempDir(), "s")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, data := range c.image {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		verifyCrash(t, dir, c.kept)
	}
	return len(cuts)
}
