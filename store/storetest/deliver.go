package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

var deliverPromises = []promise{
	{
		name:  "Deliver puts the message into every target",
		text:  "Deliver puts the message c into every target and returns what became of each, in the order of to. Two targets that are the same mailbox get two messages.",
		check: checkDeliver,
	}, {
		name:  "Deliver serves all targets or none",
		text:  "All or none. ErrNotExist if an account or a mailbox is missing; a *TargetError tells which.",
		check: checkDeliverAtomic,
	}, {
		name:  "Deliver makes a mailbox if it may",
		text:  "Create makes the mailbox if it is not there. It is not subscribed to.",
		check: checkDeliverCreate,
	}, {
		name:  "a named delivery happens once",
		text:  "Where a message was delivered under the same name in the last 30 days, nothing new is kept and the earlier Placed is returned, though that message may be gone by now.",
		check: checkOnce,
	},
}

func (k *kit) deliver(to ...store.Target) []store.Placed {
	k.Helper()
	placed, err := k.s.Deliver(k.ctx, postrider.String(text(7)), to)
	k.must(err)
	if len(placed) != len(to) {
		k.broken("%d targets, %d places", len(to), len(placed))
	}
	return placed
}

func checkDeliver(k *kit) {
	ann, bob := k.account("ann", "work"), k.account("bob")
	to := []store.Target{
		{Account: "ann"},
		{Account: "bob", Flags: []store.Flag{store.FlagSeen, "$A"}},
		{Account: "ann", Mailbox: "work"},
		{Account: "ann", Mailbox: "inbox"},
	}
	places := []store.Mailbox{k.open(ann, "INBOX"), k.open(bob, "INBOX"), k.open(ann, "work"), k.open(ann, "INBOX")}
	placed := k.deliver(to...)
	for i, p := range placed {
		m := places[i]
		msg := k.one(m, p.UID)
		if p.MailboxID != m.ID() || p.UIDValidity != k.status(m).UIDValidity || p.ModSeq != msg.ModSeq || p.ID != msg.ID {
			k.broken("target %d: placed %+v, message %+v", i, p, msg)
		}
		if got := k.content(m, p.UID); got != text(7) {
			k.broken("target %d got %q", i, got)
		}
		k.wantFlags(m, p.UID, to[i].Flags...)
		k.recount(m)
	}
	k.wantUIDs(places[0], "1:2")
	if placed := k.deliver(); len(placed) != 0 {
		k.broken("no targets, but %d places", len(placed))
	}
	var many []store.Target
	for i := range 50 {
		name := fmt.Sprintf("user%d", i)
		k.account(name)
		many = append(many, store.Target{Account: name})
	}
	k.deliver(many...)
	for _, t := range many {
		k.wantUIDs(k.open(k.reaccount(t.Account), "INBOX"), "1")
	}
}

func checkDeliverAtomic(k *kit) {
	ann, bob := k.account("ann"), k.account("bob")
	good := []store.Target{{Account: "ann"}, {Account: "bob", Mailbox: "new", Create: true}, {Account: "ann", Once: "x"}}
	beforeAnn, beforeBob := k.snapshot(ann), k.snapshot(bob)
	for _, bad := range []struct {
		target store.Target
		want   error
	}{
		{store.Target{Account: "nobody"}, store.ErrNotExist},
		{store.Target{Account: ""}, store.ErrNotExist},
		{store.Target{Account: "ANN"}, store.ErrNotExist},
		{store.Target{Account: "ann", Mailbox: "missing"}, store.ErrNotExist},
		{store.Target{Account: "ann", Mailbox: "a//b", Create: true}, store.ErrName},
		{store.Target{Account: "ann", Flags: []store.Flag{"no atom"}}, store.ErrFlag},
		{store.Target{Account: "ann", Once: strings.Repeat("x", store.MaxOnceLen+1)}, store.ErrName},
	} {
		for at := range len(good) + 1 {
			to := slices.Insert(slices.Clone(good), at, bad.target)
			_, err := k.s.Deliver(k.ctx, postrider.String(text(7)), to)
			k.want(err, bad.want, "deliver to %+v", bad.target)
			var te *store.TargetError
			if !errors.As(err, &te) || te.Index != at {
				k.broken("target %d is the bad one, but the error says %+v", at, te)
			}
			k.unchanged(ann, beforeAnn, "a refused delivery")
			k.unchanged(bob, beforeBob, "a refused delivery")
		}
	}
	k.deliver(good...)
	k.wantUIDs(k.open(ann, "INBOX"), "1:2")
}

func checkDeliverCreate(k *kit) {
	a := k.account("ann")
	to := store.Target{Account: "ann", Mailbox: "lists/Go", Create: true}
	placed := k.deliver(to, to)
	placed = append(placed, k.deliver(to)...)
	m := k.open(a, "lists/Go")
	k.wantUIDs(m, "1:3")
	for _, p := range placed {
		if p.MailboxID != m.ID() {
			k.broken("placed in the mailbox %s, but lists/Go is %s", p.MailboxID, m.ID())
		}
	}
	if got := k.names(a); !slices.Equal(got, []string{"INBOX", "lists/Go"}) {
		k.broken("mailboxes are %q", got)
	}
	subscriptions, err := a.Subscriptions(k.ctx)
	k.must(err)
	if len(subscriptions) > 0 {
		k.broken("subscriptions are %q", subscriptions)
	}
}

func checkOnce(k *kit) {
	ann, bob := k.account("ann", "other"), k.account("bob")
	inbox, other := k.open(ann, "INBOX"), k.open(ann, "other")
	name := strings.Repeat("n", store.MaxOnceLen)
	first := k.deliver(store.Target{Account: "ann", Once: name})[0]
	same := func(to store.Target) {
		k.Helper()
		before := k.snapshot(ann)
		if got := k.deliver(to)[0]; got != first {
			k.broken("delivered again: placed %+v before, %+v now", first, got)
		}
		k.unchanged(ann, before, "the second delivery")
	}
	same(store.Target{Account: "ann", Once: name})
	same(store.Target{Account: "ann", Once: name, Mailbox: "other"}) // a rule may have changed meanwhile
	k.must(second(inbox.Expunge(k.ctx, store.AllUIDs())))
	same(store.Target{Account: "ann", Once: name})

	k.deliver(store.Target{Account: "bob", Once: name})
	k.wantUIDs(k.open(bob, "INBOX"), "1")
	k.deliver(store.Target{Account: "ann"}, store.Target{Account: "ann"}) // no name is no name
	k.wantUIDs(inbox, "2:3")

	// Beside a new target, and twice in one call.
	placed := k.deliver(
		store.Target{Account: "ann", Mailbox: "other"}, store.Target{Account: "ann", Once: name},
		store.Target{Account: "ann", Once: "twice"}, store.Target{Account: "ann", Once: "twice"},
	)
	if placed[1] != first || placed[2] != placed[3] {
		k.broken("placed at %+v", placed)
	}
	k.wantUIDs(other, "1")
	k.wantUIDs(inbox, "2:4")

	// A refused delivery used no name.
	_, err := k.s.Deliver(k.ctx, postrider.String(text(7)), []store.Target{{Account: "ann", Once: "later"}, {Account: "nobody"}})
	k.want(err, store.ErrNotExist, "deliver to nobody")
	k.deliver(store.Target{Account: "ann", Once: "later"})
	k.wantUIDs(inbox, "2:5")
}
