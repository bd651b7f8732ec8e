package resolve_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/resolve"
	"github.com/postrider/postrider/resolve/resolvetest"
)

// inOrder is a Shuffle that leaves things as the resolver gave them.
func inOrder(int, func(i, j int)) {}

const hostsZone = `
	$TTL 300
	test.            SOA ns.test. hostmaster.test. 1 7200 3600 604800 60
	two.test.        MX 20 b.two.test.
	two.test.        MX 10 a.two.test.
	a.two.test.      A  192.0.2.1
	a.two.test.      A  192.0.2.2
	a.two.test.      AAAA 2001:db8::1
	b.two.test.      A  192.0.2.3

	implicit.test.   A  192.0.2.10
	implicit.test.   AAAA 2001:db8::10
	txtonly.test.    TXT "no mail here"
	alias.test.      CNAME two.test.
	toimplicit.test. CNAME implicit.test.

	null.test.       MX 0 .
	null.test.       A  192.0.2.11
	null5.test.      MX 5 .
	null5.test.      A  192.0.2.11
	nullandmore.test. MX 0 .
	nullandmore.test. MX 10 a.two.test.

	dead.test.       MX 10 nowhere.test.
	dead.test.       MX 20 txtonly.test.
	dead.test.       A  192.0.2.12
	partdead.test.   MX 10 nowhere.test.
	partdead.test.   MX 20 b.two.test.

	mxalias.test.    MX 10 www.test.
	www.test.        CNAME b.two.test.
	mxaddr.test.     MX 10 192.0.2.1.
	mxaddr.test.     A  192.0.2.13
	mxaddr2.test.    MX 10 192.0.2.1.
	mxaddr2.test.    MX 20 b.two.test.
	mxaddr6.test.    MX 10 2001:db8::1.
	mxbrackets.test. MX 10 [192.0.2.1].

	soft.test.       MX 10 fails.test.
	soft.test.       MX 20 b.two.test.
	softonly.test.   MX 10 fails.test.
	softonly.test.   MX 20 nowhere.test.
	softimplicit.test. TXT "x"
	fails.test.      A 192.0.2.14
	onefamily.test.  MX 10 onefamily.test.
	onefamily.test.  A 192.0.2.15
	bogus.test.      MX 10 b.two.test.
	bogushost.test.  MX 10 bogus.test.

	three.test.      MX 10 a.two.test.
	three.test.      MX 20 Self.Test.
	three.test.      MX 20 implicit.test.
	three.test.      MX 30 b.two.test.
	self.test.       A  192.0.2.99
	best.test.       MX 5 self.test.
	best.test.       MX 10 b.two.test.
	byalias.test.    MX 10 a.two.test.
	byalias.test.    MX 20 selfalias.test.
	byalias.test.    MX 30 b.two.test.
	selfalias.test.  CNAME self.test.
	byaddr.test.     MX 10 b.two.test.
	byaddr.test.     MX 20 nat.test.
	byaddr.test.     MX 30 a.two.test.
	onlynat.test.    MX 10 nat.test.
	nat.test.        A  198.51.100.7
	deadself.test.   MX 10 nowhere.test.
	deadself.test.   MX 20 nat.test.
	softself.test.   MX 10 fails.test.
	softself.test.   MX 20 nat.test.

	twice.test.      MX 20 b.two.test.
	twice.test.      MX 10 b.two.test.
`

func hostsResolver() *resolvetest.Zone {
	z := resolvetest.MustZone(hostsZone)
	z.Fail("fails.test", "", resolvetest.ServFail)
	z.Fail("softmx.test", "MX", resolvetest.ServFail)
	z.Fail("softimplicit.test", "A", resolvetest.Drop)
	z.Fail("onefamily.test", "AAAA", resolvetest.ServFail)
	z.Fail("bogus.test", "", resolvetest.Bogus)
	return z
}

var us = resolve.HostsOptions{
	SelfNames: []string{"self.test"},
	SelfAddrs: []netip.Addr{netip.MustParseAddr("::ffff:198.51.100.7")},
	Shuffle:   inOrder,
}

// Each line of want is a host with its addresses, or the error.
func TestHosts(t *testing.T) {
	tests := []struct{ rule, domain, want string }{
		// Q3: order.
		{"hosts come by preference, families take turns", "two.test",
			"10 a.two.test 2001:db8::1 192.0.2.1 192.0.2.2\n20 b.two.test 192.0.2.3"},
		{"a host listed twice is tried once, at its best", "twice.test", "10 b.two.test 192.0.2.3"},

		// Q3: own names and addresses.
		{"own name drops itself, its equals and the worse", "three.test", "10 a.two.test 2001:db8::1 192.0.2.1 192.0.2.2"},
		{"an alias of ours is ours", "byalias.test", "10 a.two.test 2001:db8::1 192.0.2.1 192.0.2.2"},
		{"own address drops itself and the worse", "byaddr.test", "10 b.two.test 192.0.2.3"},
		{"own name alone is a loop", "best.test", "mail loops back to this host"},
		{"own address alone is a loop", "onlynat.test", "mail loops back to this host"},
		{"the implicit MX may be ourselves", "self.test", "mail loops back to this host"},
		{"better hosts that do not exist leave a loop", "deadself.test", "mail loops back to this host"},
		{"better hosts that may come back are waited for", "softself.test", "temporary failure"},

		// Q4: implicit MX, unusable MX, failures.
		{"no MX is the name itself", "implicit.test", "0 implicit.test 2001:db8::10 192.0.2.10"},
		{"an alias is processed as its target", "alias.test",
			"10 a.two.test 2001:db8::1 192.0.2.1 192.0.2.2\n20 b.two.test 192.0.2.3"},
		{"an alias of a name without MX keeps its name", "toimplicit.test", "0 toimplicit.test 2001:db8::10 192.0.2.10"},
		{"no MX and no address", "txtonly.test", "no such record"},
		{"no name", "nowhere.test", "no such name"},
		{"unusable MX records never fall back to A", "dead.test", "no usable mail exchange"},
		{"one usable MX is enough", "partdead.test", "20 b.two.test 192.0.2.3"},
		{"no MX answer is no absence of MX", "softmx.test", "temporary failure"},
		{"a disproved MX answer is no absence of MX", "bogus.test", "bogus answer"},
		{"no address answer for the implicit MX", "softimplicit.test", "temporary failure"},
		{"one host failing for now leaves the others", "soft.test", "20 b.two.test 192.0.2.3"},
		{"one failing for now makes the whole temporary", "softonly.test", "temporary failure"},
		{"a disproved address is waited for", "bogushost.test", "bogus answer"},
		{"one family failing leaves the other", "onefamily.test", "10 onefamily.test 192.0.2.15"},

		// Q5: outside the standard, decided.
		{"an MX that is an alias is followed and keeps its name", "mxalias.test", "10 www.test 192.0.2.3"},
		{"an MX that is an address is unusable", "mxaddr.test", "no usable mail exchange"},
		{"an MX that is an IPv6 address is unusable", "mxaddr6.test", "no usable mail exchange"},
		{"an MX that is an address in brackets is unusable", "mxbrackets.test", "no usable mail exchange"},
		{"an MX that is an address does not spoil the others", "mxaddr2.test", "20 b.two.test 192.0.2.3"},

		// Q6: null MX.
		{"the null MX takes no mail, whatever A says", "null.test", "domain takes no mail"},
		{"a root of another preference is unusable", "null5.test", "no usable mail exchange"},
		{"a root beside others is passed over", "nullandmore.test", "10 a.two.test 2001:db8::1 192.0.2.1 192.0.2.2"},

		// RFC 5321 §4.1.3: literals.
		{"an IPv4 literal", "[192.0.2.77]", "0 [192.0.2.77] 192.0.2.77"},
		{"an IPv6 literal in any case", "[ipv6:2001:DB8::77]", "0 [ipv6:2001:DB8::77] 2001:db8::77"},
		{"an IPv6 literal of an IPv4 address", "[IPv6:::ffff:192.0.2.77]", "0 [IPv6:::ffff:192.0.2.77] 192.0.2.77"},
		{"a literal may be ourselves", "[198.51.100.7]", "mail loops back to this host"},
		{"IPv6 without its tag", "[2001:db8::77]", "not a domain name"},
		{"IPv4 with the IPv6 tag", "[IPv6:192.0.2.77]", "not a domain name"},
		{"a zone is not the Internet's", "[IPv6:fe80::1%eth0]", "not a domain name"},
		{"an open literal", "[192.0.2.77", "not a domain name"},
		{"an empty literal", "[]", "not a domain name"},
		{"a literal of another kind", "[x400:c=de]", "not a domain name"},
		{"an address without brackets", "192.0.2.77", "not a domain name"},

		{"a domain in any case, with a final dot", "TWO.Test.",
			"10 a.two.test 2001:db8::1 192.0.2.1 192.0.2.2\n20 b.two.test 192.0.2.3"},
		{"no domain", "", "not a domain name"},
		{"U-labels", "bücher.test", "not a domain name"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			got := render(resolve.Hosts(t.Context(), hostsResolver(), tt.domain, us))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Hosts(%q) (-want +got):\n%s", tt.domain, diff)
			}
		})
	}
}

func render(targets *resolve.Targets, err error) string {
	if err != nil {
		return resolve.KindOf(err).String()
	}
	var lines []string
	for _, h := range targets.Hosts {
		line := fmt.Sprintf("%d %s", h.Preference, h.Name)
		for _, a := range h.Addrs {
			line += " " + a.String()
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// Q4: retry for what is temporary, bounce for the rest.
func TestErrorsOfHostsAreAboutTheDomainAndTemporaryOnlyIfTimeMayHelp(t *testing.T) {
	temporary := map[string]bool{
		"softmx.test": true, "bogus.test": true, "softimplicit.test": true, "softonly.test": true, "bogushost.test": true,
		"txtonly.test": false, "nowhere.test": false, "dead.test": false, "null.test": false, "best.test": false, "a..b": false,
	}
	for domain, want := range temporary {
		_, err := resolve.Hosts(t.Context(), hostsResolver(), domain, us)
		e, ok := errors.AsType[*resolve.Error](err)
		if !ok || e.Name != domain || resolve.IsTemporary(err) != want {
			t.Errorf("%s: error %v, IsTemporary %t, want %t", domain, err, resolve.IsTemporary(err), want)
		}
	}
}

// Q3: "the sender-SMTP MUST randomize them" (RFC 5321 §5.1).
func TestHostsOfEqualPreferenceAreInRandomOrder(t *testing.T) {
	z := resolvetest.MustZone(`
		equal.test. MX 10 a.equal.test.
		equal.test. MX 10 b.equal.test.
		equal.test. MX 10 c.equal.test.
		equal.test. MX 5  first.equal.test.
		equal.test. MX 20 last.equal.test.
		*.equal.test. A 192.0.2.1
		*.equal.test. A 192.0.2.2
	`)
	orders, addrs := make(map[string]int), make(map[netip.Addr]int)
	chance := rand.New(rand.NewPCG(1, 2))
	const rounds = 600
	for range rounds {
		got, err := resolve.Hosts(t.Context(), z, "equal.test", resolve.HostsOptions{Shuffle: chance.Shuffle})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, h := range got.Hosts {
			names = append(names, h.Name)
		}
		if names[0] != "first.equal.test" || names[4] != "last.equal.test" {
			t.Fatalf("order %q breaks preference", names)
		}
		orders[strings.Join(names[1:4], " ")]++
		addrs[got.Hosts[0].Addrs[0]]++
	}
	if len(orders) != 6 || len(addrs) != 2 {
		t.Fatalf("orders %v, first addresses %v, want all six and both", orders, addrs)
	}
	for order, n := range orders {
		if n < rounds/6/2 || n > rounds/6*2 {
			t.Errorf("%s came %d times of %d", order, n, rounds)
		}
	}
}

func TestHostsShufflesByItselfWithoutAShuffle(t *testing.T) {
	z := resolvetest.MustZone("e.test. MX 1 a.e.test.\ne.test. MX 1 b.e.test.\n*.e.test. A 192.0.2.1")
	seen := make(map[string]bool)
	for range 200 {
		got, err := resolve.Hosts(t.Context(), z, "e.test", resolve.HostsOptions{})
		if err != nil {
			t.Fatal(err)
		}
		seen[got.Hosts[0].Name] = true
	}
	if len(seen) != 2 {
		t.Errorf("the first host was always among %v", seen)
	}
}

func TestTargetsTellHowTheyWereFound(t *testing.T) {
	z := hostsResolver()
	z.SetAuthentic("two.test", true)
	z.SetAuthentic("implicit.test", true)

	mx, err := resolve.Hosts(t.Context(), z, "Alias.test.", us)
	if err != nil {
		t.Fatal(err)
	}
	wantMX := []resolve.MX{{Host: "a.two.test", Preference: 10}, {Host: "b.two.test", Preference: 20}}
	if mx.Domain != "alias.test" || mx.Canonical != "two.test" || mx.Authentic || !slices.Equal(mx.MX, wantMX) {
		t.Errorf("an unsigned alias of a signed domain: %+v", mx)
	}
	if !mx.Hosts[0].Authentic || mx.Hosts[0].Canonical != "a.two.test" {
		t.Errorf("a signed host: %+v", mx.Hosts[0])
	}

	implicit, err := resolve.Hosts(t.Context(), z, "implicit.test", us)
	if err != nil {
		t.Fatal(err)
	}
	if !implicit.Implicit || !implicit.Authentic || !implicit.Hosts[0].Authentic || implicit.MX != nil {
		t.Errorf("an implicit MX in a signed zone: %+v", implicit)
	}

	literal, err := resolve.Hosts(t.Context(), nil, "[192.0.2.77]", us)
	if err != nil {
		t.Fatal(err)
	}
	if !literal.Literal || literal.Authentic || literal.Hosts[0].Authentic {
		t.Errorf("a literal: %+v", literal)
	}

	aliased, err := resolve.Hosts(t.Context(), z, "mxalias.test", us)
	if err != nil {
		t.Fatal(err)
	}
	if h := aliased.Hosts[0]; h.Name != "www.test" || h.Canonical != "b.two.test" || h.Authentic {
		t.Errorf("an MX that is an alias: %+v", h)
	}
}

func TestSkippedHostsSayWhy(t *testing.T) {
	for domain, want := range map[string]resolve.Kind{
		"soft.test": resolve.Temporary, "partdead.test": resolve.NXDomain, "mxaddr2.test": resolve.Invalid, "nullandmore.test": resolve.Invalid,
	} {
		got, err := resolve.Hosts(t.Context(), hostsResolver(), domain, us)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Skipped) != 1 || resolve.KindOf(got.Skipped[0].Err) != want {
			t.Errorf("%s: skipped %v, want one with %q", domain, got.Skipped, want)
		}
	}
}

func TestHostsAsksNoFurtherForDomainsThatTakeNoMail(t *testing.T) {
	s := resolvetest.NewServer(hostsResolver())
	d := overMemory(t, s, new(resolve.DNS))
	for _, domain := range []string{"null.test", "best.test", "mxaddr.test"} {
		if _, err := resolve.Hosts(t.Context(), d, domain, us); err == nil {
			t.Errorf("%s has hosts", domain)
		}
	}
	for _, q := range s.Queries() {
		if q.Type != "MX" {
			t.Errorf("asked for %s of %s", q.Type, q.Name)
		}
	}
}

// RFC 5321 §5.2: "an IPv6-only client need not attempt to look up A RRs".
func TestHostsOfOneFamilyAsksForNoOther(t *testing.T) {
	s := resolvetest.NewServer(hostsResolver())
	d := overMemory(t, s, new(resolve.DNS))
	got := render(resolve.Hosts(t.Context(), d, "two.test", resolve.HostsOptions{Network: "ip4", Shuffle: inOrder}))
	if want := "10 a.two.test 192.0.2.1 192.0.2.2\n20 b.two.test 192.0.2.3"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got = render(resolve.Hosts(t.Context(), d, "implicit.test", resolve.HostsOptions{Network: "ip6"}))
	if want := "0 implicit.test 2001:db8::10"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, q := range s.Queries() {
		if (q.Type == "AAAA") != (q.Name == "implicit.test") && q.Type != "MX" {
			t.Errorf("asked for %s of %s", q.Type, q.Name)
		}
	}
	for domain, network := range map[string]string{"[192.0.2.1]": "ip6", "[IPv6:::1]": "ip4"} {
		got = render(resolve.Hosts(t.Context(), nil, domain, resolve.HostsOptions{Network: network}))
		if got != "no usable mail exchange" {
			t.Errorf("%s over %s: %s", domain, network, got)
		}
	}
}

func TestHostsAndAddressesAreBounded(t *testing.T) {
	var zone strings.Builder
	for i := range 40 {
		fmt.Fprintf(&zone, "many.test. MX %d h%d.many.test.\n", i, i)
		fmt.Fprintf(&zone, "*.many.test. A 192.0.2.%d\n", i)
	}
	z := resolvetest.MustZone(zone.String())
	for _, tt := range []struct{ set, want int }{{0, 16}, {-1, 16}, {1, 1}, {39, 39}, {40, 40}, {41, 40}} {
		got, err := resolve.Hosts(t.Context(), z, "many.test", resolve.HostsOptions{MaxHosts: tt.set, MaxAddrs: tt.set})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Hosts) != tt.want || len(got.Hosts[0].Addrs) != tt.want || got.Hosts[0].Name != "h0.many.test" {
			t.Errorf("limits of %d: %d hosts of %d addresses, want %d, the best first", tt.set, len(got.Hosts), len(got.Hosts[0].Addrs), tt.want)
		}
	}
}

// A host name that is not set must not make every host ours.
func TestAnEmptyOwnNameMatchesNothing(t *testing.T) {
	got := render(resolve.Hosts(t.Context(), hostsResolver(), "softonly.test", resolve.HostsOptions{SelfNames: []string{""}}))
	if got != "temporary failure" {
		t.Errorf("got %s", got)
	}
}

// faulty is an application's own Resolver, with errors that are not ours.
type faulty struct {
	*resolvetest.Zone
	err error
}

func (f faulty) MX(context.Context, string) (resolve.Answer[resolve.MX], error) {
	return resolve.Answer[resolve.MX]{}, f.err
}

func TestUnknownErrorsAreTemporary(t *testing.T) {
	cause := errors.New("no route to anywhere")
	_, err := resolve.Hosts(t.Context(), faulty{hostsResolver(), cause}, "implicit.test", us)
	if !resolve.IsTemporary(err) || !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
}

// Q4: a server that denies the name when asked for MX is believed, A record or not.
func TestNXDomainIsNoImplicitMX(t *testing.T) {
	_, err := resolve.Hosts(t.Context(), faulty{hostsResolver(), &resolve.Error{Kind: resolve.NXDomain}}, "implicit.test", us)
	if resolve.KindOf(err) != resolve.NXDomain {
		t.Errorf("error %v", err)
	}
}

// Taken for "no MX records", an empty answer would send mail to the wrong host.
func TestAnEmptyAnswerIsNotTheAbsenceOfRecords(t *testing.T) {
	_, err := resolve.Hosts(t.Context(), faulty{hostsResolver(), nil}, "implicit.test", us)
	if !resolve.IsTemporary(err) {
		t.Errorf("error %v", err)
	}
}

func TestHostsEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := resolve.Hosts(ctx, hostsResolver(), "two.test", us)
	if !resolve.IsTemporary(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
