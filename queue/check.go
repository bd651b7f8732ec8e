package queue

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/postrider/postrider"
)

// Limits that every queue keeps.
const (
	// MaxData is how many octets Recipient.Data may have.
	MaxData = 64 << 10
	// DefaultMaxRecipients is how many recipients a claim may have, where ClaimQuery does not say.
	DefaultMaxRecipients = 100
	// MaxStatusText and MaxCause are how many octets an Entry keeps of what was said, and of its
	// cause.
	MaxStatusText = 2 << 10
	MaxCause      = 1 << 10
)

// What follows is for the authors of queues: rules that are the same for all.

// Check returns what keeps s from being put in a queue, nil for nothing.
func (s *Submission) Check() error {
	switch {
	case len(s.Recipients) == 0:
		return errors.New("queue: submission without recipients")
	case s.Content == nil:
		return errors.New("queue: submission without content")
	}
	for i := range s.Recipients {
		if n := len(s.Recipients[i].Data); n > MaxData {
			return fmt.Errorf("queue: data of recipient %d has %d octets, at most %d are kept", i, n, MaxData)
		}
	}
	return nil
}

// Check returns what is wrong with the query, nil for nothing.
func (q *ClaimQuery) Check() error {
	if q.Max < 1 || q.MaxRecipients < 0 || q.Lease <= 0 || q.PerHop < 0 {
		return fmt.Errorf("queue: cannot claim Max %d, MaxRecipients %d, Lease %v, PerHop %d", q.Max, q.MaxRecipients, q.Lease, q.PerHop)
	}
	return nil
}

// Full reports whether the caller wants no more claims of the hop, having been given that many of it
// already.
func (q *ClaimQuery) Full(h Hop, given int) bool {
	return q.PerHop > 0 && q.Busy[h]+given >= q.PerHop
}

// Recipients returns how many recipients a claim may have.
func (q *ClaimQuery) Recipients() int {
	if q.MaxRecipients == 0 {
		return DefaultMaxRecipients
	}
	return q.MaxRecipients
}

// Check returns why the outcome cannot be recorded, nil if it can.
func (o *Outcome) Check() error {
	switch {
	case o.Result < Delivered || o.Result > Failed:
		return fmt.Errorf("queue: recipient %d has no such result %d", o.Index, o.Result)
	case o.Result == Deferred && o.RetryAt.IsZero():
		return fmt.Errorf("queue: recipient %d is deferred until nobody knows when", o.Index)
	}
	return nil
}

// CheckOutcomes returns why the outcomes of a claim cannot be recorded, nil if they can.
func CheckOutcomes(outcomes []Outcome) error {
	seen := make(map[int]bool, len(outcomes))
	for i := range outcomes {
		o := &outcomes[i]
		if err := o.Check(); err != nil {
			return err
		}
		if seen[o.Index] {
			return fmt.Errorf("queue: recipient %d has two outcomes", o.Index)
		}
		seen[o.Index] = true
	}
	return nil
}

// Check returns an error unless c is one of the changes.
func (c Change) Check() error {
	if c < Hold || c > Drop {
		return fmt.Errorf("queue: no such change %d", c)
	}
	return nil
}

// Defer notes an attempt that deferred the recipient, and when it is due again. Of the status it keeps what can be
// kept for days: its text and its cause, as texts of bounded length.
func (e *Entry) Defer(o Outcome, now time.Time) {
	e.Attempts++
	e.LastAttempt, e.LastRemote, e.Due = now, cut(o.Remote, postrider.MaxDomainLen), o.RetryAt
	e.LastStatus = nil
	if s := o.Status; s != nil {
		e.LastStatus = &postrider.Status{Code: s.EnhancedCode(), Reply: s.ReplyCode(), Text: cut(s.Text, MaxStatusText)}
		if s.Err != nil {
			e.LastStatus.Err = errors.New(cut(s.Err.Error(), MaxCause))
		}
	}
}

// cut returns s as UTF-8 of at most that many octets.
func cut(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "")
}
