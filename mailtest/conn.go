package mailtest

import (
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// Conn is one end of a connection in memory. Its errors are what package net's are: io.EOF, and *net.OpError holding
// os.ErrDeadlineExceeded (a net.Error whose Timeout is true), net.ErrClosed, syscall.ECONNRESET or syscall.EPIPE.
// All methods may be called by several goroutines at once.
type Conn struct {
	in, out       *stream // in is the peer's out
	local, remote *net.TCPAddr
	resetUnread   bool
}

// Pipe returns the two ends of a connection that belongs to no Network, with 64 KiB of buffer in each direction.
func Pipe() (client, server *Conn) {
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 25)
	return newPair(&Network{}, netip.AddrPortFrom(defaultClient, 49152), at, Fault{}, Fault{})
}

func newPair(n *Network, from, to netip.AddrPort, toServer, toClient Fault) (client, server *Conn) {
	size := n.Buffer
	if size <= 0 {
		size = defaultBuffer
	}
	up, down := connect(size, toServer, toClient)
	client = &Conn{in: down, out: up, local: net.TCPAddrFromAddrPort(from), remote: net.TCPAddrFromAddrPort(to), resetUnread: n.ResetUnread}
	server = &Conn{in: up, out: down, local: client.remote, remote: client.local, resetUnread: n.ResetUnread}
	return client, server
}

// Read reads what has arrived, at most len(p) octets, and waits only if nothing has. After the peer's Close or CloseWrite, and all
// that was sent before it, it returns io.EOF.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.wrap("read", err)
}

// Write puts all of p into the buffer on the way to the peer, and waits while that is full. Writes by several goroutines
// do not mix. A peer that closed its end is syscall.EPIPE.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.wrap("write", err)
}

// Close ends both directions. What was written still reaches the peer; what the peer sent and nobody read is lost, and
// makes the end a reset if Network.ResetUnread says so.
func (c *Conn) Close() error {
	unread, err := c.in.closeRead()
	if err != nil {
		return c.wrap("close", err)
	}
	if unread > 0 && c.resetUnread {
		c.out.reset()
	}
	c.out.closeWrite()
	return nil
}

// CloseWrite ends the direction to the peer, who reads io.EOF after all that was written before; Read goes on.
func (c *Conn) CloseWrite() error { return c.wrap("close", c.out.finish()) }

// Reset breaks the connection as a crashed peer does: the other end gets syscall.ECONNRESET at once, and what it had not yet
// read is lost.
func (c *Conn) Reset() {
	if _, err := c.in.closeRead(); err == nil {
		c.out.reset()
		c.out.closeWrite()
	}
}

// LocalAddr returns the address of this end, a *net.TCPAddr.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the peer, a *net.TCPAddr.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes present and future reads fail with os.ErrDeadlineExceeded from t on; the zero time never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.wrap("set", c.in.setReadDeadline(t))
}

// SetWriteDeadline makes present and future writes fail with os.ErrDeadlineExceeded from t on; the zero time never.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.wrap("set", c.out.setWriteDeadline(t))
}

func (c *Conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// The errors of a stream; Conn says where they happened.
var (
	errClosed   = net.ErrClosed
	errDeadline = os.ErrDeadlineExceeded
	errReset    = error(syscall.ECONNRESET)
	errPipe     = error(syscall.EPIPE)
)
