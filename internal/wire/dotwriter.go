package wire

import (
	"bytes"
	"io"
)

// DotWriter writes one text and its final dot: the message after DATA, or a multi-line answer of POP3. It doubles a dot at the start of a
// line (RFC 5321 §4.5.2) and changes nothing else.
//
// A bare CR or LF never gets out (RFC 5321 §2.3.8): what comes before it may have been written, the error is ErrBareCR or ErrBareLF, and
// every later call returns it too. Then no final dot is written, and only closing the connection tells the peer that the text is void; so
// check the content first where that is dear.
type DotWriter struct {
	w      io.Writer
	inLine bool // the next octet is not the first of a line
	cr     bool // a CR waits for its LF; it has not been written
	err    error
}

// NewDotWriter returns a writer of one text to w, usually a *Writer. It does not buffer.
func NewDotWriter(w io.Writer) *DotWriter { return &DotWriter{w: w} }

var (
	crlf     = []byte("\r\n")
	dot      = []byte(".")
	finalDot = []byte(".\r\n")
)

// Write writes p, stuffing dots. Lines may be split between calls anywhere.
func (d *DotWriter) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) && d.err == nil {
		n := 0
		switch b := p[written:]; {
		case d.cr:
			n = d.pairLF(b[0])
		case !d.inLine && b[0] == '.':
			d.put(dot) // the first of the two; the second goes with the line
			d.inLine = true
		default:
			n = d.lines(b)
		}
		written += n
	}
	return written, d.err
}

// pairLF writes the CRLF whose CR came at the end of the last call.
func (d *DotWriter) pairLF(next byte) int {
	if next != '\n' {
		d.err = ErrBareCR
		return 0
	}
	d.cr, d.inLine = false, false
	d.put(crlf)
	return 1
}

// lines writes as much of b as needs no dot, and returns how much it was.
func (d *DotWriter) lines(b []byte) int {
	n := 0
	for n < len(b) && (d.inLine || b[n] != '.') && d.err == nil {
		part := b[n:]
		cr := bytes.IndexByte(part, '\r')
		if cr >= 0 {
			part = part[:cr]
		}
		if bytes.IndexByte(part, '\n') >= 0 {
			d.err = ErrBareLF
			return 0
		}
		n += len(part)
		d.inLine = d.inLine || len(part) > 0
		switch {
		case cr < 0:
		case n+1 == len(b):
			d.cr = true
			d.put(b[:n])
			return n + 1
		case b[n+1] != '\n':
			d.err = ErrBareCR
			return 0
		default:
			n += 2
			d.inLine = false
		}
	}
	d.put(b[:n])
	return n
}

// Close ends the text: with CRLF if its last line has none, and with the final dot. It does not close or flush the writer below.
func (d *DotWriter) Close() error {
	if d.cr && d.err == nil {
		d.err = ErrBareCR
	}
	if d.inLine {
		d.put(crlf)
	}
	d.put(finalDot)
	if d.err != nil {
		return d.err
	}
	d.err = io.ErrClosedPipe // for calls after Close
	return nil
}

func (d *DotWriter) put(b []byte) {
	if d.err == nil && len(b) > 0 {
		_, d.err = d.w.Write(b)
	}
}
