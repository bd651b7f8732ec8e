package imap

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/wire"
)

// A newsConn is a connection where something happens in the account in the very moment that a line begins to come in.
type newsConn struct {
	net.Conn
	tell     func()
	text     string // what is still to be read, an octet at a time
	deadline time.Time
}

func (c *newsConn) Read(b []byte) (int, error) {
	if !c.deadline.IsZero() && c.deadline.Before(time.Now()) {
		return 0, os.ErrDeadlineExceeded
	}
	c.tell()
	n := copy(b[:1], c.text)
	c.text = c.text[n:]
	return n, nil
}

func (c *newsConn) SetReadDeadline(t time.Time) error {
	c.deadline = t
	return nil
}

// News that come together with a line must not cut the line off.
func TestNewsDoNotInterruptALine(t *testing.T) {
	c := &newsConn{text: "DONE\r\n"}
	s := &session{ctx: t.Context(), server: new(Server), set: &settings{maxLine: 8192}, raw: c, conn: wire.NewConn(c), out: wire.NewWriter(c)}
	c.tell = s.tell
	s.in = wire.NewReader((*source)(s))
	if happened, err := s.wait(time.Time{}, true); happened || err != nil {
		t.Fatalf("wait = %v, %v", happened, err)
	}
	if err := s.readDone(); err != nil {
		t.Error(err)
	}
	if !s.news {
		t.Error("the news are lost")
	}
}
