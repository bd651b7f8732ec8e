package smtp

import (
	"net"
	"strconv"
	"strings"

	"github.com/postrider/postrider"
)

// greeting waits for the server's 220 (RFC 5321 §3.1).
func (c *Client) greeting() *ClientError {
	r, err := c.reply(StageGreeting, c.limits.Greeting)
	if err == nil && r.class() != 2 {
		err = c.refused(StageGreeting, r)
	}
	return err
}

// hello introduces the client and learns what the server offers, forgetting what it knew before (RFC 3207 §4.2). A server that
// refuses EHLO for good is asked by HELO (RFC 5321 §3.2); LMTP has nothing older to try (RFC 2033 §4.1).
func (c *Client) hello() *ClientError {
	c.extended, c.extensions = false, nil
	name := c.hostname()
	verb := "EHLO "
	if c.dialer.LMTP {
		verb = "LHLO "
	}
	r, err := c.command(StageHello, verb+name, c.limits.Command)
	if err != nil {
		return err
	}
	if r.class() == 2 {
		c.extended, c.extensions = true, clientExtensions(string(r.text))
		return nil
	}
	if r.class() == 5 && !c.dialer.LMTP {
		if r, err = c.command(StageHello, "HELO "+name, c.limits.Command); err != nil {
			return err
		}
	}
	if r.class() != 2 {
		return c.refused(StageHello, r)
	}
	return nil
}

// hostname is the name of Dialer.Hostname in A-labels, or the address literal of this end (RFC 5321 §4.1.1.1).
func (c *Client) hostname() string {
	if c.dialer.Hostname != "" {
		return postrider.CanonicalDomain(c.dialer.Hostname)
	}
	local, ok := c.conn.LocalAddr().(*net.TCPAddr)
	if !ok {
		return "localhost"
	}
	ip := local.AddrPort().Addr().Unmap().WithZone("")
	if ip.Is4() {
		return "[" + ip.String() + "]"
	}
	return "[IPv6:" + ip.String() + "]"
}

// clientExtensions reads the lines of an EHLO reply after the first (RFC 5321 §4.1.1.1). A line that names no keyword, such as
// the old AUTH=LOGIN, is passed over; of a keyword given twice the first counts.
func clientExtensions(text string) map[string]string {
	_, text, _ = strings.Cut(text, "\n")
	extensions := make(map[string]string)
	for line := range strings.SplitSeq(text, "\n") {
		keyword, params, _ := strings.Cut(line, " ")
		keyword = clientUpper(keyword)
		if _, known := extensions[keyword]; !known && clientKeyword(keyword) {
			extensions[keyword] = strings.TrimSpace(params)
		}
	}
	return extensions
}

// clientKeyword reports whether s, in upper case, is an ehlo-keyword.
func clientKeyword(s string) bool {
	if s == "" || s[0] == '-' {
		return false
	}
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}

// clientUpper is strings.ToUpper for ASCII alone, as protocols mean it.
func clientUpper(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}

// clientSize reads the parameter of SIZE (RFC 1870 §4). Zero means no limit is known.
func clientSize(params string) int64 {
	n, err := strconv.ParseInt(params, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// offers reports whether the server offers the extension, named in upper case.
func (c *Client) offers(keyword string) bool {
	_, ok := c.extensions[keyword]
	return ok
}
