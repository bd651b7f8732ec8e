package queue

import "github.com/postrider/postrider"

// Match reports whether f selects the recipient, for the authors of queues.
func (f *Filter) Match(e *Entry) bool {
	return (f.ID == "" || f.ID == e.Message.ID) &&
		(f.ReversePath.IsNull() || f.ReversePath.Canonical() == e.Message.Envelope.ReversePath.Canonical()) &&
		(f.Domain == "" || postrider.CanonicalDomain(f.Domain) == postrider.CanonicalDomain(e.ForwardPath.Domain)) &&
		(f.Transport == "" || f.Transport == e.Transport) &&
		(f.NextHop == "" || f.NextHop == e.NextHop) &&
		(!f.Held || e.Held) &&
		(f.CreatedBefore.IsZero() || e.Message.Created.Before(f.CreatedBefore))
}
