package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/resolve"
)

// A hop is a next hop, taken apart.
type hop struct {
	domain string     // whose MX are asked, or an address literal; or else
	host   string     // a host to go to directly; or else
	addr   netip.Addr // an address to go to directly
	port   uint16
}

var errHop = errors.New("no such next hop: want a domain, or in brackets a host or an address, and perhaps a port")

// parseHop reads a next hop: "example.org", "[host]", "[host]:port", "[address]", "[address]:port", with IPv6 addresses also as address
// literals have them (RFC 5321 §4.1.3).
func (t *Transport) parseHop(s string) (hop, error) {
	port := uint16(orDefault(t.Port, 25))
	if !strings.HasPrefix(s, "[") {
		return hop{domain: postrider.CanonicalDomain(s), port: port}, nil
	}
	end := strings.LastIndexByte(s, ']')
	if end < 0 {
		return hop{}, errHop
	}
	inner, rest := s[1:end], s[end+1:]
	direct := rest != ""
	if direct {
		n, err := strconv.ParseUint(strings.TrimPrefix(rest, ":"), 10, 16)
		if err != nil || rest[0] != ':' || n == 0 {
			return hop{}, errHop
		}
		port = uint16(n)
	}
	addr, isAddr := parseAddr(inner)
	switch {
	case isAddr && direct:
		return hop{addr: addr, port: port}, nil
	case isAddr:
		return hop{domain: literal(addr), port: port}, nil
	case !direct && strings.Contains(inner, ":"):
		return hop{domain: s, port: port}, nil // some other address literal, which leads nowhere
	}
	host := postrider.CanonicalDomain(inner)
	if postrider.CheckDomain(inner) != nil || postrider.CheckDomain(host) != nil || strings.HasPrefix(inner, "[") {
		return hop{}, errHop
	}
	return hop{host: host, port: port}, nil
}

func parseAddr(s string) (netip.Addr, bool) {
	const tag = "IPv6:"
	if len(s) > len(tag) && strings.EqualFold(s[:len(tag)], tag) {
		s = s[len(tag):]
	}
	addr, err := netip.ParseAddr(s)
	return addr.Unmap(), err == nil && addr.Zone() == ""
}

// literal writes an address as RFC 5321 §4.1.3 does.
func literal(addr netip.Addr) string {
	if addr.Is4() {
		return "[" + addr.String() + "]"
	}
	return "[IPv6:" + addr.String() + "]"
}

// A server is one address of a host, and what sessions are kept by.
type server struct {
	host string // the name that its certificate must bear; a literal with its brackets
	addr netip.AddrPort
}

// name is the host as certificates have it.
func (s server) name() string {
	if strings.HasPrefix(s.host, "[") {
		return s.addr.Addr().String()
	}
	return s.host
}

// A target is a server to try.
type target struct {
	server
	preference uint16
}

// A site is where a message goes: targets in the order in which to try them.
type site struct {
	targets []target
	// trusted says that the targets' names are known to be the right ones: by DNSSEC, or because no MX record led to them.
	trusted bool
	// missing is why hosts were left out that may be back later, nil if there are none.
	missing error
}

// locate finds the targets of a next hop.
func (t *Transport) locate(ctx context.Context, nextHop string) (site, *failure) {
	h, err := t.parseHop(nextHop)
	switch {
	case err != nil:
		return site{}, misconfigured(fmt.Sprintf("next hop %q", nextHop), err)
	case h.addr.IsValid():
		only := server{literal(h.addr), netip.AddrPortFrom(h.addr, h.port)}
		return site{targets: []target{{server: only}}, trusted: true}, nil
	case h.host != "":
		return t.locateHost(ctx, h)
	}
	return t.locateDomain(ctx, h)
}

// locateHost finds the addresses of a host that the operator named. That it does not exist is no fault of the mail, which waits for a
// better setting.
func (t *Transport) locateHost(ctx context.Context, h hop) (site, *failure) {
	found, err := resolve.Hosts(ctx, withoutMX{t.resolver}, h.host, t.hostsOptions())
	switch {
	case err == nil:
		return t.site(found, h.port), nil
	case resolve.IsTemporary(err):
		return site{}, lookupFailure(err)
	}
	return site{}, misconfigured(fmt.Sprintf("next hop [%s]", h.host), err)
}

// withoutMX is a DNS in which every name stands for itself.
type withoutMX struct{ resolve.Resolver }

func (withoutMX) MX(_ context.Context, name string) (resolve.Answer[resolve.MX], error) {
	return resolve.Answer[resolve.MX]{}, &resolve.Error{Kind: resolve.NoData, Name: name, Type: "MX"}
}

func (t *Transport) locateDomain(ctx context.Context, h hop) (site, *failure) {
	o := t.hostsOptions()
	o.SelfNames, o.SelfAddrs = t.SelfNames, t.SelfAddrs
	if t.Hostname != "" {
		o.SelfNames = append([]string{t.Hostname}, t.SelfNames...)
	}
	found, err := resolve.Hosts(ctx, t.resolver, h.domain, o)
	if err != nil {
		return site{}, lookupFailure(err)
	}
	return t.site(found, h.port), nil
}

func (t *Transport) hostsOptions() resolve.HostsOptions {
	return resolve.HostsOptions{
		Network:  t.Network,
		Shuffle:  t.Shuffle,
		MaxHosts: atLeastOne(t.MaxHosts, 5),
		MaxAddrs: atLeastOne(t.MaxAddrs, 2),
	}
}

// site is what was found, at a port.
func (t *Transport) site(found *resolve.Targets, port uint16) site {
	s := site{trusted: found.Authentic || found.Implicit || found.Literal}
	for _, host := range found.Hosts {
		for _, addr := range host.Addrs {
			s.targets = append(s.targets, target{server{host.Name, netip.AddrPortFrom(addr, port)}, host.Preference})
		}
	}
	for _, skipped := range found.Skipped {
		if s.missing == nil && resolve.IsTemporary(skipped.Err) {
			s.missing = skipped.Err
		}
	}
	return s
}

// preferIdle puts first, among targets of equal preference, those with which a session is open: a clear reason to favour them (RFC 5321
// §5.1).
func (t *Transport) preferIdle(targets []target) {
	slices.SortStableFunc(targets, func(a, b target) int {
		return cmp.Or(cmp.Compare(a.preference, b.preference), -cmp.Compare(t.pool.kept(a.server), t.pool.kept(b.server)))
	})
}

// lookupFailure says what an error of resolve means for the mail, as its package comment has it.
func lookupFailure(err error) *failure {
	status := postrider.Status{Code: "4.4.3", Reply: 451, Text: "the next server cannot be looked up now"}
	switch resolve.KindOf(err) {
	case resolve.NXDomain, resolve.NoData, resolve.Invalid:
		status = postrider.Status{Code: "5.1.2", Reply: 550, Text: "the domain does not exist, or has no server for mail"}
	case resolve.NullMX: // RFC 7505 §4.1, RFC 7504 §4
		status = postrider.Status{Code: "5.1.10", Reply: 556, Text: "the domain does not accept mail"}
	case resolve.Unusable:
		status = postrider.Status{Code: "5.4.4", Reply: 550, Text: "none of the domain's servers for mail has an address"}
	case resolve.Loop:
		status = postrider.Status{Code: "5.4.6", Reply: 554, Text: "mail for the domain loops back to this server"}
	}
	status.Err = err
	return &failure{status: &status}
}

// misconfigured is a failure of the operator's: the mail waits until it is mended.
func misconfigured(what string, err error) *failure {
	return &failure{status: &postrider.Status{Code: "4.3.5", Reply: 451, Text: "the mail system is not set up for this yet", Err: fmt.Errorf("%s: %w", what, err)}}
}

var statusClosed = &postrider.Status{Code: "4.3.2", Reply: 451, Text: "the mail system is going down", Err: net.ErrClosed}
