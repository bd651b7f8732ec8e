package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/postrider/postrider"
)

// attempt tries once and settles the claim, whatever happens to ctx meanwhile.
func (r *run) attempt(ctx context.Context, c Claim) {
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	defer r.keepLease(context.WithoutCancel(ctx), cancel, c)()
	said := r.try(work, c)

	settle, done := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer done()
	outcomes, reports := r.judge(settle, c, said, ctx.Err() != nil)
	if err := r.settle(settle, c, outcomes, reports); err != nil {
		// The lease runs out and the recipients are tried again: rather twice than never.
		r.log().ErrorContext(ctx, "settle", "queue_id", c.Message.ID, "err", err)
	}
	for _, s := range reports {
		if err := s.Content.Close(); err != nil {
			r.log().WarnContext(ctx, "close report", "err", err)
		}
	}
}

// How long a queue that fails is asked to record outcomes, and how long to wait in between.
const (
	settleTime  = 30 * time.Second
	settlePause = time.Second
)

// settle records the outcomes. Mail that was delivered and is not noted as such goes out again, so a queue that
// fails is asked more than once.
func (r *run) settle(ctx context.Context, c Claim, outcomes []Outcome, reports []Submission) error {
	for {
		err := r.Queue.Settle(ctx, c.Token, outcomes, reports...)
		if err == nil || errors.Is(err, ErrStale) || errors.Is(err, ErrClosed) {
			return err
		}
		pause := time.NewTimer(settlePause)
		select {
		case <-ctx.Done():
			pause.Stop()
			return err
		case <-pause.C:
		}
	}
}

// keepLease renews the lease until the returned function is called. A stale lease cancels the attempt: another
// runner has the recipients.
func (r *run) keepLease(ctx context.Context, cancel func(), c Claim) (stop func()) {
	ctx, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(r.lease() / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := r.Queue.Renew(ctx, c.Token, r.lease()); errors.Is(err, ErrStale) {
				cancel()
				return
			} else if err != nil && ctx.Err() == nil {
				r.log().WarnContext(ctx, "renew lease", "queue_id", c.Message.ID, "err", err)
			}
		}
	})
	return func() {
		end()
		wg.Wait()
	}
}

// try calls the transport. A panic of its is a deferral.
func (r *run) try(ctx context.Context, c Claim) (outcomes []Outcome) {
	t, ok := r.Transports[c.Hop.Transport]
	if !ok {
		return deferAll(c, fmt.Errorf("no transport is named %q", c.Hop.Transport))
	}
	content, err := r.Queue.Content(ctx, c.Message.ID)
	if err != nil {
		return deferAll(c, err)
	}
	defer func() {
		if err := content.Close(); err != nil {
			r.log().WarnContext(ctx, "close content", "queue_id", c.Message.ID, "err", err)
		}
	}()
	defer func() {
		if p := recover(); p != nil {
			outcomes = deferAll(c, fmt.Errorf("transport %s panicked: %v\n%s", c.Hop.Transport, p, debug.Stack()))
		}
	}()
	return t.Deliver(ctx, &Attempt{Message: c.Message, Content: content, NextHop: c.Hop.NextHop, Recipients: c.Recipients})
}

func deferAll(c Claim, cause error) []Outcome {
	outcomes := make([]Outcome, len(c.Recipients))
	for i, e := range c.Recipients {
		outcomes[i] = Outcome{Index: e.Index, Result: Deferred, Status: postrider.StatusOf(cause)}
	}
	return outcomes
}
