package sqlstore

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/blob"
)

// janitor does what need not be done at once: it removes rows of messages that are
// gone and files that no row names, writes snapshots, cuts the log, forgets old names of
// deliveries and mailboxes that nobody has open.
type janitor struct {
	s      *Store
	cancel context.CancelFunc
	ended  sync.WaitGroup
	woken  chan struct{}

	working sync.Mutex // held by work

	mu    sync.Mutex // guards what follows: what is to be done
	saves map[boxKey]bool
	trims map[int64]bool
	files map[blob.Key]bool
}

// upkeep is how often the janitor looks for what no call tells it of.
const upkeep = time.Hour

func startJanitor(s *Store) *janitor {
	ctx, cancel := context.WithCancel(context.Background())
	j := &janitor{
		s: s, cancel: cancel, woken: make(chan struct{}, 1),
		saves: map[boxKey]bool{}, trims: map[int64]bool{}, files: map[blob.Key]bool{},
	}
	j.ended.Go(func() { j.run(ctx) })
	return j
}

// stop ends the janitor, and waits for it. What is left to do is done after the next
// Open.
func (j *janitor) stop() {
	j.cancel()
	j.ended.Wait()
}

// wake has the janitor look for work.
func (j *janitor) wake() {
	select {
	case j.woken <- struct{}{}:
	default:
	}
}

// save asks for a snapshot of a mailbox.
func (j *janitor) save(key boxKey) {
	j.mu.Lock()
	j.saves[key] = true
	j.mu.Unlock()
	j.wake()
}

// trim asks to cut an account's log.
func (j *janitor) trim(account int64) {
	j.mu.Lock()
	j.trims[account] = true
	j.mu.Unlock()
	j.wake()
}

// removeFiles asks to remove files unless some row names them.
func (j *janitor) removeFiles(keys []blob.Key) {
	j.mu.Lock()
	for _, key := range keys {
		j.files[key] = true
	}
	j.mu.Unlock()
	j.wake()
}

// take returns and clears one of the janitor's lists.
func take[K comparable](j *janitor, list *map[K]bool) map[K]bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := *list
	*list = map[K]bool{}
	return out
}

// run works until ctx is done.
func (j *janitor) run(ctx context.Context) {
	tick := time.NewTicker(upkeep)
	defer tick.Stop()
	j.begin(ctx)
	for {
		j.work(ctx)
		select {
		case <-ctx.Done():
			return
		case <-j.woken:
		case <-tick.C:
			j.s.report("forget deliveries", j.s.forgetDeliveries(ctx))
		}
	}
}

// begin does what may have been left by the process before.
func (j *janitor) begin(ctx context.Context) {
	j.s.report("forget deliveries", j.s.forgetDeliveries(ctx))
	j.s.report("sweep bodies", j.s.SweepBodies(ctx))
}

// work does what is to be done now.
func (j *janitor) work(ctx context.Context) {
	j.working.Lock()
	defer j.working.Unlock()
	for key := range take(j, &j.saves) {
		j.s.report("save snapshot", j.s.saveSnapshot(ctx, key))
	}
	for account := range take(j, &j.trims) {
		j.s.report("cut log", j.s.trimLog(ctx, account))
	}
	j.s.report("remove messages", j.s.removeAll(ctx))
	for key := range take(j, &j.files) {
		_, err := j.s.blobs.Delete(ctx, key, j.s.fileInUse(key))
		j.s.report("remove body", err)
	}
	j.s.boxes.evict(ctx)
}

// report logs an error of the upkeep, unless the store is closing.
func (s *Store) report(what string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		s.cfg.Logger.Error("store upkeep failed", "task", what, "dir", s.cfg.Dir, "err", err)
	}
}

// saveSnapshot saves the snapshot of a mailbox, in memory or not.
func (s *Store) saveSnapshot(ctx context.Context, key boxKey) error {
	b, err := s.boxes.acquire(ctx, key)
	if errors.Is(err, store.ErrNotExist) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	defer b.release()
	if t := b.published.Load(); t.unsaved == 0 || t.deletedMailbox {
		return nil
	}
	return b.save(ctx)
}

// forgetDeliveries removes the names of deliveries that are too old to matter.
func (s *Store) forgetDeliveries(ctx context.Context) error {
	return s.repeat(ctx, func(t *tx) (bool, error) {
		r, err := t.Exec(`DELETE FROM once WHERE (account, name) IN (SELECT account, name FROM once WHERE delivered <= ? LIMIT ?)`,
			time.Now().Add(-onceFor).Unix(), step)
		return r.Changed() == step, err
	})
}

// step is how many rows the upkeep changes in one operation, so that those of callers
// need not wait long.
const step = 500

// repeat runs f, an operation each time, until it reports that nothing is left.
func (s *Store) repeat(ctx context.Context, f func(*tx) (more bool, err error)) error {
	for more := true; more; {
		err := s.write(ctx, func(t *tx) (err error) {
			more, err = f(t)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tooLong reports whether a log of that many entries is to be cut. It is cut a good
// piece at a time.
func (s *Store) tooLong(entries int64) bool {
	limit := int64(s.cfg.History)
	return limit >= 0 && entries > limit+limit/8 && (entries-limit)%max(limit/8, 1) == 1
}

// trimLog cuts the log of an account to Config.History entries. What the snapshots lack
// is saved before.
func (s *Store) trimLog(ctx context.Context, account int64) error {
	var upTo int64
	var lacking []boxKey
	err := s.read(ctx, func(c *sqlite.Conn) error {
		err := c.QueryRow(`SELECT mod_seq - ? FROM account WHERE account = ?`, s.cfg.History, account).Scan(&upTo)
		if err != nil {
			return err
		}
		lacking, err = lackingUpTo(c, account, upTo)
		return err
	})
	if err == sqlite.ErrNoRows {
		return nil
	}
	for _, key := range lacking {
		if err == nil {
			err = s.saveSnapshot(ctx, key)
		}
	}
	if err != nil {
		return err
	}
	return s.repeat(ctx, func(t *tx) (bool, error) { return t.trimLog(account, upTo) })
}

// lackingUpTo returns the mailboxes whose snapshots lack a change of flags or a removal
// up to a ModSeq.
func lackingUpTo(q querier, account, upTo int64) ([]boxKey, error) {
	rows := q.Query(`SELECT DISTINCT c.mailbox FROM change c JOIN mailbox m ON m.account = c.account AND m.mailbox = c.mailbox
		WHERE c.account = ? AND c.mod_seq <= ? AND c.kind IN (?, ?) AND c.mod_seq > m.snapshot_mod_seq`,
		account, upTo, int(store.MessagesFlagged), int(store.MessagesVanished))
	defer rows.Close()
	var keys []boxKey
	for rows.Next() {
		key := boxKey{account: account}
		if err := rows.Scan(&key.mailbox); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}

// trimLog removes some entries, the oldest first.
func (t *tx) trimLog(account, upTo int64) (more bool, err error) {
	var forgotten int64
	err = t.Returning(`UPDATE account SET forgotten = min(max(forgotten, ?), forgotten + ?) WHERE account = ? RETURNING forgotten`,
		[]any{upTo, step, account}, &forgotten)
	if err == sqlite.ErrNoRows {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// Whoever changed a mailbox since has a greater ModSeq; and snapshots never go back.
	if lacking, err := lackingUpTo(t, account, forgotten); err != nil || len(lacking) > 0 {
		return false, errors.Join(err, errLacking(lacking))
	}
	_, err = t.Exec(`DELETE FROM change WHERE account = ? AND mod_seq <= ?`, account, forgotten)
	return forgotten < upTo, err
}

func errLacking(keys []boxKey) error {
	if len(keys) == 0 {
		return nil
	}
	return errors.New("a snapshot still lacks what the log has")
}
