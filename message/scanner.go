package message

import "bytes"

// A Scanner computes a Summary of a message that is written to it piece by
// piece. How it is cut makes no difference. The zero Scanner is ready to use.
type Scanner struct {
	sum   *Summary
	state state

	off   int64  // octets seen, without those held back in line
	lines int64  // LF octets among them
	line  []byte // the beginning of a line that is not complete yet

	bol  bool  // off is at the beginning of a line...
	eol  int64 // ...whose predecessor ended in this many octets
	last byte  // the octet before off

	stack     []frame // the entities that enclose off, outermost first
	open      int     // how many of them look for their boundary
	parts     int     // how many parts there are
	addresses int     // how many addresses may still be kept
	header    header  // the header being read
	kept      int     // octets of field values kept from earlier headers
	newPart   bool    // after the delimiter line a part follows

	sampled  *Part  // the text that a preview is to be made of
	sampling int    // how many more octets of its body are wanted
	sample   []byte // those there are
}

type state uint8

const (
	inHeader    state = iota
	inBody            // of a part, or in a preamble or epilogue
	inDelimiter       // behind the boundary of a delimiter line
)

// A frame is an entity whose header is complete and whose end is not known.
type frame struct {
	part     *Part
	boundary string // empty if not, or no longer, looked for
	lines    int64  // LF octets before its body
}

// maxBoundary bounds the boundaries that are looked for: no lawful line has
// room for more (RFC 5322 §2.1.1).
const maxBoundary = 996

// maxDelimiter is how much of a line decides whether it is a delimiter.
const maxDelimiter = maxBoundary + 100

// reset makes s ready for another message, keeping its buffers if small.
func (s *Scanner) reset() {
	*s = Scanner{
		line: s.line[:0], stack: s.stack[:0], sample: s.sample[:0],
		header: header{text: s.header.text[:0], fields: s.header.fields[:0]},
	}
	if cap(s.line) > chunkSize || cap(s.header.text) > chunkSize || cap(s.header.fields) > 1000 {
		s.line, s.header = nil, header{}
	}
}

func (s *Scanner) begin() {
	s.addresses = MaxAddresses
	s.sum = &Summary{Structure: &Part{}}
	s.startHeader(s.sum.Structure, &s.sum.Envelope)
}

// Write takes the next octets of the message. It keeps none of p and never
// fails.
func (s *Scanner) Write(p []byte) (int, error) {
	if s.sum == nil {
		s.begin()
	}
	n := len(p)
	for len(p) > 0 {
		switch s.state {
		case inHeader:
			p = s.scanHeader(p)
		case inBody:
			p = s.scanBody(p)
		case inDelimiter:
			p = s.scanDelimiter(p)
		}
	}
	return n, nil
}

// Finish returns the Summary of the octets written. The Scanner is then ready
// for another message.
func (s *Scanner) Finish() *Summary {
	if s.sum == nil {
		s.begin()
	}
	s.flush()
	for s.state == inHeader {
		s.endHeader(s.off)
	}
	s.closeTo(0, s.off, s.lines)
	s.endSample()
	sum := s.sum
	sum.Size = s.off
	sum.HeaderSize = sum.Structure.BodyStart
	s.reset()
	return sum
}

// flush deals with a last line that has no end.
func (s *Scanner) flush() {
	if line := s.line; len(line) > 0 {
		s.line = s.line[:0]
		if s.state == inHeader {
			s.headerLine(line)
		} else {
			s.bodyLine(line)
		}
	}
	if s.state == inDelimiter {
		s.endDelimiter()
	}
}

// scanHeader takes one header line from p, or its beginning.
func (s *Scanner) scanHeader(p []byte) []byte {
	room := s.header.part.HeaderStart + MaxHeaderSize - s.off - int64(len(s.line))
	n := bytes.IndexByte(p, '\n') + 1
	whole := n > 0
	if !whole {
		n = len(p)
	}
	full := int64(n) >= room
	if full {
		n, whole = int(room), true
	}
	line, rest := p[:n], p[n:]
	if !whole || len(s.line) > 0 {
		s.line = append(s.line, line...)
		if !whole {
			return nil
		}
		line = s.line
		s.line = s.line[:0]
	}
	header := s.header.part
	s.headerLine(line)
	if full && s.state == inHeader && s.header.part == header {
		s.endHeader(s.off)
	}
	return rest
}

// headerLine takes a complete header line.
func (s *Scanner) headerLine(line []byte) {
	if s.open > 0 && s.parts < MaxParts && isDashed(line) {
		if k, closing := s.match(line); k >= 0 {
			for s.state == inHeader {
				s.endHeader(s.off)
			}
			s.delimiter(k, closing, line)
			return
		}
	}
	s.pass(line)
	content := trimEOL(line)
	if len(content) == 0 {
		s.endHeader(s.off)
		return
	}
	s.header.add(content, MaxHeaderSize-s.kept)
}

// scanBody takes octets of a body from p, at least one.
func (s *Scanner) scanBody(p []byte) []byte {
	if s.open == 0 {
		s.body(p)
		return nil
	}
	if s.bol && (len(s.line) > 0 || p[0] == '-') {
		return s.scanCandidate(p)
	}
	n := bytes.Index(p, lfDash) + 1
	if n == 0 {
		n = len(p)
	}
	s.body(p[:n])
	return p[n:]
}

var lfDash = []byte("\n-")

// scanCandidate collects a line that may be a delimiter, as much as decides it.
func (s *Scanner) scanCandidate(p []byte) []byte {
	n := bytes.IndexByte(p, '\n') + 1
	whole := n > 0
	if !whole {
		n = len(p)
	}
	if most := maxDelimiter - len(s.line); n >= most {
		n, whole = most, true
	}
	line, rest := p[:n], p[n:]
	if !whole || len(s.line) > 0 {
		s.line = append(s.line, line...)
		if !whole {
			return nil
		}
		line = s.line
		s.line = s.line[:0]
	}
	s.bodyLine(line)
	return rest
}

// bodyLine takes a line, or the first maxDelimiter octets of one.
func (s *Scanner) bodyLine(line []byte) {
	if isDashed(line) {
		if k, closing := s.match(line); k >= 0 {
			s.delimiter(k, closing, line)
			return
		}
	}
	s.body(line)
}

// body takes octets that are no delimiter.
func (s *Scanner) body(p []byte) {
	if s.sampling > 0 {
		n := min(s.sampling, len(p))
		s.sample = append(s.sample, p[:n]...)
		s.sampling -= n
	}
	s.pass(p)
}

// pass moves past p.
func (s *Scanner) pass(p []byte) {
	if len(p) == 0 {
		return
	}
	s.off += int64(len(p))
	s.lines += int64(bytes.Count(p, lf))
	s.bol, s.eol = p[len(p)-1] == '\n', 1
	if len(p) > 1 {
		s.last = p[len(p)-2]
	}
	if s.last == '\r' {
		s.eol = 2
	}
	s.last = p[len(p)-1]
}

var lf = []byte("\n")

// match finds the frame that line, which begins with two dashes, delimits; -1 if
// none. A boundary that is the whole of the line wins, then the longest, then
// the innermost.
func (s *Scanner) match(line []byte) (at int, closing bool) {
	at = -1
	longest := 0
	line = trimEOL(line)[2:]
	for k := len(s.stack) - 1; k >= 0; k-- {
		b := s.stack[k].boundary
		if b == "" || len(b) > len(line) || string(line[:len(b)]) != b {
			continue
		}
		rest := line[len(b):]
		end := isDashed(rest)
		if isPadding(rest) || end && isPadding(rest[2:]) {
			return k, end
		}
		if len(b) > longest {
			at, closing, longest = k, end, len(b)
		}
	}
	return at, closing
}

func isPadding(b []byte) bool { return len(bytes.Trim(b, " \t")) == 0 }

// delimiter takes a line that delimits a part of the multipart at stack[k].
func (s *Scanner) delimiter(k int, closing bool, line []byte) {
	end, lines := s.off, s.lines
	if top := s.stack[len(s.stack)-1].part; end-s.eol >= top.BodyStart {
		end, lines = end-s.eol, lines-1
	}
	s.closeTo(k+1, end, lines)
	s.endSample()
	s.newPart = !closing
	if closing {
		s.stack[k].boundary = ""
		s.open--
	}
	s.state = inDelimiter
	s.scanDelimiter(line)
}

// scanDelimiter passes over p up to the end of the line.
func (s *Scanner) scanDelimiter(p []byte) []byte {
	n := bytes.IndexByte(p, '\n') + 1
	if n == 0 {
		s.pass(p)
		return nil
	}
	s.pass(p[:n])
	s.endDelimiter()
	return p[n:]
}

// endDelimiter begins what follows a delimiter line.
func (s *Scanner) endDelimiter() {
	s.state = inBody
	if !s.newPart {
		return
	}
	parent := s.stack[len(s.stack)-1].part
	part := &Part{HeaderStart: s.off}
	parent.Parts = append(parent.Parts, part)
	s.startHeader(part, nil)
	s.header.digest = parent.Subtype == "digest"
}

// startHeader begins the header of part; env is nil if it is not a message's.
func (s *Scanner) startHeader(part *Part, env *Envelope) {
	s.state = inHeader
	s.parts++
	s.header.begin(part, env)
}

// endHeader makes of the header, which ends at off, what it says, and begins
// what follows.
func (s *Scanner) endHeader(off int64) {
	part := s.header.part
	part.BodyStart = off
	s.kept += len(s.header.text)
	boundary := s.header.finish(s)
	s.state = inBody
	f := frame{part: part, lines: s.lines}
	opaque := len(s.stack) >= MaxDepth || s.parts >= MaxParts
	switch {
	case part.Type == "multipart" && !opaque:
		f.boundary = boundary
		s.open++
	case isMessageType(part) && !opaque:
		part.Message, part.Envelope = &Part{HeaderStart: off}, &Envelope{}
		s.startHeader(part.Message, part.Envelope)
	case part.Type == "multipart" || isMessageType(part) || s.parts >= MaxParts:
		part.Type, part.Subtype, part.Params = "application", "octet-stream", nil
	default:
		s.startSample(part)
	}
	s.stack = append(s.stack, f)
	if s.parts >= MaxParts {
		s.stopLooking()
	}
}

// stopLooking makes the part at hand the last one.
func (s *Scanner) stopLooking() {
	for i := range s.stack {
		s.stack[i].boundary = ""
	}
	s.open = 0
}

// closeTo ends all frames from stack[k] at offset end, before which there are
// so many LF octets.
func (s *Scanner) closeTo(k int, end, lines int64) {
	for i := len(s.stack) - 1; i >= k; i-- {
		f := &s.stack[i]
		if f.boundary != "" {
			s.open--
		}
		f.part.End = end
		f.part.Lines = lines - f.lines
		if f.part.Type == "multipart" && len(f.part.Parts) == 0 {
			f.part.Parts = []*Part{emptyPart(end)}
		}
		*f = frame{}
	}
	s.stack = s.stack[:k]
}

// emptyPart is the part of a multipart that has none (RFC 9051 §9 wants one).
func emptyPart(at int64) *Part {
	p := &Part{HeaderStart: at, BodyStart: at, End: at, Encoding: "7bit"}
	p.setDefaultType(false)
	return p
}

func isMessageType(p *Part) bool {
	return p.Type == "message" && (p.Subtype == "rfc822" || p.Subtype == "global")
}

func isDashed(line []byte) bool { return len(line) >= 2 && line[0] == '-' && line[1] == '-' }

// trimEOL returns line without its LF and the CRs before it.
func trimEOL(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
		for n--; n > 0 && line[n-1] == '\r'; n-- {
			line = line[:n-1]
		}
	}
	return line
}
