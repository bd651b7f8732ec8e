package resolve

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// A Resolver asks the DNS, one method per record type.
//
// Names are given as A-labels, in any case, with or without the final dot, and
// are always absolute: no search list is applied. A name that no DNS message
// can carry, or that holds U-labels, is an error of Kind Invalid.
//
// Aliases are followed, except by CNAME. An answer without error has at least
// one record; their order means nothing, and they belong to the caller. When
// there is none, the error says why: see Kind. An error that is no *Error
// counts as temporary.
//
// A Resolver may be called by any number of goroutines at once. When ctx ends
// first the method returns soon, with a temporary error that wraps ctx's; other
// callers that wait for the same answer are not disturbed.
type Resolver interface {
	// A returns the IPv4 addresses of name (RFC 1035 §3.4.1).
	A(ctx context.Context, name string) (Answer[netip.Addr], error)
	// AAAA returns the IPv6 addresses of name (RFC 3596 §2.1).
	AAAA(ctx context.Context, name string) (Answer[netip.Addr], error)
	// CNAME returns the one name that name is an alias of, and follows no
	// further (RFC 7672 §2.1.3 needs the first link's authenticity alone).
	CNAME(ctx context.Context, name string) (Answer[string], error)
	// MX returns the mail exchanges of name, the null MX (RFC 7505) included.
	// Hosts says what to do with them.
	MX(ctx context.Context, name string) (Answer[MX], error)
	// PTR returns the names that addr claims to have. Anyone may claim any name
	// there: see Confirmed. A 4-in-6 address is asked for as its IPv4 address.
	PTR(ctx context.Context, addr netip.Addr) (Answer[string], error)
	// TLSA returns the certificate associations of name, which already has its
	// prefix, as in "_25._tcp.mx.example.org" (RFC 6698 §3).
	TLSA(ctx context.Context, name string) (Answer[TLSA], error)
	// TXT returns the texts of name. The character-strings of one record are
	// joined without anything between them (RFC 7208 §3.3, RFC 6376 §3.6.2.2);
	// the bytes are those of the record.
	TXT(ctx context.Context, name string) (Answer[string], error)
}

// An Answer is what a question found.
type Answer[T any] struct {
	// Records has at least one record, in no particular order.
	Records []T

	// Name is the owner of the records: the name that was asked, or where its
	// aliases led. It has the form of the names in records: see MX.Host.
	Name string

	// Authentic is whether DNSSEC vouches for the records and for each alias
	// on the way to them (RFC 4035 §3.2.3, RFC 7672 §2.1.3). A resolver that
	// neither validates nor trusts one that does says false.
	Authentic bool

	// TTL is how long the answer may still be used. Zero means only now.
	TTL time.Duration
}

// An MX is one mail exchange of a domain (RFC 1035 §3.3.9).
type MX struct {
	// Host is the exchange in lower case without the final dot; the root, which
	// the null MX names, is ".". It has the presentation form of RFC 1035 §5.1:
	// printable ASCII, a backslash before blanks and special characters, other
	// octets as \DDD. It need not be a host's name.
	Host string

	// Preference is better the lower it is.
	Preference uint16
}

// A TLSA is one certificate association (RFC 6698 §2.1). Its numbers are those
// of the record, known or not.
type TLSA struct {
	Usage        uint8
	Selector     uint8
	MatchingType uint8
	Data         []byte
}

// IsNullMX reports whether records are the null MX, by which a domain says that
// it takes no mail: one record alone, of preference 0, naming the root (RFC 7505 §3).
func IsNullMX(records []MX) bool {
	return len(records) == 1 && records[0] == MX{Host: ".", Preference: 0}
}

// Addrs returns the addresses of host in both families, A and AAAA asked at once.
// Network is "ip4" or "ip6" for one family alone, anything else for both.
//
// One family's records are an answer, whatever became of the other question.
// Without any, a temporary error goes before a certain one. The answer is
// authentic if every part of it is.
func Addrs(ctx context.Context, r Resolver, network, host string) (Answer[netip.Addr], error) {
	switch network {
	case "ip4":
		return checked(r.A(ctx, host))
	case "ip6":
		return checked(r.AAAA(ctx, host))
	}
	var v4, v6 Answer[netip.Addr]
	var err4, err6 error
	var wg sync.WaitGroup
	wg.Go(func() { v4, err4 = checked(r.A(ctx, host)) })
	wg.Go(func() { v6, err6 = checked(r.AAAA(ctx, host)) })
	wg.Wait()
	switch {
	case err4 == nil && err6 == nil:
		return Answer[netip.Addr]{
			Records:   append(v6.Records, v4.Records...),
			Name:      v6.Name,
			Authentic: v4.Authentic && v6.Authentic,
			TTL:       min(v4.TTL, v6.TTL),
		}, nil
	case err6 == nil:
		return v6, nil
	case err4 == nil:
		return v4, nil
	case IsTemporary(err6) && !IsTemporary(err4), KindOf(err4) == NXDomain:
		return v6, err6
	}
	return v4, err4
}

// checked holds a Resolver to its contract, so that an empty answer from one
// that breaks it is never taken for the absence of records.
func checked[T any](a Answer[T], err error) (Answer[T], error) {
	if err == nil && len(a.Records) == 0 {
		err = &Error{Kind: Temporary, Name: a.Name, Err: errEmpty}
	}
	return a, err
}
