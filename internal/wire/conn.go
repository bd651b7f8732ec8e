package wire

import (
	"net"
	"time"
)

// Conn sets the deadlines of a connection: one for a step as a whole, such as a command line, or one for each Read and Write, such
// as in the midst of a message. The setters belong to the goroutine that reads or writes.
type Conn struct {
	net.Conn
	read, write time.Duration // of each Read and Write; zero means that the deadline was set by ReadWithin or WriteWithin
}

// NewConn returns c without deadlines.
func NewConn(c net.Conn) *Conn { return &Conn{Conn: c} }

// ReadWithin gives all reads from now until the next setter d in all. A peer that sends an octet now and then gains nothing. Zero or
// less means no limit.
func (c *Conn) ReadWithin(d time.Duration) error {
	c.read = 0
	return c.SetReadDeadline(after(d))
}

// ReadEach gives each Read from now on d of its own. Zero or less means no limit.
func (c *Conn) ReadEach(d time.Duration) error {
	if d <= 0 {
		return c.ReadWithin(0)
	}
	c.read = d
	return nil
}

// WriteWithin gives all writes from now until the next setter d in all. Zero or less means no limit.
func (c *Conn) WriteWithin(d time.Duration) error {
	c.write = 0
	return c.SetWriteDeadline(after(d))
}

// WriteEach gives each Write from now on d of its own. Zero or less means no limit.
func (c *Conn) WriteEach(d time.Duration) error {
	if d <= 0 {
		return c.WriteWithin(0)
	}
	c.write = d
	return nil
}

// Read reads with the deadline in force.
func (c *Conn) Read(p []byte) (int, error) {
	if c.read > 0 {
		if err := c.SetReadDeadline(after(c.read)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(p)
}

// Write writes with the deadline in force.
func (c *Conn) Write(p []byte) (int, error) {
	if c.write > 0 {
		if err := c.SetWriteDeadline(after(c.write)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(p)
}

// after is d from now, or never.
func after(d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}
