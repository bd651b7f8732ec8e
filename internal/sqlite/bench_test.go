package sqlite_test

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/postrider/postrider/internal/sqlite"
)

var benchSchema = []string{`
CREATE TABLE box (account INTEGER NOT NULL, box INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (account, box)) WITHOUT ROWID;
CREATE TABLE row (account INTEGER NOT NULL, box INTEGER NOT NULL, id INTEGER NOT NULL, data BLOB, PRIMARY KEY (account, box, id)) WITHOUT ROWID;
CREATE TABLE log (account INTEGER NOT NULL, box INTEGER NOT NULL, id INTEGER NOT NULL, what TEXT NOT NULL, PRIMARY KEY (account, box, id)) WITHOUT ROWID;
CREATE TABLE body (id INTEGER PRIMARY KEY, data BLOB);
INSERT INTO box VALUES (1, 1, 1);
`}

// BenchmarkWrite is a delivery's worth of changes: a counter, a row of 200 octets, a
// log entry and a body of 4 KiB.
func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(map[int]string{1: "1", 16: "16", 64: "64"}[writers], func(b *testing.B) {
			db, err := sqlite.Open(context.Background(), sqlite.Config{
				Path: filepath.Join(b.TempDir(), "db"), Schema: "bench", Migrations: benchSchema,
			})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			row, body := make([]byte, 200), make([]byte, 4096)
			rand.Read(row)
			rand.Read(body)
			var left atomic.Int64
			left.Store(int64(b.N))
			done := make(chan error)
			b.ResetTimer()
			for range writers {
				go func() {
					var err error
					for err == nil && left.Add(-1) >= 0 {
						err = db.Write(context.Background(), func(tx *sqlite.Tx) error {
							var id int64
							err := tx.Returning("UPDATE box SET next = next + 1 WHERE account = ? AND box = ? RETURNING next", []any{1, 1}, &id)
							if err != nil {
								return err
							}
							if _, err = tx.Exec("INSERT INTO body (data) VALUES (?)", body); err != nil {
								return err
							}
							if _, err = tx.Exec("INSERT INTO row VALUES (?, ?, ?, ?)", 1, 1, id, row); err != nil {
								return err
							}
							_, err = tx.Exec("INSERT INTO log VALUES (?, ?, ?, ?)", 1, 1, id, "1234")
							return err
						})
					}
					done <- err
				}()
			}
			for range writers {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			s := db.Stats()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
			b.ReportMetric(float64(s.Operations)/float64(s.Commits), "ops/commit")
		})
	}
}
