package relay_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/smtp"
)

const (
	offersTLS     = "250-mx|250-STARTTLS|250 HELP"
	offersRequire = "250-mx|250-STARTTLS|250 REQUIRETLS"
)

// withTLS gives the scripted servers a certificate for the names, which the Transport trusts.
func (w *world) withTLS(names ...string) {
	server, client := mailtest.TLS(w.t, names...)
	w.tls = server
	w.transport.TLSConfig = client
}

func requireTLS(a *queue.Attempt) *queue.Attempt {
	a.Message.Envelope.RequireTLS = true
	return a
}

// RFC 7435: TLS is used where it is offered, by a server that nobody can verify, too.
func TestTLSIsUsedWhoeverTheServerIs(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		server, _ := mailtest.TLS(w.t, "somebody.else.example")
		w.serve("192.0.2.1", func(s *smtp.Server) {
			s.TLSConfig = server
			s.Handler = smtp.HandlerFunc(func(_ context.Context, tx *smtp.Transaction, _ postrider.Content) error {
				w.note(tx.Session.Protocol())
				return nil
			})
		})
		w.transport.Deliver(w.t.Context(), attempt("example.org", "bob"))
		expect(t, "protocol", w.taken(), "ESMTPS")
	})
}

// Where TLS is offered and fails, the mail goes in the clear, over a new connection to the same address.
func TestWhereTheHandshakeFailsMailGoesInTheClear(t *testing.T) {
	for name, s := range map[string]script{
		"the server hangs up":            {"EHLO": offersTLS, "STARTTLS": "220 go (close)"},
		"the server is silent":           {"EHLO": offersTLS, "STARTTLS": "220 go (stall)"},
		"the server hangs up at once":    {"EHLO": offersTLS, "STARTTLS": "(close)"},
		"the server does not mean it":    {"EHLO": offersTLS, "STARTTLS": "220 go", "TLS": "no"},
		"the server has no version that": {"EHLO": offersTLS, "STARTTLS": "220 go", "TLS": "old"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, twoServers, func(w *world) {
				w.withTLS("mx1.example.org")
				if s["TLS"] == "no" {
					w.tls.Certificates = nil
				} else if s["TLS"] == "old" {
					w.tls.MaxVersion = 0x0301
				}
				w.play("192.0.2.1", s)
				w.deliver(attempt("example.org", "bob"), byFirst)
				expect(t, "connections", w.dialled(), "192.0.2.1 192.0.2.1")
				// RFC 8689 §4.2.1: what requires TLS does not, and the MX of the domain are all asked.
				w.zone.SetAuthentic("example.org", true)
				w.play("192.0.2.2", s)
				w.deliver(requireTLS(attempt("example.org", "bob")), "failed 523 5.7.10")
				expect(t, "connections", w.dialled(), "192.0.2.1 192.0.2.2")
			})
		})
	}
}

// A server that refuses STARTTLS gets the mail in the clear over the same session (RFC 3207 §4).
func TestAServerThatRefusesSTARTTLSGetsMailInTheClear(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.play("192.0.2.1", script{"EHLO": offersTLS, "STARTTLS": "454 4.7.0 not now"})
		w.deliver(attempt("example.org", "bob"), byFirst)
		expect(t, "connections", w.dialled(), "192.0.2.1")
	})
}

// A server that closes the session instead of starting TLS is busy, and not asked again in the clear.
func TestAServerThatIsBusyAtSTARTTLSIsLeft(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.zone.SetAuthentic("example.org", true)
		w.play("192.0.2.1", script{"EHLO": offersTLS, "STARTTLS": "421 4.3.2 busy (close)"})
		w.deliver(attempt("example.org", "bob"), "deferred 421 4.3.2 by mx1.example.org")
		w.deliver(requireTLS(attempt("example.org", "bob")), "deferred 421 4.3.2 by mx1.example.org")
		expect(t, "connections", w.dialled(), "192.0.2.1 192.0.2.2 192.0.2.1 192.0.2.2")
	})
}

// An attempt that is given up during the handshake says nothing about the server's TLS.
func TestAnInterruptedHandshakeIsNoFailureOfTLS(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.zone.SetAuthentic("example.org", true)
		w.play("192.0.2.1", script{"EHLO": offersTLS, "STARTTLS": "220 go (stall)"})
		for _, change := range []func(*queue.Attempt) *queue.Attempt{requireTLS, func(a *queue.Attempt) *queue.Attempt { return a }} {
			ctx, cancel := withTimeout(w.t, time.Second)
			out := w.transport.Deliver(ctx, change(attempt("example.org", "bob")))
			expect(t, "outcomes", tell(out), "deferred 451 4.4.2")
			cancel()
		}
		expect(t, "connections", w.dialled(), "192.0.2.1 192.0.2.1")
	})
}

// S20: a server that says more than it was asked before the handshake may be two. It gets nothing, in the clear least of all.
func TestS20WhoInjectsBeforeTLSGetsNothing(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.play("192.0.2.1", script{"EHLO": offersTLS, "STARTTLS": "220 go|250 injected"})
		w.serve("192.0.2.2", nil)
		w.deliver(attempt("example.org", "bob"), bySecond)
		expect(t, "connections", w.dialled(), "192.0.2.1 192.0.2.2")
	})
}

// S30: a message with REQUIRETLS goes to a verified server that offers it, and nowhere else (RFC 8689 §4.2.1).
func TestS30REQUIRETLSNeedsAVerifiedServerThatOffersIt(t *testing.T) {
	offers := script{"EHLO": offersRequire, "STARTTLS": "220 go"}
	const named = "mx1.example.org mx2.example.org"
	for name, test := range map[string]struct {
		first, second script // nil for nobody
		certificate   string
		want          string
		dialled       string
	}{
		"both are fine":          {offers, offers, named, byFirst, "192.0.2.1"},
		"the first has no TLS":   {script{"EHLO": "250-mx|250 REQUIRETLS"}, offers, named, bySecond, "192.0.2.1 192.0.2.2"},
		"the first does not":     {script{"EHLO": offersTLS, "STARTTLS": "220 go"}, offers, named, bySecond, "192.0.2.1 192.0.2.2"},
		"the first is not known": {offers, offers, "mx2.example.org", bySecond, "192.0.2.1 192.0.2.2"},
		"neither is known":       {offers, offers, "mx.example.com", "failed 523 5.7.10", "192.0.2.1 192.0.2.2"},
		"neither has TLS":        {script{}, script{}, named, "failed 523 5.7.10", "192.0.2.1 192.0.2.2"},
		"TLS and no more": {
			script{"EHLO": offersTLS, "STARTTLS": "220 go"}, script{"EHLO": offersTLS, "STARTTLS": "220 go"}, named,
			"failed 550 5.7.30", "192.0.2.1 192.0.2.2",
		},
		"the second may yet come": {script{"EHLO": offersTLS, "STARTTLS": "220 go"}, nil, named, "deferred 451 4.4.1", "192.0.2.1 192.0.2.2"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, twoServers, func(w *world) {
				w.zone.SetAuthentic("example.org", true)
				w.withTLS(strings.Fields(test.certificate)...)
				w.play("192.0.2.1", test.first)
				if test.second != nil {
					w.play("192.0.2.2", test.second)
				}
				w.deliver(requireTLS(attempt("example.org", "bob")), test.want)
				expect(t, "connections", w.dialled(), test.dialled)
				if mail := strings.Contains(w.commands(), "MAIL FROM:<ann@example.net> REQUIRETLS"); mail != strings.HasPrefix(test.want, "delivered") {
					t.Errorf("sent with REQUIRETLS: %v", mail)
				}
			})
		})
	}
}

// S30: MX records that nobody vouches for lead to no server that is verified, whatever its certificate (RFC 8689 §4.2.1). A domain
// without MX, a literal and a next hop in brackets name themselves.
func TestS30REQUIRETLSNeedsANameThatIsSecure(t *testing.T) {
	const zone = twoServers + "\timplicit.example. A 192.0.2.1\n"
	bubble(t, zone, func(w *world) {
		w.withTLS("mx1.example.org", "implicit.example", "192.0.2.1", "2001:db8::1")
		w.play("192.0.2.1", script{"EHLO": offersRequire, "STARTTLS": "220 go"})
		w.play("[2001:db8::1]:25", script{"EHLO": offersRequire, "STARTTLS": "220 go"})
		w.deliver(requireTLS(attempt("[IPv6:2001:db8::1]", "bob")), "delivered 250 2.0.0 by [IPv6:2001:db8::1]")
		w.dialled()
		w.deliver(requireTLS(attempt("example.org", "bob")), "failed 523 5.7.10")
		expect(t, "connections", w.dialled(), "")
		w.deliver(requireTLS(attempt("implicit.example", "bob")), "delivered 250 2.0.0 by implicit.example")
		w.deliver(requireTLS(attempt("[mx1.example.org]", "bob")), byFirst)
		w.deliver(requireTLS(attempt("[192.0.2.1]:25", "bob")), "delivered 250 2.0.0 by [192.0.2.1]")
		w.deliver(requireTLS(attempt("[192.0.2.1]", "bob")), "delivered 250 2.0.0 by [192.0.2.1]")
	})
}

// RFC 8689 §5: a bounce of a message with REQUIRETLS goes on as well as it can.
func TestABounceThatRequiresTLSGoesOnWithout(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.play("192.0.2.1", script{"EHLO": offersTLS, "STARTTLS": "220 go (close)"})
		a := requireTLS(attempt("example.org", "ann"))
		a.Message.Envelope.ReversePath = postrider.Address{}
		w.deliver(a, byFirst)
		expect(t, "connections", w.dialled(), "192.0.2.1 192.0.2.1")
	})
}

// An idle session carries only what it is safe enough for. Safer ones carry all.
func TestIdleSessionsCarryOnlyWhatTheyAreSafeFor(t *testing.T) {
	for name, unsafe := range map[string]script{
		"no TLS":                 {"EHLO": "250-mx|250 REQUIRETLS"},
		"TLS without REQUIRETLS": {"EHLO": offersTLS, "STARTTLS": "220 go"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, twoServers, func(w *world) {
				w.zone.SetAuthentic("example.org", true)
				w.withTLS("mx1.example.org")
				w.playInTurn("192.0.2.1", unsafe, script{"EHLO": offersRequire, "STARTTLS": "220 go"})
				w.deliver(attempt("example.org", "bob"), byFirst)
				w.deliver(requireTLS(attempt("example.org", "bob")), byFirst)
				expect(t, "connections", w.dialled(), "192.0.2.1 192.0.2.1")
				w.deliver(requireTLS(attempt("example.org", "bob")), byFirst)
				w.deliver(attempt("example.org", "bob"), byFirst)
				expect(t, "connections", w.dialled(), "")
				time.Sleep(time.Minute)
				expect(t, "goodbyes", strings.Repeat("QUIT ", count(w.commands(), "QUIT")), "QUIT QUIT ")
			})
		})
	}
}

// playInTurn serves each connection by the next script.
func (w *world) playInTurn(addr string, scripts ...script) {
	var sessions atomic.Int32
	w.listen(addr, func(conn net.Conn) {
		p := w.player(conn, scripts[sessions.Add(1)-1])
		p.reply("greeting", "220 mx ready")
		for p.next() {
		}
	})
}
