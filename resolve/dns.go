package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// DNS is a Resolver that asks recursive DNS servers and caches what they say. Its
// zero value asks the servers of the system. The fields must not change after
// the first question. Close ends it.
type DNS struct {
	// Servers are recursive name servers as "host:port", or an address alone for
	// port 53. Empty means those of ResolvConf.
	Servers []string

	// ResolvConf is the file that names the servers when Servers is empty; it is
	// read again every 5 seconds while there are questions. Empty means /etc/resolv.conf. Without the file, or
	// without a nameserver in it, 127.0.0.1 is asked, as resolv.conf(5) says.
	// Of its options only trust-ad counts.
	ResolvConf string

	// TrustAD is whether to believe the servers when they say that DNSSEC vouches
	// for an answer. Say so only of a validating server on this machine or behind
	// a channel that nobody can alter (RFC 4035 §4.9.3). When false, answers are
	// Authentic only if Servers is empty and ResolvConf has "options trust-ad".
	TrustAD bool

	// Timeout bounds one lookup with all its tries and aliases.
	// Zero means 20 seconds; negative means no limit but TryTimeout.
	Timeout time.Duration

	// TryTimeout bounds one try of one server over UDP, and again over TCP.
	// Zero means 5 seconds; negative means no limit but Timeout.
	TryTimeout time.Duration

	// Tries is how often each server is asked before a question fails. A server
	// that answers with a failure is not asked again.
	// Zero or negative means 2.
	Tries int

	// UDPSize is the largest UDP reply asked for by EDNS0, in octets; longer ones
	// come over TCP. Zero means 1232, which no common network fragments. It is
	// held between 512 and 65535.
	UDPSize int

	// CacheSize is about how many octets of memory the cache may use.
	// Zero means 16 MiB; negative means no cache.
	CacheSize int

	// MaxTTL caps how long an answer is kept and what TTL is reported.
	// Zero or negative means 1 day.
	MaxTTL time.Duration

	// MaxNegativeTTL caps how long the absence of records is kept (RFC 2308 §5).
	// Zero or negative means 1 hour. It is never more than MaxTTL.
	MaxNegativeTTL time.Duration

	// FailureTTL is how long a failure is kept, so that a dead domain does not
	// cost its timeouts for each message. Zero means 5 seconds; more than 5
	// minutes is taken as 5 minutes (RFC 2308 §7); negative keeps none.
	FailureTTL time.Duration

	// MaxLookups is how many lookups are under way at once; further ones wait,
	// and their waiting counts against Timeout. Zero or negative means 256.
	MaxLookups int

	// Dial opens the way to a server; network is "udp" or "tcp", address one of
	// Servers with its port. One Write or Read on a "udp" connection carries one
	// message, and replies from other addresses must not reach it. Nil means a
	// net.Dialer: a socket with a random port per question (RFC 5452 §9.2).
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu      sync.Mutex // guards what follows
	closed  bool
	base    context.Context // ends with Close
	cancel  context.CancelFunc
	slots   chan struct{} // one per lookup under way
	up      *upstream
	flights map[question]*flight

	lookups sync.WaitGroup
}

// ErrClosed is the cause of errors after Close.
var ErrClosed = errors.New("resolver is closed")

// A question is what the cache and the flights are keyed by. Its name is canonical.
type question struct {
	name  string
	qtype uint16
}

// A implements Resolver.
func (d *DNS) A(ctx context.Context, name string) (Answer[netip.Addr], error) {
	return lookup(ctx, d, name, dns.TypeA, decodeA)
}

// AAAA implements Resolver.
func (d *DNS) AAAA(ctx context.Context, name string) (Answer[netip.Addr], error) {
	return lookup(ctx, d, name, dns.TypeAAAA, decodeAAAA)
}

// CNAME implements Resolver.
func (d *DNS) CNAME(ctx context.Context, name string) (Answer[string], error) {
	return lookup(ctx, d, name, dns.TypeCNAME, decodeCNAME)
}

// MX implements Resolver.
func (d *DNS) MX(ctx context.Context, name string) (Answer[MX], error) {
	return lookup(ctx, d, name, dns.TypeMX, decodeMX)
}

// PTR implements Resolver.
func (d *DNS) PTR(ctx context.Context, addr netip.Addr) (Answer[string], error) {
	name, err := dns.ReverseAddr(addr.Unmap().WithZone("").String())
	if err != nil {
		return Answer[string]{}, &Error{Kind: Invalid, Name: addr.String(), Type: "PTR", Err: errBadAddr}
	}
	return lookup(ctx, d, name, dns.TypePTR, decodePTR)
}

// TLSA implements Resolver.
func (d *DNS) TLSA(ctx context.Context, name string) (Answer[TLSA], error) {
	return lookup(ctx, d, name, dns.TypeTLSA, decodeTLSA)
}

// TXT implements Resolver.
func (d *DNS) TXT(ctx context.Context, name string) (Answer[string], error) {
	return lookup(ctx, d, name, dns.TypeTXT, decodeTXT)
}

// Close ends all lookups; those who wait for one get a temporary error. When it
// returns no goroutine and no socket of d is left. It returns nil.
func (d *DNS) Close() error {
	d.mu.Lock()
	d.closed = true
	if d.cancel != nil {
		d.cancel()
	}
	d.mu.Unlock()
	d.lookups.Wait()
	return nil
}

// lookup asks d and decodes the records afresh for each caller.
func lookup[R dns.RR, T any](ctx context.Context, d *DNS, name string, qtype uint16, decode func(R) T) (Answer[T], error) {
	typ := dns.TypeToString[qtype]
	canonical, err := canonicalName(name)
	if err != nil {
		return Answer[T]{}, &Error{Kind: Invalid, Name: name, Type: typ, Err: err}
	}
	r, err := d.ask(ctx, question{canonical, qtype})
	if err == nil {
		err = r.failure()
	}
	if err != nil {
		e, ok := err.(*Error)
		if !ok {
			e = &Error{Err: err}
		}
		e.Name, e.Type = plainName(canonical), typ
		return Answer[T]{}, e
	}
	a := Answer[T]{
		Records:   make([]T, 0, len(r.records)),
		Name:      plainName(r.name),
		Authentic: r.authentic,
		TTL:       r.remaining(),
	}
	for _, rr := range r.records {
		if record, ok := rr.(R); ok {
			a.Records = append(a.Records, decode(record))
		}
	}
	return checked(a, nil)
}

// orDefault returns d, or def when d is zero, or 0 when d is negative.
func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return max(d, 0)
}

// withLimit is context.WithTimeout, where a limit of zero means none.
func withLimit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}
