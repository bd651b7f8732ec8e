package sqlqueue

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
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
