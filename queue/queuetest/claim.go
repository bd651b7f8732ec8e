package queuetest

import (
	"time"

	"github.com/postrider/postrider/queue"
)

var claimPromises = []promise{
	{
		name:  "ClaimTakesThoseDueFirstFirst",
		text:  "Claim leases recipients that are due: at most Max claims, those due first first",
		check: claimInOrder,
	},
	{
		name:  "ClaimNothingBeforeItIsDue",
		text:  "Claim leases recipients that are due; NotBefore is when the recipients are due first",
		check: claimNotBefore,
	},
	{
		name:  "ClaimNothingHeld",
		text:  "Claim leases recipients that are not held",
		check: claimNotHeld,
	},
	{
		name:  "ClaimGroupsByMessageAndHop",
		text:  "the recipients of a claim share message, transport and next hop, are all of those that are due, and come by ascending Index",
		check: claimGroups,
	},
	{
		name:  "ClaimLimitsRecipients",
		text:  "a claim has up to MaxRecipients recipients; zero means 100",
		check: claimLimits,
	},
	{
		name:  "ClaimLimitsHops",
		text:  "PerHop is how many claims of one hop the caller may have under way, those in Busy included",
		check: claimPerHop,
	},
	{
		name:  "ClaimRefusesNonsense",
		text:  "Max is at least 1, MaxRecipients and PerHop are not negative, Lease is more than 0",
		check: claimRefuses,
	},
	{
		name:  "NextDueTellsWhenToClaim",
		text:  "NextDue returns when the next recipient that is neither held nor leased is due, or the next lease ends, but for those of the hops except; the zero time if there is none",
		check: nextDue,
	},
}

func claimInOrder(k *kit) {
	now := time.Now()
	k.put(
		at(now.Add(3*time.Minute), mail("c", "x@a.example")),
		at(now.Add(1*time.Minute), mail("a", "x@a.example")),
		at(now.Add(4*time.Minute), mail("d", "x@b.example")),
		at(now.Add(2*time.Minute), mail("b", "x@b.example")),
		at(now.Add(5*time.Minute), mail("e", "x@a.example", "y@b.example")),
	)
	same(k, "claims before anything is due", len(k.claim()), 0)
	time.Sleep(time.Hour)
	q := queue.ClaimQuery{Max: 3, Lease: time.Minute}
	same(k, "the first claims", shown(k.claimBy(q)), "a a.example 0; b b.example 0; c a.example 0")
	q.Max = 1
	same(k, "the next claim", shown(k.claimBy(q)), "d b.example 0")
	k.wantClaims("e a.example 0", "e b.example 1")
	same(k, "claims when all are leased", len(k.claim()), 0)
}

func claimNotBefore(k *kit) {
	k.put(at(time.Now().Add(time.Hour), mail("later", "x@a.example")))
	k.near("Due", k.entry().Due, time.Now().Add(time.Hour))
	time.Sleep(time.Hour - time.Second)
	k.wantClaims()
	time.Sleep(time.Second)
	k.wantClaims("later a.example 0")
}

func claimNotHeld(k *kit) {
	k.put(held(mail("held", "x@a.example")), mail("free", "x@a.example"))
	k.wantClaims("free a.example 0")
	time.Sleep(24 * time.Hour)
	k.wantClaims("free a.example 0")
}

func claimGroups(k *kit) {
	s := mail("m", "a@a.example", "b@b.example", "c@a.example", "d@a.example", "e@a.example")
	s.Recipients[3].Transport = "local"
	k.put(s, mail("n", "a@a.example"))
	claims := k.wantClaims("m a.example 0,2,4", "m b.example 1", "m a.example 3", "n a.example 0")
	for _, c := range claims {
		for _, e := range c.Recipients {
			same(k, "hop", queue.Hop{Transport: e.Transport, NextHop: e.NextHop}, c.Hop)
			same(k, "message", e.Message.ID, c.Message.ID)
			k.near("LeasedUntil", e.LeasedUntil, time.Now().Add(time.Minute))
			if e.Index == 2 {
				k.settle(c.Token, append(fate(queue.Deferred, 0), fate(queue.Delivered, 4)...)...)
			}
		}
	}
	// Of the same hop only the second is due now.
	k.wantClaims("m a.example 2")
}

func claimLimits(k *kit) {
	var to []string
	for range 101 {
		to = append(to, "x@a.example")
	}
	k.put(mail("m", to...))
	claims := k.claimBy(queue.ClaimQuery{Max: 1, Lease: time.Minute})
	same(k, "claims", len(claims), 1)
	same(k, "recipients of the first claim", len(claims[0].Recipients), 100)
	k.wantClaims("m a.example 100")
	time.Sleep(time.Minute)
	claims = k.claimBy(queue.ClaimQuery{Max: 40, MaxRecipients: 3, Lease: time.Minute})
	same(k, "claims of 3", len(claims), 34)
	seen := map[int]bool{}
	for _, c := range claims {
		if len(c.Recipients) > 3 {
			k.broken("a claim has %d recipients, 3 were wanted", len(c.Recipients))
		}
		for _, e := range c.Recipients {
			seen[e.Index] = true
		}
	}
	same(k, "recipients claimed", len(seen), 101)
}

func claimPerHop(k *kit) {
	for range 4 {
		k.put(mail("m", "x@a.example", "y@b.example"))
	}
	a, b := queue.Hop{Transport: "relay", NextHop: "a.example"}, queue.Hop{Transport: "relay", NextHop: "b.example"}
	count := func(q queue.ClaimQuery) map[queue.Hop]int {
		k.Helper()
		q.Max, q.Lease = 100, time.Minute
		n := map[queue.Hop]int{}
		for _, c := range k.claimBy(q) {
			n[c.Hop]++
		}
		return n
	}
	n := count(queue.ClaimQuery{PerHop: 3, Busy: map[queue.Hop]int{a: 1}})
	same(k, "claims of a busy hop", n[a], 2)
	same(k, "claims of another", n[b], 3)
	n = count(queue.ClaimQuery{PerHop: 3, Busy: map[queue.Hop]int{a: 3, b: 4}})
	same(k, "claims when all hops are busy", len(n), 0)
	n = count(queue.ClaimQuery{Busy: map[queue.Hop]int{a: 100}})
	same(k, "claims without a limit", n[a]+n[b], 3)
	// A hop that is full does not hide another, though it is due first.
	k.put(at(time.Now().Add(-time.Hour), mail("n", "x@a.example")), mail("m", "x@b.example"))
	claims := k.claimBy(queue.ClaimQuery{Max: 1, Lease: time.Minute, PerHop: 3, Busy: map[queue.Hop]int{a: 3}})
	same(k, "claims beside a full hop", shown(claims), "m b.example 0")
}

func claimRefuses(k *kit) {
	k.put(mail("m", "x@a.example"))
	for _, q := range []queue.ClaimQuery{
		{Max: 0, Lease: time.Minute},
		{Max: -1, Lease: time.Minute},
		{Max: 1},
		{Max: 1, Lease: -time.Minute},
		{Max: 1, Lease: time.Minute, MaxRecipients: -1},
		{Max: 1, Lease: time.Minute, PerHop: -1},
	} {
		if claims, err := k.q.Claim(k.ctx, q); err == nil {
			k.broken("Claim(%+v) returned %d claims and no error", q, len(claims))
		}
	}
	k.wantClaims("m a.example 0")
}

func nextDue(k *kit) {
	a := queue.Hop{Transport: "relay", NextHop: "a.example"}
	k.near("next of an empty queue", k.nextDue(), time.Time{})
	k.put(held(mail("held", "x@a.example")))
	k.near("next of held ones", k.nextDue(), time.Time{})
	begin := time.Now()
	k.put(at(begin.Add(3*time.Hour), mail("b", "x@b.example")), at(begin.Add(2*time.Hour), mail("a", "x@a.example")))
	k.near("the next", k.nextDue(), begin.Add(2*time.Hour))
	k.near("the next but for a hop", k.nextDue(a), begin.Add(3*time.Hour))
	k.near("the next but for all hops", k.nextDue(a, queue.Hop{Transport: "relay", NextHop: "b.example"}), time.Time{})

	time.Sleep(150 * time.Minute)
	k.near("what is due", k.nextDue(), begin.Add(2*time.Hour))
	claims := k.claimBy(queue.ClaimQuery{Max: 1, Lease: 10 * time.Minute})
	same(k, "claims", shown(claims), "a a.example 0")
	token := claims[0].Token
	k.near("the end of the lease", k.nextDue(), time.Now().Add(10*time.Minute))
	k.must(k.q.Renew(k.ctx, token, 20*time.Minute))
	k.near("the end of the lease renewed", k.nextDue(), time.Now().Add(20*time.Minute))
	k.settle(token, fate(queue.Deferred, 0)...)
	k.near("the other", k.nextDue(), begin.Add(3*time.Hour))
	k.near("the deferred one", k.nextDue(queue.Hop{Transport: "relay", NextHop: "b.example"}), time.Now().Add(time.Hour))
	k.update(queue.Filter{Domain: "a.example"}, queue.Release, 2)
	k.near("one released", k.nextDue(), begin)
	k.update(queue.Filter{}, queue.Drop, 3)
	k.near("next of nothing", k.nextDue(), time.Time{})
}
