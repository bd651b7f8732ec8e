package mailtest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing/synctest"
	"time"
)

// peer is the script's end of one connection, or of several in a row.
type peer struct {
	who     string
	timeout time.Duration
	raw     net.Conn // nil before the first connection
	conn    net.Conn // raw, or TLS over it
	in      []byte   // read but not yet expected
	err     error    // what ended reading
	out     []byte   // to be sent with the lines that follow
	skip    *step    // a "..." line in force
}

// attach begins a connection.
func (c *peer) attach(conn net.Conn) {
	c.raw, c.conn, c.in, c.err, c.out, c.skip = conn, conn, nil, nil, nil, nil
}

// flush sends what was collected.
func (c *peer) flush() error {
	c.conn.SetWriteDeadline(time.Now().Add(c.timeout))
	_, err := c.conn.Write(c.out)
	c.out = nil
	return err
}

// read reads once, until a moment. Only errors that last are remembered.
func (c *peer) read(until time.Time) error {
	if c.err != nil {
		return c.err
	}
	c.conn.SetReadDeadline(until)
	buf := make([]byte, 16<<10)
	n, err := c.conn.Read(buf)
	if c.in = append(c.in, buf[:n]...); n > 0 {
		return nil
	}
	if !isTimeout(err) {
		c.err = err
	}
	return err
}

// readLine returns the next line without its CRLF.
func (c *peer) readLine() ([]byte, error) {
	until := time.Now().Add(c.timeout)
	for {
		if line, rest, ok := bytes.Cut(c.in, []byte("\r\n")); ok {
			c.in = rest
			return line, nil
		}
		if err := c.read(until); err != nil {
			return nil, err
		}
	}
}

// poll reads what has arrived, without waiting for more than everybody to come to rest.
func (c *peer) poll() {
	synctest.Wait()
	for c.conn != nil && c.read(time.Now().Add(1)) == nil {
	}
}

// handshake goes on over TLS.
func (c *peer) handshake(conn *tls.Conn) error {
	conn.SetDeadline(time.Now().Add(c.timeout))
	defer conn.SetDeadline(time.Time{})
	if err := conn.Handshake(); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	c.conn = conn
	return nil
}

// close ends the connection; over TLS with a close_notify.
func (c *peer) close() error {
	c.err = net.ErrClosed
	return c.conn.Close()
}

// reset ends it rudely.
func (c *peer) reset() {
	c.err = net.ErrClosed
	c.raw.(*Conn).Reset()
}

// hangUp closes the connection if the script did not.
func (c *peer) hangUp() {
	if c.conn != nil && !errors.Is(c.err, net.ErrClosed) {
		c.close()
	}
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

func isClosed(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }

func isReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }
