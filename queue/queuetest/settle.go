package queuetest

import (
	"errors"
	"strings"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
)

var settlePromises = []promise{
	{
		name:  "SettledRecipientsLeave",
		text:  "a recipient that is delivered or failed leaves the queue, and the message with the last one",
		check: settledLeave,
	},
	{
		name:  "DeferredRecipientsComeBack",
		text:  "a deferred recipient is due again at its RetryAt, with the attempt counted and what was said of it",
		check: deferredComeBack,
	},
	{
		name:  "StatusesAreBounded",
		text:  "of a status Entry.Defer keeps MaxStatusText octets of text and MaxCause of its cause",
		check: statusesBounded,
	},
	{
		name:  "UnnamedRecipientsAreGivenBack",
		text:  "recipients of the claim that no outcome names are given back as they were; outcomes of others have no effect",
		check: unnamedGivenBack,
	},
	{
		name:  "ReportsCountWithTheOutcomes",
		text:  "Settle puts reports in the queue in one transaction with the outcomes",
		check: reportsWithOutcomes,
	},
	{
		name:  "SettleIsAllOrNothing",
		text:  "Settle: an error means that nothing was recorded",
		check: settleAllOrNothing,
	},
}

func settledLeave(k *kit) {
	id := k.put(mail("m", "x@a.example", "y@a.example", "z@b.example"))
	for _, c := range k.claim() {
		if c.Hop.NextHop == "a.example" {
			k.settle(c.Token, append(fate(queue.Delivered, 0), fate(queue.Failed, 1)...)...)
			k.wantQueue(queue.Filter{}, "m 2")
			k.content(id)
		}
	}
	time.Sleep(time.Minute)
	k.settle(k.claimOne().Token, fate(queue.Failed, 2)...)
	k.wantQueue(queue.Filter{})
	_, err := k.q.Content(k.ctx, id)
	k.want(err, queue.ErrNotExist, "Content of a message that left")
}

func deferredComeBack(k *kit) {
	k.put(mail("m", "x@a.example"))
	for attempt := 1; attempt <= 3; attempt++ {
		c := k.claimOne()
		same(k, "Attempts of the claim", c.Recipients[0].Attempts, attempt-1)
		retry := time.Now().Add(time.Duration(attempt) * time.Hour)
		status := &postrider.Status{Code: "4.2.1", Reply: 450, Text: "greylisted \xff\r\nfor now", Err: errors.New("a cause")}
		k.settle(c.Token, queue.Outcome{Index: 0, Result: queue.Deferred, RetryAt: retry, Status: status, Remote: "mx.a.example"})
		e := k.entry()
		k.near("Due", e.Due, retry)
		k.near("LastAttempt", e.LastAttempt, time.Now())
		k.near("LeasedUntil", e.LeasedUntil, time.Time{})
		same(k, "Attempts", e.Attempts, attempt)
		same(k, "LastRemote", e.LastRemote, "mx.a.example")
		if e.LastStatus == nil || e.LastStatus.Error() != "450 4.2.1 greylisted \r\nfor now: a cause" {
			k.broken("LastStatus is %v", e.LastStatus)
		}
		time.Sleep(time.Until(retry) - time.Second)
		k.wantClaims()
		time.Sleep(time.Second)
	}
	c := k.claimOne()
	k.settle(c.Token, queue.Outcome{Index: 0, Result: queue.Deferred, RetryAt: time.Now()})
	if e := k.entry(); e.LastStatus != nil || e.LastRemote != "" {
		k.broken("an outcome without status and remote left %v and %q", e.LastStatus, e.LastRemote)
	}
}

func statusesBounded(k *kit) {
	k.put(mail("m", "x@a.example"))
	status := &postrider.Status{Code: "4.2.1", Text: strings.Repeat("ü", queue.MaxStatusText), Err: errors.New(strings.Repeat("x", 2*queue.MaxCause))}
	k.settle(k.claimOne().Token, queue.Outcome{Result: queue.Deferred, RetryAt: time.Now(), Status: status, Remote: strings.Repeat("m", 1000)})
	e := k.entry()
	same(k, "octets of text", len(e.LastStatus.Text), queue.MaxStatusText)
	same(k, "octets of cause", len(e.LastStatus.Err.Error()), queue.MaxCause)
	same(k, "octets of LastRemote", len(e.LastRemote), postrider.MaxDomainLen)
}

func unnamedGivenBack(k *kit) {
	due := time.Now().Add(-time.Hour)
	k.put(at(due, mail("m", "x@a.example", "y@a.example", "z@b.example")))
	for _, c := range k.claim() {
		if c.Hop.NextHop != "a.example" {
			continue
		}
		// 2 is another claim's, 7 nobody's.
		k.settle(c.Token, fate(queue.Delivered, 0, 2, 7)...)
	}
	k.wantQueue(queue.Filter{}, "m 1", "m 2")
	for _, e := range k.entries(queue.Filter{}) {
		same(k, "Attempts", e.Attempts, 0)
		k.near("Due", e.Due, due)
		same(k, "is leased", !e.LeasedUntil.IsZero(), e.Index == 2)
	}
	k.settle(k.wantClaims("m a.example 1")[0].Token)
	k.wantClaims("m a.example 1")
}

func reportsWithOutcomes(k *kit) {
	id := k.put(mail("m", "x@a.example"))
	large := mail("large", "ann@sender.example", "bob@other.example")
	large.Content = postrider.String(strings.Repeat("large ", 20_000))
	k.must(k.q.Settle(k.ctx, k.claimOne().Token, fate(queue.Failed, 0), mail("small", "ann@sender.example"), large))
	k.wantQueue(queue.Filter{ID: id})
	k.wantQueue(queue.Filter{}, "small 0", "large 0", "large 1")
	for _, c := range k.wantClaims("small sender.example 0", "large sender.example 0", "large other.example 1") {
		if name := c.Message.Envelope.ReversePath.Local; !strings.Contains(k.content(c.Message.ID), name) {
			k.broken("the report %s has another content", name)
		}
	}
}

func settleAllOrNothing(k *kit) {
	k.put(mail("m", "x@a.example", "y@a.example"))
	c := k.claimOne()
	bad := mail("report", "ann@sender.example")
	bad.Content = unreadable{postrider.String("text")}
	good := fate(queue.Delivered, 0)[0]
	for _, try := range []struct {
		why      string
		outcomes []queue.Outcome
		reports  []queue.Submission
	}{
		{"a report cannot be read", []queue.Outcome{good}, []queue.Submission{mail("r", "ann@sender.example"), bad}},
		{"a report has no recipients", []queue.Outcome{good}, []queue.Submission{mail("r")}},
		{"there is no such result", []queue.Outcome{good, {Index: 1}}, nil},
		{"there is no such result", []queue.Outcome{good, {Index: 1, Result: queue.Failed + 1}}, nil},
		{"nobody knows until when", []queue.Outcome{good, {Index: 1, Result: queue.Deferred}}, nil},
		{"there are two outcomes", []queue.Outcome{good, good}, nil},
	} {
		if err := k.q.Settle(k.ctx, c.Token, try.outcomes, try.reports...); err == nil || errors.Is(err, queue.ErrStale) {
			k.broken("Settle returned %v although %s", err, try.why)
		}
		k.wantQueue(queue.Filter{}, "m 0", "m 1")
		for _, e := range k.entries(queue.Filter{}) {
			same(k, "is leased", !e.LeasedUntil.IsZero(), true)
		}
	}
	k.settle(c.Token, fate(queue.Delivered, 0, 1)...)
}
