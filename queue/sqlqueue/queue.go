package sqlqueue

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/internal/durable"
	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/store/blob"
)

//go:embed schema.sql
var schema1 string

// migrations bring the schema from each version to the next.
var migrations = []string{schema1}

// DefaultInline is up to which size a body lies in the database, in octets.
const DefaultInline = 64 << 10

// Config says where the queue is and how to keep it. The zero value of each field but
// Dir is fit for use.
type Config struct {
	// Dir is the folder of the database, queue.db, and of the large bodies, blob. Open
	// makes it, for its owner alone.
	Dir string

	// Blobs keeps the large bodies, and nobody else's. Nil means files in Dir.
	Blobs blob.Store

	// Inline is up to which size a body lies in the database, in octets. Zero means
	// DefaultInline; negative means that none does.
	Inline int

	// Readers is how many reads of the database run at once. Zero means 4.
	Readers int

	// Logger gets what happens outside of any call: bodies that could not be removed. Nil
	// means slog.Default.
	Logger *slog.Logger
}

// A Queue keeps messages in a SQLite database and a folder of files. Use Open.
type Queue struct {
	cfg   Config
	name  string
	db    *sqlite.DB
	blobs blob.Store
	notes notes
	// claims makes tokens. It begins at random, so that a token of an earlier process is none.
	claims atomic.Int64

	sweeping   sync.WaitGroup
	stopSweeps context.CancelFunc

	mu     sync.Mutex // guards closed and Add of calls
	closed bool
	calls  sync.WaitGroup
}

var (
	_ queue.Queue    = (*Queue)(nil)
	_ queue.Notifier = (*Queue)(nil)
)

// Open opens the queue in a folder, as OpenConfig does for Config{Dir: dir}.
func Open(ctx context.Context, dir string) (*Queue, error) {
	return OpenConfig(ctx, Config{Dir: dir})
}

// OpenConfig opens a queue, makes it if it is not there, and migrates its schema. It fails where a
// newer program has migrated it, and while another process has it open.
func OpenConfig(ctx context.Context, cfg Config) (*Queue, error) {
	switch {
	case cfg.Inline == 0:
		cfg.Inline = DefaultInline
	case cfg.Inline < 0:
		cfg.Inline = -1
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if err := durable.MakeFolder(cfg.Dir); err != nil {
		return nil, err
	}
	db, err := sqlite.Open(ctx, sqlite.Config{
		Path: filepath.Join(cfg.Dir, "queue.db"), Schema: "queue", Migrations: migrations, Readers: cfg.Readers,
	})
	if err != nil {
		return nil, err
	}
	q := &Queue{cfg: cfg, db: db, blobs: cfg.Blobs}
	if err := q.start(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return q, nil
}

func (q *Queue) start(ctx context.Context) error {
	if q.blobs == nil {
		// The database's lock keeps others from the folder.
		dir, err := blob.OpenDir(filepath.Join(q.cfg.Dir, "blob"))
		if err != nil {
			return err
		}
		q.blobs = dir
	}
	err := q.db.Read(ctx, func(c *sqlite.Conn) error {
		return c.QueryRow("SELECT name FROM queue").Scan(&q.name)
	})
	if err != nil {
		return err
	}
	q.claims.Store(rand.Int64())
	sweeps, stop := context.WithCancel(context.Background())
	q.stopSweeps = stop
	q.sweeping.Go(func() { q.sweep(sweeps) })
	return nil
}

// Close implements queue.Queue.
func (q *Queue) Close() error {
	q.mu.Lock()
	closed := q.closed
	q.closed = true
	q.mu.Unlock()
	q.calls.Wait()
	if closed {
		return nil
	}
	q.stopSweeps()
	q.sweeping.Wait()
	return q.db.Close()
}

// begin notes a call, so that Close waits for its end.
func (q *Queue) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return queue.ErrClosed
	}
	q.calls.Add(1)
	return nil
}

func (q *Queue) end() { q.calls.Done() }

// write runs f in a transaction and commits it.
func (q *Queue) write(ctx context.Context, f func(*tx) error) error {
	return classified(q.db.Write(ctx, func(t *sqlite.Tx) error { return f(&tx{Tx: t}) }))
}

// read runs f on one state of the database.
func (q *Queue) read(ctx context.Context, f func(*sqlite.Conn) error) error {
	return classified(q.db.Read(ctx, f))
}

// tx is a transaction on the tables of the queue.
type tx struct{ *sqlite.Tx }

// classified says of what the database reports what a sender can act upon.
func classified(err error) error {
	if err != nil && sqlite.IsFull(err) {
		return &postrider.Status{Code: "4.3.1", Text: "no room for mail now", Err: err}
	}
	return err
}

// id returns the ID of a message by its number.
func (q *Queue) id(number int64) queue.ID {
	return queue.ID(q.name + "-" + strconv.FormatInt(number, 36))
}

// number is the reverse of id. It reports false for what is no ID of this queue.
func (q *Queue) number(id queue.ID) (int64, bool) {
	_, digits, _ := strings.Cut(string(id), "-")
	n, err := strconv.ParseInt(digits, 36, 64)
	return n, err == nil && n > 0 && q.id(n) == id
}

// A claim is what a token says.
type claim struct{ message, hop, number int64 }

func (c claim) token() queue.Token {
	return queue.Token(fmt.Sprintf("%d.%d.%d", c.message, c.hop, c.number))
}

func parseToken(t queue.Token) (c claim, ok bool) {
	n, err := fmt.Sscanf(string(t), "%d.%d.%d", &c.message, &c.hop, &c.number)
	return c, err == nil && n == 3 && c.token() == t
}

// micro is a time as the tables have it.
func micro(t time.Time) int64 { return t.UnixMicro() }

// when is the reverse of micro.
func when(us int64) time.Time { return time.UnixMicro(us) }
