package mailtest

import "bytes"

// An update keeps the expected lines that match, replaces or removes the others, and adds what was said besides. What is added goes behind the
// expected lines already there, so that pipelined commands stay together; a file without any expected line gets the
// answers behind each line it sends.

// addMissing adds what came after s and is not expected by what follows.
func (p *player) addMissing(s *step, rest []*step) {
	c := p.peers[s.who]
	if c == nil || c.conn == nil || s.kind == remark || s.kind == wait || s.kind == do {
		return
	}
	if s.expects() && !nextExpects(rest, c) || !s.expects() && (p.fresh() || !anyExpects(rest, c)) {
		if p.flush(nil) == nil {
			s.after = append(s.after, p.heardSince(c)...)
		}
	}
}

// addGreeting adds what a new connection says before s, if the file has no expected lines yet.
func (p *player) addGreeting(c *peer, s *step) {
	if p.script.Update && p.fresh() {
		s.before = append(s.before, p.heardSince(c)...)
	}
}

// heardSince returns what has come and was not expected, as lines of the file.
func (p *player) heardSince(c *peer) (lines []string) {
	open := c.err == nil
	c.poll()
	for {
		line, rest, ok := bytes.Cut(c.in, []byte("\r\n"))
		if !ok {
			break
		}
		c.in = rest
		p.heard(c, line)
		lines = append(lines, p.otherSide(c)+" "+quote(line))
	}
	if len(c.in) > 0 {
		lines = append(lines, p.otherSide(c)+" "+quote(c.in)+`\`)
		c.in = nil
	}
	switch {
	case open && isClosed(c.err):
		lines = append(lines, p.otherSide(c)+" (closed)")
	case open && isReset(c.err):
		lines = append(lines, p.otherSide(c)+" (reset)")
	}
	return lines
}

// fresh reports whether the file has no expected lines.
func (p *player) fresh() bool {
	for _, s := range p.d.steps {
		if s.expects() {
			return false
		}
	}
	return true
}

// nextExpects reports whether the next line expects something of c.
func nextExpects(rest []*step, c *peer) bool {
	for _, s := range rest {
		if s.kind != remark {
			return s.expects() && s.who == c.who
		}
	}
	return false
}

// anyExpects reports whether a later line expects something of c.
func anyExpects(rest []*step, c *peer) bool {
	for _, s := range rest {
		if s.expects() && s.who == c.who {
			return true
		}
	}
	return false
}
