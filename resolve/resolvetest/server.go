package resolvetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// A Server is a DNS server for tests. It answers from a Zone as a recursive
// server would, over UDP and TCP on loopback (Listen), in memory (Dial), or both.
// Set the fields before the first question.
type Server struct {
	Zone *Zone

	// Partial makes the server leave alias chains unfinished: a reply ends with
	// the first alias.
	Partial bool

	// Tamper, if set, returns what is sent in place of the honest reply: nothing,
	// something else, several messages. Network is "udp" or "tcp". It may be called
	// by several goroutines at once, and may change reply.
	Tamper func(network string, query, reply []byte) [][]byte

	mu      sync.Mutex // guards what follows
	closed  bool
	addr    string
	queries []Query
	open    map[io.Closer]struct{}

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

// A Query is a question that a Server was asked.
type Query struct {
	Network string // "udp" or "tcp"
	Name    string // as asked, without the final dot
	Type    string // such as "MX"
	ID      uint16
	EDNS    bool
}

// NewServer returns a server of z that can be reached by Dial. Close ends it.
func NewServer(z *Zone) *Server {
	s := &Server{Zone: z, open: make(map[io.Closer]struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Start returns a server of z on a loopback port, which ends with the test.
func Start(t testing.TB, z *Zone) *Server {
	t.Helper()
	s := NewServer(z)
	t.Cleanup(func() { s.Close() })
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return s
}

// Listen serves UDP and TCP at address, "host:port". Port 0 means one that is
// free for both; Addr tells which.
func (s *Server) Listen(address string) error {
	var err error
	for range 10 { // the port that is free for one may be taken for the other
		var l net.Listener
		if l, err = net.Listen("tcp", address); err != nil {
			return err
		}
		var p net.PacketConn
		if p, err = net.ListenPacket("udp", l.Addr().String()); err == nil {
			return s.serve(l, p)
		}
		l.Close()
	}
	return err
}

func (s *Server) serve(l net.Listener, p net.PacketConn) error {
	if !s.track(l) || !s.track(p) {
		l.Close()
		p.Close()
		return net.ErrClosed
	}
	s.mu.Lock()
	s.addr = l.Addr().String()
	s.mu.Unlock()
	s.tasks.Go(func() { s.acceptAll(l) })
	s.tasks.Go(func() { s.readPackets(p) })
	return nil
}

// Addr returns the "host:port" of Listen; empty before.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Dial connects to s in memory, whatever the address. It serves as resolve.DNS.Dial,
// also within testing/synctest.
func (s *Server) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	client, server := net.Pipe()
	if !s.track(server) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.ErrClosed}
	}
	s.tasks.Go(func() {
		defer s.untrack(server)
		if network == "tcp" {
			s.serveStream(server)
		} else {
			s.servePipe(server)
		}
	})
	return client, nil
}

// Queries returns the questions so far, in order of arrival.
func (s *Server) Queries() []Query {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.queries)
}

// Close ends the server and its connections, and waits for its goroutines.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	var errs []error
	for c := range s.open {
		errs = append(errs, c.Close())
	}
	clear(s.open)
	s.mu.Unlock()
	s.cancel()
	s.tasks.Wait()
	return errors.Join(errs...)
}

// track takes c among the things to close. It returns false when s is closed.
func (s *Server) track(c io.Closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.open[c] = struct{}{}
	}
	return !s.closed
}

func (s *Server) untrack(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.open[c]; ok {
		delete(s.open, c)
		c.Close()
	}
}

func (s *Server) acceptAll(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if !s.track(conn) {
			conn.Close()
			return
		}
		s.tasks.Go(func() {
			defer s.untrack(conn)
			s.serveStream(conn)
		})
	}
}

// readPackets serves real UDP, each question in its own goroutine, so that a
// delayed answer delays no other.
func (s *Server) readPackets(p net.PacketConn) {
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, from, err := p.ReadFrom(buf)
		if err != nil {
			return
		}
		query := slices.Clone(buf[:n])
		s.tasks.Go(func() {
			s.handle("udp", query, func(reply []byte) error {
				_, err := p.WriteTo(reply, from)
				return err
			})
		})
	}
}

// servePipe serves datagrams in memory: each Read is one Write of the other side.
func (s *Server) servePipe(conn net.Conn) {
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		s.handle("udp", buf[:n], func(reply []byte) error {
			_, err := conn.Write(reply)
			return err
		})
	}
}

// serveStream serves messages with a length before each (RFC 1035 §4.2.2).
func (s *Server) serveStream(conn net.Conn) {
	for {
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		s.handle("tcp", query, func(reply []byte) error {
			framed := binary.BigEndian.AppendUint16(nil, uint16(len(reply)))
			_, err := conn.Write(append(framed, reply...))
			return err
		})
	}
}

// handle answers one query.
func (s *Server) handle(network string, query []byte, send func([]byte) error) {
	q := new(dns.Msg)
	if err := q.Unpack(query); err != nil || len(q.Question) != 1 {
		return
	}
	s.log(network, q)
	canonical, ok := canonicalName(q.Question[0].Name)
	if !ok {
		return
	}
	found := s.Zone.find(canonical, q.Question[0].Qtype)
	if pause(s.ctx, found.delay) != nil {
		return
	}
	reply := s.reply(network, q, found)
	if reply == nil {
		return
	}
	replies := [][]byte{reply}
	if s.Tamper != nil {
		replies = s.Tamper(network, query, reply)
	}
	for _, r := range replies {
		if send(r) != nil {
			return
		}
	}
}

func (s *Server) log(network string, q *dns.Msg) {
	typ, ok := dns.TypeToString[q.Question[0].Qtype]
	if !ok {
		typ = fmt.Sprintf("TYPE%d", q.Question[0].Qtype)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries = append(s.queries, Query{
		Network: network,
		Name:    display(q.Question[0].Name),
		Type:    typ,
		ID:      q.Id,
		EDNS:    q.IsEdns0() != nil,
	})
}
