package mailtest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
)

// defaultBuffer is what one direction of a connection holds unless Network.Buffer says otherwise.
const defaultBuffer = 64 << 10

// backlog is how many connections wait for Accept before a dialler has to wait itself.
const backlog = 128

// defaultClient is where connections come from that do not say: TEST-NET-3 of RFC 5737.
var defaultClient = netip.AddrFrom4([4]byte{203, 0, 113, 1})

// Network is an internet in memory. Its connections behave as TCP's do, with buffers, half close, back-pressure, deadlines and
// resets, but need no port and no operating system, and they block in ways that testing/synctest understands.
//
// The zero value is an empty network, ready for use. Set the fields before the first connection and leave them alone afterwards.
// All methods may be called by several goroutines at once. A Network has no goroutines of its own and need not be closed.
type Network struct {
	// Buffer is how many octets one direction of a connection holds before Write blocks. Zero or less means 64 KiB.
	Buffer int

	// ResetUnread makes Close of a connection that still holds unread octets a reset, as TCP does (RFC 1122 §4.2.2.13): the
	// peer loses what it had not yet read. False makes it an orderly end, which tells the same story in every run.
	ResetUnread bool

	// Dialing, if not nil, is called before each connection is made and may wait (until ctx is done) or refuse it by an
	// error such as syscall.EHOSTUNREACH.
	Dialing func(ctx context.Context, from, to netip.AddrPort) error

	// Faults, if not nil, says what is wrong with each new connection, one Fault for each direction.
	Faults func(from, to netip.AddrPort) (toServer, toClient Fault)

	mu        sync.Mutex // guards what follows
	listeners map[netip.AddrPort]*listener
	lastPort  uint16 // the latest of the ports given out to whoever asked for port 0
}

// Listen announces a server at addr, an IP address and a port such as "192.0.2.1:25" or "[2001:db8::1]:25". Without an IP
// address, or with 0.0.0.0 or [::], it serves that port at every address which has no listener of its own. Port 0 picks a free port. The
// network must be "tcp", "tcp4" or "tcp6". An address in use is a *net.OpError holding syscall.EADDRINUSE.
func (n *Network) Listen(network, addr string) (net.Listener, error) {
	at, err := parseAddr(network, addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if at.Port() == 0 {
		at = netip.AddrPortFrom(at.Addr(), n.freePort())
	}
	if n.listeners[at] != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: net.TCPAddrFromAddrPort(at), Err: syscall.EADDRINUSE}
	}
	l := &listener{network: n, at: at}
	l.changed.L = &l.mu
	if n.listeners == nil {
		n.listeners = make(map[netip.AddrPort]*listener)
	}
	n.listeners[at] = l
	return l, nil
}

// DialContext connects to the listener at addr, an IP address and a port, from 203.0.113.1; see From for another source. It
// returns a *Conn. Nobody listening there is syscall.ECONNREFUSED, a host name is a *net.DNSError: names are a resolver's matter.
func (n *Network) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return n.From(defaultClient.String()).DialContext(ctx, network, addr)
}

// From returns a dialler whose connections come from addr, an IP address with or without a port. Without a port, or with port
// 0, each connection gets a port of its own. A malformed addr is an error of each dial.
func (n *Network) From(addr string) *Dialer {
	d := &Dialer{network: n}
	if ip, err := netip.ParseAddr(addr); err == nil {
		d.from = netip.AddrPortFrom(ip.Unmap(), 0)
		return d
	}
	d.from, d.err = parseAddr("tcp", addr)
	return d
}

// Dialer connects from one address. Its method has the signature of net.Dialer's. It may be used by several goroutines at once.
type Dialer struct {
	network *Network
	from    netip.AddrPort
	err     error
}

// DialContext is Network.DialContext from the dialler's address.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	to, err := parseAddr(network, addr)
	if err == nil {
		err = d.err
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	c, err := d.network.dial(ctx, d.from, to)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Source: net.TCPAddrFromAddrPort(d.from), Addr: net.TCPAddrFromAddrPort(to), Err: err}
	}
	return c, nil
}

func (n *Network) dial(ctx context.Context, from, to netip.AddrPort) (*Conn, error) {
	if from.Port() == 0 {
		n.mu.Lock()
		from = netip.AddrPortFrom(from.Addr(), n.freePort())
		n.mu.Unlock()
	}
	if n.Dialing != nil {
		if err := n.Dialing(ctx, from, to); err != nil {
			return nil, err
		}
	}
	l := n.lookup(to)
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	var toServer, toClient Fault
	if n.Faults != nil {
		toServer, toClient = n.Faults(from, to)
	}
	client, server := newPair(n, from, to, toServer, toClient)
	if err := l.enqueue(ctx, server); err != nil {
		return nil, err
	}
	return client, nil
}

// lookup finds the listener for an address: the one there, or one that serves the port everywhere.
func (n *Network) lookup(to netip.AddrPort) *listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	if l := n.listeners[to]; l != nil {
		return l
	}
	anywhere := netip.IPv4Unspecified()
	if to.Addr().Is6() {
		anywhere = netip.IPv6Unspecified()
	}
	if l := n.listeners[netip.AddrPortFrom(anywhere, to.Port())]; l != nil {
		return l
	}
	return n.listeners[netip.AddrPortFrom(netip.IPv6Unspecified(), to.Port())] // "[::]:25" serves IPv4 too
}

// freePort returns the next port of the dynamic range (RFC 6335 §6). The caller holds n.mu.
func (n *Network) freePort() uint16 {
	if n.lastPort < 49152 || n.lastPort == 65535 {
		n.lastPort = 49151
	}
	n.lastPort++
	return n.lastPort
}

// parseAddr reads an IP address and a port. An empty host is every address.
func parseAddr(network, addr string) (netip.AddrPort, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return netip.AddrPort{}, net.UnknownNetworkError(network)
	}
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return netip.AddrPort{}, &net.AddrError{Err: "port is not a number from 0 to 65535", Addr: addr}
	}
	ip := netip.IPv6Unspecified()
	if network == "tcp4" {
		ip = netip.IPv4Unspecified()
	}
	if host != "" {
		if ip, err = netip.ParseAddr(host); err != nil {
			return netip.AddrPort{}, &net.DNSError{Err: "mailtest resolves no names", Name: host, IsNotFound: true}
		}
	}
	ip = ip.Unmap()
	if network == "tcp4" && !ip.Is4() || network == "tcp6" && !ip.Is6() {
		return netip.AddrPort{}, &net.AddrError{Err: fmt.Sprintf("no address of %s", network), Addr: addr}
	}
	return netip.AddrPortFrom(ip, uint16(port)), nil
}
