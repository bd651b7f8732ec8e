package storetest

import (
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
)

// undying is a memstore whose mail outlives its Close, as if it were on a disk.
type undying struct {
	store.Store // answers after Close
	closed      bool
}

func (u *undying) Close() error {
	u.closed = true
	return nil
}

// reopenAs returns an Options.Reopen for undying stores, which gives what change makes
// of the mail.
func reopenAs(change func(store.Store) store.Store) func(testing.TB, store.Store) store.Store {
	return func(_ testing.TB, closed store.Store) store.Store {
		return &undying{Store: change(closed.(*undying).Store)}
	}
}

func newUndying(testing.TB) store.Store { return &undying{Store: memstore.New()} }

func TestAStoreThatKeepsItsPromisesPasses(t *testing.T) {
	same := func(s store.Store) store.Store { return s }
	for _, p := range promises() {
		if p.durable {
			t.Run(p.name, func(t *testing.T) { p.check(newKit(t, p, Options{Reopen: reopenAs(same)}, newUndying)) })
		}
	}
}

// Each store that is broken on purpose must be found out by the promise it breaks, and
// each promise must find out one.
func TestTheKitBites(t *testing.T) {
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.shrinktime": "100ms"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	bitten := map[string]bool{}
	for _, f := range faults {
		for _, name := range f.breaks {
			bitten[name] = true
			t.Run(f.name+"/"+name, func(t *testing.T) {
				p := promiseNamed(t, name)
				failure := f.run(t, p)
				if failure == "" {
					t.Fatalf("nobody noticed that this store %s", f.name)
				}
				t.Logf("%.300s", strings.ReplaceAll(failure, p.text, "..."))
				if !strings.Contains(failure, p.text) {
					t.Errorf("the failure does not quote the promise: %s", failure)
				}
			})
		}
	}
	for _, p := range promises() {
		if !bitten[p.name] {
			t.Errorf("no broken store shows that the kit holds %q", p.name)
		}
	}
}

func promiseNamed(t *testing.T, name string) promise {
	i := slices.IndexFunc(promises(), func(p promise) bool { return p.name == name })
	if i < 0 {
		t.Fatalf("no promise %q", name)
	}
	return promises()[i]
}

func TestPromisesHaveNamesAndTexts(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range promises() {
		if p.name == "" || p.text == "" || p.check == nil || seen[p.name] {
			t.Errorf("%q is no promise", p.name)
		}
		seen[p.name] = true
	}
}

// run checks a promise on the broken store and returns how that failed.
func (f fault) run(t *testing.T, p promise) string {
	r := &recorder{TB: t}
	newStore := func(testing.TB) store.Store { return f.wrap(memstore.New()) }
	options := Options{}
	if p.durable {
		newStore, options.Reopen = newUndying, reopenAs(f.wrap)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.clean()
		k := newKit(r, p, options, newStore)
		k.patience = 200 * time.Millisecond
		p.check(k)
	}()
	<-done
	return r.failure
}

// recorder is a testing.TB that notes a failure instead of failing.
type recorder struct {
	testing.TB
	failure  string
	cleanups []func()
}

func (r *recorder) Helper()                           {}
func (r *recorder) Logf(string, ...any)               {}
func (r *recorder) Log(...any)                        {}
func (r *recorder) Cleanup(f func())                  { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Failed() bool                      { return r.failure != "" }
func (r *recorder) Errorf(format string, args ...any) { r.failure += fmt.Sprintf(format, args...) }
func (r *recorder) Error(args ...any)                 { r.failure += fmt.Sprint(args...) }
func (r *recorder) Fail()                             { r.failure += "failed" }

func (r *recorder) FailNow() {
	r.failure += " "
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) {
	r.Error(args...)
	runtime.Goexit()
}

func (r *recorder) clean() {
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
}
