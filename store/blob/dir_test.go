package blob_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store/blob"
)

func open(t *testing.T, root string) *blob.Dir {
	t.Helper()
	d, err := blob.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func keyOf(t *testing.T, c postrider.Content) blob.Key {
	t.Helper()
	key, err := blob.KeyOf(c)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func put(t *testing.T, s blob.Store, text string) (blob.Key, func()) {
	t.Helper()
	c := postrider.String(text)
	key := keyOf(t, c)
	release, err := s.Put(t.Context(), key, c)
	if err != nil {
		t.Fatal(err)
	}
	return key, release
}

func wantBody(t *testing.T, s blob.Store, key blob.Key, want string) {
	t.Helper()
	c, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if b, err := postrider.ReadAll(c); err != nil || string(b) != want {
		t.Errorf("body is %q (%v), want %q", b, err, want)
	}
}

// free says that no row names a body; used, that one does.
func free(context.Context) (bool, error) { return false, nil }
func used(context.Context) (bool, error) { return true, nil }

func keys(t *testing.T, s blob.Store) (all []blob.Key) {
	t.Helper()
	for key, err := range s.Keys(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, key)
	}
	return all
}

func TestABodyIsReadAsItWasPut(t *testing.T) {
	root := filepath.Join(t.TempDir(), "odd [name]? *")
	d := open(t, root)
	for _, text := range []string{"", "a\r\n", strings.Repeat("x", 1<<20)} {
		key, release := put(t, d, text)
		release()
		wantBody(t, d, key, text)
		wantBody(t, open(t, root), key, text)
	}
	if n := len(keys(t, open(t, root))); n != 3 {
		t.Errorf("%d keys", n)
	}
	if _, err := d.Open(t.Context(), blob.Key{}); !errors.Is(err, blob.ErrNotExist) {
		t.Errorf("Open of no body says %v", err)
	}
}

func TestAFileIsForItsOwnerAlone(t *testing.T) {
	root := filepath.Join(t.TempDir(), "blob")
	_, release := put(t, open(t, root), "secret")
	release()
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestABodyIsKeptOnce(t *testing.T) {
	d := open(t, t.TempDir())
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			_, release := put(t, d, "the same")
			release()
		})
	}
	all.Wait()
	if n := len(keys(t, d)); n != 1 {
		t.Errorf("%d bodies", n)
	}
}

// broken is a content that cannot be read.
type broken struct{ postrider.Content }

func (broken) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }

func TestABodyThatCannotBeReadLeavesNothing(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	c := postrider.String("text")
	if _, err := d.Put(t.Context(), keyOf(t, c), broken{c}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Put says %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Put(ctx, keyOf(t, c), c); !errors.Is(err, context.Canceled) {
		t.Errorf("Put says %v", err)
	}
	left, err := filepath.Glob(filepath.Join(root, "tmp", "*"))
	if err != nil || len(left) > 0 || len(keys(t, d)) > 0 {
		t.Errorf("left are %v and %v", left, keys(t, d))
	}
	_, release := put(t, d, "text")
	release()
}

func TestABodyOfTheWrongSizeIsWrittenAnew(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	key, release := put(t, d, "the whole text")
	release()
	path := filepath.Join(root, key.String()[:1], key.String()[1:3], key.String())
	if err := os.WriteFile(path, []byte("the"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, release = put(t, d, "the whole text")
	release()
	wantBody(t, d, key, "the whole text")
}

func TestWhatAnUnfinishedPutLeftIsRemoved(t *testing.T) {
	root := t.TempDir()
	open(t, root)
	path := filepath.Join(root, "tmp", "half")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, root)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestABodyIsDeletedOnlyIfNobodyHoldsOrNamesIt(t *testing.T) {
	d := open(t, t.TempDir())
	key, release := put(t, d, "text")
	_, second := put(t, d, "text")
	gone := func(want bool, inUse func(context.Context) (bool, error)) {
		t.Helper()
		got, err := d.Delete(t.Context(), key, inUse)
		if err != nil || got != want {
			t.Errorf("Delete says %v, %v", got, err)
		}
	}
	never := func(context.Context) (bool, error) {
		t.Error("asked whether a held body is in use")
		return false, nil
	}
	gone(false, never)
	release()
	release() // once is enough
	gone(false, never)
	second()
	gone(false, used)
	failing := errors.New("failing")
	if _, err := d.Delete(t.Context(), key, func(context.Context) (bool, error) { return false, failing }); err != failing {
		t.Errorf("Delete says %v", err)
	}
	wantBody(t, d, key, "text")

	reading, err := d.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	gone(true, free)
	gone(true, free) // nothing is there: that is no error
	if b, err := postrider.ReadAll(reading); err != nil || string(b) != "text" {
		t.Errorf("a body that is being read: %q, %v", b, err)
	}
	if _, err := d.Open(t.Context(), key); !errors.Is(err, blob.ErrNotExist) {
		t.Errorf("Open says %v", err)
	}
}

// TestABodyThatIsPutAgainWhileItIsDeletedIsThere has many put and release the same few
// bodies, each noting a row in between, while others delete what no row names.
func TestABodyThatIsPutAgainWhileItIsDeletedIsThere(t *testing.T) {
	d := open(t, t.TempDir())
	var mu sync.Mutex // guards rows
	rows := map[blob.Key]int{}
	row := func(key blob.Key, n int) int {
		mu.Lock()
		defer mu.Unlock()
		rows[key] += n
		return rows[key]
	}
	remove := func(key blob.Key) {
		_, err := d.Delete(t.Context(), key, func(context.Context) (bool, error) { return row(key, 0) > 0, nil })
		if err != nil {
			t.Error(err)
		}
	}
	var all sync.WaitGroup
	for w := range 6 {
		all.Go(func() {
			for i := range 60 {
				text := fmt.Sprint("body ", (i+w)%2)
				key, release := put(t, d, text)
				row(key, 1)
				release()
				wantBody(t, d, key, text)
				row(key, -1)
				remove(key)
			}
		})
	}
	all.Wait()
	if left := keys(t, d); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

func TestWaitingForAKeyEndsWithTheContext(t *testing.T) {
	d := open(t, t.TempDir())
	key, release := put(t, d, "text")
	release()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := d.Delete(t.Context(), key, func(context.Context) (bool, error) {
		cancel()
		_, err := d.Delete(ctx, key, free)
		return true, err
	})
	if err != context.Canceled {
		t.Errorf("Delete says %v", err)
	}
}

func TestOnlyBodiesHaveKeys(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	key, release := put(t, d, "text")
	release()
	name := key.String()
	for _, path := range []string{"README", name, filepath.Join(name[:1], name[1:3], "x"), filepath.Join(name[:1], name[1:3], strings.ToUpper(name))} {
		if err := os.WriteFile(filepath.Join(root, path), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := keys(t, d); !slices.Equal(got, []blob.Key{key}) {
		t.Errorf("keys are %v", got)
	}
	for _, bad := range []string{"", "00", strings.ToUpper(name), name[1:] + "g", name + "00"} {
		if _, err := blob.ParseKey(bad); err == nil {
			t.Errorf("%q is a key", bad)
		}
	}
}
