package memstore

import (
	"maps"
	"slices"
	"sort"
	"sync"

	"github.com/postrider/postrider/store"
)

// log notes a change of the account and returns its ModSeq. m is nil if it is no
// change of a mailbox.
func (a *account) log(kind store.ChangeKind, m *mailbox, uids store.UIDSet) store.ModSeq {
	a.modSeq++
	c := store.Change{ModSeq: a.modSeq, Kind: kind, UIDs: uids}
	if m != nil {
		c.MailboxID = m.id
		m.modSeq = a.modSeq
	}
	a.changes = append(a.changes, c)
	if a.history >= 0 && len(a.changes) > a.history {
		a.forgotten = a.changes[0].ModSeq
		a.changes = a.changes[1:]
	}
	return a.modSeq
}

// changesSince returns the changes after since. The slice will not change.
func (a *account) changesSince(since store.ModSeq) ([]store.Change, error) {
	if since < a.forgotten {
		return nil, store.ErrForgotten
	}
	i := sort.Search(len(a.changes), func(i int) bool { return a.changes[i].ModSeq > since })
	return a.changes[i:], nil
}

// watchers are the functions to call after a change. The zero watchers are ready.
type watchers struct {
	mu   sync.Mutex // guards what follows; held while the functions run
	last int
	set  map[int]func()
}

// watch adds changed until stop is called.
func (w *watchers) watch(changed func()) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last++
	key := w.last
	if w.set == nil {
		w.set = map[int]func(){}
	}
	w.set[key] = changed
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.set, key)
	}
}

// notify calls them all.
func (w *watchers) notify() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(w.set)) {
		w.set[key]()
	}
}
