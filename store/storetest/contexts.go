package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

var contextPromises = []promise{
	{
		name:  "a cancelled call does all or nothing",
		text:  "A cancelled context may stop a call before its change is decided, never half-way. When a method returns an error, nothing has changed.",
		check: checkCancelled,
	}, {
		name:  "a call that is cancelled midway does all or nothing",
		text:  "A cancelled context may stop a call before its change is decided, never half-way. When a method returns an error, nothing has changed.",
		check: checkCancelledMidway,
	}, {
		name:  "a closed store answers ErrClosed",
		text:  "Close ends the store when all calls have returned. Every later call answers ErrClosed.",
		check: checkClosed,
	},
}

// call is one call of the interface.
type call struct {
	name string
	do   func(ctx context.Context) error
}

// changing returns one call of each method that changes something.
func (k *kit) changing(a store.Account, m store.Mailbox) []call {
	msgs := []store.NewMessage{{Content: postrider.String(text(1))}, {Content: postrider.String(text(2))}}
	all := store.AllUIDs()
	return []call{
		{"Append", func(ctx context.Context) error { return second(m.Append(ctx, msgs)) }},
		{"SetFlags", func(ctx context.Context) error {
			return second(m.SetFlags(ctx, store.FlagChange{UIDs: all, Op: store.FlagsAdd, Flags: []store.Flag{"$New"}}))
		}},
		{"Copy", func(ctx context.Context) error { return second(m.Copy(ctx, all, "to")) }},
		{"Move", func(ctx context.Context) error { return second(m.Move(ctx, store.UIDs(1), "to")) }},
		{"Expunge", func(ctx context.Context) error { return second(m.Expunge(ctx, store.UIDs(2))) }},
		{"Deliver", func(ctx context.Context) error {
			return second(k.s.Deliver(ctx, msgs[0].Content, []store.Target{{Account: a.Name()}, {Account: a.Name(), Mailbox: "new", Create: true}}))
		}},
		{"Create", func(ctx context.Context) error {
			return second(a.Create(ctx, store.NewMailbox{Name: "created", Subscribed: true}))
		}},
		{"Rename", func(ctx context.Context) error { return a.Rename(ctx, "to", "renamed") }},
		{"Delete", func(ctx context.Context) error { return a.Delete(ctx, "renamed") }},
		{"Subscribe", func(ctx context.Context) error { return a.Subscribe(ctx, "x") }},
		{"Unsubscribe", func(ctx context.Context) error { return a.Unsubscribe(ctx, "x") }},
	}
}

func checkCancelled(k *kit) {
	a, m := k.inbox("to")
	k.mixed(m)
	ctx, cancel := context.WithCancel(k.ctx)
	cancel()
	for _, c := range k.changing(a, m) {
		before := k.snapshot(a)
		if err := c.do(ctx); err != nil {
			k.want(err, context.Canceled, "%s with a cancelled context", c.name)
			k.unchanged(a, before, c.name+" with a cancelled context")
			k.must(c.do(k.ctx))
		}
		if k.snapshot(a) == before {
			k.broken("%s returned nil and did nothing", c.name)
		}
	}
	if err := k.s.CreateAccount(ctx, "bob"); err != nil {
		k.want(second(k.s.Account(k.ctx, "bob")), store.ErrNotExist, "the account that was not made")
		k.must(k.s.CreateAccount(k.ctx, "bob"))
	}
	if err := k.s.DeleteAccount(ctx, "bob"); err != nil {
		k.must(second(k.s.Account(k.ctx, "bob")))
	}
	for _, err := range m.Scan(ctx, store.ScanQuery{}) {
		if err != nil {
			k.want(err, context.Canceled, "Scan with a cancelled context")
		}
	}
	for _, err := range a.Changes(ctx, 0, "") {
		if err != nil {
			k.want(err, context.Canceled, "Changes with a cancelled context")
		}
	}
}

func checkCancelledMidway(k *kit) {
	a, m := k.inbox("to")
	to := k.open(a, "to")
	messages, copies := 0, 0
	for i := range 40 {
		ctx, cancel := context.WithTimeout(k.ctx, time.Duration(i*i)*5*time.Microsecond)
		msgs := []store.NewMessage{{Content: postrider.String(text(i))}, {Content: &pattern{size: 20_000}}}
		if _, err := m.Append(ctx, msgs); err == nil {
			messages += 2
		}
		if _, err := k.s.Deliver(ctx, msgs[1].Content, []store.Target{{Account: "ann"}, {Account: "ann", Mailbox: "to"}}); err == nil {
			messages++
			copies++
		}
		if c, err := m.Copy(ctx, store.RangeOfUIDs(1, 3), "to"); err == nil {
			copies += c.Dest.Len()
		}
		if c, err := m.Move(ctx, store.RangeOfUIDs(4, 7), "to"); err == nil {
			messages -= c.Source.Len()
			copies += c.Dest.Len()
		}
		before := k.one0(m)
		res, err := m.SetFlags(ctx, store.FlagChange{UIDs: store.UIDs(1), Op: store.FlagsReplace, Flags: []store.Flag{store.Flag(fmt.Sprint("$", i%7))}})
		if now := k.one0(m); err != nil && now != before || err == nil && res.ModSeq != 0 && now != res.ModSeq {
			k.broken("SetFlags says %+v, %v; the ModSeq was %d and is %d", res, err, before, now)
		}
		cancel()
		if got := k.status(m).Messages; got != messages {
			k.broken("round %d: by what the calls returned there should be %d messages, but there are %d", i, messages, got)
		}
		if got := k.status(to).Messages; got != copies {
			k.broken("round %d: by what the calls returned there should be %d copies, but there are %d", i, copies, got)
		}
	}
	k.recount(m)
	k.recount(to)
}

// one0 returns the ModSeq of UID 1, 0 if it is not there.
func (k *kit) one0(m store.Mailbox) store.ModSeq {
	k.Helper()
	for _, msg := range k.scan(m, store.ScanQuery{UIDs: store.UIDs(1)}) {
		return msg.ModSeq
	}
	return 0
}

func checkClosed(k *kit) {
	a, m := k.inbox("to")
	k.add(m, 3)
	k.must(k.s.Close())
	for _, c := range k.changing(a, m) {
		k.want(c.do(k.ctx), store.ErrClosed, "%s", c.name)
	}
	for _, err := range []error{
		k.s.CreateAccount(k.ctx, "bob"), k.s.DeleteAccount(k.ctx, "ann"), second(k.s.Account(k.ctx, "ann")),
		second(a.Mailboxes(k.ctx)), second(a.Subscriptions(k.ctx)), second(a.Open(k.ctx, "INBOX")), second(a.ModSeq(k.ctx)),
		second(m.Status(k.ctx)), second(m.Content(k.ctx, 1)), second(m.TakeRecent(k.ctx)), k.s.Close(),
	} {
		k.want(err, store.ErrClosed, "a call")
	}
	for _, err := range k.s.Accounts(k.ctx) {
		k.want(err, store.ErrClosed, "Accounts")
	}
	for _, err := range m.Scan(k.ctx, store.ScanQuery{}) {
		k.want(err, store.ErrClosed, "Scan")
	}
	for _, err := range a.Changes(k.ctx, 0, "") {
		k.want(err, store.ErrClosed, "Changes")
	}
	if m.ID() == "" || a.Name() != "ann" {
		k.broken("a handle forgot its name")
	}
	k.must(m.Close())
}
