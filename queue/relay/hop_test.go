package relay_test

import (
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/postrider/postrider/resolve/resolvetest"
)

// Q3: hosts are tried by preference, and equal ones in random order (RFC 5321 §5.1).
func TestQ3HostsAreTriedByPreferenceAndEqualOnesShuffled(t *testing.T) {
	const zone = `
		example.org.      MX 20 mx3.example.org.
		example.org.      MX 10 mx1.example.org.
		example.org.      MX 10 mx2.example.org.
		mx1.example.org.  A  192.0.2.1
		mx2.example.org.  A  192.0.2.2
		mx3.example.org.  A  192.0.2.3
	`
	reverse := func(n int, swap func(i, j int)) {
		for i := range n / 2 {
			swap(i, n-1-i)
		}
	}
	bubble(t, zone, func(w *world) {
		w.deliver(attempt("example.org", "bob"), "deferred 451 4.4.1")
		expect(t, "connections", w.dialled(), "192.0.2.1 192.0.2.2 192.0.2.3")
		w.transport.Shuffle = reverse
		w.deliver(attempt("example.org", "bob"), "deferred 451 4.4.1")
		expect(t, "shuffled", w.dialled(), "192.0.2.2 192.0.2.1 192.0.2.3")
		w.transport.Shuffle = nil
		orders := map[string]bool{}
		for range 64 { // each order comes with a chance of one half: that one is missing, of 2^-63
			w.deliver(attempt("example.org", "bob"), "deferred 451 4.4.1")
			orders[w.dialled()] = true
		}
		if len(orders) != 2 {
			t.Errorf("orders: %v", orders)
		}
	})
}

// Q3: our own name or address in the list drops it and everything that is not better; nothing left is an error.
func TestQ3MailIsNotRelayedToOurselvesNorBackwards(t *testing.T) {
	const zone = `
		first.example.   MX 10 mail.example.net.
		first.example.   MX 20 other.example.net.
		second.example.  MX 10 other.example.net.
		second.example.  MX 20 mail.example.net.
		second.example.  MX 30 third.example.net.
		byname.example.  MX 10 alter-ego.example.net.
		byaddr.example.  MX 10 nat.example.net.
		mail.example.net.       A 203.0.113.1
		alter-ego.example.net.  A 203.0.113.2
		nat.example.net.        A 203.0.113.3
		other.example.net.      A 192.0.2.1
		third.example.net.      A 192.0.2.3
	`
	bubble(t, zone, func(w *world) {
		w.transport.SelfNames = []string{"alter-ego.example.net"}
		w.transport.SelfAddrs = []netip.Addr{netip.MustParseAddr("203.0.113.3")}
		for _, domain := range []string{"first.example", "byname.example", "byaddr.example", "[203.0.113.3]", "alter-ego.example.net"} {
			w.deliver(attempt(domain, "bob"), "failed 554 5.4.6")
			expect(t, domain, w.dialled(), "")
		}
		w.deliver(attempt("second.example", "bob"), "deferred 451 4.4.1")
		expect(t, "second.example", w.dialled(), "192.0.2.1")
	})
}

// Q4: a domain without MX stands for itself; one with MX never does; what the DNS cannot say now waits, what it denies bounces.
func TestQ4WhatTheDNSSaysOfADomain(t *testing.T) {
	const zone = `
		implicit.example.      A  192.0.2.1
		v6.example.            AAAA 2001:db8::1
		text.example.          TXT "neither MX nor address"
		unusable.example.      MX 10 gone.example.
		unusable.example.      A  192.0.2.1
		partly.example.        MX 10 gone.example.
		partly.example.        MX 20 mx.example.
		broken.example.        MX 10 slow.example.
		broken.example.        A  192.0.2.1
		half.example.          MX 10 slow.example.
		half.example.          MX 20 refuses.example.
		thirds.example.        MX 10 gone.example.
		thirds.example.        MX 20 slow.example.
		thirds.example.        MX 30 refuses.example.
		gone-half.example.     MX 10 gone.example.
		gone-half.example.     MX 20 refuses.example.
		fails.example.         A  192.0.2.1
		bogus.example.         A  192.0.2.1
		mx.example.            A  192.0.2.1
		slow.example.          A  192.0.2.1
		refuses.example.       A  192.0.2.2
	`
	bubble(t, zone, func(w *world) {
		w.zone.Fail("fails.example", "MX", resolvetest.ServFail)
		w.zone.Fail("bogus.example", "MX", resolvetest.Bogus)
		w.zone.Fail("slow.example", "", resolvetest.ServFail)
		w.serve("192.0.2.1", nil)
		w.serve("[2001:db8::1]:25", nil)
		w.play("192.0.2.2", script{"greeting": "554 5.7.1 go away"})
		for _, test := range []struct{ domain, want, dialled string }{
			{"implicit.example", "delivered 250 2.0.0 by implicit.example", "192.0.2.1"},
			{"IMPLICIT.example.", "delivered 250 2.0.0 by implicit.example", "192.0.2.1"},
			{"v6.example", "delivered 250 2.0.0 by v6.example", "[2001:db8::1]"},
			{"partly.example", "delivered 250 2.0.0 by mx.example", "192.0.2.1"},
			{"missing.example", "failed 550 5.1.2", ""},
			{"text.example", "failed 550 5.1.2", ""},
			{"192.0.2.1", "failed 550 5.1.2", ""},
			{"", "failed 550 5.1.2", ""},
			{"unusable.example", "failed 550 5.4.4", ""},
			{"broken.example", "deferred 451 4.4.3", ""},
			{"fails.example", "deferred 451 4.4.3", ""},
			{"bogus.example", "deferred 451 4.4.3", ""},
			{"thirds.example", "deferred 451 4.4.3", "192.0.2.2"},
			// The host that cannot be looked up now might not refuse.
			{"half.example", "deferred 451 4.4.3", "192.0.2.2"},
			{"gone-half.example", "failed 554 5.7.1 by refuses.example", "192.0.2.2"},
		} {
			w.transport.IdleTimeout = -1
			w.deliver(attempt(test.domain, "bob"), test.want)
			expect(t, test.domain, w.dialled(), test.dialled)
		}
	})
}

// Q4: an attempt that is given up while the DNS is silent ends at once and keeps the mail.
func TestQ4ASilentDNSDoesNotHoldAnAttemptThatIsGivenUp(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.zone.Delay("example.org", time.Hour)
		ctx, cancel := withTimeout(w.t, time.Second)
		defer cancel()
		start := time.Now()
		expect(t, "outcomes", tell(w.transport.Deliver(ctx, attempt("example.org", "bob"))), "deferred 451 4.4.3")
		expect(t, "took", time.Since(start).String(), "1s")
	})
}

// Q5: an MX that names an alias is followed, and one that names an address is unusable (RFC 5321 §5.1, RFC 2181 §10.3).
func TestQ5AnMXMayNameAnAliasButNoAddress(t *testing.T) {
	const zone = `
		alias.example.    MX 10 www.example.
		www.example.      CNAME mx.example.
		mx.example.       A 192.0.2.1
		address.example.  MX 10 192.0.2.1.
	`
	bubble(t, zone, func(w *world) {
		w.serve("192.0.2.1", nil)
		w.deliver(attempt("alias.example", "bob"), "delivered 250 2.0.0 by www.example")
		w.deliver(attempt("address.example", "bob"), "failed 550 5.4.4")
	})
}

// Q6: a domain with a null MX takes no mail, and no connection is tried (RFC 7505 §3, RFC 7504 §4).
func TestQ6ANullMXFailsWithoutAnAttempt(t *testing.T) {
	bubble(t, "example.org. MX 0 .\nexample.org. A 192.0.2.1", func(w *world) {
		w.deliver(attempt("example.org", "bob", "cat"), "failed 556 5.1.10; failed 556 5.1.10")
		expect(t, "connections", w.dialled(), "")
	})
}

// A next hop in brackets is gone to directly, at its port if it has one.
func TestNextHopsInBracketsAreDirect(t *testing.T) {
	const zone = `
		smart.example.  MX 10 elsewhere.example.
		smart.example.  A  192.0.2.1
		slow.example.   A  192.0.2.1
	`
	bubble(t, zone, func(w *world) {
		w.zone.Fail("slow.example", "", resolvetest.ServFail)
		for _, addr := range []string{"192.0.2.1:25", "192.0.2.1:587", "[2001:db8::1]:25", "[2001:db8::1]:587"} {
			w.serve(addr, nil)
		}
		for _, test := range []struct{ hop, want, dialled string }{
			{"[smart.example]", "delivered 250 2.0.0 by smart.example", "192.0.2.1"},
			{"[SMART.example]:587", "delivered 250 2.0.0 by smart.example", "192.0.2.1:587"},
			{"[192.0.2.1]", "delivered 250 2.0.0 by [192.0.2.1]", "192.0.2.1"},
			{"[192.0.2.1]:587", "delivered 250 2.0.0 by [192.0.2.1]", "192.0.2.1:587"},
			{"[IPv6:2001:db8::1]", "delivered 250 2.0.0 by [IPv6:2001:db8::1]", "[2001:db8::1]"},
			{"[2001:db8::1]", "delivered 250 2.0.0 by [IPv6:2001:db8::1]", "[2001:db8::1]"},
			{"[2001:db8::1]:587", "delivered 250 2.0.0 by [IPv6:2001:db8::1]", "[2001:db8::1]:587"},
			{"[IPv6:2001:db8::1]:587", "delivered 250 2.0.0 by [IPv6:2001:db8::1]", "[2001:db8::1]:587"},
			{"[::ffff:192.0.2.1]:587", "delivered 250 2.0.0 by [192.0.2.1]", "192.0.2.1:587"},
			{"[x400:c=de]", "failed 550 5.1.2", ""}, // an address literal of a kind that nobody defined
			// The operator's mistakes are no reason to bounce the mail.
			{"[missing.example]", "deferred 451 4.3.5", ""},
			{"[slow.example]", "deferred 451 4.4.3", ""},
			{"[smart.example", "deferred 451 4.3.5", ""},
			{"[smart.example]:", "deferred 451 4.3.5", ""},
			{"[smart.example]:0", "deferred 451 4.3.5", ""},
			{"[smart.example]:65536", "deferred 451 4.3.5", ""},
			{"[smart.example]587", "deferred 451 4.3.5", ""},
			{"[]", "deferred 451 4.3.5", ""},
			{"[[192.0.2.1]]", "deferred 451 4.3.5", ""},
			{"[two words]:25", "deferred 451 4.3.5", ""},
		} {
			w.transport.IdleTimeout = -1
			w.deliver(attempt(test.hop, "bob"), test.want)
			expect(t, test.hop, w.dialled(), test.dialled)
		}
	})
}

// A smart host with many addresses is tried as any other: both families, in random order.
func TestTheAddressesOfASmartHostAreSpread(t *testing.T) {
	bubble(t, "smart.example. A 192.0.2.1\nsmart.example. A 192.0.2.2\nsmart.example. A 192.0.2.3\nsmart.example. AAAA 2001:db8::1", func(w *world) {
		w.transport.Shuffle = nil
		orders := map[string]bool{}
		for range 200 { // each is missing with a chance of (2/3)^200
			w.deliver(attempt("[smart.example]", "bob"), "deferred 451 4.4.1")
			orders[w.dialled()] = true
		}
		want := map[string]bool{"[2001:db8::1] 192.0.2.1": true, "[2001:db8::1] 192.0.2.2": true, "[2001:db8::1] 192.0.2.3": true}
		if !maps.Equal(orders, want) {
			t.Errorf("orders: %v", orders)
		}
	})
}

// An address of ours with a port is what the operator wants; without one it is a recipient's address literal, and would be a loop.
func TestAnOperatorMayRelayToThisMachine(t *testing.T) {
	bubble(t, "", func(w *world) {
		w.transport.SelfAddrs = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
		w.serve("192.0.2.1:2525", nil)
		w.deliver(attempt("[192.0.2.1]:2525", "bob"), "delivered 250 2.0.0 by [192.0.2.1]")
		w.deliver(attempt("[192.0.2.1]", "bob"), "failed 554 5.4.6")
	})
}

// Port is where servers listen whose next hop does not say.
func TestPortIsTheRemoteServers(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.transport.Port = 2525
		w.serve("192.0.2.1:2525", nil)
		w.serve("192.0.2.7:2525", nil)
		w.deliver(attempt("example.org", "bob"), byFirst)
		w.deliver(attempt("[192.0.2.7]", "bob"), "delivered 250 2.0.0 by [192.0.2.7]")
	})
}

// A machine with one family of addresses does not try the other.
func TestNetworkKeepsToOneFamily(t *testing.T) {
	const zone = "example.org. A 192.0.2.1\nexample.org. AAAA 2001:db8::1"
	for network, want := range map[string]string{"": "[2001:db8::1] 192.0.2.1", "ip4": "192.0.2.1", "ip6": "[2001:db8::1]"} {
		bubble(t, zone, func(w *world) {
			w.transport.Network = network
			for _, hop := range []string{"example.org", "[example.org]"} {
				w.deliver(attempt(hop, "bob"), "deferred 451 4.4.1")
				expect(t, "connections", w.dialled(), want)
			}
		})
	}
}
