package interop

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// The recipients of the load.
const (
	benchDomain = "bench.test"
	benchUsers  = 16
)

func benchUser(i int) string { return fmt.Sprintf("user%d@%s", i%benchUsers, benchDomain) }

// A load is messages that can be told from each other and from those of any other load.
type load struct {
	id   string
	n    int
	body []byte // all have the same, with CRLF
	next atomic.Int64
}

// newLoad returns a load of n messages, each of size octets or a few more.
func newLoad(n, size int) *load {
	l := &load{id: strconv.FormatInt(time.Now().UnixNano(), 36), n: n}
	line := strings.Repeat("0123456789abcdef", 5)[:76] + "\r\n"
	room := size - len(l.message(nil, 0))
	l.body = []byte(strings.Repeat(line, room/len(line)) + line[:max(0, room%len(line)-2)] + "\r\n")
	return l
}

// message appends message i.
func (l *load) message(to []byte, i int) []byte {
	to = fmt.Appendf(to, "From: Load <load@client.test>\r\nTo: <%s>\r\nSubject: message %d\r\n", benchUser(i), i)
	to = append(to, "Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n"...)
	to = fmt.Appendf(to, "Message-ID: <%s.%d@client.test>\r\n\r\n", l.id, i)
	return append(to, l.body...)
}

// send sends all of the load, the connections one message each at a time, and returns how long each transaction took.
func (l *load) send(conns []*loadConn) ([]time.Duration, error) {
	took := make([]time.Duration, l.n)
	var g errgroup.Group
	for _, c := range conns {
		g.Go(func() error {
			var text []byte
			for {
				i := int(l.next.Add(1)) - 1
				if i >= l.n {
					return nil
				}
				text = l.message(text[:0], i)
				start := time.Now()
				if err := c.transaction(benchUser(i), text); err != nil {
					return fmt.Errorf("message %d: %w", i, err)
				}
				took[i] = time.Since(start)
			}
		})
	}
	return took, g.Wait()
}

// check returns an error unless each message of the load is in the mailboxes, whole and once. What is there of other loads does not count.
func (l *load) check(mailboxes func(yield func(message []byte)) error) error {
	seen := make([]int, l.n)
	var errs []error
	body := bytes.ReplaceAll(l.body, []byte("\r"), nil) // some keep messages with the line ends of Unix
	err := mailboxes(func(text []byte) {
		_, rest, ok := bytes.Cut(text, []byte("Message-ID: <"+l.id+"."))
		if !ok {
			return
		}
		number, _, _ := bytes.Cut(rest, []byte("@"))
		i, err := strconv.Atoi(string(number))
		if err != nil || i < 0 || i >= l.n {
			errs = append(errs, fmt.Errorf("there is a message numbered %q", number))
			return
		}
		seen[i]++
		if !bytes.Contains(bytes.ReplaceAll(text, []byte("\r"), nil), body) {
			errs = append(errs, fmt.Errorf("message %d is not whole", i))
		}
	})
	lost, twice := 0, 0
	for _, n := range seen {
		if n == 0 {
			lost++
		}
		twice += max(0, n-1)
	}
	if lost+twice > 0 {
		errs = append(errs, fmt.Errorf("of %d messages accepted %d are lost, and %d are there more than once", l.n, lost, twice))
	}
	return errors.Join(append(errs, err)...)
}

// A loadConn is a client with little work of its own, for it shares the machine with the server that is measured.
type loadConn struct {
	conn net.Conn
	r    *bufio.Reader
	out  []byte
}

// dialLoad connects and greets: EHLO for SMTP, LHLO for LMTP.
func dialLoad(addr, hello string) (*loadConn, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	c := &loadConn{conn: conn, r: bufio.NewReader(conn)}
	err = c.reply("220")
	if err == nil {
		err = c.exchange(hello+" client.test\r\n", "250")
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// transaction sends one message, by RFC 2920 all in one write up to DATA.
func (c *loadConn) transaction(to string, text []byte) error {
	c.out = fmt.Appendf(c.out[:0], "MAIL FROM:<load@client.test>\r\nRCPT TO:<%s>\r\nDATA\r\n", to)
	if err := c.exchange(string(c.out), "250", "250", "354"); err != nil {
		return err
	}
	c.out = append(append(c.out[:0], text...), ".\r\n"...) // no line of a load begins with a dot
	return c.exchange(string(c.out), "250")
}

// exchange sends text and reads as many replies as there are codes, which they must have.
func (c *loadConn) exchange(text string, codes ...string) error {
	c.conn.SetDeadline(time.Now().Add(patience))
	if _, err := c.conn.Write([]byte(text)); err != nil {
		return err
	}
	for _, code := range codes {
		if err := c.reply(code); err != nil {
			return err
		}
	}
	return nil
}

func (c *loadConn) reply(code string) error {
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) < 4 || string(line[:3]) != code {
			return fmt.Errorf("got %q, want %s", line, code)
		}
		if line[3] != '-' {
			return nil
		}
	}
}

func (c *loadConn) close() {
	c.conn.Write([]byte("QUIT\r\n"))
	c.conn.Close()
}
