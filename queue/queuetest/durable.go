package queuetest

import (
	"strings"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
)

var durablePromises = []promise{
	{
		name:    "PutIsDurable",
		text:    "Put: the change is durable when it returns nil",
		durable: true,
		check:   putDurable,
	},
	{
		name:    "SettleIsDurable",
		text:    "Settle and Update: the change is durable when they return nil",
		durable: true,
		check:   settleDurable,
	},
	{
		name:    "LeasesOutliveClose",
		text:    "Close: leases stay, they run out",
		durable: true,
		check:   leasesOutlive,
	},
}

func putDurable(k *kit) {
	large := held(mail("large", "x@a.example"))
	large.Content = postrider.String(strings.Repeat("large ", 20_000))
	due := time.Now().Add(time.Hour)
	ids, err := k.q.Put(k.ctx, at(due, mail("small", "x@a.example", "y@b.example")), large)
	k.must(err)
	k.reopen()
	k.wantQueue(queue.Filter{}, "small 0", "small 1", "large 0")
	k.wantQueue(queue.Filter{Held: true}, "large 0")
	for _, e := range k.entries(queue.Filter{ID: ids[0]}) {
		k.near("Due", e.Due, due)
	}
	if !strings.Contains(k.content(ids[0]), "This is small.") || len(k.content(ids[1])) != 120_000 {
		k.broken("the contents are others")
	}
	k.wantClaims()
	time.Sleep(time.Hour)
	k.wantClaims("small a.example 0", "small b.example 1")
}

func settleDurable(k *kit) {
	large := mail("m", "x@a.example", "y@a.example", "z@a.example")
	large.Content = postrider.String(strings.Repeat("large ", 20_000))
	id := k.put(large, mail("dropped", "x@b.example"), mail("held", "x@c.example"))
	k.update(queue.Filter{Domain: "b.example"}, queue.Drop, 1)
	k.update(queue.Filter{Domain: "c.example"}, queue.Hold, 1)
	retry := time.Now().Add(time.Hour)
	outcomes := append(fate(queue.Delivered, 0), fate(queue.Failed, 1)...)
	outcomes = append(outcomes, queue.Outcome{Index: 2, Result: queue.Deferred, RetryAt: retry, Remote: "mx.a.example", Status: &postrider.Status{Code: "4.2.1", Text: "later"}})
	k.must(k.q.Settle(k.ctx, k.claimOne().Token, outcomes, mail("report", "ann@sender.example")))
	k.reopen()
	k.wantQueue(queue.Filter{}, "m 2", "held 0", "report 0")
	k.wantQueue(queue.Filter{Held: true}, "held 0")
	k.wantQueue(queue.Filter{ID: id}, "m 2")
	e := k.entries(queue.Filter{ID: id})[0]
	k.near("Due", e.Due, retry)
	same(k, "Attempts", e.Attempts, 1)
	same(k, "LastRemote", e.LastRemote, "mx.a.example")
	if e.LastStatus == nil || e.LastStatus.Error() != "450 4.2.1 later" {
		k.broken("LastStatus is %v", e.LastStatus)
	}
	same(k, "octets of the content", len(k.content(id)), 120_000)
}

func leasesOutlive(k *kit) {
	k.put(mail("m", "x@a.example"), mail("n", "x@b.example"))
	claims := k.claimBy(queue.ClaimQuery{Max: 2, Lease: time.Hour})
	k.reopen()
	k.wantQueue(queue.Filter{}, "m 0", "n 0")
	for _, e := range k.entries(queue.Filter{}) {
		k.near("LeasedUntil", e.LeasedUntil, time.Now().Add(time.Hour))
	}
	k.wantClaims()
	k.near("the end of the lease", k.nextDue(), time.Now().Add(time.Hour))
	k.settle(claims[0].Token, fate(queue.Delivered, 0)...)
	time.Sleep(time.Hour)
	k.wantClaims("n b.example 0")
	k.want(k.q.Settle(k.ctx, claims[1].Token, fate(queue.Delivered, 0)), queue.ErrStale, "Settle by the process of before")
}
