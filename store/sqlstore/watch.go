package sqlstore

import "sync"

// watchers are the functions to call after a change, by account. The zero watchers
// are ready.
type watchers struct {
	mu  sync.Mutex // guards what follows
	all map[int64]map[*watcher]bool
}

// watcher is one call of Watch.
type watcher struct {
	mu      sync.Mutex // guards stopped; held while changed runs
	stopped bool
	changed func()
}

// Watch is the method of store.Watcher.
func (a *account) Watch(changed func()) (stop func()) { return a.s.watch.add(a.id, changed) }

func (w *watchers) add(account int64, changed func()) (stop func()) {
	one := &watcher{changed: changed}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[int64]map[*watcher]bool{}
	}
	if w.all[account] == nil {
		w.all[account] = map[*watcher]bool{}
	}
	w.all[account][one] = true
	return func() {
		w.remove(account, one)
		one.mu.Lock()
		defer one.mu.Unlock()
		one.stopped = true
	}
}

func (w *watchers) remove(account int64, one *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all[account], one)
	if len(w.all[account]) == 0 {
		delete(w.all, account)
	}
}

// notify calls the functions of an account.
func (w *watchers) notify(account int64) {
	w.mu.Lock()
	var all []*watcher
	for one := range w.all[account] {
		all = append(all, one)
	}
	w.mu.Unlock()
	for _, one := range all {
		one.call()
	}
}

func (w *watcher) call() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped {
		w.changed()
	}
}
