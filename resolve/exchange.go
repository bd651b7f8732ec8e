package resolve

import (
	"context"
	"errors"
	"fmt"

	"github.com/miekg/dns"
)

// exchange asks the servers one after the other, beginning with the one that
// answered last, until one has an answer: records, or that there are none.
func (d *DNS) exchange(ctx context.Context, up *upstream, q question) (*dns.Msg, error) {
	tries := d.Tries
	if tries <= 0 {
		tries = defaultTries
	}
	first, failed := int(up.good.Load()), make([]bool, len(up.servers))
	var last error
	for i := range tries * len(up.servers) {
		at := (first + i) % len(up.servers)
		if failed[at] {
			continue
		}
		reply, err := d.try(ctx, up.servers[at], q)
		if ctx.Err() != nil {
			return nil, joined{ctx.Err(), last}.compact()
		}
		if err == nil {
			if err = verdict(reply); err == nil {
				up.good.Store(int32(at))
				return reply, nil
			}
			failed[at] = true
		}
		last = fmt.Errorf("server %s: %w", up.servers[at], err)
		if IsBogus(err) {
			// Another server might not validate, and give out what this one disproved.
			return nil, &Error{Kind: Bogus, Err: last}
		}
	}
	return nil, last
}

// verdict returns why reply is no answer, or nil.
func verdict(reply *dns.Msg) error {
	switch {
	case reply.Rcode == dns.RcodeServerFailure && disproved(reply):
		return &Error{Kind: Bogus}
	case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		if text, ok := dns.RcodeToString[reply.Rcode]; ok {
			return errors.New(text)
		}
		return fmt.Errorf("RCODE %d", reply.Rcode)
	case referral(reply):
		return errReferral
	}
	return nil
}

var errReferral = errors.New("referral instead of an answer")

// disproved reports whether an extended error says that DNSSEC failed (RFC 8914
// §4.6 to §4.13). Without it a bogus answer looks like any other server failure.
func disproved(reply *dns.Msg) bool {
	opt := reply.IsEdns0()
	if opt == nil {
		return false
	}
	for _, o := range opt.Option {
		if e, ok := o.(*dns.EDNS0_EDE); ok &&
			e.InfoCode >= dns.ExtendedErrorCodeDNSSECIndeterminate && e.InfoCode <= dns.ExtendedErrorCodeNSECMissing {
			return true
		}
	}
	return false
}

// referral reports whether a server that does not recurse points elsewhere: no
// records, no SOA, only name servers (RFC 2308 §2.2). Taken for an absence of MX
// records, it would send mail to the wrong host.
func referral(reply *dns.Msg) bool {
	if len(reply.Answer) > 0 || reply.Rcode != dns.RcodeSuccess {
		return false
	}
	ns := false
	for _, rr := range reply.Ns {
		switch rr.Header().Rrtype {
		case dns.TypeSOA:
			return false
		case dns.TypeNS:
			ns = true
		}
	}
	return ns
}

// try asks one server: over UDP with EDNS0, without EDNS0 if the server does not
// know it (RFC 6891 §7), over TCP if the reply was cut or someone guesses at it.
func (d *DNS) try(ctx context.Context, server string, q question) (*dns.Msg, error) {
	query := d.newQuery(q)
	reply, err := d.roundTrip(ctx, "udp", server, query)
	if err == nil && refusesEDNS(reply) {
		query.Extra = nil
		reply, err = d.roundTrip(ctx, "udp", server, query)
	}
	if errors.Is(err, errGuessing) || err == nil && reply.Truncated {
		reply, err = d.roundTrip(ctx, "tcp", server, query)
	}
	if err == nil && reply.Truncated {
		err = errors.New("truncated over TCP")
	}
	return reply, err
}

func refusesEDNS(reply *dns.Msg) bool {
	switch reply.Rcode {
	case dns.RcodeFormatError, dns.RcodeNotImplemented, dns.RcodeBadVers:
		return true
	}
	return false
}

// newQuery returns the question as a message. AD in it asks for AD in the reply,
// without the signatures that DO would bring (RFC 6840 §5.7).
func (d *DNS) newQuery(q question) *dns.Msg {
	m := &dns.Msg{Question: []dns.Question{{Name: q.name, Qtype: q.qtype, Qclass: dns.ClassINET}}}
	m.RecursionDesired = true
	m.AuthenticatedData = true
	m.SetEdns0(uint16(d.udpSize()), false)
	return m
}

func (d *DNS) udpSize() int {
	if d.UDPSize == 0 {
		return defaultUDPSize
	}
	return min(max(d.UDPSize, dns.MinMsgSize), dns.MaxMsgSize)
}
