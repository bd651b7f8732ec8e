package resolve

import (
	"net/netip"
	"strings"
)

// literalTargets returns the one host that an address literal is.
func literalTargets(domain string, o HostsOptions) (*Targets, error) {
	addr, err := parseLiteral(domain)
	if err != nil {
		return nil, &Error{Kind: Invalid, Name: domain, Err: err}
	}
	f := &finder{HostsOptions: o, domain: domain}
	switch {
	case f.isSelfAddr(addr):
		return nil, f.error(Loop, nil)
	case f.Network == "ip4" && !addr.Unmap().Is4(), f.Network == "ip6" && addr.Unmap().Is4():
		return nil, f.error(Unusable, nil)
	}
	return &Targets{
		Domain:    domain,
		Canonical: domain,
		Literal:   true,
		Hosts:     []Host{{Name: domain, Canonical: domain, Addrs: []netip.Addr{addr.Unmap()}}},
	}, nil
}

// parseLiteral reads an IPv4 or IPv6 address literal (RFC 5321 §4.1.3). There is
// no other registered kind to send mail to.
func parseLiteral(s string) (netip.Addr, error) {
	inner, ok := strings.CutPrefix(s, "[")
	if ok {
		inner, ok = strings.CutSuffix(inner, "]")
	}
	const tag = "IPv6:"
	v6 := len(inner) >= len(tag) && strings.EqualFold(inner[:len(tag)], tag)
	if v6 {
		inner = inner[len(tag):]
	}
	addr, err := netip.ParseAddr(inner)
	if !ok || err != nil || addr.Is4() == v6 || addr.Zone() != "" {
		return netip.Addr{}, errBadAddr
	}
	return addr, nil
}
