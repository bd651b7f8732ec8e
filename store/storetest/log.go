package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/postrider/postrider/store"
)

var logPromises = []promise{
	{
		name:  "the log says what happened",
		text:  "Changes yields what happened after since, oldest first: in one mailbox, named by its ID, or in the whole account if mailboxID is empty. One operation makes one entry for each mailbox it touches, and two where messages both arrive and vanish or a mailbox is made for a message.",
		check: checkLog,
	}, {
		name:  "the log may be read from anywhere, slowly",
		text:  "The consumer may stop early, take its time, and call any other method meanwhile. A mailbox that was deleted, or never was, is no error here.",
		check: checkLogReading,
	}, {
		name:  "ModSeqs ascend",
		text:  "ModSeq ascends strictly within a mailbox; ModSeqs are handed out one after the other, account by account. HighestModSeq is that of the newest change in the mailbox, its creation included.",
		check: checkModSeqs,
	}, {
		name:  "replaying the log from any point gives the state",
		text:  "Every change of an account has an entry in its log.",
		check: checkReplay,
	}, {
		name:  "watchers are told",
		text:  "Watch calls changed soon after each change of the account, its own changes included, until stop is called. When stop has returned, changed will not be called again.",
		check: checkWatch,
	},
}

var kindNames = map[store.ChangeKind]string{
	store.MessagesArrived: "arrived", store.MessagesFlagged: "flagged", store.MessagesVanished: "vanished",
	store.MailboxCreated: "created", store.MailboxRenamed: "renamed", store.MailboxDeleted: "deleted",
	store.MailboxSubscriptions: "subscriptions",
}

func checkLog(k *kit) {
	a, m := k.inbox("x")
	x := k.open(a, "x")
	names := map[string]string{m.ID(): "INBOX", x.ID(): "x", "": "account"}
	since := k.modSeq(a)
	did := func(err error, want ...string) {
		k.Helper()
		k.must(err)
		var got []string
		for _, c := range k.changes(a, since, "") {
			name := names[c.MailboxID]
			if name == "" {
				name = "new"
			}
			entry := fmt.Sprint(name, " ", kindNames[c.Kind])
			if len(c.UIDs) > 0 {
				entry += " " + c.UIDs.String()
			}
			got = append(got, entry)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			k.broken("the log says %q, want %q", got, want)
		}
		now := k.modSeq(a)
		if len(want) > 0 && now <= since || len(want) == 0 && now != since {
			k.broken("the account's ModSeq went from %d to %d for %q", since, now, want)
		}
		since = now
	}
	msgs := make([]store.NewMessage, 3)
	for i := range msgs {
		msgs[i].Content = &pattern{size: 100}
	}
	did(second(m.Append(k.ctx, msgs)), "INBOX arrived 1:3")
	did(second(m.Append(k.ctx, nil)))
	seen := []store.Flag{store.FlagSeen}
	did(second(m.SetFlags(k.ctx, store.FlagChange{UIDs: store.UIDs(1, 3), Op: store.FlagsAdd, Flags: seen})), "INBOX flagged 1,3")
	did(second(m.SetFlags(k.ctx, store.FlagChange{UIDs: store.AllUIDs(), Op: store.FlagsAdd, Flags: seen})), "INBOX flagged 2")
	did(second(m.SetFlags(k.ctx, store.FlagChange{UIDs: store.AllUIDs(), Op: store.FlagsAdd, Flags: seen})))
	did(second(m.Copy(k.ctx, store.UIDs(1, 3), "x")), "x arrived 1:2")
	did(second(m.Move(k.ctx, store.UIDs(1), "x")), "x arrived 3", "INBOX vanished 1")
	did(second(x.Move(k.ctx, store.UIDs(1, 3), "x")), "x arrived 4:5", "x vanished 1,3")
	did(second(x.Expunge(k.ctx, store.UIDs(2))), "x vanished 2")
	did(second(x.Expunge(k.ctx, store.UIDs(2))))
	did(second(m.TakeRecent(k.ctx)))
	deliver := func(to ...store.Target) error { return second(k.s.Deliver(k.ctx, msgs[0].Content, to)) }
	did(deliver(store.Target{Account: "ann"}, store.Target{Account: "ann", Mailbox: "x"}), "INBOX arrived 4", "x arrived 6")
	did(deliver(store.Target{Account: "ann", Mailbox: "y", Create: true}), "new created", "new arrived 1")
	did(second(a.Create(k.ctx, store.NewMailbox{Name: "z"})), "new created")
	did(a.Rename(k.ctx, "x", "w"), "x renamed")
	did(a.Rename(k.ctx, "INBOX", "old"), "new created", "new arrived 1:3", "INBOX vanished 2:4")
	did(a.Delete(k.ctx, "w"), "x deleted")
	did(a.Subscribe(k.ctx, "q"), "account subscriptions")
	did(a.Subscribe(k.ctx, "q"))
	did(a.Unsubscribe(k.ctx, "q"), "account subscriptions")
	did(a.Unsubscribe(k.ctx, "q"))

	for _, c := range k.changes(a, 0, x.ID()) {
		if c.MailboxID != x.ID() {
			k.broken("the log of one mailbox has an entry of another: %+v", c)
		}
	}
	if got := k.changes(a, 0, m.ID()); len(got) == 0 || got[0].Kind != store.MailboxCreated {
		k.broken("INBOX's log is %+v", got)
	}
	if got := k.changes(a, since+1000, ""); len(got) > 0 {
		k.broken("after what is to come, the log has %+v", got)
	}
}

func checkLogReading(k *kit) {
	a, m := k.inbox("x")
	k.add(m, 5)
	x := k.open(a, "x")
	n := 0
	for _, err := range a.Changes(k.ctx, 0, "") {
		k.must(err)
		n++
		k.add(m, 1)
		if n == 4 {
			break
		}
	}
	k.must(a.Delete(k.ctx, "x"))
	if got := k.changes(a, 0, x.ID()); len(got) == 0 || got[len(got)-1].Kind != store.MailboxDeleted {
		k.broken("the log of a deleted mailbox is %+v", got)
	}
	if got := k.changes(a, 0, "never"); len(got) > 0 {
		k.broken("a mailbox that never was has the log %+v", got)
	}
}

func checkModSeqs(k *kit) {
	a, m := k.inbox("x")
	x := k.open(a, "x")
	k.mixed(m)
	k.must(second(m.Copy(k.ctx, store.AllUIDs(), "x")))
	k.must(second(m.Move(k.ctx, store.UIDs(1), "x")))
	k.setFlags(x, store.FlagsAdd, store.AllUIDs(), "$Z")
	k.must(second(x.Move(k.ctx, store.UIDs(1), "x")))
	k.deliver(store.Target{Account: "ann"}, store.Target{Account: "ann", Mailbox: "x"}, store.Target{Account: "ann"})
	last := map[string]store.ModSeq{}
	top := map[string]store.UID{}
	var before store.ModSeq
	for _, c := range k.changes(a, 0, "") {
		if c.ModSeq < before || c.ModSeq < 1 {
			k.broken("ModSeq %d came after %d", c.ModSeq, before)
		}
		before = c.ModSeq
		if c.MailboxID != "" && c.ModSeq <= last[c.MailboxID] {
			k.broken("two changes of a mailbox have the ModSeqs %d and %d", last[c.MailboxID], c.ModSeq)
		}
		last[c.MailboxID] = c.ModSeq
		if c.Kind == store.MessagesArrived {
			if c.UIDs.Min() <= top[c.MailboxID] {
				k.broken("UID %d arrived after %d", c.UIDs.Min(), top[c.MailboxID])
			}
			top[c.MailboxID] = c.UIDs.Max()
		}
	}
	if before != k.modSeq(a) {
		k.broken("the last change has ModSeq %d, the account %d", before, k.modSeq(a))
	}
	for _, m := range []store.Mailbox{m, x} {
		if got := k.status(m).HighestModSeq; got != last[m.ID()] {
			k.broken("HighestModSeq is %d, the log ends at %d", got, last[m.ID()])
		}
		k.recount(m)
	}
}

func checkWatch(k *kit) {
	a, m := k.inbox("x")
	hints := make(chan struct{}, 1)
	stop := store.Watch(a, func() {
		select {
		case hints <- struct{}{}:
		default:
		}
	})
	defer stop()
	told := func(doing string, err error) {
		k.Helper()
		k.must(err)
		select {
		case <-hints:
		case <-time.After(k.patience):
			k.broken("not told of %s", doing)
		}
	}
	// One for what was before, should the watcher not know; then quiet.
	select {
	case <-hints:
	case <-time.After(50 * time.Millisecond):
	}
	told("a delivery", second(k.s.Deliver(k.ctx, &pattern{size: 10}, []store.Target{{Account: "ann"}})))
	told("an append", second(m.Append(k.ctx, []store.NewMessage{{Content: &pattern{size: 10}}})))
	told("a flag", second(m.SetFlags(k.ctx, store.FlagChange{UIDs: store.UIDs(1), Op: store.FlagsAdd, Flags: []store.Flag{store.FlagSeen}})))
	told("a copy", second(m.Copy(k.ctx, store.UIDs(1), "x")))
	told("an expunge", second(m.Expunge(k.ctx, store.UIDs(1))))
	told("a new mailbox", second(a.Create(k.ctx, store.NewMailbox{Name: "y"})))
	told("a rename", a.Rename(k.ctx, "y", "z"))
	told("a deletion", a.Delete(k.ctx, "z"))
	told("a subscription", a.Subscribe(k.ctx, "z"))
	stop()
	for len(hints) > 0 {
		<-hints
	}
	k.add(m, 1)
	select {
	case <-hints:
		k.broken("told after stop")
	case <-time.After(50 * time.Millisecond):
	}
	stop()
}
