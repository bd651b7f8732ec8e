package mta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/route"
	"github.com/postrider/postrider/store"
)

// The transports of an MTA's recipients in the queue. A recipient's Data is its route.Action in JSON.
const (
	// TransportLocal delivers to the Store. All local recipients of a message share a next hop.
	TransportLocal = "local"
	// TransportRelay is the one given to MTA.Transports. Its next hop is a domain whose MX to ask, or a
	// host in brackets, "[mx.example.net]:25", to go to directly.
	TransportRelay = "relay"
	// TransportHandle calls a Handler, whose name is the next hop.
	TransportHandle = "handle"
	// TransportReject bounces what was refused when it was too late for a reply.
	TransportReject = "reject"
)

// Transports returns the ways out for a queue.Runner. The relay takes what goes to other servers.
func (m *MTA) Transports(relay queue.Transport) map[string]queue.Transport {
	return map[string]queue.Transport{
		TransportLocal:  queue.TransportFunc(m.deliverLocal),
		TransportRelay:  relay,
		TransportHandle: queue.TransportFunc(m.callHandler),
		TransportReject: queue.TransportFunc(reject),
	}
}

// way turns a decision into a recipient of the queue.
func way(d route.Decision) (queue.Recipient, error) {
	r := queue.Recipient{Recipient: d.Recipient}
	switch d.Action.Kind {
	case route.KindDeliver, route.KindQuarantine:
		r.Transport = TransportLocal
	case route.KindRelay, route.KindHold:
		r.Transport = TransportRelay
		r.NextHop = postrider.CanonicalDomain(d.Recipient.ForwardPath.Domain)
		if d.Action.Via != "" {
			r.NextHop = directHop(d.Action.Via)
		}
	case route.KindHandle:
		r.Transport, r.NextHop = TransportHandle, d.Action.Name
	case route.KindReject:
		r.Transport = TransportReject
	case route.KindDiscard:
		return r, nil
	default:
		return r, fmt.Errorf("a rule decided %q, which is no final action", d.Action.Kind)
	}
	data, err := json.Marshal(d.Action)
	r.Data = data
	return r, err
}

// directHop writes "host", "host:port", "address" and "[address]:port" with the host in brackets.
func directHop(via string) string {
	if via[0] == '[' {
		return via
	}
	// An IPv6 address has colons of its own, and a port only behind brackets.
	if host, port, ok := strings.Cut(via, ":"); ok && !strings.Contains(port, ":") {
		return "[" + host + "]:" + port
	}
	return "[" + via + "]"
}

// RouteReport says which way a report of the queue's own goes, such as a DSN to a sender. No
// recipients and no error mean that nobody can be told.
func (m *MTA) RouteReport(ctx context.Context, env *postrider.Envelope, c postrider.Content, to postrider.Recipient) ([]queue.Recipient, error) {
	decisions := route.Resolve(ctx, m.Router, &route.Mail{Envelope: env, Content: c}, to)
	if d, ok := route.Deferred(decisions); ok {
		return nil, statusOf(d.Action.Status, "4.3.0", "try again later")
	}
	var ways []queue.Recipient
	for _, d := range decisions {
		if d.Action.Kind == route.KindReject || d.Action.Kind == route.KindDiscard {
			continue
		}
		r, err := way(d)
		if err != nil {
			return nil, err
		}
		ways = append(ways, r)
	}
	return ways, nil
}

// deliverLocal delivers to all recipients in one transaction of the store. If one of them stands in the
// way, it gets its own outcome and the others another try.
func (m *MTA) deliverLocal(ctx context.Context, a *queue.Attempt) []queue.Outcome {
	var outcomes []queue.Outcome
	var targets []store.Target
	var waiting []queue.Entry
	for _, r := range a.Recipients {
		t, err := localTarget(a.Message, r)
		if err != nil {
			outcomes = append(outcomes, outcome(r, err))
			continue
		}
		targets, waiting = append(targets, t), append(waiting, r)
	}
	content := postrider.Concat(postrider.String(returnPath(a.Message.Envelope.ReversePath)), a.Content)
	for len(targets) > 0 {
		_, err := m.storeDeliver(ctx, content, targets)
		var t *store.TargetError
		if !errors.As(err, &t) {
			for _, r := range waiting {
				outcomes = append(outcomes, outcome(r, err))
			}
			break
		}
		outcomes = append(outcomes, outcome(waiting[t.Index], err))
		targets = append(targets[:t.Index:t.Index], targets[t.Index+1:]...)
		waiting = append(waiting[:t.Index:t.Index], waiting[t.Index+1:]...)
	}
	return outcomes
}

// localTarget reads what way wrote. The name of the delivery lets the store see it if it comes twice.
func localTarget(msg queue.Message, r queue.Entry) (store.Target, error) {
	var action route.Action
	if err := json.Unmarshal(r.Data, &action); err != nil {
		return store.Target{}, fmt.Errorf("read the action of recipient %d: %w", r.Index, err)
	}
	t := target(action, msg.Created)
	t.Once = key(msg.ID, r.Index)
	return t, nil
}

// key names a recipient of a message among all of the queue's.
func key(id queue.ID, index int) string { return fmt.Sprintf("%s.%d", id, index) }

// outcome turns the result for a recipient into what the queue records.
func outcome(r queue.Entry, err error) queue.Outcome {
	if err == nil {
		return queue.Outcome{Index: r.Index, Result: queue.Delivered}
	}
	status := storeStatus(err)
	if status.Permanent() {
		return queue.Outcome{Index: r.Index, Result: queue.Failed, Status: status}
	}
	return queue.Outcome{Index: r.Index, Result: queue.Deferred, Status: status}
}

// callHandler calls the application's function for each recipient.
func (m *MTA) callHandler(ctx context.Context, a *queue.Attempt) []queue.Outcome {
	var outcomes []queue.Outcome
	for _, r := range a.Recipients {
		err := fmt.Errorf("no handler is named %q", a.NextHop)
		if handle, ok := m.Handlers[a.NextHop]; ok {
			err = handle(ctx, Handled{
				Key:       key(a.Message.ID, r.Index),
				Envelope:  a.Message.Envelope,
				Recipient: r.Recipient.Recipient,
				Content:   a.Content,
				Attempt:   r.Attempts + 1,
			})
		}
		outcomes = append(outcomes, outcome(r, err))
	}
	return outcomes
}

// reject gives every recipient the status with which its rule refused it.
func reject(_ context.Context, a *queue.Attempt) []queue.Outcome {
	var outcomes []queue.Outcome
	for _, r := range a.Recipients {
		var action route.Action
		if err := json.Unmarshal(r.Data, &action); err != nil {
			outcomes = append(outcomes, outcome(r, fmt.Errorf("read the action of recipient %d: %w", r.Index, err)))
			continue
		}
		outcomes = append(outcomes, outcome(r, statusOf(action.Status, "5.7.1", "recipient refused")))
	}
	return outcomes
}
