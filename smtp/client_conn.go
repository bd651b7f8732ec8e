package smtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// clientPast is a deadline that has passed.
var clientPast = time.Unix(1, 0)

// A clientConn is a connection whose deadlines yield to a context.
type clientConn struct {
	net.Conn
	ctx      context.Context // of the call under way
	block    time.Duration   // for each Write
	complete bool            // the last Write was
}

// limitRead gives all reads from now on d in all, so that a server which sends an octet now and then gains nothing. Zero means
// no limit.
func (c *clientConn) limitRead(d time.Duration) {
	c.SetReadDeadline(clientDeadline(d))
	if c.ctx.Err() != nil { // the deadline of interrupt may just have been replaced
		c.SetReadDeadline(clientPast)
	}
}

// Write gives each write its own time (RFC 5321 §4.5.3.2.5).
func (c *clientConn) Write(p []byte) (int, error) {
	c.SetWriteDeadline(clientDeadline(c.block))
	if c.ctx.Err() != nil {
		c.SetWriteDeadline(clientPast)
	}
	n, err := c.Conn.Write(p)
	c.complete = n == len(p)
	return n, err
}

func clientDeadline(d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}

// watch lets ctx interrupt the connection until release is called.
func (c *Client) watch(ctx context.Context) (release func()) {
	c.conn.ctx = ctx
	if ctx.Done() == nil {
		return func() {}
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		c.conn.SetDeadline(clientPast)
	})
	return func() {
		if !stop() {
			<-interrupted
		}
		c.conn.ctx = context.Background()
	}
}

// command sends one line and returns its reply.
func (c *Client) command(stage Stage, line string, limit time.Duration) (clientReply, *ClientError) {
	if err := c.ready(stage); err != nil {
		return clientReply{}, err
	}
	c.line = append(c.line[:0], line...)
	c.send("")
	return c.exchange(stage, limit)
}

// ready returns an error unless the connection is open and in step. A server that is going down may have said so without being asked
// (RFC 5321 §3.8); anything else that it said unasked would be taken for the reply to the next command.
func (c *Client) ready(stage Stage) *ClientError {
	if c.broken != nil || c.closed.Load() {
		return c.unusable(stage)
	}
	if c.replies.buffered() == 0 {
		return nil
	}
	r, err := c.reply(stage, c.limits.Command)
	if err != nil {
		return err
	}
	if r.code == 421 {
		return c.refused(stage, r)
	}
	return c.lost(stage, fmt.Errorf("%w: nobody asked for the reply %q", ErrProtocol, r.String()))
}

// send puts the line under construction into the buffer of what is to be written. The transcript gets shown instead, if that is not
// empty.
func (c *Client) send(shown string) {
	if c.dialer.Transcript != nil {
		if shown == "" {
			shown = clientPrintable(c.line)
		}
		c.dialer.Transcript("C: " + shown)
	}
	c.w.Write(c.line)
	c.w.WriteString("\r\n") // an error stays in c.w for Flush
}

// exchange writes what is in the buffer and reads one reply.
func (c *Client) exchange(stage Stage, limit time.Duration) (clientReply, *ClientError) {
	if err := c.w.Flush(); err != nil {
		return c.lastWords(stage, err)
	}
	return c.reply(stage, limit)
}

// reply reads one reply. After 421 the connection is over, for the server closes it (RFC 5321 §3.8).
func (c *Client) reply(stage Stage, limit time.Duration) (clientReply, *ClientError) {
	c.conn.limitRead(limit)
	r, err := c.replies.read()
	if err != nil {
		return clientReply{}, c.lost(stage, err)
	}
	if r.code == 421 {
		c.broken = errors.New("the server closed the session")
		c.Close()
	}
	return r, nil
}

// clientLastWords is how long the client listens to a server to which it can write no more.
const clientLastWords = time.Second

// lastWords returns what the server said before it closed the connection, where that explains why writing failed with err: a server
// that gave up the session, or refused the message midway. It is over then.
func (c *Client) lastWords(stage Stage, err error) (clientReply, *ClientError) {
	lost := c.cause(err)
	c.conn.limitRead(clientLastWords)
	r, readErr := c.replies.read()
	fail := c.lost(stage, lost)
	if readErr == nil && (r.class() == 4 || r.class() == 5) {
		return r, nil
	}
	return clientReply{}, fail
}
