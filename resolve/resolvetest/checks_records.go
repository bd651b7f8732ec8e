package resolvetest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/postrider/postrider/resolve"
)

// want compares records without regard to their order.
func want[T any](a resolve.Answer[T], err error, records ...T) error {
	if err != nil {
		return err
	}
	got, wanted := texts(a.Records), texts(records)
	if !slices.Equal(got, wanted) {
		return fmt.Errorf("records are %q, want %q", got, wanted)
	}
	return nil
}

func texts[T any](records []T) []string {
	s := make([]string, len(records))
	for i, r := range records {
		s[i] = fmt.Sprintf("%v", r)
	}
	slices.Sort(s)
	return s
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func checkAddresses(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	a, err := r.A(ctx, "mx1.plain.test")
	aaaa, err6 := r.AAAA(ctx, "mx1.plain.test")
	return first(
		want(a, err, ip("192.0.2.11"), ip("192.0.2.12")),
		want(aaaa, err6, ip("2001:db8::11")),
	)
}

func checkMX(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	a, err := r.MX(ctx, "plain.test")
	return want(a, err,
		resolve.MX{Host: "mx1.plain.test", Preference: 10},
		resolve.MX{Host: "mx2.plain.test", Preference: 20})
}

func checkNullMX(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	null, err := r.MX(ctx, "null.plain.test")
	if err != nil {
		return err
	}
	if !resolve.IsNullMX(null.Records) {
		return fmt.Errorf("records are %v, want the root with preference 0", null.Records)
	}
	return nil
}

func checkTXT(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	a, err := r.TXT(ctx, "txt.plain.test")
	return want(a, err, "v=spf1 -all", "quote \" backslash \\ octets \x00\x80\xff end")
}

func checkTLSA(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	a, err := r.TLSA(ctx, "_25._tcp.mx1.plain.test")
	return want(a, err,
		resolve.TLSA{Usage: 3, Selector: 1, MatchingType: 1, Data: []byte{0, 0xff, 0x4e, 0x1c, 0x2d}},
		resolve.TLSA{Usage: 200, Selector: 201, MatchingType: 202, Data: []byte{7}})
}

func checkPTR(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	v4, err4 := r.PTR(ctx, ip("192.0.2.11"))
	v6, err6 := r.PTR(ctx, ip("2001:db8::11"))
	mapped, errMapped := r.PTR(ctx, ip("::ffff:192.0.2.11"))
	_, errZero := r.PTR(ctx, netip.Addr{})
	return first(
		want(v4, err4, "mx1.plain.test"),
		want(v6, err6, "mx1.plain.test"),
		want(mapped, errMapped, "mx1.plain.test"),
		wantKind(errZero, resolve.Invalid),
	)
}

func checkSpelling(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	for _, name := range []string{"plain.test", "plain.test.", "PLAIN.Test", `pl\097in.test`} {
		a, err := r.A(ctx, name)
		if err := want(a, err, ip("192.0.2.1")); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func checkInvalid(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	long := strings.Repeat("a", 63)
	for _, name := range []string{
		"", "a..test", ".test", "bücher.test", "a b.test", "a\x00.test", long + "a.test",
		strings.Join([]string{long, long, long, long[:62]}, "."), // 254 octets and two more on the wire
	} {
		_, err := r.MX(ctx, name)
		if err := wantKind(err, resolve.Invalid); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	_, err := r.MX(ctx, strings.Join([]string{long, long, long, long[:61]}, "."))
	return wantKind(err, resolve.NXDomain) // the longest there is
}

func checkNameForm(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	mx, err := r.MX(ctx, "PLAIN.test.")
	if err != nil {
		return err
	}
	cname, err := r.CNAME(ctx, "alias.plain.test")
	if err != nil {
		return err
	}
	ptr, err := r.PTR(ctx, ip("198.51.100.25"))
	if err != nil {
		return err
	}
	names := append([]string{mx.Name, cname.Name, ptr.Name}, cname.Records...)
	names = append(names, ptr.Records...)
	for _, m := range mx.Records {
		names = append(names, m.Host)
	}
	for _, name := range names {
		if name != strings.ToLower(name) || strings.HasSuffix(name, ".") || name == "" {
			return fmt.Errorf("a name is given as %q", name)
		}
	}
	return nil
}

func checkAliases(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	addr, err := r.A(ctx, "alias.plain.test")
	mx, errMX := r.MX(ctx, "toplain.plain.test")
	if err := first(want(addr, err, ip("192.0.2.11"), ip("192.0.2.12")), errMX); err != nil {
		return err
	}
	if addr.Name != "mx1.plain.test" || mx.Name != "plain.test" {
		return fmt.Errorf("Name is %q and %q, want mx1.plain.test and plain.test", addr.Name, mx.Name)
	}
	return nil
}

func checkCNAME(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	a, err := r.CNAME(ctx, "alias.plain.test")
	_, errNone := r.CNAME(ctx, "plain.test")
	_, errNowhere := r.CNAME(ctx, "nowhere.plain.test")
	dangling, errDangling := r.CNAME(ctx, "dangling.plain.test")
	return first(
		want(a, err, "alias2.plain.test"),
		want(dangling, errDangling, "nowhere.plain.test"),
		wantKind(errNone, resolve.NoData),
		wantKind(errNowhere, resolve.NXDomain),
	)
}

const largeAnswer = 500 // addresses, 8,000 octets: no UDP reply holds them

func largeNode(n node, i int) node {
	n[dns.TypeA] = append(n[dns.TypeA], &dns.A{
		Hdr: dns.RR_Header{Name: "large.test.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300},
		A:   []byte{10, 0, byte(i >> 8), byte(i)},
	})
	return n
}

func checkLarge(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	a, err := r.A(ctx, "large.test")
	if err != nil {
		return err
	}
	if n := len(slices.Compact(texts(a.Records))); n != largeAnswer {
		return fmt.Errorf("%d different addresses, want %d", n, largeAnswer)
	}
	return nil
}
