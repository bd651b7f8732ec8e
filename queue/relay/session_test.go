package relay_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/smtp"
)

const oneServer = "example.org. MX 10 mx1.example.org.\nmx1.example.org. A 192.0.2.1"

// An idle session carries the next message, and ends by QUIT when its time is up.
func TestAnIdleSessionIsKeptForTheNextMessage(t *testing.T) {
	bubble(t, oneServer, func(w *world) {
		w.play("192.0.2.1", nil)
		w.deliver(attempt("example.org", "bob"), byFirst)
		time.Sleep(5*time.Second - 1)
		w.deliver(attempt("example.org", "cat"), byFirst)
		expect(t, "connections", w.dialled(), "192.0.2.1")
		time.Sleep(5*time.Second - 1)
		if got := w.commands(); strings.Contains(got, "QUIT") {
			t.Errorf("before its time:\n%s", got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		expect(t, "commands", w.commands(), "QUIT")
		w.deliver(attempt("example.org", "dan"), byFirst)
		expect(t, "connections", w.dialled(), "192.0.2.1")
	})
}

// A refused message does not cost the session.
func TestASessionOutlivesARefusal(t *testing.T) {
	for step, reply := range map[string]string{"MAIL": "550 5.7.1 no", "RCPT": "550 5.1.1 no", "DATA": "554 5.5.0 no", ".": "554 5.6.0 no"} {
		bubble(t, oneServer, func(w *world) {
			w.play("192.0.2.1", script{step: reply})
			for range 3 {
				if out := w.transport.Deliver(w.t.Context(), attempt("example.org", "bob")); out[0].Result != queue.Failed {
					t.Errorf("%s: %s", step, tell(out))
				}
			}
			expect(t, step, w.dialled(), "192.0.2.1")
		})
	}
}

// Sessions are kept as long, and as many, as the settings say, and not for ever.
func TestWhatIsKeptIsBounded(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*world)
		want   string // connections
	}{
		"by default":       {func(*world) {}, "192.0.2.1"},
		"no time":          {func(w *world) { w.transport.IdleTimeout = -1 }, "192.0.2.1 192.0.2.1 192.0.2.1"},
		"none":             {func(w *world) { w.transport.MaxIdle = -1 }, "192.0.2.1 192.0.2.1 192.0.2.1"},
		"none of a server": {func(w *world) { w.transport.MaxIdlePerServer = -1 }, "192.0.2.1 192.0.2.1 192.0.2.1"},
		"one":              {func(w *world) { w.transport.MaxIdle = 1 }, "192.0.2.1"},
		"two messages":     {func(w *world) { w.transport.MaxMessages = 2 }, "192.0.2.1 192.0.2.1"},
	} {
		bubble(t, oneServer, func(w *world) {
			test.change(w)
			w.play("192.0.2.1", nil)
			for range 3 {
				w.deliver(attempt("example.org", "bob"), byFirst)
			}
			expect(t, name, w.dialled(), test.want)
			if err := w.transport.Close(); err != nil {
				t.Error(err)
			}
			if got := w.commands(); strings.Count(got, "QUIT") != strings.Count(test.want, " ")+1 {
				t.Errorf("%s: commands:\n%s", name, got)
			}
		})
	}
}

// As many sessions as were needed at once are kept, up to the limits for one server and for all.
func TestSessionsKeptAtOnceAreBounded(t *testing.T) {
	for _, test := range []struct{ perServer, all, kept int }{{0, 0, 10}, {3, 0, 3}, {0, 4, 4}} {
		bubble(t, oneServer, func(w *world) {
			w.transport.MaxIdlePerServer, w.transport.MaxIdle = test.perServer, test.all
			w.play("192.0.2.1", nil)
			w.gate(16) // no connection is made before 16 are wanted
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() { w.transport.Deliver(w.t.Context(), attempt("example.org", "bob")) })
			}
			wg.Wait()
			synctest.Wait()
			if quits := count(w.commands(), "QUIT"); quits != 16-test.kept {
				t.Errorf("%+v: %d ended at once, want %d", test, quits, 16-test.kept)
			}
		})
	}
}

// gate holds connections back until so many are wanted at once.
func (w *world) gate(n int) {
	var wg sync.WaitGroup
	wg.Add(n)
	w.transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		wg.Done()
		wg.Wait()
		return w.dial(ctx, network, addr)
	}
}

// A session that died while idle is no failure: the message goes over a new one, to the same address.
func TestADeadIdleSessionIsReplaced(t *testing.T) {
	for _, says := range []string{"(close)", "421 4.4.2 idle too long (close)", "(stall)", "nonsense"} {
		bubble(t, twoServers, func(w *world) {
			w.once("192.0.2.1", script{"MAIL": says})
			w.deliver(attempt("example.org", "bob"), byFirst)
			w.deliver(attempt("example.org", "cat"), byFirst)
			expect(t, says, w.dialled(), "192.0.2.1 192.0.2.1")
		})
	}
}

// What a dead idle session said is forgotten: the new connection's failure counts.
func TestADeadIdleSessionIsNoFailure(t *testing.T) {
	bubble(t, oneServer, func(w *world) {
		w.once("192.0.2.1", script{"MAIL": "421 4.4.2 idle too long (close)"})
		w.deliver(attempt("example.org", "bob"), byFirst)
		w.down.Store(true)
		w.deliver(attempt("example.org", "cat"), "deferred 451 4.4.1")
		expect(t, "connections", w.dialled(), "192.0.2.1 192.0.2.1")
	})
}

// once plays a server whose first session takes one message and then follows the script. Other sessions go well.
func (w *world) once(addr string, then script) {
	var sessions atomic.Int32
	w.listen(addr, func(conn net.Conn) {
		first := sessions.Add(1) == 1
		p := w.player(conn, nil)
		p.reply("greeting", "220 mx ready")
		for p.next() {
			if first && p.messages == 1 {
				p.script = then
			}
		}
	})
}

// A session that breaks after the final dot may have delivered, also if it was idle before: nothing is tried again.
func TestAnAmbiguousEndOfAnIdleSessionIsNotTriedAgain(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.once("192.0.2.1", script{".": "(close)"})
		w.deliver(attempt("example.org", "bob"), byFirst)
		w.deliver(attempt("example.org", "cat"), "deferred 451 4.4.2 ambiguous")
		expect(t, "connections", w.dialled(), "192.0.2.1")
	})
}

// Recipients that a dying idle session refused for good are not asked about again.
func TestWhatADyingIdleSessionDecidedHolds(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.once("192.0.2.1", script{"RCPT cat": "550 5.1.1 no", "RCPT dan": "(close)"})
		w.deliver(attempt("example.org", "bob"), byFirst)
		w.commands()
		w.deliver(attempt("example.org", "cat", "dan"), "failed 550 5.1.1 by mx1.example.org; "+byFirst)
		if got := w.commands(); count(got, "RCPT TO:<cat@") != 1 || count(got, "RCPT TO:<dan@") != 2 {
			t.Errorf("commands:\n%s", got)
		}
	})
}

// An open session is a clear reason to favour one of equal hosts (RFC 5321 §5.1), but not a worse one.
func TestAnIdleSessionIsPreferredAmongEqualHosts(t *testing.T) {
	const zone = `
		equal.example.    MX 10 mx1.example.
		equal.example.    MX 10 mx2.example.
		second.example.   MX 10 mx2.example.
		ordered.example.  MX 10 mx1.example.
		ordered.example.  MX 20 mx2.example.
		mx1.example.      A 192.0.2.1
		mx2.example.      A 192.0.2.2
	`
	bubble(t, zone, func(w *world) {
		w.play("192.0.2.1", nil)
		w.play("192.0.2.2", nil)
		w.deliver(attempt("second.example", "bob"), "delivered 250 2.0.0 by mx2.example")
		w.deliver(attempt("equal.example", "bob"), "delivered 250 2.0.0 by mx2.example")
		w.deliver(attempt("ordered.example", "bob"), "delivered 250 2.0.0 by mx1.example")
		expect(t, "connections", w.dialled(), "192.0.2.2 192.0.2.1")
	})
}

// Close says goodbye to all idle servers at once, and waits no longer than they may take.
func TestCloseIsSwiftWhateverTheServersDo(t *testing.T) {
	const zone = "a.example. A 192.0.2.1\nb.example. A 192.0.2.2\nc.example. A 192.0.2.3"
	bubble(t, zone, func(w *world) {
		w.play("192.0.2.1", nil)
		w.play("192.0.2.2", script{"QUIT": "(stall)"})
		w.play("192.0.2.3", script{"QUIT": "(stall)"})
		for _, domain := range []string{"a.example", "b.example", "c.example"} {
			w.deliver(attempt(domain, "bob"), "delivered 250 2.0.0 by "+domain)
		}
		start := time.Now()
		if err := w.transport.Close(); err != nil {
			t.Error(err)
		}
		expect(t, "took", time.Since(start).String(), "10s")
		if err := w.transport.Close(); err != nil {
			t.Error(err)
		}
		w.dialled()
		w.deliver(attempt("a.example", "bob", "cat"), "deferred 451 4.3.2; deferred 451 4.3.2")
		expect(t, "connections", w.dialled(), "")
	})
}

// Close interrupts deliveries, which then have outcomes: a temporary one before the dot, an ambiguous one after it.
func TestCloseInterruptsDeliveries(t *testing.T) {
	for step, want := range map[string]string{
		"greeting": "deferred 451 4.4.2",
		"RCPT":     "deferred 451 4.4.2",
		".":        "deferred 451 4.4.2 ambiguous",
	} {
		bubble(t, twoServers, func(w *world) {
			w.play("192.0.2.1", script{step: "(stall)"})
			var out []queue.Outcome
			var wg sync.WaitGroup
			wg.Go(func() { out = w.transport.Deliver(w.t.Context(), attempt("example.org", "bob")) })
			synctest.Wait()
			start := time.Now()
			w.transport.Close()
			expect(t, step+": took", time.Since(start).String(), "0s")
			wg.Wait()
			expect(t, step, tell(out), want)
			expect(t, step+": connections", w.dialled(), "192.0.2.1")
		})
	}
}

// A delivery that ends well while Close waits for it leaves no session behind.
func TestASessionThatIsGivenBackDuringCloseIsClosed(t *testing.T) {
	bubble(t, oneServer, func(w *world) {
		w.play("192.0.2.1", nil)
		var took time.Duration
		var wg sync.WaitGroup
		w.transport.Transcript = func(_ netip.AddrPort, line string) {
			if line == "S: 250 2.0.0 taken" {
				wg.Go(func() {
					start := time.Now()
					w.transport.Close()
					took = time.Since(start)
				})
				time.Sleep(time.Second)
			}
		}
		w.deliver(attempt("example.org", "bob"), byFirst)
		wg.Wait()
		expect(t, "took", took.String(), "1s")
	})
}

// A Transport that was never used, and one without any settings, can be closed.
func TestTheZeroTransportCloses(t *testing.T) {
	mailtest.Leaks(t)
	w := &world{t: t}
	w.transport = newTransport()
	if err := w.transport.Close(); err != nil {
		t.Error(err)
	}
	w.deliver(attempt("example.org", "bob"), "deferred 451 4.3.2")
}

// Many goroutines deliver to servers that come and go. Every message arrives, nothing outlives Close.
func TestManyDeliveriesAtOnce(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.transport.MaxIdlePerServer, w.transport.MaxMessages = 3, 7
		w.serve("192.0.2.1", func(s *smtp.Server) { s.MaxSessions = 5 }) // others are told 421 and go on to the second
		w.serve("192.0.2.2", nil)
		const workers, each = 16, 20
		var wg sync.WaitGroup
		for i := range workers {
			wg.Go(func() {
				for n := range each {
					out := w.transport.Deliver(w.t.Context(), attempt("example.org", fmt.Sprintf("r%d.%d", i, n)))
					if out[0].Result != queue.Delivered {
						t.Errorf("outcome: %s", tell(out))
					}
					time.Sleep(time.Duration(i*n%7) * time.Second)
				}
			})
		}
		wg.Wait()
		got := strings.Split(w.taken(), "; ")
		seen := map[string]bool{}
		for _, s := range got {
			_, to, _ := strings.Cut(s, " took ")
			seen[to] = true
		}
		if len(got) != workers*each || len(seen) != workers*each {
			t.Errorf("%d messages, %d different, want %d", len(got), len(seen), workers*each)
		}
	})
}

// The transcript has every line of every session, and the log each session that failed.
func TestSessionsCanBeWatched(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.play("192.0.2.1", script{"greeting": "554 no"})
		w.play("192.0.2.2", nil)
		log, transcript := w.watch()
		w.deliver(attempt("example.org", "bob"), bySecond)
		if got := transcript(); !strings.Contains(got, "192.0.2.1:25 S: 554 no\n") || !strings.Contains(got, "192.0.2.2:25 C: MAIL FROM:<ann@example.net>\n") {
			t.Errorf("transcript:\n%s", got)
		}
		if got, want := log(), `level=INFO msg="session failed" queue_id=m1 host=mx1.example.org remote=192.0.2.1:25 err="smtp: greeting: 554 5.0.0 no"`+"\n"; got != want {
			t.Errorf("log: %s\nwant: %s", got, want)
		}
	})
}
