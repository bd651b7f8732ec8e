package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/internal/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var schema = []string{`CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, data BLOB)`}

func config(dir string) sqlite.Config {
	return sqlite.Config{Path: filepath.Join(dir, "test.db"), Schema: "test", Migrations: schema}
}

// open opens a new database until the end of the test.
func open(t *testing.T, change ...func(*sqlite.Config)) *sqlite.DB {
	t.Helper()
	cfg := config(t.TempDir())
	for _, c := range change {
		c(&cfg)
	}
	db, err := sqlite.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil && err != sqlite.ErrClosed {
			t.Error(err)
		}
	})
	return db
}

// insert returns an operation that inserts names.
func insert(names ...string) func(*sqlite.Tx) error {
	return func(tx *sqlite.Tx) error {
		for _, name := range names {
			if _, err := tx.Exec("INSERT INTO item (name) VALUES (?)", name); err != nil {
				return err
			}
		}
		return nil
	}
}

// names returns what is committed, in order.
func names(t *testing.T, db *sqlite.DB) []string {
	t.Helper()
	var all []string
	err := db.Read(context.Background(), func(c *sqlite.Conn) error {
		rows := c.Query("SELECT name FROM item ORDER BY name")
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			all = append(all, name)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantNames(t *testing.T, db *sqlite.DB, want ...string) {
	t.Helper()
	if got := names(t, db); !slices.Equal(got, want) {
		t.Errorf("the database has %q, want %q", got, want)
	}
}

// together runs operations in one batch: the writer is busy until all are queued. It
// returns their errors.
func together(db *sqlite.DB, ops ...func(*sqlite.Tx) error) []error {
	busy, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		db.Write(context.Background(), func(*sqlite.Tx) error {
			close(busy)
			<-release
			return nil
		})
	})
	<-busy
	errs := make([]error, len(ops))
	for i, op := range ops {
		all.Go(func() { errs[i] = db.Write(context.Background(), op) })
		for db.Queued() < i+1 {
			runtime.Gosched()
		}
	}
	close(release)
	all.Wait()
	return errs
}

func TestOperationsThatGatherShareACommit(t *testing.T) {
	db := open(t)
	before := db.Stats()
	var ops []func(*sqlite.Tx) error
	for i := range 50 {
		ops = append(ops, insert(fmt.Sprintf("%02d", i)))
	}
	if err := errors.Join(together(db, ops...)...); err != nil {
		t.Fatal(err)
	}
	if got := db.Stats().Commits - before.Commits; got != 1 {
		t.Errorf("%d commits, want 1", got)
	}
	if got := len(names(t, db)); got != 50 {
		t.Errorf("%d rows, want 50", got)
	}
}

func TestNoMoreThanBatchOperationsShareACommit(t *testing.T) {
	db := open(t, func(c *sqlite.Config) { c.Batch = 4 })
	before := db.Stats()
	if err := errors.Join(together(db, insert("a"), insert("b"), insert("c"), insert("d"), insert("e"))...); err != nil {
		t.Fatal(err)
	}
	// The one that keeps the writer busy is the first of four.
	if got := db.Stats().Commits - before.Commits; got != 2 {
		t.Errorf("%d commits, want 2", got)
	}
}

var errTest = errors.New("test")

// failing returns an operation that inserts names and fails then.
func failing(names ...string) func(*sqlite.Tx) error {
	return func(tx *sqlite.Tx) error {
		return errors.Join(insert(names...)(tx), errTest)
	}
}

func TestAFailedOperationLeavesNoTraceAndHarmsNoOther(t *testing.T) {
	for name, ops := range map[string][]func(*sqlite.Tx) error{
		"first":                   {failing("x", "y"), insert("a"), insert("b")},
		"in between":              {insert("a"), failing("x", "y"), insert("b")},
		"last":                    {insert("a"), insert("b"), failing("x", "y")},
		"several":                 {failing("x"), insert("a"), failing("y"), failing("z"), insert("b")},
		"before it does anything": {insert("a"), failing(), insert("b")},
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			for i, err := range together(db, ops...) {
				if failed := errors.Is(err, errTest); !failed && err != nil {
					t.Errorf("operation %d: %v", i, err)
				}
			}
			wantNames(t, db, "a", "b")
		})
	}
}

func TestAStatementThatFailsFailsItsOperation(t *testing.T) {
	db := open(t)
	errs := together(db, insert("a"), func(tx *sqlite.Tx) error {
		tx.Exec("INSERT INTO item (name) VALUES ('b')")
		tx.Exec("INSERT INTO item (name) VALUES ('a')") // taken; the error is dropped
		tx.Exec("INSERT INTO item (name) VALUES ('c')")
		return nil
	}, insert("d"))
	if errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("errors are %v", errs)
	}
	wantNames(t, db, "a", "d")
}

func TestAnOperationSeesThoseBefore(t *testing.T) {
	db := open(t)
	var seen string
	errs := together(db, insert("a"), func(tx *sqlite.Tx) error {
		return tx.QueryRow("SELECT name FROM item").Scan(&seen)
	})
	if err := errors.Join(errs...); err != nil || seen != "a" {
		t.Errorf("saw %q, error %v", seen, err)
	}
}

func TestHooksRunOnceTheOutcomeIsKnown(t *testing.T) {
	db := open(t)
	var log []string
	noting := func(name string, op func(*sqlite.Tx) error) func(*sqlite.Tx) error {
		return func(tx *sqlite.Tx) error {
			tx.OnCommit(func() { log = append(log, name+" committed") })
			tx.OnRollback(func() { log = append(log, name+" rolled back 1") })
			tx.OnRollback(func() { log = append(log, name+" rolled back 2") })
			return op(tx)
		}
	}
	together(db, noting("a", insert("a")), noting("b", failing("b")), noting("c", insert("c")))
	want := []string{"b rolled back 2", "b rolled back 1", "a committed", "c committed"}
	if !slices.Equal(log, want) {
		t.Errorf("hooks ran as %q, want %q", log, want)
	}
}

func TestAnOperationThatHasNotBegunCanBeWithdrawn(t *testing.T) {
	db := open(t)
	busy, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		db.Write(context.Background(), func(*sqlite.Tx) error {
			close(busy)
			<-release
			return nil
		})
	})
	<-busy
	ctx, cancel := context.WithCancel(context.Background())
	all.Go(func() {
		if err := db.Write(ctx, insert("withdrawn")); err != context.Canceled {
			t.Errorf("Write returned %v", err)
		}
		close(release)
	})
	for db.Queued() == 0 {
		runtime.Gosched()
	}
	cancel()
	all.Wait()
	wantNames(t, db)
	if err := db.Write(ctx, insert("late")); err != context.Canceled {
		t.Errorf("Write with a context that was done returned %v", err)
	}
	wantNames(t, db)
}

func TestAnOperationThatHasBegunTellsHowItEnded(t *testing.T) {
	db := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	err := db.Write(ctx, func(tx *sqlite.Tx) error {
		cancel()
		return insert("a")(tx)
	})
	if err != nil {
		t.Errorf("Write returned %v", err)
	}
	wantNames(t, db, "a")
}

func TestAPanicIsTheCallersOwn(t *testing.T) {
	db := open(t)
	func() {
		defer func() {
			if p := recover(); p != "test" {
				t.Errorf("recovered %v", p)
			}
		}()
		db.Write(context.Background(), func(tx *sqlite.Tx) error {
			insert("x")(tx)
			panic("test")
		})
	}()
	if err := db.Write(context.Background(), insert("a")); err != nil {
		t.Fatal(err)
	}
	wantNames(t, db, "a")
}

func TestAFullDatabaseFailsTheBatchAndNoMore(t *testing.T) {
	db := open(t)
	limit := func(pages int) {
		t.Helper()
		err := db.Write(context.Background(), func(tx *sqlite.Tx) error {
			_, err := tx.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	limit(12)
	errs := together(db, insert("a"), func(tx *sqlite.Tx) error {
		_, err := tx.Exec("INSERT INTO item (name, data) VALUES ('large', zeroblob(100000))")
		return err
	}, insert("b"))
	for i, err := range errs {
		if !sqlite.IsFull(err) {
			t.Errorf("operation %d: %v, want that it is full", i, err)
		}
	}
	wantNames(t, db)
	limit(100000)
	if err := db.Write(context.Background(), insert("c")); err != nil {
		t.Errorf("after there is room again: %v", err)
	}
	wantNames(t, db, "c")
}

func TestAReadSeesOneState(t *testing.T) {
	db := open(t)
	count := func(c *sqlite.Conn) (n int) {
		if err := c.QueryRow("SELECT count(*) FROM item").Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	err := db.Read(context.Background(), func(c *sqlite.Conn) error {
		before := count(c)
		if err := db.Write(context.Background(), insert("a")); err != nil {
			return err
		}
		if after := count(c); before != 0 || after != 0 {
			t.Errorf("a read saw %d rows, then %d", before, after)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantNames(t, db, "a")
}

func TestAReaderCannotWrite(t *testing.T) {
	db := open(t)
	err := db.Read(context.Background(), func(c *sqlite.Conn) error {
		rows := c.Query("INSERT INTO item (name) VALUES ('x') RETURNING name")
		defer rows.Close()
		rows.Next()
		return rows.Err()
	})
	if err == nil {
		t.Error("a reader could write")
	}
	wantNames(t, db)
}

func TestReadsAreBounded(t *testing.T) {
	db := open(t, func(c *sqlite.Config) { c.Readers = 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	err := db.Read(context.Background(), func(*sqlite.Conn) error {
		return db.Read(ctx, func(*sqlite.Conn) error { return nil })
	})
	if err != context.DeadlineExceeded {
		t.Errorf("the second of one reader returned %v", err)
	}
}

func TestAReadStopsWhenItsContextIsDone(t *testing.T) {
	db := open(t)
	if err := db.Write(context.Background(), insert("a", "b", "c")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	err := db.Read(ctx, func(c *sqlite.Conn) error {
		rows := c.Query("SELECT name FROM item")
		defer rows.Close()
		for rows.Next() {
			n++
			cancel()
		}
		return rows.Err()
	})
	if err != context.Canceled || n != 1 {
		t.Errorf("%d rows, then %v", n, err)
	}
	wantNames(t, db, "a", "b", "c")
}

func TestAClosedDatabaseSaysSo(t *testing.T) {
	db := open(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"Read":  db.Read(context.Background(), func(*sqlite.Conn) error { return nil }),
		"Write": db.Write(context.Background(), insert("a")),
		"Close": db.Close(),
	} {
		if err != sqlite.ErrClosed {
			t.Errorf("%s returned %v", what, err)
		}
	}
}

func TestADatabaseBelongsToOneProcess(t *testing.T) {
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), config(dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), config(dir)); !errors.Is(err, sqlite.ErrLocked) {
		t.Errorf("a second Open returned %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err = sqlite.Open(t.Context(), config(dir))
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	db.Close()
}

func TestANewerSchemaIsRefused(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.Migrations = append(slices.Clip(schema), "CREATE TABLE more (id INTEGER PRIMARY KEY)")
	db, err := sqlite.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	cfg.Migrations = schema
	_, err = sqlite.Open(t.Context(), cfg)
	if !errors.Is(err, sqlite.ErrNewer) || !strings.Contains(err.Error(), `schema "test" has version 2, known are versions up to 1`) {
		t.Errorf("Open returned %v", err)
	}
}

func TestEachMigrationIsAppliedOnce(t *testing.T) {
	cfg := config(t.TempDir())
	for n := range 3 {
		cfg.Migrations = append(slices.Clip(schema), "INSERT INTO item (name) VALUES ('one')", "INSERT INTO item (name) VALUES ('two'); INSERT INTO item (name) VALUES ('three')")[:n+1]
		db, err := sqlite.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		wantNames(t, db, [][]string{nil, {"one"}, {"one", "three", "two"}}[n]...)
		db.Close()
	}
}

func TestAFailedMigrationChangesNothing(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.Migrations = append(slices.Clip(schema), "INSERT INTO item (name) VALUES ('one'); INSERT INTO nowhere VALUES (1)")
	if _, err := sqlite.Open(t.Context(), cfg); err == nil {
		t.Fatal("the migration did not fail")
	}
	cfg.Migrations = schema
	db, err := sqlite.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	wantNames(t, db)
}

func TestAnyPathWillDo(t *testing.T) {
	for _, name := range []string{"a b.db", "100%.db", "q?mode=ro.db", "h#.db", "%20.db", "größe.db"} {
		cfg := config(t.TempDir())
		cfg.Path = filepath.Join(filepath.Dir(cfg.Path), name)
		db, err := sqlite.Open(t.Context(), cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		info, err := os.Stat(cfg.Path)
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 && db.Stats().Commits > 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		db.Close()
		if _, err := os.Stat(cfg.Path + "-wal"); err == nil {
			t.Errorf("%s: the log is still there after Close", name)
		}
	}
}

func TestMoreStatementsThanAreKept(t *testing.T) {
	db := open(t)
	err := db.Read(context.Background(), func(c *sqlite.Conn) error {
		outer := c.Query("SELECT 1 UNION SELECT 2")
		defer outer.Close()
		outer.Next()
		for i := range 600 {
			var n int
			if err := c.QueryRow(fmt.Sprintf("SELECT %d", i)).Scan(&n); err != nil || n != i {
				return fmt.Errorf("got %d, error %w", n, err)
			}
		}
		if !outer.Next() {
			return fmt.Errorf("the outer query ended: %w", outer.Err())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAQueryMayRunInsideItself(t *testing.T) {
	db := open(t)
	if err := db.Write(context.Background(), insert("a", "b")); err != nil {
		t.Fatal(err)
	}
	var pairs []string
	err := db.Read(context.Background(), func(c *sqlite.Conn) error {
		const query = "SELECT name FROM item ORDER BY name"
		outer := c.Query(query)
		defer outer.Close()
		for outer.Next() {
			inner := c.Query(query)
			defer inner.Close()
			for inner.Next() {
				var x, y string
				if err := errors.Join(outer.Scan(&x), inner.Scan(&y)); err != nil {
					return err
				}
				pairs = append(pairs, x+y)
			}
		}
		return outer.Err()
	})
	if err != nil || !slices.Equal(pairs, []string{"aa", "ab", "ba", "bb"}) {
		t.Errorf("%q, error %v", pairs, err)
	}
}

func TestValuesComeBackAsTheyWent(t *testing.T) {
	db := open(t)
	err := db.Read(context.Background(), func(c *sqlite.Conn) error {
		var i int
		var i64 int64
		var u uint32
		var b, no bool
		var s, null string
		var data, empty, none []byte
		row := c.QueryRow("SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?",
			-7, int64(1)<<62, uint32(1)<<31, true, false, "a\x00ß", nil, []byte{0, 255}, []byte{}, nil)
		if err := row.Scan(&i, &i64, &u, &b, &no, &s, &null, &data, &empty, &none); err != nil {
			return err
		}
		if i != -7 || i64 != 1<<62 || u != 1<<31 || !b || no || s != "a\x00ß" || null != "" || string(data) != "\x00\xff" || len(empty) != 0 || none != nil {
			t.Errorf("%v %v %v %v %v %q %q %q %v %v", i, i64, u, b, no, s, null, data, empty, none)
		}
		if err := c.QueryRow("SELECT 'text'").Scan(&i); err == nil {
			t.Error("text went into an int")
		}
		if err := c.QueryRow("SELECT 1").Scan(&s); err == nil {
			t.Error("a number went into a string")
		}
		if err := c.QueryRow("SELECT 1, 2").Scan(&i); err == nil {
			t.Error("two columns went into one place")
		}
		if err := c.QueryRow("SELECT 1 WHERE false").Scan(&i); err != sqlite.ErrNoRows {
			t.Errorf("no row: %v", err)
		}
		if err := c.QueryRow("SELECT ?", struct{}{}).Scan(&i); err == nil {
			t.Error("a struct went into SQL")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
