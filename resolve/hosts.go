package resolve

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// HostsOptions says who we are and how far to go. The zero value is usable, but
// without our names and addresses nothing keeps mail from looping.
type HostsOptions struct {
	// SelfNames are the names by which this system is known in mail
	// transactions, and SelfAddrs its addresses, those in front of a NAT
	// included. A host that matches is dropped together with all that are not
	// better (RFC 5321 §5.1). Matching goes by address alone, not by port.
	SelfNames []string
	SelfAddrs []netip.Addr

	// Network is "ip4" or "ip6" to look up addresses of one family only
	// (RFC 5321 §5.2). Anything else means both.
	Network string

	// Shuffle orders hosts of equal preference and the addresses of a host. Nil
	// means math/rand/v2's; the method of a seeded rand.Rand makes tests repeatable.
	Shuffle func(n int, swap func(i, j int))

	// MaxHosts and MaxAddrs bound the hosts looked up for a domain and the
	// addresses kept per host; the worst preferred are left out.
	// Zero or negative means 16 of each.
	MaxHosts, MaxAddrs int
}

// Targets is where mail for a domain goes.
type Targets struct {
	// Domain is the domain asked for, in lower case without the final dot, and
	// Canonical where its aliases led. A literal is as it was given.
	Domain, Canonical string

	// Hosts are to be tried in this order. There is at least one.
	Hosts []Host

	// Skipped tells which hosts were left out for want of an address, and why.
	// When the error is temporary they may be back later.
	Skipped []Skipped

	// MX are all records as found, by preference and name; none when Implicit
	// or Literal. Domains with the same hosts here are one site to a scheduler.
	MX []MX

	// Authentic is whether DNSSEC vouches for MX or, when Implicit, for their absence.
	// Without it no host is securely known to serve Domain (RFC 7672 §2.2.1).
	Authentic bool

	// Implicit is whether the domain has no MX records and stands for itself.
	Implicit bool

	// Literal is whether the domain is an address in brackets; nothing was asked.
	Literal bool
}

// A Host is one system to which mail may be sent.
type Host struct {
	// Name is the name from the MX record, or the domain itself when implicit:
	// the one that a certificate must bear (RFC 7672 §3.2.2, RFC 8461 §4.1).
	// For a literal it is the literal with its brackets.
	Name string

	// Canonical is where the aliases of Name led; Name when it is none.
	Canonical string

	Preference uint16

	// Addrs are to be tried in this order. There is at least one.
	Addrs []netip.Addr

	// Authentic is whether DNSSEC vouches for Addrs and all aliases on the way:
	// where it does not, no TLSA records are to be sought (RFC 7672 §2.2.2).
	Authentic bool
}

// Skipped is a host without addresses.
type Skipped struct {
	MX  MX
	Err error
}

// Hosts finds the hosts that take mail for domain, by RFC 5321 §5.1 and RFC 7505.
// Domain is a name in A-labels or an address literal (RFC 5321 §4.1.3).
//
// Hosts come by preference, equal ones in random order. A domain without MX
// records stands for itself; one with MX records never does. A host of ours, by
// name, alias or address, is dropped with all that are not better. Two cases
// outside the standard are decided so: an MX that names an alias is
// followed, and keeps its name; one that names an address is unusable.
//
// A host whose addresses cannot be had now is left out as long as another is
// there; when none is, the error is temporary if any host's was. The error is
// always an *Error. Of Kind NXDomain, NoData, Invalid, NullMX, Unusable and Loop
// it is permanent.
func Hosts(ctx context.Context, r Resolver, domain string, o HostsOptions) (*Targets, error) {
	if strings.HasPrefix(domain, "[") {
		return literalTargets(domain, o)
	}
	name, err := canonicalName(domain)
	if err == nil && looksLikeAddr(plainName(name)) {
		err = errLiteral
	}
	if err != nil {
		return nil, &Error{Kind: Invalid, Name: domain, Type: "MX", Err: err}
	}
	f := &finder{HostsOptions: o, r: r, domain: plainName(name)}
	return f.find(ctx)
}

// A finder carries one call of Hosts.
type finder struct {
	HostsOptions
	r      Resolver
	domain string
}

func (f *finder) find(ctx context.Context) (*Targets, error) {
	t := &Targets{Domain: f.domain, Canonical: f.domain}
	var candidates []MX
	mx, err := checked(f.r.MX(ctx, f.domain))
	switch {
	case err == nil && IsNullMX(mx.Records):
		return nil, f.error(NullMX, nil)
	case err == nil:
		t.Canonical, t.Authentic = mx.Name, mx.Authentic
		t.MX = slices.SortedFunc(slices.Values(mx.Records), compareMX)
		candidates, t.Skipped = hostNames(t.MX)
	case KindOf(err) == NoData:
		t.Implicit, t.Authentic = true, absenceIsAuthentic(err)
		candidates = []MX{{Host: f.domain}}
	default:
		return nil, f.wrap(err)
	}
	if candidates, err = f.dropSelf(candidates); err != nil {
		return nil, err
	}
	f.spread(candidates)
	return f.locate(ctx, t, candidates)
}

// compareMX orders by preference, then by name.
func compareMX(a, b MX) int {
	return cmp.Or(cmp.Compare(a.Preference, b.Preference), cmp.Compare(a.Host, b.Host))
}

// hostNames takes from records, which are sorted, those that name a host, each
// host once by its best preference.
func hostNames(records []MX) (hosts []MX, skipped []Skipped) {
	seen := make(map[string]bool)
	for _, mx := range records {
		host := plainName(mx.Host)
		switch {
		case host == "." || host == "":
			skipped = append(skipped, Skipped{mx, &Error{Kind: Invalid, Name: mx.Host, Err: errMXIsRoot}})
		case looksLikeAddr(host):
			skipped = append(skipped, Skipped{mx, &Error{Kind: Invalid, Name: mx.Host, Err: errMXIsAddr}})
		case !seen[host]:
			seen[host] = true
			hosts = append(hosts, MX{Host: host, Preference: mx.Preference})
		}
	}
	return hosts, skipped
}

// looksLikeAddr reports whether name is an address, in brackets or not.
func looksLikeAddr(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil || strings.HasPrefix(name, "[") || strings.HasPrefix(name, `\[`)
}

// dropSelf drops our own names from candidates, which are sorted, and whatever
// is not better (RFC 5321 §5.1).
func (f *finder) dropSelf(candidates []MX) ([]MX, error) {
	for _, mx := range candidates {
		if !f.isSelfName(mx.Host) {
			continue
		}
		kept := slices.DeleteFunc(candidates, func(c MX) bool { return c.Preference >= mx.Preference })
		if len(kept) == 0 {
			return nil, f.error(Loop, nil)
		}
		return kept, nil
	}
	return candidates, nil
}

func (f *finder) isSelfName(host string) bool {
	return host != "" && slices.ContainsFunc(f.SelfNames, func(self string) bool { return plainName(self) == host })
}

func (f *finder) isSelfAddr(addr netip.Addr) bool {
	return slices.ContainsFunc(f.SelfAddrs, func(self netip.Addr) bool {
		return self.Unmap().WithZone("") == addr.Unmap().WithZone("")
	})
}

// spread puts candidates of equal preference in random order.
func (f *finder) spread(candidates []MX) {
	shuffle(f.Shuffle, candidates)
	slices.SortStableFunc(candidates, func(a, b MX) int { return cmp.Compare(a.Preference, b.Preference) })
}

func shuffle[T any](by func(int, func(i, j int)), s []T) {
	if by == nil {
		by = rand.Shuffle
	}
	by(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
}

// locate looks up the addresses of all candidates at once and keeps those that
// have some and lie before ourselves.
func (f *finder) locate(ctx context.Context, t *Targets, candidates []MX) (*Targets, error) {
	candidates = candidates[:min(len(candidates), atLeastOne(f.MaxHosts))]
	answers := make([]Answer[netip.Addr], len(candidates))
	errs := make([]error, len(candidates))
	var wg sync.WaitGroup
	for i, mx := range candidates {
		wg.Go(func() { answers[i], errs[i] = Addrs(ctx, f.r, f.Network, mx.Host) })
	}
	wg.Wait()

	limit, looped := f.ownPreference(candidates, answers)
	for i, mx := range candidates {
		switch {
		case looped && mx.Preference >= limit:
		case errs[i] != nil:
			t.Skipped = append(t.Skipped, Skipped{mx, errs[i]})
		default:
			t.Hosts = append(t.Hosts, f.host(mx, answers[i]))
		}
	}
	if len(t.Hosts) > 0 {
		return t, nil
	}
	return nil, f.nothingLeft(t, looped)
}

func atLeastOne(n int) int {
	if n <= 0 {
		return 16
	}
	return n
}

// ownPreference returns the best preference at which an alias or an address is ours.
func (f *finder) ownPreference(candidates []MX, answers []Answer[netip.Addr]) (preference uint16, found bool) {
	for i, a := range answers {
		if f.isSelfName(a.Name) || slices.ContainsFunc(a.Records, f.isSelfAddr) {
			return candidates[i].Preference, true // candidates are sorted
		}
	}
	return 0, false
}

func (f *finder) host(mx MX, a Answer[netip.Addr]) Host {
	addrs := f.mix(a.Records)
	return Host{
		Name:       mx.Host,
		Canonical:  cmp.Or(a.Name, mx.Host),
		Preference: mx.Preference,
		Addrs:      addrs[:min(len(addrs), atLeastOne(f.MaxAddrs))],
		Authentic:  a.Authentic,
	}
}

// mix orders addresses at random within their family and takes from the families in
// turn, IPv6 first, so that a family without a route costs one try, not all
// of them (RFC 5321 §5.2).
func (f *finder) mix(addrs []netip.Addr) []netip.Addr {
	var v4, v6, mixed []netip.Addr
	for _, a := range addrs {
		if a = a.Unmap(); a.Is4() {
			v4 = append(v4, a)
		} else {
			v6 = append(v6, a)
		}
	}
	shuffle(f.Shuffle, v4)
	shuffle(f.Shuffle, v6)
	for i := range max(len(v4), len(v6)) {
		mixed = append(mixed, v6[min(i, len(v6)):min(i+1, len(v6))]...)
		mixed = append(mixed, v4[min(i, len(v4)):min(i+1, len(v4))]...)
	}
	return mixed
}

// nothingLeft says why no host is left. One failure that may pass makes the
// whole one that may pass (RFC 7672 §2.1.2).
func (f *finder) nothingLeft(t *Targets, looped bool) error {
	var causes joined
	for _, s := range t.Skipped {
		if IsTemporary(s.Err) {
			return f.wrap(s.Err)
		}
		causes = append(causes, s.Err)
	}
	switch {
	case looped:
		return f.error(Loop, causes.compact())
	case t.Implicit && len(causes) == 1:
		return f.wrap(causes[0])
	}
	return f.error(Unusable, causes.compact())
}

func (f *finder) error(kind Kind, cause error) error {
	return &Error{Kind: kind, Name: f.domain, Type: "MX", Err: cause}
}

// wrap returns err if it is about the domain, or an error of its kind that is.
func (f *finder) wrap(err error) error {
	if e, ok := err.(*Error); ok && e.Name == f.domain {
		return e
	}
	return f.error(KindOf(err), err)
}

func absenceIsAuthentic(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Authentic
}
