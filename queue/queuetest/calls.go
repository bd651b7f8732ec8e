package queuetest

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
)

var callPromises = []promise{
	{
		name:  "CancelledContexts",
		text:  "a call whose context is done returns its error and changes nothing",
		check: cancelled,
	},
	{
		name:  "ClosedQueues",
		text:  "after Close every call is ErrClosed; to close again does nothing",
		check: closed,
	},
	{
		name:  "RunnersClaimDisjointSets",
		text:  "methods may be called by many goroutines at once: whatever was put is claimed by one runner at a time, and every recipient is settled exactly once",
		check: concurrency,
	},
	{
		name:  "OneTokenWins",
		text:  "of many calls of Settle with one Token at once, one succeeds and the others are ErrStale",
		check: oneWins,
	},
}

// calls calls every method of the queue that takes a context.
func (k *kit) calls(ctx context.Context, token queue.Token, id queue.ID) map[string]error {
	errs := map[string]error{}
	_, errs["Put"] = k.q.Put(ctx, mail("new", "x@a.example"))
	_, errs["Claim"] = k.q.Claim(ctx, queue.ClaimQuery{Max: 1, Lease: time.Minute})
	errs["Renew"] = k.q.Renew(ctx, token, time.Hour)
	errs["Settle"] = k.q.Settle(ctx, token, fate(queue.Delivered, 0), mail("report", "ann@sender.example"))
	_, errs["Content"] = k.q.Content(ctx, id)
	_, errs["NextDue"] = k.q.NextDue(ctx)
	_, errs["Update"] = k.q.Update(ctx, queue.Filter{}, queue.Drop)
	for _, err := range k.q.Entries(ctx, queue.Filter{}) {
		errs["Entries"] = err
	}
	return errs
}

func cancelled(k *kit) {
	id := k.put(mail("m", "x@a.example"))
	token := k.claimOne().Token
	k.put(mail("n", "x@a.example"))
	ctx, cancel := context.WithCancel(k.ctx)
	cancel()
	for call, err := range k.calls(ctx, token, id) {
		k.want(err, context.Canceled, call)
	}
	k.wantQueue(queue.Filter{}, "m 0", "n 0")
	for _, e := range k.entries(queue.Filter{ID: id}) {
		k.near("LeasedUntil", e.LeasedUntil, time.Now().Add(time.Minute))
	}

	ctx, cancel = context.WithCancel(k.ctx)
	defer cancel()
	var last error
	for _, err := range k.q.Entries(ctx, queue.Filter{}) {
		cancel()
		last = err
	}
	k.want(last, context.Canceled, "Entries whose context ends meanwhile")
}

func closed(k *kit) {
	id := k.put(mail("m", "x@a.example"))
	token := k.claimOne().Token
	k.must(k.q.Close())
	for call, err := range k.calls(k.ctx, token, id) {
		k.want(err, queue.ErrClosed, call)
	}
	k.must(k.q.Close())
}

// concurrency has several runners work on one queue while mail comes in.
func concurrency(k *kit) {
	const senders, messages, runners = 4, 25, 8
	var wg sync.WaitGroup
	failed := make(chan error, senders+runners)
	for i := range senders {
		wg.Go(func() {
			for j := range messages {
				s := mail(fmt.Sprintf("m%d-%d", i, j), "x@a.example", "y@b.example", "z@a.example")
				if j%10 == 0 {
					s.Content = postrider.Bytes(make([]byte, 20_000+j)) // several of the same content
				}
				if _, err := k.q.Put(k.ctx, s); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	c := &counter{has: map[string]int{}, settled: map[string]int{}, attempts: map[string]int{}}
	for i := range runners {
		wg.Go(func() {
			if err := c.run(k, i); err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		k.broken("%v", err)
	default:
	}
	same(k, "recipients settled", len(c.settled), senders*messages*3)
	for r, n := range c.settled {
		same(k, "times that "+r+" was settled", n, 1)
	}
	k.wantQueue(queue.Filter{})
}

// counter watches who has which recipient.
type counter struct {
	mu       sync.Mutex
	has      map[string]int // runner+1 by recipient
	settled  map[string]int
	attempts map[string]int
}

// run claims and settles until all is settled. Each recipient is deferred and given back before it is
// delivered.
func (c *counter) run(k *kit, me int) error {
	for idle := 0; idle < 20; {
		claims, err := k.q.Claim(k.ctx, queue.ClaimQuery{Max: 3, MaxRecipients: 1 + me%2, Lease: time.Hour})
		if err != nil {
			return err
		}
		if len(claims) == 0 {
			idle++
			time.Sleep(time.Second)
			continue
		}
		idle = 0
		for _, claim := range claims {
			runtime.Gosched()
			outcomes, err := c.take(claim, me)
			if err != nil {
				return err
			}
			if err := k.q.Settle(k.ctx, claim.Token, outcomes); err != nil {
				return fmt.Errorf("settle a claim of one's own: %w", err)
			}
		}
	}
	return nil
}

// take notes a claim, and lets go of it just before it is settled.
func (c *counter) take(claim queue.Claim, me int) ([]queue.Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var outcomes []queue.Outcome
	for _, e := range claim.Recipients {
		key := fmt.Sprintf("%s %d", e.Message.ID, e.Index)
		if other := c.has[key]; other != 0 {
			return nil, fmt.Errorf("runners %d and %d have %s at once", other-1, me, key)
		}
		c.has[key] = me + 1
		c.attempts[key]++
		switch c.attempts[key] {
		case 1:
			outcomes = append(outcomes, queue.Outcome{Index: e.Index, Result: queue.Deferred, RetryAt: time.Now().Add(5 * time.Second)})
		case 2: // given back
		default:
			outcomes = append(outcomes, fate(queue.Delivered, e.Index)...)
			c.settled[key]++
		}
	}
	for _, e := range claim.Recipients {
		delete(c.has, fmt.Sprintf("%s %d", e.Message.ID, e.Index))
	}
	return outcomes, nil
}

func oneWins(k *kit) {
	for range 10 {
		k.put(mail("m", "x@a.example"))
		token := k.claimOne().Token
		results := make(chan error, 8)
		for range cap(results) {
			go func() {
				results <- k.q.Settle(k.ctx, token, fate(queue.Delivered, 0), mail("report", "ann@sender.example"))
			}()
		}
		good := 0
		for range cap(results) {
			if err := <-results; err == nil {
				good++
			} else {
				k.want(err, queue.ErrStale, "Settle by another")
			}
		}
		same(k, "calls that succeeded", good, 1)
		k.wantQueue(queue.Filter{}, "report 0")
		k.update(queue.Filter{}, queue.Drop, 1)
	}
}
