package mta

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/route"
	"github.com/postrider/postrider/smtp"
	"github.com/postrider/postrider/store"
)

// Data takes the message for all recipients or refuses it for all; where only some are refused, it
// takes it and the queue tells the sender.
func (m *MTA) Data(ctx context.Context, tx *smtp.Transaction, c postrider.Content) error {
	a, err := m.arrive(ctx, tx, c)
	if err != nil {
		return err
	}
	if err := a.refusedForAll(); err != nil {
		return err
	}
	return m.keep(ctx, a)
}

// DataEach takes the message for some recipients and refuses it for others, as LMTP can.
func (m *MTA) DataEach(ctx context.Context, tx *smtp.Transaction, c postrider.Content) []error {
	results := make([]error, len(tx.Envelope.Recipients))
	a, err := m.arrive(ctx, tx, c)
	if err != nil {
		for i := range results {
			results[i] = err
		}
		return results
	}
	a.each = true
	for i := range a.recipients {
		results[i] = refusal(a.recipients[i].decisions)
	}
	m.keepEach(ctx, a, results)
	return results
}

// keepEach keeps the message for those recipients that have no result yet, without the ones whose
// mailbox the store refuses.
func (m *MTA) keepEach(ctx context.Context, a *arrival, results []error) {
	all := a.recipients
	for {
		var waiting []int
		a.recipients = nil
		for i, r := range all {
			if results[i] == nil {
				waiting, a.recipients = append(waiting, i), append(a.recipients, r)
			}
		}
		if len(waiting) == 0 {
			return
		}
		err := m.keep(ctx, a)
		refused := a.refusedBy(err)
		for n, i := range waiting {
			if len(refused) == 0 || slices.Contains(refused, n) {
				results[i] = err
			}
		}
	}
}

// refusedBy returns which recipients' mailbox the store refused, none if err is something else.
func (a *arrival) refusedBy(err error) []int {
	var t *store.TargetError
	targets, ok := a.targets()
	if !ok || !errors.As(err, &t) || t.Index >= len(targets) {
		return nil
	}
	var refused []int
	for i, r := range a.recipients {
		for _, d := range r.decisions {
			if place(d.Action) == placeOf(targets[t.Index]) {
				refused = append(refused, i)
				break
			}
		}
	}
	return refused
}

// An arrival is a message after its final dot, and what becomes of it.
type arrival struct {
	tx         *smtp.Transaction
	content    postrider.Content // with our trace field and repairs
	received   time.Time
	recipients []destined
	each       bool // every recipient gets a reply of its own
}

// destined is a recipient of the envelope with its final decisions.
type destined struct{ decisions []route.Decision }

// arrive checks the message, puts our fields on top and asks the Router about every recipient.
func (m *MTA) arrive(ctx context.Context, tx *smtp.Transaction, c postrider.Content) (*arrival, error) {
	head, err := header(c)
	if err != nil {
		return nil, err
	}
	if err := m.checkLoop(head); err != nil {
		return nil, err
	}
	a := &arrival{tx: tx, received: time.Now()}
	fields := m.receivedField(tx, a.received)
	if tx.Session.Identity != nil {
		fields += m.repairs(tx, head, a.received)
	}
	a.content = postrider.Concat(postrider.String(fields), c)
	mail := mailOf(tx, a.content)
	for _, rcpt := range tx.Envelope.Recipients {
		a.recipients = append(a.recipients, destined{route.Resolve(ctx, m.Router, mail, rcpt)})
	}
	return a, nil
}

// refusedForAll returns the reply where nothing of the message may be kept: a recipient that is
// deferred, or all of them rejected.
func (a *arrival) refusedForAll() error {
	rejected := 0
	var reply error
	for _, r := range a.recipients {
		err := refusal(r.decisions)
		switch {
		case err == nil:
		case postrider.IsPermanent(err):
			rejected++
			reply = err
		default:
			return err
		}
	}
	if rejected == len(a.recipients) {
		return reply
	}
	return nil
}

// all yields the decisions of all recipients, each mailbox once.
func (a *arrival) all(yield func(route.Decision) bool) {
	seen := map[mailboxPlace]bool{}
	for _, r := range a.recipients {
		for _, d := range r.decisions {
			at := place(d.Action)
			if seen[at] {
				continue
			}
			seen[at] = at != mailboxPlace{}
			if !yield(d) {
				return
			}
		}
	}
}

// A mailboxPlace names a mailbox. The zero one is that of actions that do not deliver.
type mailboxPlace struct{ account, mailbox string }

func place(a route.Action) mailboxPlace {
	if a.Kind != route.KindDeliver && a.Kind != route.KindQuarantine {
		return mailboxPlace{}
	}
	return placeOf(target(a, time.Time{}))
}

func placeOf(t store.Target) mailboxPlace { return mailboxPlace{t.Account, t.Mailbox} }

// keep makes the message durable: in its mailboxes if those are all its destinations, in the queue
// otherwise. It returns the reply.
func (m *MTA) keep(ctx context.Context, a *arrival) error {
	if targets, ok := a.targets(); ok {
		err := m.deliver(ctx, a, targets)
		if err == nil {
			return &postrider.Status{Code: "2.0.0", Text: "delivered as " + a.tx.ID}
		}
		if len(targets) == 1 || m.Queue == nil || a.each {
			return err
		}
		// One of several has no room or the like: each gets its own fate in the queue.
		m.log().WarnContext(ctx, "deliver", "transaction", a.tx.ID, "err", err)
	}
	return m.enqueue(ctx, a)
}

// targets returns where the message goes if it goes to mailboxes only, and goes now.
func (a *arrival) targets() ([]store.Target, bool) {
	if a.tx.Envelope.Hold.After(a.received) {
		return nil, false
	}
	var targets []store.Target
	for d := range a.all {
		switch d.Action.Kind {
		case route.KindDeliver, route.KindQuarantine:
			if d.Recipient.Notify.WantsSuccess() {
				return nil, false // the queue delivers and says so (RFC 3461 §5.2.3)
			}
			targets = append(targets, target(d.Action, a.received))
		case route.KindDiscard:
		default:
			return nil, false
		}
	}
	return targets, true
}

// target says where a Deliver or Quarantine action puts the message.
func target(a route.Action, at time.Time) store.Target {
	t := store.Target{Account: a.Account, Mailbox: a.Mailbox, Create: a.Mailbox != "", InternalDate: at}
	if a.Kind == route.KindQuarantine && a.Mailbox == "" {
		t.Mailbox, t.Create = "Junk", true
	}
	for _, f := range a.Flags {
		t.Flags = append(t.Flags, store.Flag(f))
	}
	return t
}

// deliver puts the message in all targets or in none.
func (m *MTA) deliver(ctx context.Context, a *arrival, targets []store.Target) error {
	if len(targets) > 0 {
		content := postrider.Concat(postrider.String(returnPath(a.tx.Envelope.ReversePath)), a.content)
		if _, err := m.storeDeliver(ctx, content, targets); err != nil {
			return storeStatus(err)
		}
	}
	for _, t := range targets {
		m.log().InfoContext(ctx, "deliver", "transaction", a.tx.ID, "from", a.tx.Envelope.ReversePath, "account", t.Account, "mailbox", t.Mailbox)
	}
	return nil
}

// storeDeliver delivers, and makes room for accounts that get their first mail: their existence is the
// Router's word. Others may make the same account at the same moment.
func (m *MTA) storeDeliver(ctx context.Context, c postrider.Content, targets []store.Target) ([]store.Placed, error) {
	mailboxes := m.Mailboxes
	if mailboxes == nil {
		mailboxes = store.DefaultMailboxes()
	}
	for range targets {
		placed, err := m.Store.Deliver(ctx, c, targets)
		var t *store.TargetError
		if err == nil || !errors.As(err, &t) || !errors.Is(err, store.ErrNotExist) {
			return placed, err
		}
		if _, err := store.OpenAccount(ctx, m.Store, targets[t.Index].Account, mailboxes...); err != nil {
			return nil, &store.TargetError{Index: t.Index, Err: err}
		}
	}
	return m.Store.Deliver(ctx, c, targets)
}

// enqueue puts the message and all its destinations in the queue, in one transaction.
func (m *MTA) enqueue(ctx context.Context, a *arrival) error {
	if m.Queue == nil {
		return errors.New("mta: the router wants a queue and there is none")
	}
	now, held := queue.Submission{Envelope: a.tx.Envelope, Content: a.content, NotBefore: a.tx.Envelope.Hold}, queue.Submission{}
	now.Envelope.Recipients = nil
	held = now
	held.Held = true
	for d := range a.all {
		rcpt, err := way(d)
		if err != nil {
			return err
		}
		switch d.Action.Kind {
		case route.KindDiscard:
		case route.KindHold:
			held.Recipients = append(held.Recipients, rcpt)
		default:
			now.Recipients = append(now.Recipients, rcpt)
		}
	}
	ids, err := m.put(ctx, now, held)
	switch {
	case err != nil:
		return fmt.Errorf("put in the queue: %w", err)
	case len(ids) == 0:
		return nil // all of it was to be discarded
	}
	m.log().InfoContext(ctx, "queue", "transaction", a.tx.ID, "queue_id", ids[0], "from", a.tx.Envelope.ReversePath, "recipients", len(now.Recipients)+len(held.Recipients))
	return &postrider.Status{Code: "2.0.0", Text: "queued as " + string(ids[0])}
}

// put enqueues those submissions that have recipients.
func (m *MTA) put(ctx context.Context, subs ...queue.Submission) ([]queue.ID, error) {
	filled := subs[:0:0]
	for _, s := range subs {
		if len(s.Recipients) > 0 {
			filled = append(filled, s)
		}
	}
	return m.Queue.Put(ctx, filled...)
}
