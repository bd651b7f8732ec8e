package sqlstore

import (
	"context"

	"github.com/postrider/postrider/internal/sqlite"
)

// SnapshotAfter and the like are the bounds that tests stay near.
const (
	SnapshotAfter   = saveAfter
	SnapshotAtClose = saveAtClose
	ChunkLen        = chunkLen
)

// Tamper changes the database behind the store's back.
func (s *Store) Tamper(ctx context.Context, text string, args ...any) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.Exec(text, args...)
		return err
	})
}

// Number returns the number that a query yields.
func (s *Store) Number(ctx context.Context, query string, args ...any) (n int, err error) {
	err = s.read(ctx, func(c *sqlite.Conn) error { return c.QueryRow(query, args...).Scan(&n) })
	return n, err
}

// Upkeep does what the janitor has to do.
func (s *Store) Upkeep(ctx context.Context) { s.janitor.work(ctx) }

// Stats returns what the writer did.
func (s *Store) Stats() sqlite.Stats { return s.db.Stats() }

// InMemory returns how many mailboxes are in memory.
func (s *Store) InMemory() int {
	s.boxes.mu.Lock()
	defer s.boxes.mu.Unlock()
	return len(s.boxes.byKey)
}
