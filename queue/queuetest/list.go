package queuetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/postrider/postrider/queue"
)

var listPromises = []promise{
	{
		name:  "EntriesByMessageOldestFirst",
		text:  "Entries yields the recipients in the queue, by message, oldest message first",
		check: entriesInOrder,
	},
	{
		name:  "EntriesWhileTheQueueChanges",
		text:  "the consumer of Entries may take its time, and change the queue meanwhile",
		check: entriesWhileChanging,
	},
	{
		name:  "EntriesMayStopEarly",
		text:  "the consumer of Entries may stop early",
		check: entriesStop,
	},
	{
		name:  "NotifyTellsWhatIsDue",
		text:  "Notify calls due soon after recipients became due sooner than before, by Put, Settle or Update, until stop is called",
		check: notifyTells,
	},
}

func entriesInOrder(k *kit) {
	var want []string
	for i := range 300 {
		// The later a message came, the earlier it is due.
		k.put(at(time.Now().Add(-time.Duration(i)*time.Minute), mail(fmt.Sprintf("m%d", i), "x@a.example", "y@b.example", "z@a.example")))
		want = append(want, fmt.Sprintf("m%d", i))
	}
	var got []string
	seen := map[string]bool{}
	n := 0
	for _, e := range k.entries(queue.Filter{}) {
		name := e.Message.Envelope.ReversePath.Local
		if len(got) == 0 || got[len(got)-1] != name {
			got = append(got, name)
		}
		seen[fmt.Sprintf("%s %d", name, e.Index)] = true
		n++
	}
	same(k, "order of messages", strings.Join(got, " "), strings.Join(want, " "))
	same(k, "recipients", n, 900)
	same(k, "different recipients", len(seen), 900)
}

func entriesWhileChanging(k *kit) {
	const n = 250
	for i := range n {
		k.put(mail(fmt.Sprintf("m%d", i), "x@a.example"))
	}
	seen := map[string]int{}
	first := true
	for e, err := range k.q.Entries(k.ctx, queue.Filter{}) {
		k.must(err)
		name := e.Message.Envelope.ReversePath.Local
		seen[name]++
		if first {
			first = false
			// What is gone before its turn may be yielded or not.
			k.update(queue.Filter{ID: k.put(mail("new", "x@a.example"))}, queue.Hold, 1)
			time.Sleep(time.Hour)
			for _, c := range k.claimBy(queue.ClaimQuery{Max: 100, Lease: time.Minute}) {
				k.settle(c.Token, fate(queue.Delivered, 0)...)
			}
		}
		k.content(k.put(mail("more", "x@a.example")))
		if seen[name] > 1 && name != "more" {
			k.broken("%s was yielded twice", name)
		}
		if len(seen) > 2*n || seen["more"] > 10 {
			break
		}
	}
	for i := 100; i < n; i++ {
		if seen[fmt.Sprintf("m%d", i)] != 1 {
			k.broken("m%d, which was in the queue all the time, was not yielded", i)
		}
	}
}

func entriesStop(k *kit) {
	for range 10 {
		k.put(mail("m", "x@a.example", "y@b.example"))
	}
	all := k.q.Entries(k.ctx, queue.Filter{})
	for range 2 { // the sequence may be used again
		n := 0
		for _, err := range all {
			k.must(err)
			if n++; n == 3 {
				break
			}
		}
		same(k, "entries until the stop", n, 3)
	}
	k.put(mail("m", "x@a.example"))
}

func notifyTells(k *kit) {
	notifier, ok := k.q.(queue.Notifier)
	if !ok {
		k.Skip("the queue is no Notifier")
	}
	told := make(chan bool, 1000)
	stop := notifier.Notify(func() { told <- true })
	stopOther := notifier.Notify(func() {})
	wasTold := func(by string) {
		k.Helper()
		select {
		case <-told:
		case <-time.After(time.Minute):
			k.broken("nobody was told of %s", by)
		}
		for len(told) > 0 {
			<-told
		}
	}
	k.put(mail("m", "x@a.example", "y@a.example"))
	wasTold("Put")
	token := k.claimOne().Token
	for len(told) > 0 {
		<-told
	}
	k.settle(token, fate(queue.Deferred, 0)...)
	wasTold("Settle that gave a recipient back")
	k.update(queue.Filter{}, queue.RetryNow, 2)
	wasTold("RetryNow")
	k.update(queue.Filter{}, queue.Hold, 2)
	for len(told) > 0 {
		<-told
	}
	k.update(queue.Filter{}, queue.Release, 2)
	wasTold("Release")
	token = k.claimOne().Token
	k.must(k.q.Settle(k.ctx, token, fate(queue.Failed, 0, 1), mail("report", "ann@sender.example")))
	wasTold("Settle with a report")
	stop()
	k.put(mail("m", "x@a.example"))
	time.Sleep(time.Minute)
	same(k, "calls after stop", len(told), 0)
	stopOther()
	stopOther()
}
