package store

import (
	"context"
	"sync"
	"time"
)

// watchInterval is how often Watch asks an account that cannot tell.
const watchInterval = 2 * time.Second

// Watch calls changed soon after each change of the account, until stop is called: by
// the account's own [Watcher] if it is one, else by asking for its ModSeq every two
// seconds. Everything said at Watcher.Watch holds here; changed may also be called for
// nothing.
//
// An Account that wraps another and has a method Unwrap() Account is looked through.
func Watch(a Account, changed func()) (stop func()) {
	if w, ok := as[Watcher](a); ok {
		return w.Watch(changed)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var asking sync.WaitGroup
	asking.Go(func() { poll(ctx, a, changed) })
	return func() {
		cancel()
		asking.Wait()
	}
}

// poll calls changed whenever a's ModSeq is another than before, and first of all
// because it cannot know what was before, until ctx is done. That asking fails, as it
// does when the account is gone, is a change too.
func poll(ctx context.Context, a Account, changed func()) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	const never, failed ModSeq = -1, -2
	for last := never; ; {
		seq, err := a.ModSeq(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			seq = failed
		}
		if seq != last {
			changed()
		}
		last = seq
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// as returns the first of x and what it wraps that is a T.
func as[T, Interface any](x Interface) (T, bool) {
	for {
		if t, ok := any(x).(T); ok {
			return t, true
		}
		w, ok := any(x).(interface{ Unwrap() Interface })
		if !ok {
			var none T
			return none, false
		}
		x = w.Unwrap()
	}
}
