package smtp

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync/atomic"

	"github.com/postrider/postrider/internal/wire"
)

// A Client is one session with a server, in which any number of messages are sent one after the other. It belongs to one
// goroutine at a time, save Close, which any may call. [Dialer.Connect] and [Dialer.NewClient] make one.
//
// Where the server offers PIPELINING (RFC 2920), a transaction takes two round trips: one for the envelope, one for the
// message.
type Client struct {
	dialer  Dialer
	limits  ClientTimeouts
	logger  *slog.Logger
	remote  string
	conn    *clientConn // the connection itself
	stream  net.Conn    // conn, or TLS above it
	replies clientReplyReader
	w       *wire.Writer
	line    []byte // the command under construction

	extended      bool              // EHLO was accepted
	extensions    map[string]string // by keyword in upper case: its parameters
	tls           *tls.ConnectionState
	verifyErr     error // why the certificate proves nothing
	authenticated bool

	broken     error // why the connection can be used no more
	closed     atomic.Bool
	needsReset bool         // the server may hold half a transaction
	accepted   []int        // recipients whose RCPT was accepted in the present transaction
	sent       atomic.Int64 // transactions that reached their final reply
}

func newClient(d *Dialer, conn net.Conn) *Client {
	c := &Client{dialer: *d, limits: d.Timeouts.withDefaults(), logger: d.Logger}
	if c.logger == nil {
		c.logger = slog.Default()
	}
	if a := conn.RemoteAddr(); a != nil {
		c.remote = a.String()
	}
	c.conn = &clientConn{Conn: conn, ctx: context.Background(), block: c.limits.Block}
	c.replies.trace = c.dialer.Transcript
	c.w = wire.NewWriter(nil)
	c.use(c.conn)
	return c
}

// use makes stream what the client reads and writes. All that was read ahead of the old one is lost.
func (c *Client) use(stream net.Conn) {
	c.stream = stream
	c.replies.reset(stream)
	c.w.Reset(stream)
}

// open brings the session from the greeting to where messages can be sent.
func (c *Client) open() *ClientError {
	steps := []func() *ClientError{c.greeting, c.hello, c.startTLS, c.authenticate}
	if c.dialer.TLS == ImplicitTLS {
		steps = []func() *ClientError{c.handshake, c.greeting, c.hello, c.authenticate}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// Reset abandons a transaction and makes sure that the session is alive. It returns nil if it is.
func (c *Client) Reset(ctx context.Context) error {
	err := c.probe(ctx, "RSET")
	if err != nil {
		return err
	}
	c.needsReset = false
	return nil
}

// Noop asks the server for a sign of life, which also keeps the session from timing out. It returns nil if there is one.
func (c *Client) Noop(ctx context.Context) error {
	if err := c.probe(ctx, "NOOP"); err != nil {
		return err
	}
	return nil
}

// probe sends a command that no working server refuses.
func (c *Client) probe(ctx context.Context, verb string) error {
	defer c.watch(ctx)()
	r, err := c.command(StageIdle, verb, c.limits.Command)
	if err == nil && r.class() != 2 {
		err = c.refused(StageIdle, r)
	}
	if err != nil {
		return err
	}
	return nil
}

// Quit says goodbye, waits for the answer no longer than ClientTimeouts.Quit, and closes the connection. Its error says that the
// goodbye failed; the messages before it are as safe as their outcomes said.
func (c *Client) Quit(ctx context.Context) error {
	defer c.Close()
	defer c.watch(ctx)()
	if c.closed.Load() {
		return c.unusable(StageQuit)
	}
	c.conn.block = c.limits.Quit
	r, err := c.command(StageQuit, "QUIT", c.limits.Quit)
	if err == nil && r.class() != 2 {
		err = c.refused(StageQuit, r)
	}
	if err != nil {
		return err
	}
	if c.stream != net.Conn(c.conn) {
		c.stream.Close() // says so to the peer's TLS; whether that arrives is of no consequence
	}
	return nil
}

// hangUp ends a session that could not be opened: politely where the connection still works, as RFC 5321 §4.1.1.10 wants it.
func (c *Client) hangUp(ctx context.Context) {
	if c.broken == nil && ctx.Err() == nil {
		c.Quit(ctx)
	}
	c.Close()
}

// Close closes the connection at once. A call under way on another goroutine fails. Closing again does nothing.
func (c *Client) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.logger.Debug("close", "remote", c.remote, "transactions", c.sent.Load())
	return c.conn.Close()
}

// Reusable reports whether another message can be sent: the connection is open as far as is known, in step, and the server
// has said nothing that nobody asked for.
func (c *Client) Reusable() bool {
	return c.broken == nil && !c.closed.Load() && c.replies.buffered() == 0
}

// Extension returns the parameters of an extension as the server's last EHLO reply had them, and whether it was there. The
// keyword's case does not matter.
func (c *Client) Extension(keyword string) (params string, ok bool) {
	params, ok = c.extensions[clientUpper(keyword)]
	return params, ok
}

// MaxSize returns how many octets a message may have, as the server declared it (RFC 1870 §4). Zero means that it declared
// nothing.
func (c *Client) MaxSize() int64 {
	params, _ := c.Extension("SIZE")
	return clientSize(params)
}

// Authenticated reports whether the client has logged in.
func (c *Client) Authenticated() bool { return c.authenticated }

// RemoteAddr returns the server's address.
func (c *Client) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }
