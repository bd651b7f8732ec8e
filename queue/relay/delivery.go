package relay

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/smtp"
)

const (
	// maxTransactions is how many transactions one session may have for a message whose server takes few recipients at a time.
	maxTransactions = 20
	// soon is when recipients come again that were too many for one attempt: nothing is wrong with them.
	soon = time.Minute
)

// A delivery is one call of Deliver.
type delivery struct {
	*Transport
	attempt  *queue.Attempt
	pending  []int           // places in attempt.Recipients that have no outcome yet
	outcomes []queue.Outcome // by place
	failures []failure       // by place: the most telling so far
}

func newDelivery(t *Transport, a *queue.Attempt) *delivery {
	d := &delivery{
		Transport: t,
		attempt:   a,
		pending:   make([]int, len(a.Recipients)),
		outcomes:  make([]queue.Outcome, len(a.Recipients)),
		failures:  make([]failure, len(a.Recipients)),
	}
	for i := range a.Recipients {
		d.pending[i] = i
		d.outcomes[i].Index = a.Recipients[i].Index
	}
	return d
}

// strict reports whether the message requires TLS. A bounce goes on without (RFC 8689 §5).
func (d *delivery) strict() bool {
	env := &d.attempt.Message.Envelope
	return env.RequireTLS && !env.ReversePath.IsNull()
}

// run tries the targets one after the other until every recipient has an outcome.
func (d *delivery) run(ctx context.Context) {
	at, fail := d.locate(ctx, d.attempt.NextHop)
	if fail == nil && d.strict() && !at.trusted {
		fail = &failure{status: &postrider.Status{Code: "5.7.10", Text: "REQUIRETLS needs servers that the domain names securely"}}
	}
	if fail != nil {
		d.failRest(*fail)
		return
	}
	if at.missing != nil {
		d.note(d.pending, *lookupFailure(at.missing))
	}
	d.preferIdle(at.targets)
	answered := ""
	for _, to := range at.targets {
		if len(d.pending) == 0 || ctx.Err() != nil {
			break
		}
		if to.host == answered { // its other addresses would say the same
			continue
		}
		if d.try(ctx, to.server) {
			answered = to.host
		}
	}
	d.failRest(failure{status: postrider.StatusOf(context.Cause(ctx))})
}

// try sends to the pending recipients by one server, and reports whether it had something to say about them.
func (d *delivery) try(ctx context.Context, to server) (answered bool) {
	suits := func(s *session) bool { return !d.strict() || s.secure() }
	if s := d.pool.take(to, suits); s != nil {
		answered, lost := d.send(ctx, s)
		if !lost {
			return answered
		}
	}
	s, err := d.open(ctx, to, d.strict())
	if err != nil {
		d.log().InfoContext(ctx, "session failed", "queue_id", d.attempt.Message.ID, "host", to.host, "remote", to.addr, "err", err)
		d.note(d.pending, sessionFailure(to, err))
		return false
	}
	answered, _ = d.send(ctx, s)
	return answered
}

// send sends to the pending recipients over s, in as many transactions as the server wants. It reports whether the server said
// something about them, and whether a session that had been idle turned out to be lost before that.
func (d *delivery) send(ctx context.Context, s *session) (answered, lost bool) {
	defer d.pool.give(s)
	group := slices.Clone(d.pending)
	for n := 1; len(group) > 0; n++ {
		r := d.transact(ctx, s, group)
		answered = answered || r.answered
		if r.lost { // whom it left open may find an answer at another address
			return false, s.reused
		}
		switch {
		case len(r.tooMany) == 0:
		case !r.accepted || !s.client.Reusable():
			d.noteEach(s, r.tooMany, r.outcomes)
			return true, false
		case n == maxTransactions:
			for _, i := range r.tooMany {
				d.settle(i, queue.Deferred, failure{status: r.outcomes[i].Err.Status, remote: s.server.host, retryAt: time.Now().Add(soon)})
			}
			return true, false
		}
		group = r.tooMany
	}
	return answered, false
}

// A round is what came of one transaction.
type round struct {
	outcomes map[int]smtp.Outcome // by place
	tooMany  []int                // places of recipients that the server wants in another transaction
	accepted bool                 // the server took the message for somebody
	answered bool                 // it has said, or shown, what it does with a recipient that is still pending
	lost     bool                 // the session ended before its time
}

// transact sends to a group of recipients in one transaction, and settles what is decided by it.
func (d *delivery) transact(ctx context.Context, s *session, group []int) round {
	env := d.attempt.Message.Envelope
	env.Recipients = make([]postrider.Recipient, len(group))
	for n, i := range group {
		env.Recipients[n] = d.attempt.Recipients[i].Recipient.Recipient
	}
	outcomes, _ := s.client.Send(ctx, &env, d.attempt.Content) // the error is the outcomes' in brief
	s.messages++
	r := round{outcomes: make(map[int]smtp.Outcome, len(group))}
	var first *smtp.ClientError
	for n, i := range group {
		r.outcomes[i] = outcomes[n]
		d.judge(s, &r, i, outcomes[n])
		if first == nil {
			first = outcomes[n].Err
		}
	}
	if r.lost {
		d.log().InfoContext(ctx, "session failed", "queue_id", d.attempt.Message.ID, "host", s.server.host, "remote", s.server.addr, "reused", s.reused, "err", first)
	}
	return r
}

// judge draws the consequences of what a transaction did for one recipient. See the package's comment for the reasons.
func (d *delivery) judge(s *session, r *round, i int, o smtp.Outcome) {
	switch verdictOf(o.Err) {
	case accepted:
		r.accepted = true
		d.deliver(s, i, o)
	case ambiguous:
		d.settle(i, queue.Deferred, transactionFailure(s, o.Err))
	case refused:
		d.refuse(i, transactionFailure(s, o.Err))
	case tooMany:
		r.tooMany = append(r.tooMany, i)
	case lost:
		r.lost = true
		if !s.reused {
			d.note([]int{i}, transactionFailure(s, o.Err))
		}
	case unsuited, deferred:
		r.answered = true
		d.note([]int{i}, transactionFailure(s, o.Err))
	}
}

// deliver settles a recipient whose copy is the server's now.
func (d *delivery) deliver(s *session, i int, o smtp.Outcome) {
	d.settle(i, queue.Delivered, failure{status: acceptance(o.Reply), remote: s.server.host})
	d.outcomes[i].Relayed = true
	d.outcomes[i].NotifiesSuccess = s.offers("DSN")
}

// refuse settles a recipient by the server's word. Where a better host had asked to wait, that holds: a backup may know less.
func (d *delivery) refuse(i int, f failure) {
	switch {
	case !f.status.Permanent():
		d.settle(i, queue.Deferred, f)
	case d.failures[i].answer:
		d.settle(i, queue.Deferred, d.failures[i])
	default:
		d.settle(i, queue.Failed, f)
	}
}

// settle gives a recipient its outcome.
func (d *delivery) settle(i int, result queue.Result, f failure) {
	o := &d.outcomes[i]
	o.Result, o.Status, o.Remote, o.Ambiguous, o.RetryAt = result, f.status, f.remote, f.ambiguous, f.retryAt
	d.pending = slices.DeleteFunc(d.pending, func(p int) bool { return p == i })
}

// note remembers why recipients stay pending.
func (d *delivery) note(places []int, f failure) {
	for _, i := range places {
		if d.failures[i].less(f) {
			d.failures[i] = f
		}
	}
}

func (d *delivery) noteEach(s *session, places []int, outcomes map[int]smtp.Outcome) {
	for _, i := range places {
		d.note([]int{i}, transactionFailure(s, outcomes[i].Err))
	}
}

// failRest settles the recipients for which nothing is left to be tried: by what was noted of them, or f where nothing was. They have
// failed for good only if everything that was tried said so.
func (d *delivery) failRest(f failure) {
	for _, i := range slices.Clone(d.pending) {
		why := d.failures[i]
		if why.status == nil {
			why = f
		}
		if why.status == nil {
			why.status = postrider.StatusOf(errors.New("nothing was tried"))
		}
		result := queue.Deferred
		if why.status.Permanent() {
			result = queue.Failed
		}
		d.settle(i, result, why)
	}
}
