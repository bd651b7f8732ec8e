package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue/dsn"
)

// judge completes what a transport said: one outcome for each recipient, a time for each further attempt,
// failure where the time is up, and the reports that are due. Where the runner was stopped in the midst of
// the attempt, deferred recipients are left as they were.
func (r *run) judge(ctx context.Context, c Claim, said []Outcome, stopped bool) ([]Outcome, []Submission) {
	byIndex := make(map[int]Outcome, len(said))
	for _, o := range said {
		byIndex[o.Index] = o
	}
	now := time.Now()
	// What was deferred together stays together, to go in one transaction again (RFC 5321 §4.5.4.1).
	chance := r.chance()
	again := func(attempts int) time.Time { return now.Add(r.Retry.Wait(attempts+1, chance)) }
	var outcomes []Outcome
	for _, e := range c.Recipients {
		o, ok := byIndex[e.Index]
		if !ok || o.Result < Delivered || o.Result > Failed {
			o = Outcome{Index: e.Index, Result: Deferred, Status: postrider.StatusOf(fmt.Errorf("transport %s had nothing to say", c.Hop.Transport))}
		}
		if o.Result == Deferred {
			if stopped && !o.Ambiguous {
				continue
			}
			o = r.deferral(c.Message, o, now, again(e.Attempts))
		}
		outcomes = append(outcomes, o)
	}
	reports, err := r.reports(ctx, c, outcomes)
	if err != nil {
		r.log().ErrorContext(ctx, "write DSN", "queue_id", c.Message.ID, "err", err)
		unfail(c, outcomes, again)
	}
	for _, o := range outcomes {
		r.logOutcome(ctx, c, o)
	}
	return outcomes, reports
}

// deferral gives a deferred recipient its next time, which is again unless its transport chose one, or fails it
// when its time is up.
func (r *run) deferral(m Message, o Outcome, now, again time.Time) Outcome {
	if o.Status == nil {
		o.Status = &postrider.Status{Code: "4.0.0", Text: "deferred"}
	}
	if r.Retry.expired(m, now) {
		o.Result = Failed
		o.Status = &postrider.Status{Code: "5.4.7", Text: "delivery time expired; the last attempt said: " + o.Status.Text, Err: o.Status}
		return o
	}
	if o.RetryAt.Before(now) {
		o.RetryAt = again
	}
	if end, ok := r.Retry.expires(m); ok && o.RetryAt.After(end) {
		o.RetryAt = end // one last attempt
	}
	return o
}

// unfail defers what failed, for its report could not be made: the sender must not stay in the dark.
func unfail(c Claim, outcomes []Outcome, again func(attempts int) time.Time) {
	attempts := map[int]int{}
	for _, e := range c.Recipients {
		attempts[e.Index] = e.Attempts
	}
	for i, o := range outcomes {
		if o.Result == Failed {
			outcomes[i].Result = Deferred
			outcomes[i].RetryAt = again(attempts[o.Index])
		}
	}
}

func (r *run) logOutcome(ctx context.Context, c Claim, o Outcome) {
	attrs := []any{"queue_id", c.Message.ID, "transport", c.Hop.Transport, "next_hop", c.Hop.NextHop}
	for _, e := range c.Recipients {
		if e.Index == o.Index {
			attrs = append(attrs, "to", e.ForwardPath)
		}
	}
	if o.Remote != "" {
		attrs = append(attrs, "remote", o.Remote)
	}
	if o.Status != nil {
		attrs = append(attrs, "code", o.Status.EnhancedCode(), "err", o.Status)
	}
	switch o.Result {
	case Delivered:
		r.log().InfoContext(ctx, "deliver", attrs...)
	case Deferred:
		r.log().WarnContext(ctx, "defer", append(attrs, "retry_at", o.RetryAt, "ambiguous", o.Ambiguous)...)
	case Failed:
		r.log().WarnContext(ctx, "bounce", attrs...)
	}
}

// reports returns the DSNs that the outcomes make due, as submissions whose contents the caller closes.
// A message from the null path has nobody to tell (RFC 5321 §6.1).
func (r *run) reports(ctx context.Context, c Claim, outcomes []Outcome) ([]Submission, error) {
	now := time.Now()
	env := c.Message.Envelope
	report := dsn.Report{
		ID:           fmt.Sprintf("%s.%d.%d", c.Message.ID, c.Recipients[0].Index, c.Recipients[0].Attempts+1),
		ReportingMTA: r.Hostname,
		To:           env.ReversePath,
		Arrived:      c.Message.Created,
		Now:          now,
		EnvelopeID:   env.EnvelopeID,
		Return:       env.Return,
		Body:         env.Body,
		SMTPUTF8:     env.SMTPUTF8,
		RequireTLS:   env.RequireTLS,
	}
	for _, o := range outcomes {
		for _, e := range c.Recipients {
			if e.Index == o.Index {
				report.Add(e.Recipient.Recipient, reported(o), o.Status, o.Remote)
			}
		}
	}
	if r.Route == nil || report.Empty() {
		return nil, nil
	}
	original, err := r.Queue.Content(ctx, c.Message.ID)
	if err != nil {
		return nil, err
	}
	content, envelope, err := report.Write(original)
	if err != nil {
		return nil, err
	}
	to, err := r.Route(ctx, envelope, content, envelope.Recipients[0])
	if err != nil {
		return nil, errors.Join(err, content.Close())
	}
	if len(to) == 0 {
		r.log().WarnContext(ctx, "report has nowhere to go", "queue_id", c.Message.ID, "to", env.ReversePath)
		return nil, content.Close()
	}
	return []Submission{{Envelope: *envelope, Recipients: to, Content: content}}, nil
}

// reported says what a DSN calls the outcome. Deferrals are not reported.
func reported(o Outcome) dsn.Action {
	switch {
	case o.Result == Failed:
		return dsn.Failed
	case o.Result != Delivered || o.NotifiesSuccess:
		return dsn.None
	case o.Relayed:
		return dsn.Relayed
	}
	return dsn.Delivered
}
