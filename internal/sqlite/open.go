package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	driver "modernc.org/sqlite"
)

// Errors of Open and of a closed DB, found with errors.Is.
var (
	// ErrClosed means that the database is closed.
	ErrClosed = errors.New("database is closed")
	// ErrNewer means that a newer program has migrated the database.
	ErrNewer = errors.New("database schema is newer than this program")
	// ErrLocked means that another process has the database open.
	ErrLocked = errors.New("database is in use by another process")
)

// Config says which database to open and how.
type Config struct {
	// Path is the database's file. Its folder must be there. SQLite puts two files
	// of the same name with -wal and -shm beside it, and Open one with -lock.
	Path string
	// Schema names the list of migrations, so that several may share a database.
	Schema string
	// Migrations[i] is SQL, possibly many statements, that brings the schema from
	// version i to i+1. Entries are only ever appended.
	Migrations []string

	// Readers is how many Reads may run at once. Zero means 4.
	Readers int
	// Batch is how many operations share a commit at most. Zero means 256.
	Batch int
	// Queue is how many operations may wait for the writer before Write waits even to
	// queue. Zero means 1,024.
	Queue int
	// CacheKiB is the page cache of the writer; each reader has a quarter of it. Zero
	// means 16 MiB. It is taken as it is needed.
	CacheKiB int
	// CheckpointPages is after how many pages of 4 KiB the log is copied into the
	// database. Zero means 4,000.
	CheckpointPages int
	// VFS names a SQLite file layer that was registered with the driver. Empty means the
	// operating system's. Tests put one there that fails or forgets.
	VFS string
}

// DB is an open database.
type DB struct {
	cfg    Config
	lock   *os.File
	writer *writer

	// readers holds a ticket for each Read that may start: a connection, or nil for one
	// to be opened.
	readers chan *Conn

	mu     sync.Mutex // guards closed and Add of busy
	closed bool
	busy   sync.WaitGroup // calls of Read and Write
}

// Open opens the database, creates it if it is not there, and migrates it.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	cfg.setDefaults()
	lock, err := lockFile(cfg.Path + "-lock")
	if err != nil {
		return nil, err
	}
	db := &DB{cfg: cfg, lock: lock, readers: make(chan *Conn, cfg.Readers)}
	conn, err := db.prepare(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", cfg.Path, err), lock.Close())
	}
	for range cfg.Readers {
		db.readers <- nil
	}
	db.writer = newWriter(&db.cfg, conn)
	go db.writer.run()
	return db, nil
}

func (c *Config) setDefaults() {
	c.Readers = orDefault(c.Readers, 4)
	c.Batch = orDefault(c.Batch, 256)
	c.Queue = orDefault(c.Queue, 1024)
	c.CacheKiB = orDefault(c.CacheKiB, 16<<10)
	c.CheckpointPages = orDefault(c.CheckpointPages, 4000)
}

func orDefault(n, standard int) int {
	if n <= 0 {
		return standard
	}
	return n
}

// prepare connects for writing, migrates, and makes the new file's name durable.
func (db *DB) prepare(ctx context.Context) (*Conn, error) {
	if err := db.cfg.create(); err != nil {
		return nil, err
	}
	conn, err := connect(ctx, &db.cfg, true)
	if err != nil {
		return nil, err
	}
	err = conn.verify()
	if err == nil {
		err = conn.migrate(db.cfg.Schema, db.cfg.Migrations)
	}
	if err == nil && db.cfg.VFS == "" {
		err = syncDir(filepath.Dir(db.cfg.Path))
	}
	if err != nil {
		return nil, errors.Join(err, conn.close())
	}
	return conn, nil
}

// create makes the file for its owner only; SQLite gives those beside it the same
// mode.
func (c *Config) create() error {
	if c.VFS != "" {
		return nil
	}
	f, err := os.OpenFile(c.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// connect opens one connection. The driver ignores what is not in its _pragma form.
func connect(ctx context.Context, cfg *Config, writing bool) (*Conn, error) {
	cache := cfg.CacheKiB
	if !writing {
		cache /= 4
	}
	pragmas := []string{
		"busy_timeout(10000)",
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"temp_store(MEMORY)",
		"foreign_keys(0)",
		fmt.Sprintf("cache_size(-%d)", cache),
		fmt.Sprintf("wal_autocheckpoint(%d)", cfg.CheckpointPages),
	}
	if !writing {
		pragmas = append(pragmas, "query_only(1)")
	}
	query := url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}
	if cfg.VFS != "" {
		query.Set("vfs", cfg.VFS)
	}
	dsn := "file:" + (&url.URL{Path: cfg.Path}).EscapedPath() + "?" + query.Encode()
	connector, err := driver.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	raw, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return newConn(raw)
}

// verify reads back what durability hangs on.
func (c *Conn) verify() error {
	var mode string
	var synchronous int64
	err := errors.Join(
		c.QueryRow("PRAGMA journal_mode").Scan(&mode),
		c.QueryRow("PRAGMA synchronous").Scan(&synchronous))
	if err != nil {
		return err
	}
	if !strings.EqualFold(mode, "wal") || synchronous < 2 {
		return fmt.Errorf("not durable: journal_mode %s, synchronous %d", mode, synchronous)
	}
	return nil
}

// begin notes a call, so that Close waits for it.
func (db *DB) begin() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return ErrClosed
	}
	db.busy.Add(1)
	return nil
}

// Read calls f with a connection that sees one state of the database, whatever is
// committed meanwhile. It waits while too many Reads run, so f must not call
// Read. f should be short: the log cannot be cut while it runs.
func (db *DB) Read(ctx context.Context, f func(*Conn) error) error {
	if err := db.begin(); err != nil {
		return err
	}
	defer db.busy.Done()
	var conn *Conn
	select {
	case conn = <-db.readers:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { db.readers <- conn }()
	if conn == nil {
		var err error
		if conn, err = connect(ctx, &db.cfg, false); err != nil {
			return err
		}
	}
	conn.ctx = ctx
	err := conn.snapshot(f)
	if conn.broken {
		conn.close() // its error is f's
		conn = nil
	}
	return err
}

// snapshot runs f in a transaction that ends whatever f does.
func (c *Conn) snapshot(f func(*Conn) error) error {
	if err := c.exec("BEGIN"); err != nil {
		c.broken = true
		return err
	}
	defer func() {
		if err := c.exec("COMMIT"); err != nil {
			c.broken = true
		}
	}()
	return f(c)
}

// Write calls f with a transaction and commits it, together with those of other
// callers, or rolls back what f did if it returns an error. When Write returns nil
// the change is on stable storage and every later Read sees it.
//
// If ctx ends before f begins, f never runs and Write returns the context's
// error. Once begun, Write tells how it ended. f runs on the writer's goroutine, where
// all others wait for it: it must not block, nor call the DB. If it panics, its
// changes are undone and Write panics.
func (db *DB) Write(ctx context.Context, f func(*Tx) error) error {
	if err := db.begin(); err != nil {
		return err
	}
	defer db.busy.Done()
	return db.writer.do(ctx, f)
}

// Stats counts what the writer did since Open.
type Stats struct {
	// Operations that committed, and Commits that carried them.
	Operations, Commits int64
}

// Stats returns the writer's counts.
func (db *DB) Stats() Stats {
	return Stats{
		Operations: db.writer.operations.Load(),
		Commits:    db.writer.commits.Load(),
	}
}

// Close waits for the calls under way, copies the log into the database and closes
// it. Later calls return ErrClosed; so does a second Close.
func (db *DB) Close() error {
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return ErrClosed
	}
	db.closed = true
	db.mu.Unlock()
	db.busy.Wait()

	var errs []error
	for range cap(db.readers) {
		if conn := <-db.readers; conn != nil {
			errs = append(errs, conn.close())
		}
	}
	errs = append(errs, db.writer.close(), db.lock.Close())
	return errors.Join(errs...)
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// slow is when a batch has run long enough to be committed, though more is queued.
const slow = 20 * time.Millisecond
