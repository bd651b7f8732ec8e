package queuetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
)

// Options says more of a queue than Run needs to know.
type Options struct {
	// Reopen returns a queue with what closed kept, as after a restart of the process.
	// closed comes from newQueue or Reopen and is closed. Nil means that the queue does not
	// outlive its Close, and the promises about that are left out.
	Reopen func(t testing.TB, closed queue.Queue) queue.Queue
}

// Run holds the queues that newQueue returns to every promise, in subtests. newQueue
// returns an empty queue, a new one at each call; the kit closes it.
func Run(t *testing.T, newQueue func(t testing.TB) queue.Queue, o Options) {
	t.Helper()
	for _, p := range promises() {
		if p.durable && o.Reopen == nil {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { p.check(newKit(t, p, o, newQueue)) })
		})
	}
}

// A promise is one thing that a queue must do.
type promise struct {
	name string // a subtest's
	text string // what is quoted
	// durable says that it is about queues that outlive their Close.
	durable bool
	check   func(k *kit)
}

// promises returns all of them.
func promises() []promise {
	return slices.Concat(putPromises, claimPromises, leasePromises, settlePromises, updatePromises, listPromises, callPromises, durablePromises)
}

// kit is what a check has at hand: a new queue, and short forms of everyday calls.
type kit struct {
	testing.TB
	promise  promise
	options  Options
	newQueue func(testing.TB) queue.Queue
	ctx      context.Context
	q        queue.Queue
}

func newKit(t testing.TB, p promise, o Options, newQueue func(testing.TB) queue.Queue) *kit {
	k := &kit{TB: t, promise: p, options: o, newQueue: newQueue, ctx: context.Background()}
	k.q = newQueue(t)
	t.Cleanup(func() {
		if err := k.q.Close(); err != nil {
			t.Errorf("close the queue: %v", err)
		}
	})
	return k
}

// broken ends the test and quotes the promise.
func (k *kit) broken(format string, args ...any) {
	k.Helper()
	k.Fatalf("broken promise: %s\n\t%s", k.promise.text, fmt.Sprintf(format, args...))
}

// must ends the test if err is not nil.
func (k *kit) must(err error) {
	k.Helper()
	if err != nil {
		k.broken("unexpected error: %v", err)
	}
}

// want ends the test unless err is target.
func (k *kit) want(err, target error, doing string) {
	k.Helper()
	if !errors.Is(err, target) {
		k.broken("%s: got error %v, want %v", doing, err, target)
	}
}

// same ends the test unless got is want.
func same[T comparable](k *kit, what string, got, want T) {
	k.Helper()
	if got != want {
		k.broken("%s:\n\t got %v\n\twant %v", what, got, want)
	}
}

// mail returns a submission from name@sender.example to recipients such as bob@a.example, who go by the transport
// "relay" to the domain.
func mail(name string, to ...string) queue.Submission {
	s := queue.Submission{
		Envelope: postrider.Envelope{ReversePath: postrider.Address{Local: name, Domain: "sender.example"}},
		Content:  postrider.String("Subject: " + name + "\r\n\r\nThis is " + name + ".\r\n"),
	}
	for _, path := range to {
		local, domain, _ := strings.Cut(path, "@")
		s.Recipients = append(s.Recipients, queue.Recipient{
			Recipient: postrider.Recipient{ForwardPath: postrider.Address{Local: local, Domain: domain}},
			Transport: "relay",
			NextHop:   domain,
		})
	}
	return s
}

// at gives a submission the time when it is due.
func at(t time.Time, s queue.Submission) queue.Submission {
	s.NotBefore = t
	return s
}

func held(s queue.Submission) queue.Submission {
	s.Held = true
	return s
}

// put puts submissions and returns the ID of the first.
func (k *kit) put(subs ...queue.Submission) queue.ID {
	k.Helper()
	ids, err := k.q.Put(k.ctx, subs...)
	k.must(err)
	if len(ids) != len(subs) {
		k.broken("Put of %d submissions returned %d IDs", len(subs), len(ids))
	}
	return ids[0]
}

// claim claims whatever is due for a minute.
func (k *kit) claim() []queue.Claim {
	k.Helper()
	return k.claimBy(queue.ClaimQuery{Max: 1000, Lease: time.Minute})
}

func (k *kit) claimBy(q queue.ClaimQuery) []queue.Claim {
	k.Helper()
	claims, err := k.q.Claim(k.ctx, q)
	k.must(err)
	return claims
}

// claimOne claims for a minute and wants one claim.
func (k *kit) claimOne() queue.Claim {
	k.Helper()
	claims := k.claim()
	if len(claims) != 1 {
		k.broken("there are %d claims (%s), want 1", len(claims), shown(claims))
	}
	return claims[0]
}

// shown writes claims as "sender hop 0,1; ...".
func shown(claims []queue.Claim) string {
	var texts []string
	for _, c := range claims {
		var indexes []string
		for _, e := range c.Recipients {
			indexes = append(indexes, fmt.Sprint(e.Index))
		}
		texts = append(texts, c.Message.Envelope.ReversePath.Local+" "+c.Hop.NextHop+" "+strings.Join(indexes, ","))
	}
	return strings.Join(texts, "; ")
}

// wantClaims claims whatever is due, without regard to the order.
func (k *kit) wantClaims(want ...string) []queue.Claim {
	k.Helper()
	claims := k.claim()
	var got []string
	for _, c := range claims {
		got = append(got, shown([]queue.Claim{c}))
	}
	slices.Sort(got)
	slices.Sort(want)
	same(k, "claims", strings.Join(got, "; "), strings.Join(want, "; "))
	return claims
}

// entries lists the queue.
func (k *kit) entries(f queue.Filter) []queue.Entry {
	k.Helper()
	var list []queue.Entry
	for e, err := range k.q.Entries(k.ctx, f) {
		k.must(err)
		list = append(list, e)
	}
	return list
}

// entry returns the only entry.
func (k *kit) entry() queue.Entry {
	k.Helper()
	list := k.entries(queue.Filter{})
	if len(list) != 1 {
		k.broken("there are %d recipients in the queue, want 1", len(list))
	}
	return list[0]
}

// wantQueue wants just these recipients, as "sender index", in the queue.
func (k *kit) wantQueue(f queue.Filter, want ...string) {
	k.Helper()
	var got []string
	for _, e := range k.entries(f) {
		got = append(got, fmt.Sprintf("%s %d", e.Message.Envelope.ReversePath.Local, e.Index))
	}
	slices.Sort(got)
	slices.Sort(want)
	same(k, "recipients in the queue", strings.Join(got, "; "), strings.Join(want, "; "))
}

func (k *kit) settle(t queue.Token, outcomes ...queue.Outcome) {
	k.Helper()
	k.must(k.q.Settle(k.ctx, t, outcomes))
}

// fate makes outcomes of one result.
func fate(r queue.Result, indexes ...int) []queue.Outcome {
	var list []queue.Outcome
	for _, i := range indexes {
		o := queue.Outcome{Index: i, Result: r, Status: &postrider.Status{Code: "4.2.0", Text: "later"}}
		if r == queue.Deferred {
			o.RetryAt = time.Now().Add(time.Hour)
		}
		list = append(list, o)
	}
	return list
}

func (k *kit) update(f queue.Filter, c queue.Change, want int) {
	k.Helper()
	n, err := k.q.Update(k.ctx, f, c)
	k.must(err)
	same(k, "recipients changed", n, want)
}

func (k *kit) nextDue(except ...queue.Hop) time.Time {
	k.Helper()
	next, err := k.q.NextDue(k.ctx, except...)
	k.must(err)
	return next
}

// near wants a time, to the millisecond.
func (k *kit) near(what string, got, want time.Time) {
	k.Helper()
	if got.IsZero() != want.IsZero() || got.Sub(want).Abs() >= time.Millisecond {
		k.broken("%s: got %v, want %v", what, got, want)
	}
}

// content reads a message.
func (k *kit) content(id queue.ID) string {
	k.Helper()
	c, err := k.q.Content(k.ctx, id)
	k.must(err)
	defer func() { k.must(c.Close()) }()
	b, err := postrider.ReadAll(c)
	k.must(err)
	return string(b)
}

// reopen closes the queue and opens it again.
func (k *kit) reopen() {
	k.Helper()
	k.must(k.q.Close())
	k.q = k.options.Reopen(k.TB, k.q)
}
