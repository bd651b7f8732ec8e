package relay_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/smtp"
)

func withDSN() *queue.Attempt {
	a := attempt("example.org", "bob")
	a.Message.Envelope.EnvelopeID = "QQ+314159"
	a.Message.Envelope.Return = postrider.ReturnHeaders
	a.Recipients[0].Notify = postrider.NotifySuccess | postrider.NotifyDelay
	a.Recipients[0].Original = postrider.OriginalRecipient{Type: "RFC822", Address: "Bob@Example.ORG", Raw: "RFC822;Bob@Example.OR+47"}
	return a
}

// Q7: DSN parameters are relayed as they came, ORCPT byte for byte, and the server has the duty then (RFC 3461 §5.2.1).
func TestQ7DSNParametersGoOnUnchangedAndTheServerReports(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.play("192.0.2.1", script{"EHLO": "250-mx|250 DSN"})
		out := w.deliver(withDSN(), byFirst)
		want := "MAIL FROM:<ann@example.net> RET=HDRS ENVID=QQ+2B314159\n" +
			"RCPT TO:<bob@example.org> NOTIFY=SUCCESS,DELAY ORCPT=RFC822;Bob@Example.OR+47\n"
		if got := w.commands(); !strings.Contains(got, want) {
			t.Errorf("commands:\n%s\nwant:\n%s", got, want)
		}
		if !out[0].Relayed || !out[0].NotifiesSuccess {
			t.Errorf("outcome: %+v", out[0])
		}
	})
}

// Q7: a server without DSN gets none of them, and the duty to report stays here (RFC 3461 §5.2.2).
func TestQ7AServerWithoutDSNGetsNoneAndWeReport(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.play("192.0.2.1", nil)
		out := w.deliver(withDSN(), byFirst)
		want := "MAIL FROM:<ann@example.net>\nRCPT TO:<bob@example.org>\n"
		if got := w.commands(); !strings.Contains(got, want) {
			t.Errorf("commands:\n%s\nwant:\n%s", got, want)
		}
		if !out[0].Relayed || out[0].NotifiesSuccess {
			t.Errorf("outcome: %+v", out[0])
		}
	})
}

// Q7: what was not given is not invented.
func TestQ7NoDSNParameterIsInvented(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.play("192.0.2.1", script{"EHLO": "250-mx|250 DSN"})
		w.deliver(attempt("example.org", "bob"), byFirst)
		want := "MAIL FROM:<ann@example.net>\nRCPT TO:<bob@example.org>\n"
		if got := w.commands(); !strings.Contains(got, want) {
			t.Errorf("commands:\n%s\nwant:\n%s", got, want)
		}
	})
}

// S24: 8-bit content goes to no server that lacks 8BITMIME (RFC 6152 §3).
// S25: what needs SMTPUTF8 goes to no server that lacks it (RFC 6531 §3.2).
func TestWhatAServerLacksIsAskedOfTheNextAndThenFails(t *testing.T) {
	eightBit := func(a *queue.Attempt) { a.Content = postrider.String("Subject: x\r\n\r\nGr\xfc\xdfe\r\n") }
	sender := func(a *queue.Attempt) { a.Message.Envelope.ReversePath.Local = "änn" }
	header := func(a *queue.Attempt) {
		a.Message.Envelope.SMTPUTF8 = true
		a.Content = postrider.String("Subject: Grüße\r\n\r\n")
	}
	large := func(a *queue.Attempt) { a.Content = postrider.String(strings.Repeat("0123456789\r\n", 100)) }
	due := func(a *queue.Attempt) {
		a.Message.Envelope.DeliverBy = &postrider.DeliverBy{Deadline: time.Now().Add(time.Hour), Return: true}
	}
	for name, test := range map[string]struct {
		change func(*queue.Attempt)
		has    string // what the second host offers
		code   string
	}{
		"8BITMIME":             {eightBit, "8BITMIME", "5.6.3"},
		"SMTPUTF8 in the path": {sender, "SMTPUTF8", "5.6.7"},
		"SMTPUTF8 in a header": {header, "8BITMIME|250-SMTPUTF8", "5.6.9"},
		"SIZE":                 {large, "SIZE 100000", "5.3.4"},
		"DELIVERBY":            {due, "DELIVERBY", "5.4.7"},
	} {
		t.Run(name, func(t *testing.T) {
			offer := func(w *world, addr, extension string) {
				w.play(addr, script{"EHLO": "250-mx|250-" + extension + "|250 HELP"})
			}
			failed := (&postrider.Status{Code: test.code}).ReplyCode()
			bubble(t, twoServers, func(w *world) {
				a := attempt("example.org", "bob")
				test.change(a)
				offer(w, "192.0.2.1", "SIZE 100")
				w.deliver(a, "deferred 451 4.4.1") // the second is not there, but may offer it when it is
				offer(w, "192.0.2.2", test.has)
				w.deliver(a, bySecond)
			})
			bubble(t, twoServers, func(w *world) {
				a := attempt("example.org", "bob")
				test.change(a)
				offer(w, "192.0.2.1", "SIZE 100")
				offer(w, "192.0.2.2", "SIZE 100")
				out := w.transport.Deliver(w.t.Context(), a)
				if o := out[0]; o.Result != queue.Failed || o.Status.Code != test.code || o.Status.ReplyCode() != failed {
					t.Errorf("outcome: %+v", o)
				}
				if got := w.commands(); strings.Contains(got, "DATA") {
					t.Errorf("commands:\n%s", got)
				}
			})
		})
	}
}

// A message that no server could be given fails at once, though another server cannot be reached.
func TestAMessageWithABareLineFeedFails(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.serve("192.0.2.1", nil)
		a := attempt("example.org", "bob")
		a.Content = postrider.String("Subject: x\r\n\r\nbare\nfeed\r\n")
		w.deliver(a, "failed 554 5.6.0")
		expect(t, "connections", w.dialled(), "192.0.2.1")
		a.Content = postrider.String(strings.Repeat("0123456789\r\n", 10000) + "bare\nfeed\r\n")
		w.deliver(a, "failed 554 5.6.0")
		expect(t, "taken", w.taken(), "")
	})
}

// The bytes that arrive are those of the queue, dots and all.
func TestBytesAreExact(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		text := ".leading dot\r\n..\r\n.\r\n\r\nGr\xfc\xdfe\r\n"
		w.serve("192.0.2.1", func(s *smtp.Server) {
			s.Handler = contents(w)
		})
		a := attempt("example.org", "bob")
		a.Content = postrider.String(text)
		w.deliver(a, "delivered 250 2.0.0 by mx1.example.org")
		expect(t, "content", w.taken(), text)
	})
}
