package queuetest

import (
	"fmt"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
)

var updatePromises = []promise{
	{
		name:  "HoldAndRelease",
		text:  "Hold keeps recipients from being claimed, Release ends a hold",
		check: holdAndRelease,
	},
	{
		name:  "RetryNow",
		text:  "RetryNow makes recipients due, whatever their schedule says; a hold stays, and what was due before keeps its turn",
		check: retryNow,
	},
	{
		name:  "Drop",
		text:  "Drop removes recipients, and the message with the last one",
		check: drop,
	},
	{
		name:  "UpdateLeavesLeasesAlone",
		text:  "Update changes the recipients that match and are not leased, and returns how many there were",
		check: updateNotLeased,
	},
	{
		name:  "DroppedRecipientsOfAnOldLease",
		text:  "a Token whose lease ran out is good until another claims; what an operator dropped meanwhile stays dropped",
		check: dropOldLease,
	},
	{
		name:  "FiltersSelect",
		text:  "a recipient matches a Filter if every field that is not zero matches; the zero Filter matches all",
		check: filtersSelect,
	},
	{
		name:  "UpdateRefusesNonsense",
		text:  "Update takes one of the changes",
		check: updateRefuses,
	},
}

func holdAndRelease(k *kit) {
	k.put(mail("m", "x@a.example", "y@b.example"))
	k.update(queue.Filter{NextHop: "a.example"}, queue.Hold, 1)
	k.update(queue.Filter{NextHop: "a.example"}, queue.Hold, 1)
	k.wantQueue(queue.Filter{Held: true}, "m 0")
	k.wantClaims("m b.example 1")
	k.update(queue.Filter{Held: true}, queue.Release, 1)
	k.wantClaims("m a.example 0")
}

func retryNow(k *kit) {
	now := time.Now()
	k.put(
		at(now.Add(time.Hour), mail("later", "x@a.example")),
		at(now.Add(-time.Hour), mail("overdue", "x@a.example")),
		held(at(now.Add(time.Hour), mail("held", "x@a.example"))),
	)
	k.update(queue.Filter{}, queue.RetryNow, 3)
	same(k, "claims", shown(k.claim()), "overdue a.example 0; later a.example 0")
	k.update(queue.Filter{Held: true}, queue.Release, 1)
	k.wantClaims("held a.example 0")
}

func drop(k *kit) {
	id := k.put(mail("m", "x@a.example", "y@b.example"))
	large := mail("large", "x@a.example")
	large.Content = postrider.Bytes(make([]byte, 100_000))
	gone := k.put(large)
	k.put(mail("n", "x@b.example"))
	k.update(queue.Filter{Domain: "a.example"}, queue.Drop, 2)
	k.wantQueue(queue.Filter{}, "m 1", "n 0")
	_, err := k.q.Content(k.ctx, gone)
	k.want(err, queue.ErrNotExist, "Content of what was dropped")
	k.content(id)
	k.update(queue.Filter{ID: id}, queue.Drop, 1)
	k.wantQueue(queue.Filter{}, "n 0")
	_, err = k.q.Content(k.ctx, id)
	k.want(err, queue.ErrNotExist, "Content of what was dropped")
	k.wantClaims("n b.example 0")
}

func updateNotLeased(k *kit) {
	k.put(mail("m", "x@a.example"))
	k.claimOne()
	k.put(mail("n", "x@a.example"))
	for _, c := range []queue.Change{queue.Hold, queue.Release, queue.RetryNow, queue.Drop} {
		k.update(queue.Filter{}, c, 1)
	}
	k.wantQueue(queue.Filter{}, "m 0")
	same(k, "Held", k.entry().Held, false)
	time.Sleep(time.Minute)
	k.update(queue.Filter{}, queue.Hold, 1)
	k.wantClaims()
}

func dropOldLease(k *kit) {
	k.put(mail("m", "x@a.example", "y@a.example"), mail("n", "x@b.example"))
	claims := k.wantClaims("m a.example 0,1", "n b.example 0")
	time.Sleep(time.Hour)
	for _, e := range k.entries(queue.Filter{}) {
		if e.Message.Envelope.ReversePath.Local == "n" {
			k.update(queue.Filter{ID: e.Message.ID}, queue.Drop, 1)
		}
	}
	for _, c := range claims {
		if c.Hop.NextHop == "b.example" {
			err := k.q.Settle(k.ctx, c.Token, fate(queue.Deferred, 0), mail("report", "ann@sender.example"))
			k.want(err, queue.ErrStale, "Settle when nothing is left")
			continue
		}
		k.settle(c.Token, fate(queue.Deferred, 0, 1)...)
	}
	k.wantQueue(queue.Filter{}, "m 0", "m 1")
}

func filtersSelect(k *kit) {
	begin := time.Now()
	a := mail("ann", "x@Übung.example", "y@b.example")
	a.Recipients[1].Transport = "local"
	id := k.put(a)
	time.Sleep(time.Hour)
	n := held(mail("", "x@b.example"))
	n.Envelope.ReversePath = postrider.Address{}
	n.Recipients[0].NextHop = "[mx.b.example]:25"
	k.put(n)
	time.Sleep(time.Hour)
	k.put(mail("bob", "x@B.EXAMPLE"))

	ann := postrider.Address{Local: "ann", Domain: "SENDER.example"}
	for _, try := range []struct {
		filter queue.Filter
		want   []string
	}{
		{queue.Filter{}, []string{"ann 0", "ann 1", " 0", "bob 0"}},
		{queue.Filter{ID: id}, []string{"ann 0", "ann 1"}},
		{queue.Filter{ID: "no-such-message"}, nil},
		{queue.Filter{ID: id + "0"}, nil},
		{queue.Filter{ReversePath: ann}, []string{"ann 0", "ann 1"}},
		{queue.Filter{ReversePath: postrider.Address{Local: "Ann", Domain: "sender.example"}}, nil},
		{queue.Filter{Domain: "b.Example"}, []string{"ann 1", " 0", "bob 0"}},
		{queue.Filter{Domain: "xn--bung-zra.example"}, []string{"ann 0"}},
		{queue.Filter{Domain: "übung.example"}, []string{"ann 0"}},
		{queue.Filter{Transport: "local"}, []string{"ann 1"}},
		{queue.Filter{Transport: "Local"}, nil},
		{queue.Filter{NextHop: "b.example"}, []string{"ann 1"}},
		{queue.Filter{NextHop: "B.EXAMPLE"}, []string{"bob 0"}},
		{queue.Filter{NextHop: "[mx.b.example]:25"}, []string{" 0"}},
		{queue.Filter{Held: true}, []string{" 0"}},
		{queue.Filter{CreatedBefore: begin}, nil},
		{queue.Filter{CreatedBefore: begin.Add(time.Minute)}, []string{"ann 0", "ann 1"}},
		{queue.Filter{CreatedBefore: begin.Add(61 * time.Minute)}, []string{"ann 0", "ann 1", " 0"}},
		{queue.Filter{CreatedBefore: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, []string{"ann 0", "ann 1", " 0", "bob 0"}},
		{queue.Filter{ID: id, ReversePath: ann, Domain: "b.example", Transport: "local", NextHop: "b.example", CreatedBefore: time.Now()}, []string{"ann 1"}},
		{queue.Filter{ID: id, Held: true}, nil},
	} {
		k.wantQueue(try.filter, try.want...)
		n, err := k.q.Update(k.ctx, try.filter, queue.RetryNow)
		k.must(err)
		same(k, fmt.Sprintf("recipients that Update of %+v finds", try.filter), n, len(try.want))
	}
}

func updateRefuses(k *kit) {
	k.put(mail("m", "x@a.example"))
	for _, c := range []queue.Change{0, -1, queue.Drop + 1} {
		if n, err := k.q.Update(k.ctx, queue.Filter{}, c); err == nil {
			k.broken("Update to %d changed %d recipients", c, n)
		}
	}
	k.wantClaims("m a.example 0")
}
