package mailtest

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// leakPatience is how long a goroutine may take to end after its test.
const leakPatience = 2 * time.Second

// Leaks fails the test if a goroutine that it started, or that such a goroutine started, is still there at its end, after the
// cleanups registered later. Call it first. Goroutines of other tests do not disturb it, so tests may run in parallel: it tells its own
// by a profiler label (runtime/pprof), which goroutines inherit. Code that sets labels of its own hides from it.
//
// A test in a testing/synctest bubble needs it less: the bubble panics if a goroutine outlives it.
func Leaks(t testing.TB) {
	t.Helper()
	mark := fmt.Sprintf("%s %p", t.Name(), t)
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("mailtest", mark)))
	t.Cleanup(func() {
		pprof.SetGoroutineLabels(context.Background()) // this goroutine is no leak
		if left := settle(mark); left != "" {
			t.Errorf("goroutines outlive the test:\n%s", left)
		}
	})
}

// settle waits for the goroutines with the mark to end and returns the stacks of those that do not.
func settle(mark string) string {
	for pause := time.Millisecond; ; pause *= 2 {
		left := labelled(mark)
		if left == "" || pause > leakPatience {
			return left
		}
		time.Sleep(pause)
	}
}

// labelled returns the stacks of the goroutines with the mark.
func labelled(mark string) string {
	var profile bytes.Buffer
	pprof.Lookup("goroutine").WriteTo(&profile, 1) // a buffer does not fail
	label := fmt.Sprintf("%q:%q", "mailtest", mark)
	var found []string
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(stack, label) {
			found = append(found, stack)
		}
	}
	return strings.Join(found, "\n\n")
}
