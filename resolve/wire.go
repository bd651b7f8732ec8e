package resolve

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"github.com/miekg/dns"
)

const headerSize = 12 // RFC 1035 §4.1.1

// maxStrangers is how many replies that are not ours one question puts up with.
// More of them mean that somebody guesses IDs (RFC 5452 §9.2).
const maxStrangers = 32

var (
	errMalformed = errors.New("malformed reply")
	errGuessing  = errors.New("too many replies to other questions")
)

// roundTrip sends query under a fresh ID to server and returns the reply to it.
// Replies with another ID or to another question are passed over.
func (d *DNS) roundTrip(ctx context.Context, network, server string, query *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := withLimit(ctx, orDefault(d.TryTimeout, defaultTryTimeout))
	defer cancel()
	query.Id = newID()
	packet, err := query.Pack()
	if err != nil {
		return nil, err
	}
	conn, err := d.dial(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	// Reads and writes end with ctx, however it ends.
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	var ch channel = &packets{conn, make([]byte, d.udpSize())}
	if network == "tcp" {
		ch = stream{conn}
	}
	if err := ch.send(packet); err != nil {
		return nil, err
	}
	for range maxStrangers {
		b, err := ch.receive()
		if err != nil {
			return nil, err
		}
		reply, ours, err := parseReply(b, query)
		if ours {
			return reply, err
		}
	}
	return nil, errGuessing
}

func (d *DNS) dial(ctx context.Context, network, server string) (net.Conn, error) {
	if d.Dial != nil {
		return d.Dial(ctx, network, server)
	}
	return new(net.Dialer).DialContext(ctx, network, server)
}

func newID() uint16 {
	var b [2]byte
	rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint16(b[:])
}

// parseReply reads b as a reply to query. It is ours if it has the ID and the
// question of query (RFC 5452 §9.1); a server that cannot read the query
// may leave out the question. A reply that is ours and cannot be read is an error.
func parseReply(b []byte, query *dns.Msg) (reply *dns.Msg, ours bool, err error) {
	if len(b) < headerSize || binary.BigEndian.Uint16(b) != query.Id {
		return nil, false, nil
	}
	reply = new(dns.Msg)
	if err := reply.Unpack(b); err != nil {
		return nil, true, errMalformed
	}
	if !reply.Response || reply.Opcode != dns.OpcodeQuery {
		return nil, false, nil
	}
	if len(reply.Question) == 0 && reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		return reply, true, nil
	}
	if len(reply.Question) != 1 || !sameQuestion(reply.Question[0], query.Question[0]) {
		return nil, false, nil
	}
	if !reply.Truncated && !complete(b, reply) || slices.ContainsFunc(reply.Answer, hollow) {
		return nil, true, errMalformed
	}
	return reply, true, nil
}

func sameQuestion(a, b dns.Question) bool {
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && lowerASCII(a.Name) == b.Name
}

// complete reports whether the message b has as many records as its header says.
// Package dns takes one that stops short between two records for a whole one;
// that would turn lost MX records into none.
func complete(b []byte, m *dns.Msg) bool {
	counts := [...]int{len(m.Question), len(m.Answer), len(m.Ns), len(m.Extra)}
	for i, n := range counts {
		if int(binary.BigEndian.Uint16(b[4+2*i:])) != n {
			return false
		}
	}
	return true
}

// hollow reports whether a record lacks fields, which package dns leaves zero.
func hollow(rr dns.RR) bool {
	switch rr := rr.(type) {
	case *dns.MX:
		return rr.Mx == "" // the root would be "."
	case *dns.TLSA:
		return rr.Hdr.Rdlength < 3 // usage, selector, matching type
	}
	return rr.Header().Rdlength == 0
}

// A channel carries messages to and from one server.
type channel interface {
	send(message []byte) error
	receive() ([]byte, error) // valid until the next one
}

// packets are messages in datagrams (RFC 1035 §4.2.1).
type packets struct {
	conn net.Conn
	buf  []byte
}

func (p *packets) send(message []byte) error {
	_, err := p.conn.Write(message)
	return err
}

func (p *packets) receive() ([]byte, error) {
	n, err := p.conn.Read(p.buf)
	return p.buf[:n], err
}

// stream is messages with a length before each (RFC 1035 §4.2.2).
type stream struct{ conn net.Conn }

func (s stream) send(message []byte) error {
	b := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(message)), uint16(len(message)))
	_, err := s.conn.Write(append(b, message...)) // in one segment (RFC 7766 §8)
	return err
}

func (s stream) receive() ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(s.conn, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(s.conn, message)
	return message, err
}
