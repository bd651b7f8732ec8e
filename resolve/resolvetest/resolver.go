package resolvetest

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/postrider/postrider/resolve"
)

var _ resolve.Resolver = (*Zone)(nil)

// A implements resolve.Resolver.
func (z *Zone) A(ctx context.Context, name string) (resolve.Answer[netip.Addr], error) {
	return ask(ctx, z, name, dns.TypeA, func(rr dns.RR) netip.Addr {
		addr, _ := netip.AddrFromSlice(rr.(*dns.A).A.To4())
		return addr
	})
}

// AAAA implements resolve.Resolver.
func (z *Zone) AAAA(ctx context.Context, name string) (resolve.Answer[netip.Addr], error) {
	return ask(ctx, z, name, dns.TypeAAAA, func(rr dns.RR) netip.Addr {
		addr, _ := netip.AddrFromSlice(rr.(*dns.AAAA).AAAA.To16())
		return addr
	})
}

// CNAME implements resolve.Resolver.
func (z *Zone) CNAME(ctx context.Context, name string) (resolve.Answer[string], error) {
	return ask(ctx, z, name, dns.TypeCNAME, func(rr dns.RR) string { return display(rr.(*dns.CNAME).Target) })
}

// MX implements resolve.Resolver.
func (z *Zone) MX(ctx context.Context, name string) (resolve.Answer[resolve.MX], error) {
	return ask(ctx, z, name, dns.TypeMX, func(rr dns.RR) resolve.MX {
		mx := rr.(*dns.MX)
		return resolve.MX{Host: display(mx.Mx), Preference: mx.Preference}
	})
}

// PTR implements resolve.Resolver.
func (z *Zone) PTR(ctx context.Context, addr netip.Addr) (resolve.Answer[string], error) {
	name := reverseName(addr)
	if name == "" {
		return resolve.Answer[string]{}, &resolve.Error{Kind: resolve.Invalid, Name: addr.String(), Type: "PTR"}
	}
	return ask(ctx, z, name, dns.TypePTR, func(rr dns.RR) string { return display(rr.(*dns.PTR).Ptr) })
}

// TLSA implements resolve.Resolver.
func (z *Zone) TLSA(ctx context.Context, name string) (resolve.Answer[resolve.TLSA], error) {
	return ask(ctx, z, name, dns.TypeTLSA, func(rr dns.RR) resolve.TLSA {
		t := rr.(*dns.TLSA)
		data, _ := hex.DecodeString(t.Certificate) // it came from octets
		return resolve.TLSA{Usage: t.Usage, Selector: t.Selector, MatchingType: t.MatchingType, Data: data}
	})
}

// TXT implements resolve.Resolver.
func (z *Zone) TXT(ctx context.Context, name string) (resolve.Answer[string], error) {
	return ask(ctx, z, name, dns.TypeTXT, func(rr dns.RR) string { return text(rr.(*dns.TXT)) })
}

// ask turns what z finds into an answer.
func ask[T any](ctx context.Context, z *Zone, name string, qtype uint16, decode func(dns.RR) T) (resolve.Answer[T], error) {
	fail := &resolve.Error{Name: strings.TrimSuffix(name, "."), Type: dns.TypeToString[qtype]}
	canonical, ok := canonicalName(name)
	if !ok {
		fail.Kind = resolve.Invalid
		return resolve.Answer[T]{}, fail
	}
	fail.Name = display(canonical)
	found := z.find(canonical, qtype)
	if err := pause(ctx, found.delay); err != nil {
		fail.Err = err
		return resolve.Answer[T]{}, fail
	}
	switch {
	case found.fault == Bogus:
		fail.Kind = resolve.Bogus
	case found.fault != 0 && found.fault != Truncate && found.fault != NoEDNS:
		fail.Err = fmt.Errorf("fault %d", found.fault)
	case len(found.records) == 0:
		fail.Kind = resolve.NoData
		if found.rcode == dns.RcodeNameError {
			fail.Kind = resolve.NXDomain
		}
		fail.Authentic, fail.TTL = found.authentic, found.ttl()
	default:
		a := resolve.Answer[T]{Name: display(found.name), Authentic: found.authentic, TTL: found.ttl()}
		for _, rr := range found.records {
			a.Records = append(a.Records, decode(rr))
		}
		return a, nil
	}
	return resolve.Answer[T]{}, fail
}

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ttl returns the least TTL of all that the answer rests on.
func (a *answer) ttl() time.Duration {
	all := append(append([]dns.RR(nil), a.chain...), a.records...)
	if len(a.records) == 0 {
		if a.soa == nil {
			return 0
		}
		all = append(all, a.soa)
	}
	least := all[0].Header().Ttl
	for _, rr := range all {
		least = min(least, rr.Header().Ttl)
	}
	return time.Duration(least) * time.Second
}

// display returns a canonical name as answers have it.
func display(name string) string {
	name = dns.CanonicalName(name)
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}

// reverseName returns where the names of addr are (RFC 1035 §3.5, RFC 3596 §2.5).
func reverseName(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	var b strings.Builder
	octets := addr.AsSlice()
	for i := len(octets) - 1; i >= 0; i-- {
		if addr.Is4() {
			fmt.Fprintf(&b, "%d.", octets[i])
		} else {
			fmt.Fprintf(&b, "%x.%x.", octets[i]&0xf, octets[i]>>4)
		}
	}
	switch {
	case addr.Is4():
		return b.String() + "in-addr.arpa."
	case addr.Is6():
		return b.String() + "ip6.arpa."
	}
	return ""
}

// text joins the character-strings of t, read from its wire form: the form that
// package dns holds them in is escaped.
func text(t *dns.TXT) string {
	wire := make([]byte, dns.Len(t)+dns.MinMsgSize)
	end, err := dns.PackRR(t, wire, 0, nil, false)
	if err != nil {
		panic(err) // it came from a wire form
	}
	_, start, _ := dns.UnpackDomainName(wire[:end], 0)
	const fixed = 10 // type, class, TTL, length (RFC 1035 §3.2.1)
	var b strings.Builder
	for rdata := wire[start+fixed : end]; len(rdata) > 0; {
		n := 1 + int(rdata[0])
		b.Write(rdata[1:n])
		rdata = rdata[n:]
	}
	return b.String()
}
