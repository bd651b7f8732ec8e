package resolve_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/resolve"
	"github.com/postrider/postrider/resolve/resolvetest"
)

func TestAddrsJoinsTheFamilies(t *testing.T) {
	z := resolvetest.MustZone(`
		both.test. 100 A    192.0.2.1
		both.test. 50  AAAA 2001:db8::1
		v4.test.   A    192.0.2.2
		v6.test.   AAAA 2001:db8::2
		none.test. TXT  "x"
		*.bad.test. TXT "x"
		four.bad.test. A 192.0.2.3
		six.bad.test. AAAA 2001:db8::3
	`)
	z.Fail("soft4.bad.test", "A", resolvetest.ServFail)
	z.Fail("soft6.bad.test", "AAAA", resolvetest.ServFail)
	z.Fail("four.bad.test", "AAAA", resolvetest.Bogus)
	z.Fail("six.bad.test", "A", resolvetest.Bogus)
	z.SetAuthentic("both.test", true)
	for _, tt := range []struct{ host, network, want string }{
		{"both.test", "", "[2001:db8::1 192.0.2.1] true 50s"},
		{"both.test", "ip", "[2001:db8::1 192.0.2.1] true 50s"},
		{"both.test", "ip4", "[192.0.2.1] true 1m40s"},
		{"both.test", "ip6", "[2001:db8::1] true 50s"},
		{"v4.test", "", "[192.0.2.2] false 1h0m0s"},
		{"v6.test", "", "[2001:db8::2] false 1h0m0s"},
		{"v4.test", "ip6", "no such record"},
		{"v6.test", "ip4", "no such record"},
		{"none.test", "", "no such record"},
		{"nowhere.test", "", "no such name"},
		{"four.bad.test", "", "[192.0.2.3] false 1h0m0s"},
		{"six.bad.test", "", "[2001:db8::3] false 1h0m0s"},
		{"soft4.bad.test", "", "temporary failure"},
		{"soft6.bad.test", "", "temporary failure"},
		{"four.bad.test", "ip6", "bogus answer"},
		{"a..b", "", "not a domain name"},
	} {
		a, err := resolve.Addrs(t.Context(), z, tt.network, tt.host)
		got := fmt.Sprint(a.Records, a.Authentic, a.TTL)
		if err != nil {
			got = resolve.KindOf(err).String()
		}
		if got != tt.want {
			t.Errorf("Addrs(%q, %q) = %s, want %s", tt.network, tt.host, got, tt.want)
		}
	}
}

func TestConfirmedNamesLeadBack(t *testing.T) {
	z := resolvetest.MustZone(`
		1.2.0.192.in-addr.arpa. 40 PTR good.test.
		1.2.0.192.in-addr.arpa. 40 PTR liar.test.
		1.2.0.192.in-addr.arpa. 40 PTR nowhere.test.
		good.test.  30 A 192.0.2.1
		good.test.  30 A 192.0.2.9
		liar.test.  A 192.0.2.2
		2.2.0.192.in-addr.arpa. PTR bank.test.
		bank.test.  A 203.0.113.1
		3.2.0.192.in-addr.arpa. PTR soft.test.
		3.2.0.192.in-addr.arpa. PTR liar.test.
		1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR six.test.
		six.test.   AAAA 2001:db8::1
	`)
	z.Fail("soft.test", "", resolvetest.ServFail)
	z.SetAuthentic("in-addr.arpa", true)
	z.SetAuthentic("good.test", true)

	for addr, want := range map[string]string{
		"192.0.2.1":        "[good.test] true 30s",
		"::ffff:192.0.2.1": "[good.test] true 30s",
		"2001:db8::1":      "[six.test] false 1h0m0s",
		"192.0.2.2":        "no such record",
		"192.0.2.3":        "temporary failure",
		"192.0.2.4":        "no such name",
	} {
		a, err := resolve.Confirmed(t.Context(), z, netip.MustParseAddr(addr))
		got := fmt.Sprint(a.Records, a.Authentic, a.TTL)
		if err != nil {
			got = resolve.KindOf(err).String()
		}
		if got != want {
			t.Errorf("Confirmed(%s) = %s, want %s", addr, got, want)
		}
	}
	eleven := "*.many.test. A 192.0.2.5\n"
	for i := range 11 {
		eleven += fmt.Sprintf("5.2.0.192.in-addr.arpa. PTR n%d.many.test.\n", i)
	}
	many, err := resolve.Confirmed(t.Context(), resolvetest.MustZone(eleven), netip.MustParseAddr("192.0.2.5"))
	if err != nil || len(many.Records) != 10 { // RFC 7208 §4.6.4
		t.Errorf("%d names of eleven, error %v", len(many.Records), err)
	}
	if _, err := resolve.Confirmed(t.Context(), z, netip.Addr{}); resolve.KindOf(err) != resolve.Invalid {
		t.Errorf("no address: %v", err)
	}
}

func TestKinds(t *testing.T) {
	for _, tt := range []struct {
		err                        error
		kind                       resolve.Kind
		temporary, bogus, notFound bool
	}{
		{nil, resolve.Temporary, false, false, false},
		{errors.New("anything"), resolve.Temporary, true, false, false},
		{new(resolve.Error), resolve.Temporary, true, false, false},
		{&resolve.Error{Kind: resolve.Bogus}, resolve.Bogus, true, true, false},
		{&resolve.Error{Kind: resolve.NXDomain}, resolve.NXDomain, false, false, true},
		{&resolve.Error{Kind: resolve.NoData}, resolve.NoData, false, false, true},
		{&resolve.Error{Kind: resolve.Invalid}, resolve.Invalid, false, false, false},
		{&resolve.Error{Kind: resolve.NullMX}, resolve.NullMX, false, false, false},
		{&resolve.Error{Kind: resolve.Unusable}, resolve.Unusable, false, false, false},
		{&resolve.Error{Kind: resolve.Loop}, resolve.Loop, false, false, false},
		{fmt.Errorf("relay: %w", &resolve.Error{Kind: resolve.NoData}), resolve.NoData, false, false, true},
		{&resolve.Error{Err: &resolve.Error{Kind: resolve.NXDomain}}, resolve.Temporary, true, false, false},
	} {
		got := []any{resolve.KindOf(tt.err), resolve.IsTemporary(tt.err), resolve.IsBogus(tt.err), resolve.IsNotFound(tt.err)}
		if want := []any{tt.kind, tt.temporary, tt.bogus, tt.notFound}; !slices.Equal(got, want) {
			t.Errorf("%v: kind, temporary, bogus, not found are %v, want %v", tt.err, got, want)
		}
	}
	if s := resolve.Kind(200).String(); s != "unknown failure" {
		t.Errorf("an unknown kind is %q", s)
	}
}

func TestErrorsSayWhatWasAskedAndWhy(t *testing.T) {
	cause := errors.New("SERVFAIL")
	e := &resolve.Error{Name: "example.org", Type: "MX", Err: cause}
	if got, want := e.Error(), "resolve MX of example.org: temporary failure: SERVFAIL"; got != want || !errors.Is(e, cause) {
		t.Errorf("%q, want %q", got, want)
	}
	e = &resolve.Error{Kind: resolve.NXDomain, Name: "example.org", TTL: time.Hour}
	if got, want := e.Error(), "resolve example.org: no such name"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestIsNullMX(t *testing.T) {
	null := resolve.MX{Host: "."}
	for _, tt := range []struct {
		records []resolve.MX
		want    bool
	}{
		{[]resolve.MX{null}, true},
		{nil, false},
		{[]resolve.MX{null, null}, false},
		{[]resolve.MX{{Host: ".", Preference: 1}}, false},
		{[]resolve.MX{{Host: "mx.example.org"}}, false},
	} {
		if got := resolve.IsNullMX(tt.records); got != tt.want {
			t.Errorf("IsNullMX(%v) = %t", tt.records, got)
		}
	}
}
