package wire

import (
	"bytes"
	"errors"
	"io"
)

// Errors at the end of text. The text has been read to its end, so the session answers and goes on. ErrBareLF and ErrBareCR
// belong to them.
var (
	// ErrTooLarge is text of more octets than allowed.
	ErrTooLarge = errors.New("text too large")
	// ErrTextLineTooLong is text that has a line longer than allowed and no other fault: all of it was delivered, and the
	// caller may well keep it.
	ErrTextLineTooLong = errors.New("text line too long")
)

// DotReader reads one text up to its final dot: the message after DATA (RFC 5321 §4.5.2) or a multi-line answer of POP3 (RFC 1939 §3).
//
// Only CRLF.CRLF ends it, or .CRLF at its very start; the first CRLF belongs to the text. One dot at the start of a line that has
// others is dropped. Nothing else is changed. Faults do not end it: it is read to its true end, and then the reader returns, instead
// of io.EOF, the gravest: ErrBareLF or ErrBareCR (the first in the text), then ErrTooLarge, then ErrTextLineTooLong. Before a bare CR or LF, and up to
// the limit of size, all octets have been delivered; after it, none. Text far too large is
// ErrTooMuch, and its end is not looked for any more. The end of the connection is io.ErrUnexpectedEOF.
//
// After an error of the connection that is not final, such as a deadline, reading may go on.
type DotReader struct {
	r       *Reader
	limits  TextLimits
	pending []byte // delivered by next, not yet by Read; lies in the buffer of r
	size    int64  // octets of the text so far, whether or not they were delivered
	line    int    // octets of the present line so far
	inLine  bool   // the next octet is not the first of a line
	bare    error  // the first bare CR or LF so far
	stopped bool   // nothing is delivered any more
	long    bool   // a line was too long
	end     error  // what every call returns once the text has ended
}

// TextLimits bounds a text.
type TextLimits struct {
	// Line is how many octets a line may have, its CRLF counted, a stuffed dot not. Zero means 1000 (RFC 5321
	// §4.5.3.1.6); less means no limit, which costs no memory.
	Line int

	// Size is how many octets the text may have, CRLFs counted, stuffed dots and the final dot not (RFC 1870 §5). Zero or
	// less means no limit.
	Size int64

	// Drain is how many octets beyond Size are still read and dropped, so that the session can answer; then the reader gives
	// up with ErrTooMuch. Zero means 1 GiB; less means none.
	Drain int64
}

// NewDotReader returns a reader of the text that follows in r. Until it has returned an error that is not of the connection, nothing
// else may read r.
func NewDotReader(r *Reader, limits TextLimits) *DotReader {
	if limits.Line == 0 {
		limits.Line = 1000
	}
	if limits.Drain == 0 {
		limits.Drain = 1 << 30
	}
	return &DotReader{r: r, limits: limits}
}

// Size returns how many octets the text had so far, counted as for TextLimits.Size; also those that were not delivered.
func (d *DotReader) Size() int64 { return d.size }

// Read delivers octets of the text.
func (d *DotReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(d.pending) == 0 {
		run, err := d.next()
		if err != nil {
			return 0, err
		}
		d.pending = run
	}
	n := copy(p, d.pending)
	d.pending = d.pending[n:]
	return n, nil
}

// WriteTo writes the text to w straight from the connection's buffer. It returns nil where Read returns io.EOF. After an error of
// w the rest of the text is still to be read: call Drain.
func (d *DotReader) WriteTo(w io.Writer) (written int64, err error) {
	for {
		run := d.pending
		if d.pending = nil; len(run) == 0 {
			if run, err = d.next(); err == io.EOF {
				return written, nil
			} else if err != nil {
				return written, err
			}
		}
		n, err := w.Write(run)
		if written += int64(n); err != nil {
			return written, err
		}
	}
}

// Drain drops the rest of the text and returns the error at its end, nil if it had no fault.
func (d *DotReader) Drain() error {
	_, err := d.WriteTo(io.Discard)
	return err
}

// next returns octets of the text, at least one, which lie in the buffer of d.r and are valid until the next call.
func (d *DotReader) next() ([]byte, error) {
	for d.end == nil {
		if d.startLine() {
			b := d.r.buf[d.r.r:d.r.w]
			n, sound := d.scan(b)
			if n > 0 {
				d.r.r += n
				if run := d.account(b[:n], sound); len(run) > 0 {
					return run, nil
				}
				continue
			}
		}
		if d.end != nil {
			break
		}
		if err := d.r.fillText(); err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		} else if err != nil {
			return nil, err
		}
	}
	return nil, d.end
}

// startLine takes the dot from the start of a line, if the next octet is there, and ends the text if it was alone. It reports whether
// octets of the text follow in the buffer; if not, and the text has not ended, more must be read.
func (d *DotReader) startLine() bool {
	b := d.r.buf[d.r.r:d.r.w]
	switch {
	case d.inLine || len(b) > 0 && b[0] != '.':
		return true
	case len(b) < 2 || b[1] == '\r' && len(b) < 3:
		return false
	case b[1] == '\r' && b[2] == '\n':
		d.r.r += 3
		d.finish()
		return false
	}
	d.r.r++
	d.inLine = true // what follows is no start of a line, even if it is a dot
	return true
}

// scan returns how many octets of b are text for certain: up to a line that begins with a dot, or a CR without its successor. Of
// those the first sound ones come before any bare CR or LF. It works by lines and not by octets, since text is most of what a mail
// server reads.
func (d *DotReader) scan(b []byte) (n, sound int) {
	sound = len(b)
	for n < len(b) && (d.inLine || b[n] != '.') {
		part := b[n:]
		cr := bytes.IndexByte(part, '\r')
		if cr >= 0 {
			part = part[:cr]
		}
		if lf := bytes.IndexByte(part, '\n'); lf >= 0 {
			sound = min(sound, n+lf)
			d.refuse(ErrBareLF)
		}
		n += len(part)
		d.grow(len(part))
		switch {
		case cr < 0 || n+1 == len(b):
			return n, sound
		case b[n+1] == '\n':
			n += 2
			d.grow(2)
			d.line, d.inLine = 0, false
		default:
			sound = min(sound, n)
			d.refuse(ErrBareCR)
			n++
			d.grow(1)
		}
	}
	return n, sound
}

// grow counts octets of the present line.
func (d *DotReader) grow(n int) {
	if n > 0 {
		d.inLine = true
		d.line += n
		d.long = d.long || d.limits.Line > 0 && d.line > d.limits.Line
	}
}

// refuse notes a bare CR or LF; the first one counts.
func (d *DotReader) refuse(err error) {
	if d.bare == nil {
		d.bare = err
	}
}

// account counts run, of which the first sound octets come before any bare CR or LF, and returns what of it is delivered.
func (d *DotReader) account(run []byte, sound int) []byte {
	before := d.size
	d.size += int64(len(run))
	if d.limits.Size > 0 && d.size-d.limits.Size > max(d.limits.Drain, 0) {
		d.end = ErrTooMuch
	}
	if d.stopped {
		return nil
	}
	keep := min(sound, len(run))
	if d.limits.Size > 0 && d.size > d.limits.Size {
		keep = min(keep, int(d.limits.Size-before))
	}
	d.stopped = keep < len(run)
	return run[:keep]
}

// finish ends the text and settles what became of it.
func (d *DotReader) finish() {
	switch {
	case d.bare != nil:
		d.end = d.bare
	case d.limits.Size > 0 && d.size > d.limits.Size:
		d.end = ErrTooLarge
	case d.long:
		d.end = ErrTextLineTooLong
	default:
		d.end = io.EOF
	}
}
