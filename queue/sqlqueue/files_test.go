package sqlqueue_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/queue/sqlqueue"
	"github.com/postrider/postrider/store/blob"
)

var ctx = context.Background()

// files returns how many bodies lie in files.
func files(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "blob"), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func put(t *testing.T, q queue.Queue, content string) queue.ID {
	t.Helper()
	s := submission(0, 1)
	s.Content = postrider.String(content)
	ids, err := q.Put(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	return ids[0]
}

func drop(t *testing.T, q queue.Queue, id queue.ID) {
	t.Helper()
	if n, err := q.Update(ctx, queue.Filter{ID: id}, queue.Drop); n != 1 || err != nil {
		t.Fatalf("dropped %d: %v", n, err)
	}
}

func TestOnlyLargeBodiesAreFilesAndEqualOnesAreShared(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir)
	defer q.Close()
	large := strings.Repeat("x", sqlqueue.DefaultInline+1)
	put(t, q, large[1:])
	if n := files(t, dir); n != 0 {
		t.Errorf("%d files for a body of DefaultInline octets", n)
	}
	a, b := put(t, q, large), put(t, q, large)
	if n := files(t, dir); n != 1 {
		t.Errorf("%d files for two equal bodies, want 1", n)
	}
	drop(t, q, a)
	if n := files(t, dir); n != 1 {
		t.Errorf("%d files while a message needs one", n)
	}
	drop(t, q, b)
	if n := files(t, dir); n != 0 {
		t.Errorf("%d files when no message needs one", n)
	}
	a = put(t, q, large)
	for {
		claims, err := q.Claim(ctx, queue.ClaimQuery{Max: 1, Lease: time.Hour})
		if err != nil || len(claims) == 0 {
			t.Fatalf("%d claims: %v", len(claims), err)
		}
		if err := q.Settle(ctx, claims[0].Token, []queue.Outcome{{Index: 0, Result: queue.Delivered}}); err != nil {
			t.Fatal(err)
		}
		if claims[0].Message.ID == a {
			break
		}
	}
	if n := files(t, dir); n != 0 {
		t.Errorf("%d files after delivery", n)
	}
}

func TestOpenSweepsBodiesThatNobodyNames(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir)
	kept := strings.Repeat("kept", sqlqueue.DefaultInline)
	id := put(t, q, kept)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	// What a process leaves that dies before the row is there.
	blobs, err := blob.OpenDir(filepath.Join(dir, "blob"))
	if err != nil {
		t.Fatal(err)
	}
	orphan := postrider.String("orphan")
	key, err := blob.KeyOf(orphan)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blobs.Put(ctx, key, orphan); err != nil {
		t.Fatal(err)
	}
	q = open(t, dir)
	defer q.Close()
	q.WaitForSweep()
	if n := files(t, dir); n != 1 {
		t.Errorf("%d files after the sweep, want 1", n)
	}
	c, err := q.Content(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if b, err := postrider.ReadAll(c); err != nil || string(b) != kept {
		t.Errorf("the sweep harmed a body in use: %v", err)
	}
}

func TestALostFileIsNoMissingMessage(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir)
	defer q.Close()
	id := put(t, q, strings.Repeat("x", 100_000))
	if err := os.RemoveAll(filepath.Join(dir, "blob")); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Content(ctx, id); err == nil || errors.Is(err, queue.ErrNotExist) || postrider.IsPermanent(err) {
		t.Errorf("Content of a message whose body is lost: %v", err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir)
	if other, err := sqlqueue.Open(ctx, dir); err == nil {
		t.Error("the queue was opened twice")
		other.Close()
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, dir)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenMakesItsFolder(t *testing.T) {
	q, err := sqlqueue.Open(ctx, filepath.Join(t.TempDir(), "not", "yet"))
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}
