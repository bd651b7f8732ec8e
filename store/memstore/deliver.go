package memstore

import (
	"cmp"
	"context"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

// onceFor is how long the name of a delivery is remembered.
const onceFor = 30 * 24 * time.Hour

// Deliver is the method of store.Store.
func (s *Store) Deliver(ctx context.Context, c postrider.Content, to []store.Target) ([]store.Placed, error) {
	model, err := newMail(c, nil, time.Time{})
	if err != nil {
		return nil, &store.Error{Op: "deliver", Err: err}
	}
	placed, touched, err := s.deliver(ctx, model, to)
	for _, a := range touched {
		a.watchers.notify()
	}
	return placed, err
}

// deliver delivers copies of model, and returns the accounts that changed too.
func (s *Store) deliver(ctx context.Context, model *mail, to []store.Target) ([]store.Placed, []*account, error) {
	if err := s.lock(ctx); err != nil {
		return nil, nil, &store.Error{Op: "deliver", Err: err}
	}
	defer s.mu.Unlock()
	plan, err := s.plan(to)
	if err != nil {
		return nil, nil, err
	}
	model.ID = s.newID("M")
	placed := make([]store.Placed, len(to))
	touched := make([]*account, len(to))
	for i, p := range plan {
		placed[i] = s.place(p, *model)
		touched[i] = p.account
	}
	return placed, touched, nil
}

// A placing is a Target that was found good.
type placing struct {
	account *account
	mailbox string
	flags   []store.Flag
	date    time.Time
	once    string
}

// plan checks the targets, each as if those before it were served.
func (s *Store) plan(to []store.Target) ([]placing, error) {
	plan := make([]placing, len(to))
	for i, t := range to {
		p, err := s.check(t, plan[:i])
		if err != nil {
			return nil, &store.TargetError{Index: i, Err: &store.Error{
				Op: "deliver to", Account: t.Account, Mailbox: cmp.Or(t.Mailbox, store.Inbox), Err: err,
			}}
		}
		plan[i] = p
	}
	return plan, nil
}

func (s *Store) check(t store.Target, earlier []placing) (placing, error) {
	p := placing{account: s.accounts[t.Account], mailbox: store.Inbox, date: t.InternalDate, once: t.Once}
	if p.account == nil {
		return p, store.ErrNotExist
	}
	if len(t.Once) > store.MaxOnceLen {
		return p, store.ErrName
	}
	if _, done := p.account.deliveredOnce(t.Once); done {
		return p, nil
	}
	var err error
	if t.Mailbox != "" {
		if p.mailbox, err = store.CanonicalName(t.Mailbox); err != nil {
			return p, err
		}
	}
	if p.flags, err = store.CanonicalFlags(t.Flags); err != nil {
		return p, err
	}
	m := p.account.mailboxes[p.mailbox]
	if m == nil {
		if !t.Create {
			return p, store.ErrNotExist
		}
		m = new(mailbox)
	}
	// Learning on a copy of the mailbox tells whether all can be learned.
	trial := *m
	flags := [][]store.Flag{p.flags}
	for _, e := range earlier {
		if e.account == p.account && e.mailbox == p.mailbox {
			flags = append(flags, e.flags)
		}
	}
	return p, trial.learn(flags...)
}

// place does what was planned. It cannot fail.
func (s *Store) place(p placing, msg mail) store.Placed {
	a := p.account
	if placed, done := a.deliveredOnce(p.once); done {
		return placed
	}
	m := a.mailboxes[p.mailbox]
	if m == nil {
		m = s.addMailbox(a, store.NewMailbox{Name: p.mailbox})
	}
	if err := m.learn(p.flags); err != nil {
		panic("memstore: planned badly: " + err.Error())
	}
	msg.Flags = p.flags
	if !p.date.IsZero() {
		msg.InternalDate = p.date
	}
	a.put(m, []*mail{&msg})
	placed := m.placed(&msg)
	a.rememberOnce(p.once, placed)
	return placed
}

// deliveredOnce returns what became of an earlier delivery of that name.
func (a *account) deliveredOnce(name string) (store.Placed, bool) {
	for len(a.onceOrder) > 0 && time.Since(a.onceOrder[0].at) > onceFor {
		delete(a.once, a.onceOrder[0].name)
		a.onceOrder = a.onceOrder[1:]
	}
	placed, ok := a.once[name]
	return placed, ok
}

func (a *account) rememberOnce(name string, placed store.Placed) {
	if name == "" {
		return
	}
	if a.once == nil {
		a.once = map[string]store.Placed{}
	}
	a.once[name] = placed
	a.onceOrder = append(a.onceOrder, onceName{name, time.Now()})
}
