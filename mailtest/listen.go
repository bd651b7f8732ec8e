package mailtest

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// unexpected is what the side under test said instead of what was expected.
type unexpected struct {
	label string
	got   []byte
}

func (e *unexpected) Error() string {
	return "got  " + e.label + " " + shorten(quote(bytes.TrimSuffix(e.got, []byte("\r\n"))))
}

// listen plays a line of the side under test.
func (p *player) listen(c *peer, s *step) error {
	switch {
	case s.kind == skipReply && s.rest:
		return p.wholeReply(c, s)
	case s.kind == skipReply || s.kind == skipLines:
		c.skip = s
		return nil
	case s.kind == expectNothing:
		return p.silence(c, s)
	case s.kind == expect && s.text.noEnd:
		return p.octets(c, s)
	}
	return p.line(c, s)
}

// line expects a line, or the end of the connection, after lines that may be skipped.
func (p *player) line(c *peer, s *step) error {
	for {
		line, err := c.readLine()
		if err != nil {
			return p.ended(c, s, err)
		}
		p.heard(c, line)
		if s.kind == expect && match(s.text.tokens, line, p.vars) {
			c.skip = nil
			return nil
		}
		if c.skip == nil || !bytes.HasPrefix(line, []byte(c.skip.code)) {
			return p.mismatch(c, s, line)
		}
	}
}

// ended settles what err means where s was expected.
func (p *player) ended(c *peer, s *step, err error) error {
	c.skip = nil
	switch {
	case len(c.in) > 0:
		return fmt.Errorf("%w, and no CRLF after it (%v)", &unexpected{p.otherSide(c), c.in}, err)
	case s.kind == expectClosed && isClosed(err), s.kind == expectReset && isReset(err):
		p.note(s.raw)
		return nil
	case p.script.Update && isTimeout(err):
		s.removed = true
		return nil
	case p.script.Update && isClosed(err):
		s.raw = p.otherSide(c) + " (closed)"
		return nil
	case isTimeout(err):
		return fmt.Errorf("nothing came within %v", p.script.Timeout)
	case isClosed(err):
		return errors.New("the connection was closed")
	}
	return err
}

// mismatch fails the script, or updates it.
func (p *player) mismatch(c *peer, s *step, line []byte) error {
	if p.script.Update {
		c.skip = nil
		s.raw = p.otherSide(c) + " " + quote(line)
		return nil
	}
	p.said = p.said[:len(p.said)-1]
	return &unexpected{p.otherSide(c), line}
}

// wholeReply expects lines that begin with the code and a hyphen, and the one that ends the reply.
func (p *player) wholeReply(c *peer, s *step) error {
	last := s.code[:3]
	for {
		line, err := c.readLine()
		if err != nil {
			return p.ended(c, s, err)
		}
		p.heard(c, line)
		switch {
		case bytes.HasPrefix(line, []byte(s.code)):
		case string(line) == last || bytes.HasPrefix(line, []byte(last+" ")):
			return nil
		default:
			return p.mismatch(c, s, line)
		}
	}
}

// octets expects exact octets that do not end with a line.
func (p *player) octets(c *peer, s *step) error {
	want, err := s.text.expand(p.vars)
	if err != nil {
		return err
	}
	until := time.Now().Add(c.timeout)
	for len(c.in) < len(want) && bytes.HasPrefix(want, c.in) {
		if err := c.read(until); err != nil {
			return p.ended(c, s, err)
		}
	}
	if !bytes.HasPrefix(c.in, want) {
		return &unexpected{p.otherSide(c), c.in}
	}
	p.note(s.raw)
	c.in = c.in[len(want):]
	return nil
}

// silence expects that nothing comes before something else happens.
func (p *player) silence(c *peer, s *step) error {
	c.poll()
	switch {
	case len(c.in) == 0 && c.err == nil:
		p.note(s.raw)
		return nil
	case p.script.Update:
		s.removed = true // addMissing has what came
		return nil
	case len(c.in) == 0:
		return fmt.Errorf("the connection ended: %w", c.err)
	}
	return &unexpected{p.otherSide(c), c.in}
}

// heard notes a line of the side under test.
func (p *player) heard(c *peer, line []byte) { p.note(p.otherSide(c) + " " + quote(line)) }
