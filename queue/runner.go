package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/postrider/postrider"
)

// A Runner brings what is in a queue to its transports: it claims what is due, tries, records
// what became of it, and tells senders of failures. Several Runners, in several processes, may
// work on one queue.
//
// It holds in memory only what it is trying now. The fields must not change once
// Run was called.
type Runner struct {
	// Queue is required.
	Queue Queue
	// Transports are the ways out by their names. A recipient whose transport is missing is
	// deferred. Required.
	Transports map[string]Transport
	// Hostname names this server in DSNs. Required.
	Hostname string
	// Route says how a DSN goes to the sender: the recipients of the queue that stand for the
	// address to. No recipients and no error mean that the sender cannot be told. An error defers the
	// failure, so that the sender hears of it later. Nil means that no DSNs are sent.
	Route func(ctx context.Context, env *postrider.Envelope, c postrider.Content, to postrider.Recipient) ([]Recipient, error)
	// Retry is the schedule of further attempts.
	Retry Retry
	// Concurrency is how many attempts are made at once. Zero means 50.
	Concurrency int
	// PerHop is how many of them may go to one next hop. Zero means 10.
	PerHop int
	// Lease is how long a claim is leased at a time; it is renewed while the attempt goes on. When the
	// process dies, its recipients wait as long. Zero means 30 seconds.
	Lease time.Duration
	// Poll is how long at most to wait before asking the queue again. Zero means 15 seconds.
	Poll time.Duration
	// Logger gets a line for each recipient and attempt. Nil means slog.Default.
	Logger *slog.Logger
	// Chance returns numbers from 0 to 1 for the jitter; many goroutines may call it. Nil means
	// math/rand/v2's.
	Chance func() float64
}

// Run works on the queue until ctx is cancelled. Then it claims nothing more, cancels the attempts under
// way, records what they came to, and returns ctx's error. Recipients whose attempt was cut short are
// due again at once. An error of the queue is logged, and asked about again after Poll; only wrong settings
// make Run return early.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.check(); err != nil {
		return err
	}
	run := &run{Runner: r, busy: map[Hop]int{}, wake: make(chan struct{}, 1)}
	if n, ok := r.Queue.(Notifier); ok {
		defer n.Notify(run.poke)()
	}
	defer run.attempts.Wait()
	for {
		wait := run.claim(ctx)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-run.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

func (r *Runner) check() error {
	var errs []error
	if r.Queue == nil {
		errs = append(errs, errors.New("queue: Runner.Queue is missing"))
	}
	if len(r.Transports) == 0 {
		errs = append(errs, errors.New("queue: Runner.Transports is empty"))
	}
	if postrider.CheckDomain(r.Hostname) != nil {
		errs = append(errs, fmt.Errorf("queue: Runner.Hostname %q is no domain", r.Hostname))
	}
	return errors.Join(errs...)
}

func (r *Runner) log() *slog.Logger {
	if r.Logger != nil {
		return r.Logger
	}
	return slog.Default()
}

func (r *Runner) chance() float64 {
	if r.Chance != nil {
		return r.Chance()
	}
	return rand.Float64()
}

func orDefault[T int | time.Duration](v, zero T) T {
	if v <= 0 {
		return zero
	}
	return v
}

// A run is one call of Run.
type run struct {
	*Runner
	wake     chan struct{} // one poke is as good as many
	attempts sync.WaitGroup

	mu    sync.Mutex // guards what follows
	busy  map[Hop]int
	under int // attempts under way
}

// poke makes the loop look at the queue again.
func (r *run) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// claim starts attempts for what is due, as many as may be, and returns how long to wait at most.
func (r *run) claim(ctx context.Context) time.Duration {
	poll := orDefault(r.Poll, 15*time.Second)
	for ctx.Err() == nil {
		q := r.query()
		if q.Max == 0 {
			return poll // the end of an attempt pokes
		}
		claims, err := r.Queue.Claim(ctx, q)
		if err != nil {
			r.log().ErrorContext(ctx, "claim", "err", err)
			return poll
		}
		for _, c := range claims {
			r.start(ctx, c)
		}
		if len(claims) < q.Max {
			return r.untilNext(ctx, poll)
		}
	}
	return poll
}

func (r *run) query() ClaimQuery {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := ClaimQuery{
		Max:    orDefault(r.Concurrency, 50) - r.under,
		Lease:  r.lease(),
		PerHop: orDefault(r.PerHop, 10),
		Busy:   make(map[Hop]int, len(r.busy)),
	}
	for hop, n := range r.busy {
		q.Busy[hop] = n
	}
	return q
}

func (r *Runner) lease() time.Duration { return orDefault(r.Lease, 30*time.Second) }

// untilNext returns how long it is until something is due, at most poll. What is due for a hop that is busy waits
// for the end of an attempt, which pokes.
func (r *run) untilNext(ctx context.Context, poll time.Duration) time.Duration {
	q := r.query()
	var full []Hop
	for hop := range q.Busy {
		if q.Full(hop, 0) {
			full = append(full, hop)
		}
	}
	next, err := r.Queue.NextDue(ctx, full...)
	if err != nil {
		r.log().ErrorContext(ctx, "ask for the next recipient due", "err", err)
		return poll
	}
	if next.IsZero() {
		return poll
	}
	return min(max(time.Until(next), breath), poll)
}

// breath is how long to wait at least, for a queue whose clock is behind ours is not to be asked over and over.
const breath = 10 * time.Millisecond

func (r *run) start(ctx context.Context, c Claim) {
	r.mu.Lock()
	r.busy[c.Hop]++
	r.under++
	r.mu.Unlock()
	r.attempts.Go(func() {
		r.attempt(ctx, c)
		r.mu.Lock()
		if r.busy[c.Hop]--; r.busy[c.Hop] == 0 {
			delete(r.busy, c.Hop)
		}
		r.under--
		r.mu.Unlock()
		r.poke()
	})
}
