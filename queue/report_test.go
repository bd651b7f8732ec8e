package queue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
)

// RFC 3461 §5.2, §5.3: who is told of what.
func TestWhoGetsAReport(t *testing.T) {
	const (
		success = postrider.NotifySuccess
		failure = postrider.NotifyFailure
		never   = postrider.NotifyNever
	)
	for _, try := range []struct {
		name    string
		notify  postrider.Notify
		outcome queue.Outcome
		want    string // what the report says; empty for none
	}{
		{"a failure", 0, queue.Outcome{Result: queue.Failed}, "Action: failed"},
		{"a failure that was asked for", failure, queue.Outcome{Result: queue.Failed}, "Action: failed"},
		{"a failure that was not", success, queue.Outcome{Result: queue.Failed}, ""},
		{"a failure of which never to tell", never, queue.Outcome{Result: queue.Failed}, ""},
		{"a success", 0, queue.Outcome{Result: queue.Delivered}, ""},
		{"a success that was asked for", success, queue.Outcome{Result: queue.Delivered}, "Action: delivered"},
		{"the last server that knows DSN", success, queue.Outcome{Result: queue.Delivered, Relayed: true}, "Action: relayed"}, // Q7
		{"a server that knows DSN", success, queue.Outcome{Result: queue.Delivered, Relayed: true, NotifiesSuccess: true}, ""},
		{"a deferral", success | failure, queue.Outcome{Result: queue.Deferred}, ""},
	} {
		t.Run(try.name, func(t *testing.T) {
			relay := func(context.Context, *queue.Attempt) []queue.Outcome { return []queue.Outcome{try.outcome} }
			play(t, relay, func(s *scene) {
				defer s.start()()
				sub := submission("bob@example.net")
				sub.Recipients[0].Notify = try.notify
				s.put(sub)
				time.Sleep(time.Minute)
				if try.want == "" {
					s.wantReports(0)
				} else {
					s.wantReports(1, try.want)
				}
			})
		})
	}
}

// RFC 5321 §6.1: nothing automatic goes to the null path.
func TestTheNullPathGetsNoReport(t *testing.T) {
	play(t, always(queue.Failed), func(s *scene) {
		defer s.start()()
		sub := submission("bob@example.net")
		sub.Envelope.ReversePath = postrider.Address{}
		s.put(sub)
		time.Sleep(time.Hour)
		s.wantReports(0)
		s.wantLeft(0)
	})
}

// Q8: a report that fails produces nothing.
func TestAFailedReportProducesNothing(t *testing.T) {
	play(t, always(queue.Failed), func(s *scene) {
		s.runner.Route = func(_ context.Context, _ *postrider.Envelope, _ postrider.Content, to postrider.Recipient) ([]queue.Recipient, error) {
			return []queue.Recipient{{Recipient: to, Transport: "relay", NextHop: to.ForwardPath.Domain}}, nil
		}
		defer s.start()()
		s.mail("bob@example.net")
		time.Sleep(time.Hour)
		s.wantAttempts(0, 0) // the message, then the report on it
		s.wantLeft(0)
	})
}

// Recipients of one attempt are in one report, and only those who failed.
func TestAReportIsOfOneAttempt(t *testing.T) {
	relay := func(_ context.Context, a *queue.Attempt) []queue.Outcome {
		o := all(a, queue.Failed)
		o[1].Result = queue.Delivered
		return o
	}
	play(t, relay, func(s *scene) {
		defer s.start()()
		s.mail("a@example.net", "b@example.net", "c@example.net")
		time.Sleep(time.Hour)
		s.wantReports(1, "Final-Recipient: rfc822;a@example.net", "Final-Recipient: rfc822;c@example.net",
			"Remote-MTA: dns; mx.example.net", "550 5.1.1 no such user", "Reporting-MTA: dns; mx.example.org", "Subject: hello")
		s.wantLeft(0)
	})
}

// The sender must not stay in the dark: who cannot be told now is told later.
func TestAFailureWaitsForItsReport(t *testing.T) {
	play(t, always(queue.Failed), func(s *scene) {
		route, n := s.runner.Route, 0
		s.runner.Route = func(ctx context.Context, env *postrider.Envelope, c postrider.Content, to postrider.Recipient) ([]queue.Recipient, error) {
			if n++; n == 1 {
				return nil, errors.New("router is down")
			}
			return route(ctx, env, c, to)
		}
		defer s.start()()
		s.mail("bob@example.net")
		time.Sleep(time.Minute)
		s.wantLog("router is down")
		s.wantLeft(1)
		s.wantReports(0)
		time.Sleep(time.Hour)
		s.wantAttempts(0, 30*time.Minute)
		s.wantReports(1, "no such user")
		s.wantLeft(0)
	})
}

func TestASenderThatNobodyKnowsIsLogged(t *testing.T) {
	play(t, always(queue.Failed), func(s *scene) {
		s.runner.Route = func(context.Context, *postrider.Envelope, postrider.Content, postrider.Recipient) ([]queue.Recipient, error) {
			return nil, nil
		}
		defer s.start()()
		s.mail("bob@example.net")
		time.Sleep(time.Hour)
		s.wantLog("report has nowhere to go")
		s.wantLeft(0)
	})
}

func TestWithoutRouteThereAreNoReports(t *testing.T) {
	play(t, always(queue.Failed), func(s *scene) {
		s.runner.Route = nil
		defer s.start()()
		s.mail("bob@example.net")
		time.Sleep(time.Hour)
		s.wantReports(0)
		s.wantLeft(0)
	})
}

// RFC 8689 §5: the report on a message with REQUIRETLS asks for it too and brings back no text.
func TestAReportIsAsConfidentialAsItsMessage(t *testing.T) {
	play(t, always(queue.Failed), func(s *scene) {
		receive, required := s.runner.Transports["local"], false
		s.runner.Transports["local"] = queue.TransportFunc(func(ctx context.Context, a *queue.Attempt) []queue.Outcome {
			required = a.Message.Envelope.RequireTLS
			return receive.Deliver(ctx, a)
		})
		defer s.start()()
		sub := submission("bob@example.net")
		sub.Envelope.RequireTLS, sub.Envelope.Return = true, postrider.ReturnFull
		s.put(sub)
		time.Sleep(time.Hour)
		s.wantReports(1, "Content-Type: text/rfc822-headers", "Subject: hello")
		if !required {
			s.Error("the report does not require TLS")
		}
	})
}

// What is written twice, because the process died in between, is one message to its reader, and no other's.
func TestReportsHaveTheirOwnMessageID(t *testing.T) {
	play(t, always(queue.Failed), func(s *scene) {
		id := s.mail("bob@example.net", "eve@example.com")
		defer s.start()()
		time.Sleep(time.Hour)
		s.wantReports(2)
		s.mu.Lock()
		defer s.mu.Unlock()
		for i := range 2 {
			want := fmt.Sprintf("Message-ID: <%s.%d.1.report@mx.example.org>", id, i)
			if !strings.Contains(strings.Join(s.reports, ""), want) {
				s.Errorf("no report has %s", want)
			}
		}
	})
}
