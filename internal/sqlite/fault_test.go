package sqlite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/internal/sqlite/sqlitetest"
)

// openOn opens a new database on a layer.
func openOn(t *testing.T, layer *sqlitetest.Layer, change ...func(*sqlite.Config)) *sqlite.DB {
	t.Helper()
	return open(t, append(change, func(c *sqlite.Config) { c.VFS = layer.Name() })...)
}

func TestAFailedCommitFailsAllOfItsOperationsAndNoMore(t *testing.T) {
	for name, fault := range map[string]struct {
		kind sqlitetest.Kind
		code int
	}{
		"the disk fails to sync":  {sqlitetest.Sync, sqlitetest.IOError},
		"the disk fails to write": {sqlitetest.Write, sqlitetest.IOError},
		"the disk is full":        {sqlitetest.Write, sqlitetest.Full},
	} {
		t.Run(name, func(t *testing.T) {
			layer := sqlitetest.NewLayer(t)
			db := openOn(t, layer)
			if err := db.Write(context.Background(), insert("a")); err != nil {
				t.Fatal(err)
			}
			layer.OnOp(func(op sqlitetest.Op) int {
				if op.Kind == fault.kind && strings.HasSuffix(op.File, "-wal") {
					return fault.code
				}
				return 0
			})
			rolledBack := 0
			noting := func(op func(*sqlite.Tx) error) func(*sqlite.Tx) error {
				return func(tx *sqlite.Tx) error {
					tx.OnRollback(func() { rolledBack++ })
					tx.OnCommit(func() { t.Error("OnCommit ran though the commit failed") })
					return op(tx)
				}
			}
			for i, err := range together(db, noting(insert("x")), noting(failing("y")), noting(insert("z"))) {
				if err == nil || fault.code == sqlitetest.Full && i != 1 && !sqlite.IsFull(err) {
					t.Errorf("operation %d returned %v", i, err)
				}
			}
			if rolledBack != 3 {
				t.Errorf("%d of 3 operations rolled back", rolledBack)
			}
			wantNames(t, db, "a")
			layer.OnOp(nil)
			if err := db.Write(context.Background(), insert("b")); err != nil {
				t.Errorf("once the disk is well again: %v", err)
			}
			wantNames(t, db, "a", "b")
		})
	}
}

func TestTheWriterOutlivesAnyFault(t *testing.T) {
	layer := sqlitetest.NewLayer(t)
	db := openOn(t, layer, func(c *sqlite.Config) { c.CheckpointPages = 20 })
	var broken atomic.Bool
	var dice sync.Mutex
	r := rand.New(rand.NewPCG(1, 2))
	layer.OnOp(func(sqlitetest.Op) int {
		dice.Lock()
		defer dice.Unlock()
		if broken.Load() && r.IntN(5) == 0 {
			return []int{sqlitetest.IOError, sqlitetest.Full}[r.IntN(2)]
		}
		return 0
	})
	var kept []string
	for i := range 300 {
		broken.Store(i%10 < 7)
		name := fmt.Sprintf("%04d", i)
		err := db.Write(context.Background(), insert(name))
		if err == nil {
			kept = append(kept, name)
		}
		if err != nil && i%10 == 9 {
			t.Fatalf("with a disk in order, operation %d: %v", i, err)
		}
	}
	broken.Store(false)
	got := names(t, db)
	for _, name := range kept {
		if !slices.Contains(got, name) {
			t.Errorf("%s was promised and is lost", name)
		}
	}
	t.Logf("%d promised, %d there", len(kept), len(got))
}

// TestAPowerCutLosesNothingThatWasPromised cuts the power at any write or sync and
// opens what the disk then has. POSTRIDER_CUTS says how often.
func TestAPowerCutLosesNothingThatWasPromised(t *testing.T) {
	cuts := 300
	if n, err := strconv.Atoi(os.Getenv("POSTRIDER_CUTS")); err == nil {
		cuts = n
	}
	r := rand.New(rand.NewPCG(rand.Uint64(), 0))
	for done := 0; done < cuts && !t.Failed(); {
		done += cutPower(t, r, 20)
	}
}

// cut is what a power cut leaves, and what had been promised before it.
type cut struct {
	image    map[string][]byte
	promised int
}

// cutPower works on a database and takes about n images of the disk meanwhile, each of
// which must open with all that was promised, and with whole operations only.
func cutPower(t *testing.T, r *rand.Rand, n int) int {
	layer := sqlitetest.NewLayer(t)
	cfg := config(t.TempDir())
	cfg.VFS, cfg.CheckpointPages = layer.Name(), 10
	db, err := sqlite.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var promised atomic.Int64
	var cuts []cut
	layer.OnOp(func(sqlitetest.Op) int { // on the writer's goroutine only
		if r.IntN(8) == 0 && len(cuts) < n {
			p := int(promised.Load())
			cuts = append(cuts, cut{layer.Image(r), p})
		}
		return 0
	})
	for i := range 60 {
		// Each operation is two rows, so that half of one can be told.
		if err := db.Write(t.Context(), insert(fmt.Sprintf("%03d a", i), fmt.Sprintf("%03d b", i))); err != nil {
			t.Fatal(err)
		}
		promised.Store(int64(i + 1))
	}
	layer.OnOp(nil)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range cuts {
		verifyCut(t, c)
	}
	return len(cuts)
}

func verifyCut(t *testing.T, c cut) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range c.image {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sqlite.Open(t.Context(), config(dir))
	if err != nil {
		t.Fatalf("after a power cut: %v", err)
	}
	defer db.Close()
	got := names(t, db)
	if len(got)%2 != 0 || len(got) < 2*c.promised {
		t.Errorf("after a power cut there are %d rows, %d were promised", len(got), 2*c.promised)
	}
	for i, name := range got {
		if want := fmt.Sprintf("%03d %c", i/2, 'a'+i%2); name != want {
			t.Errorf("row %d is %q, want %q", i, name, want)
		}
	}
}
