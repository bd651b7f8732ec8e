package queuetest

import (
	"time"

	"github.com/postrider/postrider/queue"
)

var leasePromises = []promise{
	{
		name:  "LeasesExclude",
		text:  "Claim leases recipients that are not leased; when a lease runs out, its recipients may be claimed again",
		check: leasesExclude,
	},
	{
		name:  "RenewProlongs",
		text:  "Renew makes the lease last for d from now on",
		check: renewProlongs,
	},
	{
		name:  "TokensAreGoodUntilAnotherClaim",
		text:  "a Token is no longer good once the lease ran out and another runner claimed any of the recipients; before, it is",
		check: tokensAreGood,
	},
	{
		name:  "StaleTokensAreRefused",
		text:  "a Token is no longer good once the lease ran out and another runner claimed any of the recipients: Settle and Renew are ErrStale, and nothing is recorded, reports included",
		check: tokensAreStale,
	},
	{
		name:  "TokensAreGoodOnce",
		text:  "Settle ends the lease; a Token is no longer good once its claim was settled",
		check: tokensOnce,
	},
	{
		name:  "MadeUpTokensAreStale",
		text:  "Renew and Settle are ErrStale for what is no Token",
		check: tokensMadeUp,
	},
}

func leasesExclude(k *kit) {
	k.put(mail("m", "x@a.example", "y@b.example"))
	k.wantClaims("m a.example 0", "m b.example 1")
	for _, e := range k.entries(queue.Filter{}) {
		k.near("LeasedUntil", e.LeasedUntil, time.Now().Add(time.Minute))
	}
	time.Sleep(time.Minute - time.Second)
	k.wantClaims()
	time.Sleep(time.Second)
	for _, e := range k.entries(queue.Filter{}) {
		k.near("LeasedUntil after the end", e.LeasedUntil, time.Time{})
		same(k, "Attempts", e.Attempts, 0)
	}
	k.wantClaims("m a.example 0", "m b.example 1")
}

func renewProlongs(k *kit) {
	k.put(mail("m", "x@a.example"))
	c := k.claimOne()
	time.Sleep(50 * time.Second)
	k.must(k.q.Renew(k.ctx, c.Token, time.Minute))
	k.near("LeasedUntil", k.entry().LeasedUntil, time.Now().Add(time.Minute))
	time.Sleep(59 * time.Second)
	k.wantClaims()
	k.must(k.q.Renew(k.ctx, c.Token, 10*time.Second))
	time.Sleep(10 * time.Second)
	k.wantClaims("m a.example 0")
}

func tokensAreGood(k *kit) {
	k.put(mail("m", "x@a.example", "y@a.example"))
	c := k.claimOne()
	time.Sleep(time.Hour)
	k.must(k.q.Renew(k.ctx, c.Token, time.Minute))
	k.wantClaims()
	time.Sleep(time.Hour)
	// What an operator did meanwhile stands.
	k.update(queue.Filter{}, queue.Hold, 2)
	k.settle(c.Token, fate(queue.Deferred, 1)...)
	for _, e := range k.entries(queue.Filter{}) {
		same(k, "Held", e.Held, true)
		same(k, "Attempts", e.Attempts, e.Index)
	}
}

func tokensAreStale(k *kit) {
	k.put(mail("m", "x@a.example", "y@a.example", "z@a.example"))
	old := k.claimOne()
	time.Sleep(2 * time.Minute)
	// Another takes only one of three.
	again := k.claimBy(queue.ClaimQuery{Max: 1, MaxRecipients: 1, Lease: time.Minute})
	same(k, "claim by another", shown(again), "m a.example 0")
	for pass := range 2 {
		k.want(k.q.Renew(k.ctx, old.Token, time.Hour), queue.ErrStale, "Renew")
		k.want(k.q.Settle(k.ctx, old.Token, fate(queue.Delivered, 0, 1, 2), mail("report", "ann@sender.example")), queue.ErrStale, "Settle")
		k.want(k.q.Settle(k.ctx, old.Token, fate(queue.Deferred, 1)), queue.ErrStale, "Settle of those that nobody claimed")
		k.want(k.q.Settle(k.ctx, old.Token, nil), queue.ErrStale, "Settle of nothing")
		k.wantQueue(queue.Filter{}, "m 0", "m 1", "m 2")
		for _, e := range k.entries(queue.Filter{}) {
			same(k, "Attempts", e.Attempts, 0)
			same(k, "is leased", !e.LeasedUntil.IsZero(), e.Index == 0 && pass == 0)
		}
		time.Sleep(2 * time.Minute) // also when the other's has run out
	}
	k.must(k.q.Renew(k.ctx, again[0].Token, time.Minute))
	k.settle(again[0].Token, fate(queue.Delivered, 0)...)
	k.wantClaims("m a.example 1,2")
}

func tokensOnce(k *kit) {
	k.put(mail("m", "x@a.example", "y@a.example"))
	c := k.claimOne()
	k.settle(c.Token, fate(queue.Delivered, 0)...)
	k.want(k.q.Settle(k.ctx, c.Token, fate(queue.Delivered, 1), mail("report", "ann@sender.example")), queue.ErrStale, "Settle again")
	k.want(k.q.Renew(k.ctx, c.Token, time.Hour), queue.ErrStale, "Renew")
	k.wantQueue(queue.Filter{}, "m 1")
	k.wantClaims("m a.example 1")
}

func tokensMadeUp(k *kit) {
	k.put(mail("m", "x@a.example"))
	good := k.claimOne().Token
	for _, t := range []queue.Token{"", "x", "1.2.3", "-", "0", good + "0", "0" + good, "\x00\xff"} {
		k.want(k.q.Renew(k.ctx, t, time.Hour), queue.ErrStale, "Renew of a token that is none")
		k.want(k.q.Settle(k.ctx, t, fate(queue.Delivered, 0)), queue.ErrStale, "Settle of a token that is none")
	}
	k.settle(good, fate(queue.Delivered, 0)...)
}
