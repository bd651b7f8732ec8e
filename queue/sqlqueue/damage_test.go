package sqlqueue

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/store/blob"
)

func some(content string) queue.Submission {
	return queue.Submission{
		Recipients: []queue.Recipient{{Transport: "relay", NextHop: "a.example"}},
		Content:    postrider.String(content),
	}
}

func TestADamagedMessageHoldsUpNoOther(t *testing.T) {
	ctx := context.Background()
	var log bytes.Buffer
	q, err := OpenConfig(ctx, Config{Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	ids, err := q.Put(ctx, some("a"), some("b"), some("c"))
	if err != nil {
		t.Fatal(err)
	}
	err = q.write(ctx, func(t *tx) error {
		_, err := t.Exec("UPDATE recipient SET record = ? WHERE message = 1", []byte{1, 200})
		if err == nil {
			_, err = t.Exec("UPDATE message SET envelope = ? WHERE id = 2", []byte{99})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := q.Claim(ctx, queue.ClaimQuery{Max: 10, Lease: time.Hour})
	if err != nil || len(claims) != 1 || claims[0].Message.ID != ids[2] {
		t.Errorf("claims are %+v, %v", claims, err)
	}
	for _, id := range ids[:2] {
		if !strings.Contains(log.String(), string(id)) {
			t.Errorf("the log does not tell of the damaged message %s:\n%s", id, log.String())
		}
	}
	for _, err := range q.Entries(ctx, queue.Filter{}) {
		if !errors.Is(err, errRecord) {
			t.Errorf("Entries: %v", err)
		}
	}
	// An operator can still get rid of it.
	if n, err := q.Update(ctx, queue.Filter{ID: ids[0]}, queue.Drop); n != 0 || err != nil {
		t.Errorf("dropped %d that are leased: %v", n, err)
	}
}

func TestAFullDiskIsTemporaryAndHarmless(t *testing.T) {
	ctx := context.Background()
	q, err := Open(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	limit := func(pages string) {
		t.Helper()
		err := q.write(ctx, func(t *tx) error {
			var n int
			return t.QueryRow("PRAGMA max_page_count = " + pages).Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	limit("100")
	kept := 0
	for range 100 {
		_, err = q.Put(ctx, some(strings.Repeat("x", 20_000)))
		if err != nil {
			break
		}
		kept++
	}
	if s := postrider.StatusOf(err); s == nil || s.Code != "4.3.1" || s.ReplyCode() != 452 {
		t.Fatalf("after %d messages: %v", kept, err)
	}
	limit("1000000")
	if _, err := q.Put(ctx, some("small")); err != nil {
		t.Fatal(err)
	}
	claims, err := q.Claim(ctx, queue.ClaimQuery{Max: 1000, Lease: time.Hour})
	if err != nil || len(claims) != kept+1 {
		t.Errorf("%d claims, want %d: %v", len(claims), kept+1, err)
	}
}

// rows counts the rows of a table.
func rows(t *testing.T, q *Queue, table string) (n int) {
	t.Helper()
	err := q.read(context.Background(), func(c *sqlite.Conn) error {
		return c.QueryRow("SELECT count(*) FROM " + table).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNothingIsLeftOfWhatHasGone(t *testing.T) {
	ctx := context.Background()
	q, err := Open(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for _, gone := range []func() error{
		func() error {
			claims, err := q.Claim(ctx, queue.ClaimQuery{Max: 10, Lease: time.Hour})
			for _, c := range claims {
				err = errors.Join(err, q.Settle(ctx, c.Token, []queue.Outcome{{Index: 0, Result: queue.Delivered}}))
			}
			return err
		},
		func() error {
			_, err := q.Update(ctx, queue.Filter{}, queue.Drop)
			return err
		},
	} {
		held := some("held")
		held.Held = true
		if _, err := q.Put(ctx, some("small"), some(strings.Repeat("large", 20_000)), some("small too"), held); err != nil {
			t.Fatal(err)
		}
		if _, err := q.Update(ctx, queue.Filter{Held: true}, queue.Release); err != nil {
			t.Fatal(err)
		}
		if err := gone(); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"message", "body", "recipient", "hop"} {
			if n := rows(t, q, table); n != 0 {
				t.Errorf("%d rows of %s are left", n, table)
			}
		}
	}
}

// watched are bodies that are released too early if no row names them by then.
type watched struct {
	blob.Store
	released func(blob.Key)
}

func (w *watched) Put(ctx context.Context, key blob.Key, c postrider.Content) (func(), error) {
	release, err := w.Store.Put(ctx, key, c)
	return func() {
		w.released(key)
		release()
	}, err
}

func TestBodiesAreHeldUntilTheirRowIsThere(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	bodies, err := blob.OpenDir(filepath.Join(dir, "bodies"))
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{Store: bodies}
	q, err := OpenConfig(ctx, Config{Dir: filepath.Join(dir, "queue"), Blobs: w, Inline: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	released := 0
	w.released = func(key blob.Key) {
		released++
		if used, err := q.inUse(key[:])(ctx); !used || err != nil {
			t.Errorf("a body was released before its row was there: %v", err)
		}
	}
	if _, err := q.Put(ctx, some("a"), some("b")); err != nil {
		t.Fatal(err)
	}
	claims, err := q.Claim(ctx, queue.ClaimQuery{Max: 1, Lease: time.Hour})
	if err != nil || len(claims) != 1 {
		t.Fatalf("%d claims, %v", len(claims), err)
	}
	if err := q.Settle(ctx, claims[0].Token, nil, some("report")); err != nil {
		t.Fatal(err)
	}
	if released != 3 {
		t.Errorf("%d bodies were released, want 3", released)
	}
	// One that is not put after all must be released too, or it could never be removed.
	w.released = func(blob.Key) { released++ }
	stuck := some("c")
	stuck.Content = failing{stuck.Content}
	if _, err := q.Put(ctx, some("d"), stuck); err == nil || released != 4 {
		t.Errorf("after a failed Put, %d bodies were released: %v", released, err)
	}
}

type failing struct{ postrider.Content }

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("cannot be read") }
