package storetest

import (
	"slices"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

var durabilityPromises = []promise{
	{
		name:    "everything is there after Close",
		text:    "When a method returns nil, the change is on stable storage.",
		durable: true,
		check:   checkReopen,
	}, {
		name:    "numbers go on after Close",
		text:    "UIDs strictly ascend; UIDValidity is greater than every one that the account has or had; ModSeqs are handed out one after the other.",
		durable: true,
		check:   checkNumbersAfterReopen,
	}, {
		name:    "a named delivery happens once, also after Close",
		text:    "So a queue that crashed between a delivery and noting it down can deliver again without a duplicate.",
		durable: true,
		check:   checkOnceAfterReopen,
	},
}

// reopen closes the store and opens it again.
func (k *kit) reopen() {
	k.Helper()
	k.must(k.s.Close())
	k.s = k.options.Reopen(k.t, k.s)
}

func checkReopen(k *kit) {
	a, m := k.inbox("a", "a/b", "Größe")
	k.mixed(m)
	k.must(second(m.Copy(k.ctx, store.AllUIDs(), "a/b")))
	k.must(second(m.Append(k.ctx, []store.NewMessage{
		{Content: postrider.String("\x00\n\r.\r\n")}, {Content: postrider.String("")}, {Content: &pattern{size: 3 << 20}},
		{Content: &pattern{size: 300_000}}, {Content: postrider.String(multipart)},
	})))
	k.must(second(m.Move(k.ctx, store.UIDs(2, 8), "Größe")))
	k.must(second(m.Expunge(k.ctx, store.UIDs(3))))
	k.setFlags(m, store.FlagsAdd, store.AllUIDs(), store.FlagSeen, "$Later")
	k.must(a.Subscribe(k.ctx, "a/b"))
	k.must(a.Subscribe(k.ctx, "gone"))
	k.must(a.Rename(k.ctx, "a", "z"))
	k.must(k.s.CreateAccount(k.ctx, "bob", store.NewMailbox{Name: "Sent", SpecialUse: []string{store.UseSent}}))
	k.must(k.s.CreateAccount(k.ctx, "carl"))
	k.must(k.s.DeleteAccount(k.ctx, "carl"))
	k.deliver(store.Target{Account: "ann", InternalDate: time.Unix(1e9, 0)}, store.Target{Account: "bob"})
	ann, bob := k.snapshot(a), k.snapshot(k.reaccount("bob"))
	log := k.changes(a, 0, "")
	for range 2 {
		k.reopen()
		a = k.reaccount("ann")
		k.unchanged(a, ann, "Close")
		k.unchanged(k.reaccount("bob"), bob, "Close")
		k.want(second(k.s.Account(k.ctx, "carl")), store.ErrNotExist, "the deleted account")
		if got := k.changes(a, 0, ""); !slices.EqualFunc(got, log, sameChange) {
			k.broken("the log was\n%+v and is\n%+v", log, got)
		}
	}
}

func sameChange(x, y store.Change) bool {
	return x.ModSeq == y.ModSeq && x.Kind == y.Kind && x.MailboxID == y.MailboxID && slices.Equal(x.UIDs, y.UIDs)
}

func checkNumbersAfterReopen(k *kit) {
	a, m := k.inbox("x")
	last := k.add(m, 3).Max()
	k.must(second(m.Expunge(k.ctx, store.AllUIDs())))
	info := k.mailboxes(a)[1]
	k.must(a.Delete(k.ctx, "x"))
	seq := k.modSeq(a)
	k.reopen()
	a = k.reaccount("ann")
	m = k.open(a, "INBOX")
	if uid := k.add(m, 1).Max(); uid <= last {
		k.broken("UID %d came after %d", uid, last)
	}
	now, err := a.Create(k.ctx, store.NewMailbox{Name: "x"})
	k.must(err)
	if now.ID == info.ID || now.Status.UIDValidity <= info.Status.UIDValidity {
		k.broken("the mailbox x was %+v and is %+v", info, now)
	}
	if got := k.one(m, last+1).ModSeq; got <= seq {
		k.broken("ModSeq %d came after %d", got, seq)
	}
	old := now.Status.UIDValidity
	k.must(k.s.DeleteAccount(k.ctx, "ann"))
	k.reopen()
	if got := k.status(k.open(k.account("ann"), "INBOX")).UIDValidity; got <= old {
		k.broken("the account made anew has UIDValidity %d after %d", got, old)
	}
}

func checkOnceAfterReopen(k *kit) {
	_, m := k.inbox()
	to := store.Target{Account: "ann", Once: "x"}
	first := k.deliver(to)[0]
	k.must(second(m.Expunge(k.ctx, store.UIDs(first.UID))))
	k.reopen()
	if again := k.deliver(to)[0]; again != first {
		k.broken("placed %+v before, %+v now", first, again)
	}
	k.wantUIDs(k.open(k.reaccount("ann"), "INBOX"), "")
}
