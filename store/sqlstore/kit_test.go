package sqlstore_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/sqlstore"
	"github.com/postrider/postrider/store/storetest"
)

// quiet returns a logger for a store that has nothing to repair and no upkeep that fails.
func quiet(tb testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		tb.Errorf("the store logs: %s", p)
		return len(p), nil
	}), nil))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// folders remembers where each store of a kit lies, so that it can be opened again.
type folders struct {
	cfg sqlstore.Config
	mu  sync.Mutex // guards dirs
	dir map[store.Store]string
}

func (f *folders) open(tb testing.TB, dir string) store.Store {
	tb.Helper()
	cfg := f.cfg
	cfg.Dir, cfg.Logger = dir, quiet(tb)
	s, err := sqlstore.OpenConfig(context.Background(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dir == nil {
		f.dir = map[store.Store]string{}
	}
	f.dir[s] = dir
	return s
}

func (f *folders) create(tb testing.TB) store.Store {
	tb.Helper()
	return f.open(tb, tb.TempDir())
}

func (f *folders) reopen(tb testing.TB, closed store.Store) store.Store {
	tb.Helper()
	f.mu.Lock()
	dir := f.dir[closed]
	f.mu.Unlock()
	return f.open(tb, dir)
}

func TestKeepsThePromisesOfAStore(t *testing.T) {
	for name, cfg := range map[string]sqlstore.Config{
		"as it comes": {},
		"all bodies in files, nothing kept in memory": {Inline: -1, CacheMessages: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &folders{cfg: cfg}
			storetest.Options{Reopen: f.reopen}.Run(t, f.create)
		})
	}
}
