package queuetest

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/queue/memqueue"
)

// A recorder is a testing.TB that notes a failure instead of failing.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	failure  string
	cleanups []func()
}

func (r *recorder) Helper() {}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure == "" {
		r.failure = fmt.Sprintf(format, args...)
	}
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skip(...any) { runtime.Goexit() }

// try runs one check and returns how it failed.
func try(t *testing.T, p promise, o Options, newQueue func(testing.TB) queue.Queue) string {
	r := &recorder{TB: t}
	synctest.Test(t, func(t *testing.T) {
		done := make(chan bool)
		go func() {
			defer close(done)
			p.check(newKit(r, p, o, newQueue))
		}()
		<-done
		for _, f := range slices.Backward(r.cleanups) {
			f()
		}
	})
	return r.failure
}

func TestTheKitCatchesBrokenQueues(t *testing.T) {
	known := map[string]promise{}
	for _, p := range promises() {
		known[p.name] = p
	}
	for name, b := range badQueues() {
		t.Run(name, func(t *testing.T) {
			for _, caught := range b.caught {
				p, ok := known[caught]
				if !ok {
					t.Fatalf("there is no promise %s", caught)
				}
				failure := try(t, p, Options{}, func(testing.TB) queue.Queue {
					q := b.make()
					q.Queue = memqueue.New()
					return q
				})
				if failure == "" {
					t.Errorf("%s did not notice", caught)
				} else if !strings.Contains(failure, p.text) {
					t.Errorf("the failure does not quote the promise: %s", failure)
				}
			}
		})
	}
}

func TestTheKitCatchesQueuesThatForget(t *testing.T) {
	newQueue := func(testing.TB) queue.Queue {
		return &bad{Queue: memqueue.New(), closing: func(queue.Queue) error { return nil }}
	}
	forget := map[string]func(q queue.Queue) queue.Queue{
		"all": func(queue.Queue) queue.Queue { return memqueue.New() },
		"leases": func(q queue.Queue) queue.Queue {
			time.Sleep(time.Hour)
			return q
		},
	}
	for name, f := range forget {
		o := Options{Reopen: func(_ testing.TB, closed queue.Queue) queue.Queue { return f(closed) }}
		for _, p := range durablePromises {
			if name == "leases" && p.name != "LeasesOutliveClose" {
				continue
			}
			if failure := try(t, p, o, newQueue); !strings.Contains(failure, p.text) {
				t.Errorf("%s did not notice that %s is forgotten: %q", p.name, name, failure)
			}
		}
	}
}
