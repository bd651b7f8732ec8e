package sqlstore

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
)

// boxKey names a mailbox: the account's number, and the mailbox's within it.
type boxKey struct{ account, mailbox int64 }

// box is a mailbox in memory, shared by all who have it open.
type box struct {
	key boxKey
	all *boxes

	// published is the table as of the last commit.
	published atomic.Pointer[table]

	// head is the table as of the operation that ran last. It and sets are for the
	// writer's goroutine only, once attached.
	head *table
	sets flagSets

	// loading has an element while nobody loads the box.
	loading chan struct{}

	// Guarded by boxes.mu.
	refs     int
	attached bool          // follows the changes
	idle     *list.Element // in boxes.idle while refs is 0
	weight   int           // what it counts as while idle

	saved saved // what is on disk
}

// boxes are the mailboxes in memory: those somebody has open, and some more.
type boxes struct {
	s *Store

	mu     sync.Mutex // guards what follows, and the fields of box that say so
	byKey  map[boxKey]*box
	idle   *list.List // of *box, the one left last in front
	unused int        // messages in idle boxes
}

func (bs *boxes) init(s *Store) {
	bs.s, bs.byKey, bs.idle = s, map[boxKey]*box{}, list.New()
}

// acquire returns the mailbox, loaded, for the caller to release.
func (bs *boxes) acquire(ctx context.Context, key boxKey) (*box, error) {
	b := bs.take(key)
	if b.published.Load() != nil {
		return b, nil
	}
	err := b.load(ctx)
	if err != nil {
		b.release()
		return nil, err
	}
	return b, nil
}

// take counts a user of the box.
func (bs *boxes) take(key boxKey) *box {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b := bs.byKey[key]
	if b == nil {
		b = &box{key: key, all: bs, loading: make(chan struct{}, 1)}
		b.loading <- struct{}{}
		bs.byKey[key] = b
	}
	b.refs++
	if b.idle != nil {
		bs.idle.Remove(b.idle)
		bs.unused -= b.weight
		b.idle = nil
	}
	return b
}

// release gives the box back. It stays in memory while there is room.
func (b *box) release() {
	bs := b.all
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b.refs--
	t := b.published.Load()
	switch {
	case b.refs > 0:
		return
	case bs.byKey[b.key] != b:
		return
	case t == nil || t.deletedMailbox:
		delete(bs.byKey, b.key)
		return
	}
	b.idle, b.weight = bs.idle.PushFront(b), t.Messages+boxWeight
	bs.unused += b.weight
	if t.unsaved >= saveAtClose {
		bs.s.janitor.save(b.key)
	}
	if bs.unused > bs.s.cfg.CacheMessages {
		bs.s.janitor.wake()
	}
}

// boxWeight is what an idle box counts as beside its messages.
const boxWeight = 16

// evict forgets idle boxes, those left longest ago first, until they are few enough.
// One that has much to save is saved first.
func (bs *boxes) evict(ctx context.Context) {
	for {
		bs.mu.Lock()
		last := bs.idle.Back()
		if last == nil || bs.unused <= bs.s.cfg.CacheMessages {
			bs.mu.Unlock()
			return
		}
		b := last.Value.(*box)
		bs.idle.Remove(last)
		bs.unused -= b.weight
		b.idle = nil
		b.refs++ // ours, while we save it
		bs.mu.Unlock()

		if t := b.published.Load(); t.unsaved >= saveAtClose && !t.deletedMailbox {
			bs.s.report("save snapshot", b.save(ctx))
		}
		bs.mu.Lock()
		b.refs--
		if b.refs == 0 && b.idle == nil {
			delete(bs.byKey, b.key)
		}
		bs.mu.Unlock()
	}
}

// attached returns the box if it follows the changes, else nil.
func (bs *boxes) attached(key boxKey) *box {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if b := bs.byKey[key]; b != nil && b.attached {
		return b
	}
	return nil
}

// ofAccount returns all boxes of an account that follow the changes.
func (bs *boxes) ofAccount(account int64) []*box {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	var out []*box
	for key, b := range bs.byKey {
		if key.account == account && b.attached {
			out = append(out, b)
		}
	}
	return out
}

// attach makes the box follow the changes from what was loaded on.
func (b *box) attach(t *tx, l *loader) error {
	b.saved.set(l.saved, l.table.packing)
	if l.damaged {
		b.all.s.cfg.Logger.Warn("mailbox rebuilt from rows and log", "account", b.key.account, "mailbox", l.row.name)
		l.table.unsaved = max(l.table.unsaved, saveAtClose)
		b.saved.set(l.saved, l.table.packing-1) // what is on disk goes all at once
		t.OnCommit(func() { b.all.s.janitor.save(b.key) })
	}
	if l.corrected {
		st := l.table.Status
		b.all.s.cfg.Logger.Warn("mailbox sums corrected", "account", b.key.account, "mailbox", l.row.name)
		_, err := t.Exec(`UPDATE mailbox SET messages = ?, unseen = ?, deleted = ?, size = ?, recent = ? WHERE account = ? AND mailbox = ?`,
			st.Messages, st.Unseen, st.Deleted, st.Size, st.Recent, b.key.account, b.key.mailbox)
		if err != nil {
			return err
		}
	}
	b.head, b.sets = l.table, l.sets
	b.setAttached(true)
	t.OnRollback(func() { b.setAttached(false) })
	t.OnCommit(func() { b.published.Store(l.table) })
	return nil
}

func (b *box) setAttached(attached bool) {
	b.all.mu.Lock()
	defer b.all.mu.Unlock()
	b.attached = attached
}

// flushAll saves all boxes that have enough to save. Nothing is lost if that fails.
func (bs *boxes) flushAll(ctx context.Context) {
	bs.mu.Lock()
	var all []*box
	for _, b := range bs.byKey {
		if b.attached {
			all = append(all, b)
		}
	}
	bs.mu.Unlock()
	for _, b := range all {
		if b.published.Load().unsaved >= saveAtClose {
			bs.s.report("save snapshot", b.save(ctx))
		}
	}
}
