package route

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/postrider/postrider"
)

// Limits on what one recipient may become.
const (
	// MaxRedirects is how many Redirect verdicts may follow each other.
	MaxRedirects = 10
	// MaxDecisions is how many decisions one recipient may grow into.
	MaxDecisions = 1000
	// DefaultTimeout is how long a Router may take for one recipient, redirections
	// included, if the context has no nearer deadline.
	DefaultTimeout = 30 * time.Second
)

// A Decision is one final destination of a recipient: an action other than Redirect.
type Decision struct {
	// Recipient has the address that the action is for, which redirections may have
	// changed, and the parameters of the one that RCPT named.
	Recipient postrider.Recipient
	Action    Action
	// From are the addresses whose redirection led here, the one that RCPT named first; empty if
	// none did.
	From []postrider.Address
}

// Resolve asks r about the recipient and follows redirections until there are only final
// decisions, each destination once. It never fails: where the Router returns an error
// that is no Status of class 5, panics, takes too long, or grows beyond the limits, the decision is a
// Defer with the cause as its status's Err; where it has nothing to say, a Reject with 5.7.1.
//
// Where redirections lead back to an address, the Router is asked about it once more, for it may deliver
// one copy of what it redirects; a second redirection of it is passed over. If nothing is left, the
// recipient is rejected with 5.4.6.
//
// If any decision is a Defer, the whole recipient is to be deferred: see [Deferred].
func Resolve(ctx context.Context, r Router, m *Mail, rcpt postrider.Recipient) []Decision {
	ctx, cancel := context.WithTimeout(ctx, DefaultTimeout)
	defer cancel()
	e := &expansion{ctx: ctx, router: r}
	e.add(m, rcpt)
	if e.err != nil {
		return []Decision{deferral(rcpt, e.err)}
	}
	if len(e.decisions) == 0 {
		loop := Reject("5.4.6", "address redirects to itself").By("loop")
		return []Decision{{Recipient: rcpt, Action: loop[0]}}
	}
	return e.decisions
}

// Deferred returns the decision that defers the recipient, if there is one.
func Deferred(decisions []Decision) (Decision, bool) {
	i := slices.IndexFunc(decisions, func(d Decision) bool { return d.Action.Kind == KindDefer })
	if i < 0 {
		return Decision{}, false
	}
	return decisions[i], true
}

// Rejected returns the decision that rejects the recipient, if all of them do.
func Rejected(decisions []Decision) (Decision, bool) {
	for _, d := range decisions {
		if d.Action.Kind != KindReject {
			return Decision{}, false
		}
	}
	if len(decisions) == 0 {
		return Decision{}, false
	}
	return decisions[0], true
}

func deferral(rcpt postrider.Recipient, cause error) Decision {
	return Decision{Recipient: rcpt, Action: Action{Kind: KindDefer, Status: postrider.StatusOf(cause)}}
}

// An expansion follows the redirections of one recipient.
type expansion struct {
	ctx       context.Context
	router    Router
	decisions []Decision
	err       error
}

func (e *expansion) add(m *Mail, rcpt postrider.Recipient) {
	if e.err != nil {
		return
	}
	verdict, err := ask(e.ctx, e.router, m, rcpt)
	if err != nil {
		if s := postrider.StatusOf(err); s.Permanent() {
			verdict = Verdict{{Kind: KindReject, Status: s}}
		} else {
			e.err = err
			return
		}
	}
	if len(verdict) == 0 {
		verdict = Reject("5.7.1", "no rule accepts mail for this recipient").By("nobody")
	}
	for _, action := range verdict {
		if action.Kind == KindRedirect {
			e.redirect(m, rcpt, action)
			continue
		}
		e.decide(Decision{Recipient: rcpt, Action: action, From: m.RedirectedFrom})
	}
}

func (e *expansion) redirect(m *Mail, rcpt postrider.Recipient, action Action) {
	if looped(m.RedirectedFrom, rcpt.ForwardPath) {
		return
	}
	if len(m.RedirectedFrom) >= MaxRedirects {
		e.err = &postrider.Status{Code: "4.4.6", Text: "too many redirections", Err: fmt.Errorf("redirected from %v", m.RedirectedFrom)}
		return
	}
	next := *m
	next.RedirectedFrom = append(slices.Clone(m.RedirectedFrom), rcpt.ForwardPath)
	for _, to := range action.To {
		r := rcpt
		r.ForwardPath = to
		e.add(&next, r)
	}
}

// looped reports whether the way to an address has come through it before.
func looped(way []postrider.Address, to postrider.Address) bool {
	to = to.Canonical()
	return slices.ContainsFunc(way, func(a postrider.Address) bool { return a.Canonical() == to })
}

func (e *expansion) decide(d Decision) {
	if len(e.decisions) >= MaxDecisions {
		e.err = &postrider.Status{Code: "4.5.3", Text: "recipient expands to too many"}
		return
	}
	if !slices.ContainsFunc(e.decisions, d.same) {
		e.decisions = append(e.decisions, d)
	}
}

// same reports whether two decisions lead the mail to the same place.
func (d Decision) same(other Decision) bool {
	a, b := d.Action, other.Action
	if a.Kind != b.Kind {
		return false
	}
	switch a.Kind {
	case KindDeliver, KindQuarantine:
		return a.Account == b.Account && a.Mailbox == b.Mailbox
	}
	return d.Recipient.ForwardPath.Canonical() == other.Recipient.ForwardPath.Canonical() && a.Via == b.Via && a.Name == b.Name
}

// ask calls the Router and turns a panic and a deadline into errors.
func ask(ctx context.Context, r Router, m *Mail, rcpt postrider.Recipient) (v Verdict, err error) {
	defer func() {
		if p := recover(); p != nil {
			v, err = nil, fmt.Errorf("router panicked: %v\n%s", p, debug.Stack())
		}
	}()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	v, err = r.Route(ctx, m, rcpt)
	if err == nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, fmt.Errorf("router took too long: %w", ctx.Err())
	}
	return v, err
}
