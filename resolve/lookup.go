package resolve

import (
	"context"
	"errors"
	"time"

	"github.com/miekg/dns"
)

const (
	defaultTimeout        = 20 * time.Second
	defaultTryTimeout     = 5 * time.Second
	defaultTries          = 2
	defaultUDPSize        = 1232
	defaultCacheSize      = 16 << 20
	defaultMaxTTL         = 24 * time.Hour
	defaultMaxNegativeTTL = time.Hour
	defaultFailureTTL     = 5 * time.Second
	maxFailureTTL         = 5 * time.Minute
	defaultMaxLookups     = 256

	// maxAliases bounds a chain of CNAMEs, loops among them.
	maxAliases = 12
)

var errAliases = errors.New("too many aliases in a row")

// resolve looks q up at the servers, and follows aliases through as many replies
// as it takes: one recursive server completes the chain, another returns what
// it has (RFC 1034 §5.2.2, RFC 7672 §2.1.3).
func (d *DNS) resolve(ctx context.Context, up *upstream, q question) *result {
	r := &result{name: q.name, authentic: up.trustAD}
	ttl := d.maxTTL()
	for aliases := 0; ; {
		reply, err := d.exchange(ctx, up, question{r.name, q.qtype})
		if err != nil {
			return d.failed(err)
		}
		r.authentic = r.authentic && reply.AuthenticatedData
		asked := r.name
		for {
			target, t, ok := aliasOf(reply, r.name, q.qtype)
			if !ok {
				break
			}
			if aliases++; aliases > maxAliases {
				return d.failed(errAliases)
			}
			r.name, ttl = target, min(ttl, t)
		}
		negative, hasSOA := d.negativeTTL(reply)
		records, t := recordsOf(reply, r.name, q.qtype)
		switch {
		case reply.Rcode == dns.RcodeNameError: // of the last name in the chain (RFC 8020 §2)
			r.err = &Error{Kind: NXDomain}
			r.expires = time.Now().Add(min(ttl, negative))
		case len(records) > 0:
			r.records = records
			r.expires = time.Now().Add(min(ttl, t))
		case r.name == asked, hasSOA:
			r.err = &Error{Kind: NoData}
			r.expires = time.Now().Add(min(ttl, negative))
		default:
			continue // the reply ends with an alias: ask for its target
		}
		return r
	}
}

// failed is the result of a lookup without an answer.
func (d *DNS) failed(err error) *result {
	e, ok := err.(*Error)
	if !ok {
		e = &Error{Kind: Temporary, Err: err}
	}
	ttl := min(orDefault(d.FailureTTL, defaultFailureTTL), maxFailureTTL)
	return &result{err: e, expires: time.Now().Add(ttl)}
}

// aliasOf returns where the reply says that name leads, unless the alias itself was asked for.
func aliasOf(reply *dns.Msg, name string, qtype uint16) (target string, ttl time.Duration, ok bool) {
	if qtype == dns.TypeCNAME {
		return "", 0, false
	}
	for _, rr := range reply.Answer {
		if c, ok := rr.(*dns.CNAME); ok && owns(rr, name) {
			return lowerASCII(c.Target), ttlOf(rr), true
		}
	}
	return "", 0, false
}

// recordsOf returns the records of name, and the least of their TTLs.
func recordsOf(reply *dns.Msg, name string, qtype uint16) (records []dns.RR, ttl time.Duration) {
	for _, rr := range reply.Answer {
		if rr.Header().Rrtype != qtype || !owns(rr, name) {
			continue
		}
		if len(records) == 0 {
			ttl = ttlOf(rr)
		}
		records, ttl = append(records, rr), min(ttl, ttlOf(rr))
	}
	return records, ttl
}

// owns reports whether rr is an Internet record of name, which is canonical.
func owns(rr dns.RR, name string) bool {
	h := rr.Header()
	return h.Class == dns.ClassINET && (h.Name == name || lowerASCII(h.Name) == name)
}

// ttlOf returns the TTL of rr; one with its highest bit set counts as zero (RFC 2181 §8).
func ttlOf(rr dns.RR) time.Duration {
	return seconds(rr.Header().Ttl)
}

func seconds(n uint32) time.Duration {
	if n > 1<<31-1 {
		return 0
	}
	return time.Duration(n) * time.Second
}

// negativeTTL returns how long the absence of records may be kept: as the SOA
// record says, and not at all without one (RFC 2308 §5).
func (d *DNS) negativeTTL(reply *dns.Msg) (ttl time.Duration, hasSOA bool) {
	for _, rr := range reply.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(ttlOf(rr), seconds(soa.Minttl), d.maxNegativeTTL()), true
		}
	}
	return 0, false
}

func (d *DNS) maxTTL() time.Duration {
	if d.MaxTTL <= 0 {
		return defaultMaxTTL
	}
	return d.MaxTTL
}

func (d *DNS) maxNegativeTTL() time.Duration {
	if d.MaxNegativeTTL <= 0 {
		return defaultMaxNegativeTTL
	}
	return d.MaxNegativeTTL
}
