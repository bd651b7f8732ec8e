package resolvetest

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// reply returns the message that answers q, with its fault, or nil for silence.
func (s *Server) reply(network string, q *dns.Msg, found answer) []byte {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	opt := q.IsEdns0()
	if opt != nil {
		m.SetEdns0(dns.DefaultMsgSize, false)
	}
	switch found.fault {
	case Drop:
		return nil
	case ServFail:
		m.Rcode = dns.RcodeServerFailure
		return pack(m)
	case Refused:
		m.Rcode = dns.RcodeRefused
		return pack(m)
	case Bogus:
		return bogus(m)
	case Referral:
		ns := &dns.NS{Hdr: dns.RR_Header{Name: "example.", Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: 60}, Ns: "ns.example."}
		m.Ns = []dns.RR{ns}
		return pack(m)
	case NoEDNS:
		if opt != nil {
			return pack(&dns.Msg{MsgHdr: dns.MsgHdr{Id: q.Id, Response: true, Rcode: dns.RcodeFormatError}})
		}
	}
	s.fill(m, q, found)
	size := dns.MaxMsgSize
	if network == "udp" {
		size = udpSize(opt)
	}
	m.Truncate(size)
	return garble(network, m, found.fault)
}

// fill puts into m what was found.
func (s *Server) fill(m, q *dns.Msg, found answer) {
	opt := q.IsEdns0()
	asked := q.AuthenticatedData || opt != nil && opt.Do() // RFC 6840 §5.7, §5.8
	if s.Partial && len(found.chain) > 0 {
		m.Answer = found.chain[:1]
		m.AuthenticatedData = asked && found.signed
		return
	}
	m.Rcode = found.rcode
	m.Answer = append(found.chain, found.records...)
	if len(found.records) == 0 && found.soa != nil {
		m.Ns = []dns.RR{found.soa}
	}
	m.AuthenticatedData = asked && found.authentic
}

func udpSize(opt *dns.OPT) int {
	if opt == nil {
		return dns.MinMsgSize
	}
	return max(int(opt.UDPSize()), dns.MinMsgSize)
}

// bogus is the reply of a server that validates and says so.
func bogus(m *dns.Msg) []byte {
	m.Rcode = dns.RcodeServerFailure
	if opt := m.IsEdns0(); opt != nil {
		opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeDNSBogus})
	}
	return pack(m)
}

// garble packs m and spoils it.
func garble(network string, m *dns.Msg, f Fault) []byte {
	switch f {
	case Truncate:
		if network == "udp" {
			m.Truncated, m.Answer, m.Ns = true, nil, nil
		}
	case WrongID:
		m.Id ^= 0xffff
	case WrongQuestion:
		m.Question[0].Name = "other." + m.Question[0].Name
	case Malformed:
		m.Answer, m.Ns, m.Extra = nil, nil, nil
		b := pack(m)
		if b == nil {
			return nil
		}
		binary.BigEndian.PutUint16(b[6:], 1) // ANCOUNT
		return append(b, 0xff, 0xff, 0xff)
	}
	return pack(m)
}

// pack returns nil, which is silence, for what no message can hold.
func pack(m *dns.Msg) []byte {
	m.Compress = true
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}
