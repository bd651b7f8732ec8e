package sqlstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/internal/durable"
	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/blob"
)

//go:embed schema.sql
var schema1 string

// migrations bring the schema from each version to the next.
var migrations = []string{schema1}

// Config says where the mail is and how to keep it. The zero value of each field but
// Dir is fit for use.
type Config struct {
	// Dir is the folder of the database, mail.db, and of the large bodies, blob. Open
	// makes it, for its owner alone.
	Dir string

	// Blobs keeps the large bodies. Nil means files in Dir.
	Blobs blob.Store

	// Inline is up to which size a body lies in the database, in octets. Zero means
	// DefaultInline; negative means that none does.
	Inline int

	// History is how many changes an account's log keeps at least. Zero means
	// DefaultHistory; negative means all.
	History int

	// CacheMessages is how many messages the mailboxes may have together that are kept
	// in memory though nobody has them open, at 32 octets a message. Zero means
	// DefaultCacheMessages; negative means none.
	CacheMessages int

	// Readers is how many reads of the database run at once. Zero means 4.
	Readers int

	// VFS names a SQLite file layer for tests; see sqlite.Config.
	VFS string

	// Logger gets what happens outside of any call: repairs, and upkeep that failed.
	// Nil means slog.Default().
	Logger *slog.Logger
}

// The defaults of Config.
const (
	DefaultInline        = 32 << 10
	DefaultHistory       = 100_000
	DefaultCacheMessages = 500_000
)

func (c *Config) setDefaults() {
	switch {
	case c.Inline == 0:
		c.Inline = DefaultInline
	case c.Inline < 0:
		c.Inline = -1
	}
	if c.History == 0 {
		c.History = DefaultHistory
	}
	if c.CacheMessages == 0 {
		c.CacheMessages = DefaultCacheMessages
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

// A Store keeps mail in a SQLite database and a folder of files.
type Store struct {
	cfg     Config
	db      *sqlite.DB
	blobs   blob.Store
	watch   watchers
	boxes   boxes
	janitor *janitor

	mu     sync.Mutex // guards closed and Add of calls
	closed bool
	calls  sync.WaitGroup
}

var (
	_ store.Store   = (*Store)(nil)
	_ store.Account = (*account)(nil)
	_ store.Watcher = (*account)(nil)
	_ store.Mailbox = (*mailbox)(nil)
)

// Open opens the store in a folder, as Config{Dir: dir} says.
func Open(ctx context.Context, dir string) (*Store, error) {
	return OpenConfig(ctx, Config{Dir: dir})
}

// OpenConfig opens a store, makes it if it is not there, and migrates its schema. It
// fails with sqlite.ErrNewer where a newer program has migrated it, and while another
// process has it open.
func OpenConfig(ctx context.Context, cfg Config) (*Store, error) {
	cfg.setDefaults()
	if err := durable.MakeFolder(cfg.Dir); err != nil {
		return nil, err
	}
	db, err := sqlite.Open(ctx, sqlite.Config{
		Path: filepath.Join(cfg.Dir, "mail.db"), Schema: "store", Migrations: migrations,
		Readers: cfg.Readers, VFS: cfg.VFS,
	})
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, db: db, blobs: cfg.Blobs}
	if s.blobs == nil {
		// The database's lock keeps others from the folder.
		dir, err := blob.OpenDir(filepath.Join(cfg.Dir, "blob"))
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		s.blobs = dir
	}
	s.boxes.init(s)
	s.janitor = startJanitor(s)
	return s, nil
}

// Close ends the upkeep, writes snapshots of the mailboxes in memory, so that they
// open quickly again, and closes the database.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return store.ErrClosed
	}
	s.closed = true
	s.mu.Unlock()
	s.calls.Wait()
	s.janitor.stop()
	s.boxes.flushAll(context.Background())
	return s.db.Close()
}

// begin notes a call, so that Close waits for its end.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.calls.Add(1)
	return nil
}

func (s *Store) end() { s.calls.Done() }

// read runs f on one state of the database.
func (s *Store) read(ctx context.Context, f func(*sqlite.Conn) error) error {
	return classified(s.db.Read(ctx, f))
}

// write runs f in a transaction and commits it.
func (s *Store) write(ctx context.Context, f func(*tx) error) error {
	return classified(s.db.Write(ctx, func(t *sqlite.Tx) error { return f(&tx{Tx: t, s: s}) }))
}

// classified says of what the disk reports what the caller can act upon. A full disk is
// temporary, and named to the peer (RFC 3463 §3.4, X.3.1).
func classified(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sqlite.ErrClosed):
		return store.ErrClosed
	case sqlite.IsCorrupt(err):
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	case sqlite.IsFull(err), errors.Is(err, syscall.ENOSPC):
		return &postrider.Status{Code: "4.3.1", Text: "not enough storage, try again later", Err: err}
	}
	return err
}

// annotate says in *err, unless it is nil, what failed and where.
func annotate(err *error, op, account, mailbox string) {
	if *err != nil {
		*err = &store.Error{Op: op, Account: account, Mailbox: mailbox, Err: *err}
	}
}

// CreateAccount is the method of store.Store.
func (s *Store) CreateAccount(ctx context.Context, name string, mailboxes ...store.NewMailbox) (err error) {
	defer annotate(&err, "create", name, "")
	if err := store.CheckAccountName(name); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	return s.write(ctx, func(t *tx) error {
		a, err := t.createAccount(name)
		if err != nil {
			return err
		}
		inbox := false
		for _, m := range mailboxes {
			row, err := t.createMailbox(a, m)
			if err != nil {
				return err
			}
			inbox = inbox || row.name == store.Inbox
		}
		if !inbox {
			_, err = t.createMailbox(a, store.NewMailbox{Name: store.Inbox})
		}
		return err
	})
}

// createAccount makes the row.
func (t *tx) createAccount(name string) (accountRow, error) {
	a := accountRow{name: name, tag: newTag()}
	err := t.Returning(`INSERT INTO account (name, tag, uid_validity)
		SELECT ?, ?, max(?, uid_validity) FROM store WHERE true
		ON CONFLICT (name) DO NOTHING RETURNING account`,
		[]any{name, a.tag, time.Now().Unix()}, &a.id)
	if err == sqlite.ErrNoRows {
		return a, store.ErrExist
	}
	return a, err
}

// DeleteAccount is the method of store.Store. The rows of the mail go later, a few at a
// time.
func (s *Store) DeleteAccount(ctx context.Context, name string) (err error) {
	defer annotate(&err, "delete", name, "")
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	return s.write(ctx, func(t *tx) error {
		a, err := t.accountNamed(name)
		if err != nil {
			return err
		}
		t.deleteBoxes(a.id)
		for _, change := range []string{
			`UPDATE store SET uid_validity = max(uid_validity, (SELECT uid_validity FROM account WHERE account = ?))`,
			`INSERT INTO removal (account, mailbox, uids) SELECT account, mailbox, '` + everything + `' FROM mailbox WHERE account = ?`,
			`INSERT INTO removal (account, mailbox, uids) VALUES (?, 0, '` + everything + `')`,
			`DELETE FROM mailbox WHERE account = ?`,
			`DELETE FROM subscription WHERE account = ?`,
			`DELETE FROM account WHERE account = ?`,
		} {
			if _, err := t.Exec(change, a.id); err != nil {
				return err
			}
		}
		t.OnCommit(s.janitor.wake)
		t.notify(a.id)
		return nil
	})
}

// Accounts is the method of store.Store.
func (s *Store) Accounts(ctx context.Context) iter.Seq2[string, error] {
	const page = 1000
	return func(yield func(string, error) bool) {
		for last, more := "", true; more; {
			names, err := s.accountNames(ctx, last, page)
			if err != nil {
				annotate(&err, "list accounts", "", "")
				yield("", err)
				return
			}
			for _, name := range names {
				if !yield(name, nil) {
					return
				}
				last = name
			}
			more = len(names) == page
		}
	}
}

func (s *Store) accountNames(ctx context.Context, after string, limit int) (names []string, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end()
	err = s.read(ctx, func(c *sqlite.Conn) error {
		rows := c.Query(`SELECT name FROM account WHERE name > ? ORDER BY name LIMIT ?`, after, limit)
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			names = append(names, name)
		}
		return rows.Err()
	})
	return names, err
}

// Account is the method of store.Store. Every Account is a store.Watcher.
func (s *Store) Account(ctx context.Context, name string) (_ store.Account, err error) {
	defer annotate(&err, "open", name, "")
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end()
	var row accountRow
	err = s.read(ctx, func(c *sqlite.Conn) (err error) {
		row, err = accountNamed(c, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &account{s: s, accountRow: row}, nil
}
