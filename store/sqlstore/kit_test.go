package sqlstore_test

import (
	"context"
	"sync"
	"testing"

	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/sqlstore"
	"github.com/postrider/postrider/store/storetest"
)

// folders remembers where each store of a kit lies, so that it can be opened again.
type folders struct {
	cfg sqlstore.Config
	mu  sync.Mutex // guards dirs
	dir map[store.Store]string
}

func (f *folders) open(tb testing.TB, dir string) store.Store {
	tb.Helper()
	cfg := f.cfg
	cfg.Dir = dir
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
		"as it comes":            {},
		"all bodies in files":    {Inline: -1},
		"nothing kept in memory": {CacheMessages: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &folders{cfg: cfg}
			storetest.Options{Reopen: f.reopen}.Run(t, f.create)
		})
	}
}
