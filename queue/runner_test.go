package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/queue/memqueue"
)

// A scene is a queue with a runner, in a bubble whose clock the test turns.
type scene struct {
	*testing.T
	queue  queue.Queue
	runner *queue.Runner
	begin  time.Time

	mu       sync.Mutex // guards what follows
	log      bytes.Buffer
	attempts []time.Duration // since begin, of transport "relay"
	reports  []string        // that arrived at transport "local"
}

// play runs f in a bubble, with a runner whose transport "relay" is relay; it is not yet running. Reports go by
// transport "local".
func play(t *testing.T, relay queue.TransportFunc, f func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{T: t, queue: memqueue.New(), begin: time.Now()}
		s.runner = &queue.Runner{
			Queue:    s.queue,
			Hostname: "mx.example.org",
			Route: func(_ context.Context, _ *postrider.Envelope, _ postrider.Content, to postrider.Recipient) ([]queue.Recipient, error) {
				return []queue.Recipient{{Recipient: to, Transport: "local"}}, nil
			},
			Retry:  queue.Retry{Jitter: -1},
			Logger: slog.New(slog.NewTextHandler(s, nil)),
		}
		s.runner.Transports = map[string]queue.Transport{
			"relay": queue.TransportFunc(func(ctx context.Context, a *queue.Attempt) []queue.Outcome {
				s.mu.Lock()
				s.attempts = append(s.attempts, time.Since(s.begin))
				s.mu.Unlock()
				return relay(ctx, a)
			}),
			"local": queue.TransportFunc(s.receive),
		}
		f(s)
	})
}

// Write takes lines of the log.
func (s *scene) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *scene) receive(_ context.Context, a *queue.Attempt) []queue.Outcome {
	b, err := postrider.ReadAll(a.Content)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.Errorf("read a report: %v", err)
	}
	if env := a.Message.Envelope; !env.ReversePath.IsNull() || a.Recipients[0].Notify != postrider.NotifyNever || env.Return != "" {
		s.Errorf("a report goes out from the null path, with NOTIFY=NEVER and without RET (RFC 3461 §6.1): %+v", env)
	}
	s.reports = append(s.reports, string(b))
	return all(a, queue.Delivered)
}

// all is the same outcome for all recipients.
func all(a *queue.Attempt, r queue.Result) []queue.Outcome {
	var outcomes []queue.Outcome
	for _, e := range a.Recipients {
		o := queue.Outcome{Index: e.Index, Result: r, Remote: "mx.example.net", Relayed: r == queue.Delivered}
		switch r {
		case queue.Deferred:
			o.Status = &postrider.Status{Code: "4.2.1", Reply: 450, Text: "not now"}
		case queue.Failed:
			o.Status = &postrider.Status{Code: "5.1.1", Reply: 550, Text: "no such user"}
		}
		outcomes = append(outcomes, o)
	}
	return outcomes
}

func always(r queue.Result) queue.TransportFunc {
	return func(_ context.Context, a *queue.Attempt) []queue.Outcome { return all(a, r) }
}

// start runs the runner until the returned function is called.
func (s *scene) start() (stop func()) { return s.startOne(s.runner) }

func (s *scene) startOne(r *queue.Runner) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	return func() {
		s.Helper()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			s.Errorf("Run returned %v", err)
		}
	}
}

// mail puts a message from ann@example.org to recipients such as bob@example.net in the queue.
func (s *scene) mail(to ...string) queue.ID {
	s.Helper()
	return s.put(submission(to...))
}

func submission(to ...string) queue.Submission {
	sub := queue.Submission{
		Envelope: postrider.Envelope{ReversePath: postrider.Address{Local: "ann", Domain: "example.org"}},
		Content:  postrider.String("Subject: hello\r\n\r\nHow are you?\r\n"),
	}
	for _, path := range to {
		local, domain, _ := strings.Cut(path, "@")
		sub.Recipients = append(sub.Recipients, queue.Recipient{
			Recipient: postrider.Recipient{ForwardPath: postrider.Address{Local: local, Domain: domain}},
			Transport: "relay",
			NextHop:   domain,
		})
	}
	return sub
}

func (s *scene) put(sub queue.Submission) queue.ID {
	s.Helper()
	ids, err := s.queue.Put(context.Background(), sub)
	if err != nil {
		s.Fatal(err)
	}
	return ids[0]
}

// left lists the queue.
func (s *scene) left() []queue.Entry {
	s.Helper()
	var list []queue.Entry
	for e, err := range s.queue.Entries(context.Background(), queue.Filter{}) {
		if err != nil {
			s.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

func (s *scene) wantLeft(n int) {
	s.Helper()
	if got := len(s.left()); got != n {
		s.Errorf("%d recipients are left in the queue, want %d", got, n)
	}
}

func (s *scene) wantAttempts(want ...time.Duration) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.attempts, want) {
		s.Errorf("attempts after %v,\n\t\t\twant %v", s.attempts, want)
	}
}

func (s *scene) wantReports(n int, texts ...string) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reports) != n {
		s.Errorf("%d reports, want %d:\n%s", len(s.reports), n, strings.Join(s.reports, "\n\n"))
	}
	for _, text := range texts {
		for _, r := range s.reports {
			if !strings.Contains(r, text) {
				s.Errorf("the report does not say %q:\n%s", text, r)
			}
		}
	}
}

func (s *scene) wantLog(text string) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.Contains(s.log.String(), text) {
		s.Errorf("the log does not say %q:\n%s", text, s.log.String())
	}
}

// Q1, Q2, RFC 5321 §4.5.4.1: five days of retries, then the sender is told, once.
func TestFiveDaysOfRetriesEndInOneReport(t *testing.T) {
	play(t, always(queue.Deferred), func(s *scene) {
		defer s.start()()
		s.mail("bob@example.net")
		time.Sleep(5*24*time.Hour - time.Second)
		s.wantLeft(1)
		s.wantReports(0)
		time.Sleep(time.Minute)
		want := []time.Duration{0, 30 * time.Minute, 90 * time.Minute, 210 * time.Minute}
		for at := 450 * time.Minute; at < 5*24*time.Hour; at += 4 * time.Hour {
			want = append(want, at)
		}
		s.wantAttempts(append(want, 5*24*time.Hour)...)
		s.wantLeft(0)
		s.wantReports(1, "Final-Recipient: rfc822;bob@example.net", "Action: failed", "Status: 5.4.7", "not now", "To: <ann@example.org>")
		time.Sleep(10 * 24 * time.Hour)
		s.wantReports(1)
	})
}

func TestRetryAtOfTheTransportComesBeforeTheSchedule(t *testing.T) {
	waits := []time.Duration{time.Minute, 0, -time.Hour, 100 * 24 * time.Hour}
	n := 0
	relay := func(_ context.Context, a *queue.Attempt) []queue.Outcome {
		o := all(a, queue.Deferred)
		if n < len(waits) && waits[n] != 0 {
			o[0].RetryAt = time.Now().Add(waits[n])
		}
		n++
		return o
	}
	play(t, relay, func(s *scene) {
		defer s.start()()
		s.mail("bob@example.net")
		time.Sleep(6 * 24 * time.Hour)
		// As said; by the schedule, the second time; by the schedule, for the past is no time; at the end of its time.
		first, second := time.Minute, time.Minute+time.Hour
		s.wantAttempts(0, first, second, second+2*time.Hour, 5*24*time.Hour)
	})
}

func TestALeaseIsRenewedWhileTheAttemptLasts(t *testing.T) {
	relay := func(ctx context.Context, a *queue.Attempt) []queue.Outcome {
		time.Sleep(time.Hour)
		if ctx.Err() != nil {
			return nil
		}
		return all(a, queue.Delivered)
	}
	play(t, relay, func(s *scene) {
		stop := s.start()
		other := *s.runner
		stopOther := s.startOne(&other)
		s.mail("bob@example.net")
		time.Sleep(2 * time.Hour)
		s.wantAttempts(0)
		s.wantLeft(0)
		stop()
		stopOther()
	})
}

func TestAStoppedRunnerGivesBackWhatWasCutShort(t *testing.T) {
	relay := func(ctx context.Context, a *queue.Attempt) []queue.Outcome {
		<-ctx.Done()
		o := all(a, queue.Deferred)
		switch a.NextHop {
		case "ambiguous.example":
			o[0].Ambiguous = true
		case "done.example":
			o = all(a, queue.Delivered)
		case "silent.example":
			o = nil
		}
		return o
	}
	play(t, relay, func(s *scene) {
		stop := s.start()
		s.mail("bob@cut.example", "bob@ambiguous.example", "bob@done.example", "bob@silent.example")
		time.Sleep(time.Hour)
		stop()
		s.wantLeft(3)
		for _, e := range s.left() {
			attempts, due := 0, s.begin
			if e.NextHop == "ambiguous.example" {
				attempts, due = 1, s.begin.Add(90*time.Minute)
			}
			if e.Attempts != attempts || !e.Due.Equal(due) || !e.LeasedUntil.IsZero() {
				s.Errorf("%s has %d attempts, is due at %v and leased until %v", e.NextHop, e.Attempts, e.Due, e.LeasedUntil)
			}
		}
		s.wantLog("ambiguous=true")
	})
}

func TestABadTransportDefers(t *testing.T) {
	for name, relay := range map[string]queue.TransportFunc{
		"panics":       func(context.Context, *queue.Attempt) []queue.Outcome { panic("a bug of ours") },
		"says nothing": func(context.Context, *queue.Attempt) []queue.Outcome { return nil },
		"says nonsense": func(_ context.Context, a *queue.Attempt) []queue.Outcome {
			return []queue.Outcome{{Index: a.Recipients[0].Index, Result: 17}, {Index: 99, Result: queue.Delivered}}
		},
		"gives no reason": func(_ context.Context, a *queue.Attempt) []queue.Outcome {
			return []queue.Outcome{{Index: a.Recipients[0].Index, Result: queue.Deferred}}
		},
		"is missing": nil,
	} {
		t.Run(name, func(t *testing.T) {
			play(t, relay, func(s *scene) {
				if relay == nil {
					delete(s.runner.Transports, "relay")
				}
				defer s.start()()
				s.mail("bob@example.net")
				time.Sleep(time.Second)
				s.wantLeft(1)
				for _, e := range s.left() {
					if e.Attempts != 1 || !e.Due.Equal(s.begin.Add(30*time.Minute)) || !e.LastStatus.Temporary() {
						s.Errorf("after the attempt: %+v", e)
					}
				}
				if name == "panics" {
					s.wantLog("a bug of ours")
				}
			})
		})
	}
}

func TestConcurrencyAndPerHopAreLimits(t *testing.T) {
	var mu sync.Mutex
	now, most := map[string]int{}, map[string]int{}
	count := func(hop string, by int) {
		mu.Lock()
		defer mu.Unlock()
		for _, key := range []string{hop, "all"} {
			now[key] += by
			most[key] = max(most[key], now[key])
		}
	}
	relay := func(_ context.Context, a *queue.Attempt) []queue.Outcome {
		count(a.NextHop, 1)
		time.Sleep(time.Minute)
		count(a.NextHop, -1)
		return all(a, queue.Delivered)
	}
	play(t, relay, func(s *scene) {
		s.runner.Concurrency, s.runner.PerHop = 5, 3
		defer s.start()()
		for range 12 {
			s.mail("bob@a.example", "bob@b.example")
		}
		time.Sleep(5*time.Minute - time.Second)
		s.wantLeft(4) // 24, less 5 a minute
		time.Sleep(time.Minute)
		s.wantLeft(0)
		if most["all"] != 5 || most["a.example"] != 3 || most["b.example"] != 3 {
			s.Errorf("at most %v attempts at once", most)
		}
	})
}

// A hop that is busy must neither hide when another is due nor make the runner ask over and over.
func TestABusyHopDoesNotDelayOthers(t *testing.T) {
	relay := func(_ context.Context, a *queue.Attempt) []queue.Outcome {
		if a.NextHop == "slow.example" {
			time.Sleep(time.Hour)
		}
		return all(a, queue.Delivered)
	}
	play(t, relay, func(s *scene) {
		s.runner.PerHop = 1
		claims := 0
		s.runner.Queue = &flaky{Queue: s.queue, claim: func() error { claims++; return nil }}
		s.mail("bob@slow.example")
		s.mail("bob@slow.example")
		later := submission("bob@quick.example")
		later.NotBefore = s.begin.Add(7 * time.Second)
		s.put(later)
		stop := s.start()
		time.Sleep(10 * time.Second)
		s.wantAttempts(0, 7*time.Second)
		time.Sleep(2 * time.Hour)
		stop()
		if claims > 1000 { // one for each Poll, and for each end of an attempt
			s.Errorf("the queue was asked %d times in two hours", claims)
		}
	})
}

func TestAnotherRunnerGoesOnWhenTheLeaseEnds(t *testing.T) {
	play(t, always(queue.Delivered), func(s *scene) {
		s.mail("bob@example.net")
		claims, err := s.queue.Claim(context.Background(), queue.ClaimQuery{Max: 1, Lease: 2 * time.Minute})
		if err != nil || len(claims) != 1 {
			s.Fatalf("%d claims, %v", len(claims), err)
		}
		// That process dies here.
		defer s.start()()
		time.Sleep(2*time.Minute + time.Second)
		s.wantAttempts(2 * time.Minute)
		s.wantLeft(0)
	})
}

// A flaky queue fails where the functions say so.
type flaky struct {
	queue.Queue
	claim, renew, settle, content func() error
}

func (q *flaky) Claim(ctx context.Context, query queue.ClaimQuery) ([]queue.Claim, error) {
	if q.claim != nil {
		if err := q.claim(); err != nil {
			return nil, err
		}
	}
	return q.Queue.Claim(ctx, query)
}

func (q *flaky) Renew(ctx context.Context, t queue.Token, d time.Duration) error {
	if q.renew != nil {
		return q.renew()
	}
	return q.Queue.Renew(ctx, t, d)
}

func (q *flaky) Settle(ctx context.Context, t queue.Token, o []queue.Outcome, reports ...queue.Submission) error {
	if q.settle != nil {
		if err := q.settle(); err != nil {
			return err
		}
	}
	return q.Queue.Settle(ctx, t, o, reports...)
}

func (q *flaky) Content(ctx context.Context, id queue.ID) (postrider.Content, error) {
	if q.content != nil {
		if err := q.content(); err != nil {
			return nil, err
		}
	}
	return q.Queue.Content(ctx, id)
}

// times fails that often.
func times(n int) func() error {
	return func() error {
		if n--; n >= 0 {
			return errors.New("disk on fire")
		}
		return nil
	}
}

func TestAStaleSettleIsLoggedAndLosesNothing(t *testing.T) {
	var n atomic.Int32
	relay := func(_ context.Context, a *queue.Attempt) []queue.Outcome {
		if n.Add(1) == 1 {
			time.Sleep(10 * time.Minute) // its lease is not renewed
			return all(a, queue.Failed)
		}
		time.Sleep(20 * time.Minute)
		return all(a, queue.Delivered)
	}
	play(t, relay, func(s *scene) {
		other := *s.runner
		s.runner.Concurrency = 1 // so that it does not claim what it lost
		s.runner.Queue = &flaky{Queue: s.queue, renew: func() error { return errors.New("disk on fire") }}
		s.mail("bob@example.net")
		stop := s.start()
		time.Sleep(time.Second)
		stopOther := s.startOne(&other)
		time.Sleep(11 * time.Minute)
		s.wantLog("lease is stale")
		s.wantLog("disk on fire")
		s.wantLeft(1)
		s.wantReports(0)
		time.Sleep(time.Hour)
		s.wantLeft(0)
		s.wantAttempts(0, 30*time.Second)
		stop()
		stopOther()
	})
}

func TestAnAttemptWhoseLeaseIsStaleIsCancelled(t *testing.T) {
	var took time.Duration
	relay := func(ctx context.Context, a *queue.Attempt) []queue.Outcome {
		begin := time.Now()
		<-ctx.Done()
		took = time.Since(begin)
		return all(a, queue.Deferred)
	}
	play(t, relay, func(s *scene) {
		s.runner.Queue = &flaky{Queue: s.queue, renew: func() error { return queue.ErrStale }}
		s.mail("bob@example.net")
		stop := s.start()
		time.Sleep(time.Minute)
		stop()
		if took != 10*time.Second {
			s.Errorf("the attempt was cancelled after %v, want a third of the lease", took)
		}
	})
}

// What was delivered and is not noted as such goes out twice.
func TestAQueueThatFailsForAWhileGetsTheOutcomesLater(t *testing.T) {
	play(t, always(queue.Delivered), func(s *scene) {
		s.runner.Queue = &flaky{Queue: s.queue, settle: times(5)}
		s.mail("bob@example.net")
		defer s.start()()
		time.Sleep(time.Hour)
		s.wantAttempts(0)
		s.wantLeft(0)
	})
}

func TestAQueueThatFailsForLongGetsTheMailTriedAgain(t *testing.T) {
	play(t, always(queue.Delivered), func(s *scene) {
		s.runner.Queue = &flaky{Queue: s.queue, settle: times(40)}
		s.mail("bob@example.net")
		defer s.start()()
		time.Sleep(time.Hour)
		// When just the lease is renewed for the last time is a matter of chance; then it has to run out.
		s.mu.Lock()
		n := len(s.attempts)
		if n != 2 || s.attempts[1] < 30*time.Second || s.attempts[1] > 2*time.Minute {
			s.Errorf("attempts after %v, want one more when the lease has run out", s.attempts)
		}
		s.mu.Unlock()
		s.wantLog("disk on fire")
		s.wantLeft(0)
	})
}

func TestErrorsOfTheQueueAreLoggedAndPass(t *testing.T) {
	play(t, always(queue.Delivered), func(s *scene) {
		s.runner.Queue = &flaky{Queue: s.queue, claim: times(2)}
		s.mail("bob@example.net")
		defer s.start()()
		time.Sleep(time.Minute)
		s.wantAttempts(30 * time.Second) // two polls
		s.wantLog("disk on fire")
	})
	play(t, always(queue.Delivered), func(s *scene) {
		s.runner.Queue = &flaky{Queue: s.queue, content: times(1)}
		s.mail("bob@example.net")
		defer s.start()()
		time.Sleep(time.Hour)
		s.wantAttempts(30 * time.Minute) // the first ended before the transport
		s.wantLeft(0)
	})
}

// A flaky queue is no Notifier, so that it has to be asked.
func TestAQueueThatDoesNotTellIsAsked(t *testing.T) {
	play(t, always(queue.Delivered), func(s *scene) {
		s.runner.Queue = &flaky{Queue: s.queue}
		s.runner.Poll = 20 * time.Second
		defer s.start()()
		time.Sleep(5 * time.Second)
		s.mail("bob@example.net")
		time.Sleep(time.Minute)
		s.wantAttempts(20 * time.Second)
	})
}

func TestAQueueThatTellsNeedsNoPoll(t *testing.T) {
	play(t, always(queue.Delivered), func(s *scene) {
		s.runner.Poll = time.Hour
		defer s.start()()
		time.Sleep(5 * time.Second)
		s.mail("bob@example.net")
		time.Sleep(time.Second)
		s.wantAttempts(5 * time.Second)
	})
}

func TestWrongSettingsAreReportedTogether(t *testing.T) {
	err := (&queue.Runner{}).Run(t.Context())
	for _, name := range []string{"Queue", "Transports", "Hostname"} {
		if err == nil || !strings.Contains(err.Error(), "Runner."+name) {
			t.Errorf("Run does not tell that %s is wrong: %v", name, err)
		}
	}
}

// Several runners share the work of one queue, while mail comes in.
func TestRunnersShareAQueue(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	relay := func(_ context.Context, a *queue.Attempt) []queue.Outcome {
		time.Sleep(time.Second)
		mu.Lock()
		defer mu.Unlock()
		var outcomes []queue.Outcome
		for i, o := range all(a, queue.Delivered) {
			key := fmt.Sprintf("%s %d", a.Message.ID, o.Index)
			if seen[key]++; a.Recipients[i].Attempts < 2 {
				o.Result = queue.Deferred
			}
			outcomes = append(outcomes, o)
		}
		return outcomes
	}
	play(t, relay, func(s *scene) {
		for range 3 {
			r := *s.runner
			r.Concurrency = 7
			defer s.startOne(&r)()
		}
		for i := range 100 {
			s.mail("bob@a.example", fmt.Sprintf("bob@d%d.example", i), "eve@a.example")
		}
		time.Sleep(24 * time.Hour)
		s.wantLeft(0)
		if len(seen) != 300 {
			s.Errorf("%d recipients were tried", len(seen))
		}
		for key, n := range seen {
			if n != 3 {
				s.Errorf("%s was tried %d times, want 3", key, n)
			}
		}
	})
}

// RFC 5321 §4.5.4.1, Q2: one copy goes to all recipients at a host, also when it is tried again.
func TestWhatIsDeferredTogetherIsTriedTogether(t *testing.T) {
	play(t, always(queue.Deferred), func(s *scene) {
		s.runner.Retry = queue.Retry{Jitter: 0.5}
		chance := 0.0
		s.runner.Chance = func() float64 { chance += 0.3; return chance }
		s.mail("bob@example.net", "cid@example.net", "dan@example.net")
		defer s.start()()
		time.Sleep(time.Minute)
		var due []time.Time
		for e, err := range s.queue.Entries(context.Background(), queue.Filter{}) {
			if err != nil {
				s.Fatal(err)
			}
			due = append(due, e.Due)
		}
		if len(due) != 3 || due[0] != due[1] || due[1] != due[2] {
			s.Errorf("they are due again at %v", due)
		}
	})
}
