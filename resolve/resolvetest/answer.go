package resolvetest

import (
	"time"

	"github.com/miekg/dns"
)

// maxAliases bounds a chain of CNAMEs, loops among them.
const maxAliases = 16

// An answer is what the zone knows about one question, and how telling it shall fail.
type answer struct {
	rcode     int
	chain     []dns.RR // the aliases on the way
	records   []dns.RR
	name      string // where the chain led
	soa       dns.RR // of the zone of name, when there are no records; may be nil
	authentic bool   // all of it
	signed    bool   // the first name
	fault     Fault
	delay     time.Duration
}

// find answers a question as a recursive server would. Name is canonical.
func (z *Zone) find(name string, qtype uint16) answer {
	z.mu.Lock()
	defer z.mu.Unlock()
	a := answer{name: name, authentic: true, signed: z.isSecure(name)}
	for {
		a.authentic = a.authentic && z.isSecure(a.name)
		a.delay += z.delays[a.name]
		if a.fault == 0 {
			a.fault = z.fault(a.name, qtype)
		}
		n, owner := z.lookup(a.name)
		if n == nil {
			a.rcode, a.soa = dns.RcodeNameError, z.soa(a.name)
			return a
		}
		if a.records = ownedBy(owner, n[qtype]); len(a.records) > 0 {
			return a
		}
		alias := ownedBy(owner, n[dns.TypeCNAME])
		if len(alias) == 0 {
			a.soa = z.soa(a.name)
			return a
		}
		if len(a.chain) == maxAliases {
			a.fault = ServFail
			return a
		}
		a.chain = append(a.chain, alias[0])
		a.name = dns.CanonicalName(alias[0].(*dns.CNAME).Target)
	}
}

// lookup returns the node of name, its own or that of a wildcard
// (RFC 4592 §3.3.1), and the owner its records shall have.
func (z *Zone) lookup(name string) (node, string) {
	if n, ok := z.nodes[name]; ok {
		return n, name
	}
	for parent := range ancestors(name) {
		if _, ok := z.nodes[parent]; !ok {
			continue
		}
		wildcard := "*." + parent
		if parent == "." {
			wildcard = "*."
		}
		return z.nodes[wildcard], name
	}
	return nil, name
}

// ancestors yields the names above name, the closest first, the root last.
func ancestors(name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name != "." {
			next, end := dns.NextLabel(name, 0)
			if name = name[next:]; end {
				name = "."
			}
			if !yield(name) {
				return
			}
		}
	}
}

func ownedBy(owner string, rrs []dns.RR) []dns.RR {
	owned := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		owned[i] = dns.Copy(rr)
		owned[i].Header().Name = owner
	}
	return owned
}

// soa returns the SOA record of the zone that name is in, with the TTL of the
// absence of records (RFC 2308 §3), or nil.
func (z *Zone) soa(name string) dns.RR {
	at := func(name string) *dns.SOA {
		if rrs := z.nodes[name][dns.TypeSOA]; len(rrs) > 0 {
			return dns.Copy(rrs[0]).(*dns.SOA)
		}
		return nil
	}
	soa := at(name)
	for parent := range ancestors(name) {
		if soa != nil {
			break
		}
		soa = at(parent)
	}
	if soa == nil {
		return nil
	}
	soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	return soa
}

func (z *Zone) isSecure(name string) bool {
	secure, ok := z.secure[name]
	for parent := range ancestors(name) {
		if ok {
			break
		}
		secure, ok = z.secure[parent]
	}
	return secure
}

func (z *Zone) fault(name string, qtype uint16) Fault {
	if f := z.faults[faultKey{name, dns.TypeToString[qtype]}]; f != 0 {
		return f
	}
	return z.faults[faultKey{name, ""}]
}
