package sqlaccount

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/account/accounttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick is a Hasher whose hashes take a few milliseconds.
func quick() *account.Hasher { return &account.Hasher{Memory: 4096, Time: 1} }

func openFile(t testing.TB, path string) *Directory {
	t.Helper()
	d, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	d.Passwords = quick()
	return d
}

func TestTheDirectoryKeepsThePromises(t *testing.T) {
	accounttest.Run(t, func(t *testing.T, entries ...account.Entry) account.Directory {
		d := openFile(t, filepath.Join(t.TempDir(), "accounts.db"))
		for _, e := range entries {
			if err := d.Add(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		return d
	})
}

func TestWhatWasAddedIsThereAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder with % and ? and #", "accounts.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	d.Passwords = quick()
	if err := d.Add(t.Context(), account.Entry{Name: "ann@example.org", Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openFile(t, path)
	if name, err := d.Verify(t.Context(), "Ann@example.org", "secret"); name != "ann@example.org" || err != nil {
		t.Errorf("Verify = %q, %v", name, err)
	}
}

func TestAChangeByAnotherProcessIsSeenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.db")
	serving, managing := openFile(t, path), openFile(t, path)
	ctx := t.Context()
	verify := func(want error) {
		t.Helper()
		if _, err := serving.Verify(ctx, "ann", "secret"); !errors.Is(err, want) {
			t.Errorf("Verify = %v, want %v", err, want)
		}
	}
	verify(account.ErrCredentials)
	if err := managing.Add(ctx, account.Entry{Name: "ann", Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	verify(nil)
	if err := managing.SetDisabled(ctx, "ann", true); err != nil {
		t.Fatal(err)
	}
	verify(account.ErrDisabled)
	if err := managing.SetPassword(ctx, "ann", "other"); err != nil {
		t.Fatal(err)
	}
	verify(account.ErrCredentials)
}

func TestTwoProcessesMayChangeAccountsAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.db")
	var wg sync.WaitGroup
	for p := range 2 {
		d := openFile(t, path)
		wg.Go(func() {
			for i := range 50 {
				if err := d.Add(t.Context(), account.Entry{Name: fmt.Sprintf("%d of %d", i, p)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestTheFileIsItsOwnersOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.db")
	d := openFile(t, path)
	if err := d.Add(t.Context(), account.Entry{Name: "ann"}); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", info.Name(), info.Mode())
		}
	}
}

func TestEveryCommitIsSynced(t *testing.T) {
	d := openFile(t, filepath.Join(t.TempDir(), "accounts.db"))
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1"} {
		var got string
		if err := d.writer.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("PRAGMA %s = %s, %v, want %s", pragma, got, err, want)
		}
	}
}

func TestAFileThatIsNotOursIsRefusedAndNotTouched(t *testing.T) {
	for name, tt := range map[string]struct{ prepare, want string }{
		"a newer schema":              {fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = 99", applicationID), "newer"},
		"another program's":           {"PRAGMA application_id = 7; CREATE TABLE t (x)", "not a file of accounts"},
		"another program's, unmarked": {"PRAGMA user_version = 3; CREATE TABLE t (x)", "not a file of accounts"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "other.db")
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.ExecContext(t.Context(), tt.prepare); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			d, err := Open(t.Context(), path)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open = %v, %v", d, err)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database at all\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path); err == nil {
		t.Error("a text file was opened")
	}
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "missing", "accounts.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open in a missing folder = %v", err)
	}
}

func TestListWhileAccountsChange(t *testing.T) {
	d := openFile(t, filepath.Join(t.TempDir(), "accounts.db"))
	ctx := t.Context()
	for i := range 100 {
		addr := postrider.Address{Local: fmt.Sprint("user", i), Domain: "example.org"}
		e := account.Entry{Name: fmt.Sprintf("%03d", i), Addresses: []postrider.Address{addr, {Local: addr.Local, Domain: "example.net"}}}
		if err := d.Add(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for e, err := range d.List(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Addresses) != 2 || e.Name != fmt.Sprintf("%03d", n) {
			t.Fatalf("%d: %+v", n, e)
		}
		n++
		if err := d.Delete(ctx, e.Name); err != nil {
			t.Fatal(err)
		}
	}
	if n != 100 {
		t.Errorf("listed %d", n)
	}
	for e := range d.List(ctx) {
		t.Errorf("still there: %+v", e)
	}
	var orphans int
	if err := d.writer.QueryRowContext(ctx, `SELECT count(*) FROM logins`).Scan(&orphans); err != nil || orphans != 0 {
		t.Errorf("%d logins are left, %v", orphans, err)
	}
}

func TestListEndsWithItsContext(t *testing.T) {
	d := openFile(t, filepath.Join(t.TempDir(), "accounts.db"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range d.List(ctx) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("List = %v", err)
		}
		return
	}
	t.Error("List of a cancelled context is empty")
}

func BenchmarkVerifyRemembered(b *testing.B) {
	d := openFile(b, filepath.Join(b.TempDir(), "accounts.db"))
	if err := d.Add(b.Context(), account.Entry{Name: "ann", Password: "secret"}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := d.Verify(b.Context(), "ann", "secret"); err != nil {
			b.Fatal(err)
		}
	}
}
