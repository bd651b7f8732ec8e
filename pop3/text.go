package pop3

import (
	"bytes"

	"github.com/postrider/postrider/internal/wire"
)

// A textWriter writes a message as a multi-line response (RFC 1939 §3). It doubles a dot at
// the start of a line and ends with CRLF.CRLF, adding the first CRLF where the message has
// none; every other octet is sent as it is stored.
//
// A message can hold a bare CR or LF if it came by IMAP's APPEND. RFC 1939 knows only CRLF
// as the end of a line, but many clients end a line at any LF, some at a CR. So a dot
// is doubled behind those too: no client takes it for the end of the message. One that keeps
// to the letter finds, behind a bare CR or LF only, one dot too many.
type textWriter struct {
	w    *wire.Writer
	last [2]byte // octets written; the status line before the text ended in CRLF
}

func newTextWriter(w *wire.Writer) *textWriter {
	return &textWriter{w: w, last: [2]byte{'\r', '\n'}}
}

func (t *textWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	done := 0 // octets of p written
	for i := 0; ; i++ {
		next := bytes.IndexByte(p[i:], '.')
		if next < 0 {
			break
		}
		i += next
		before := t.last[1]
		if i > 0 {
			before = p[i-1]
		}
		if before == '\n' || before == '\r' {
			t.w.Write(p[done:i])
			t.w.WriteByte('.')
			done = i
		}
	}
	if len(p) == 1 {
		t.last[0] = t.last[1]
	} else {
		t.last[0] = p[len(p)-2]
	}
	t.last[1] = p[len(p)-1]
	_, err := t.w.Write(p[done:])
	return len(p), err // an error of w stays
}

// Close ends the text.
func (t *textWriter) Close() error {
	if t.last != [2]byte{'\r', '\n'} {
		t.w.WriteString("\r\n")
	}
	_, err := t.w.WriteString(".\r\n")
	return err
}

// A topFilter cuts a message off for TOP: behind its header, the empty line, and lines
// lines of its body. A line ends at LF here, so that a message with bare LFs has a
// header too.
type topFilter struct {
	lines  int
	body   bool // the header is over
	octets int  // of the present line so far
	cr     bool // the last octet so far was CR
}

// take returns how many octets of p belong to the top, and whether the top ends with them.
func (t *topFilter) take(p []byte) (n int, done bool) {
	for n < len(p) {
		end := bytes.IndexByte(p[n:], '\n')
		if end < 0 {
			t.octets += len(p) - n
			t.cr = p[len(p)-1] == '\r'
			return len(p), false
		}
		if end > 0 {
			t.octets += end
			t.cr = p[n+end-1] == '\r'
		}
		n += end + 1
		empty := t.octets == 0 || t.octets == 1 && t.cr
		t.octets, t.cr = 0, false
		if t.endLine(empty) {
			return n, true
		}
	}
	return n, false
}

// endLine counts a line and reports whether it was the last.
func (t *topFilter) endLine(empty bool) bool {
	switch {
	case t.body:
		t.lines--
	case empty:
		t.body = true
	default:
		return false
	}
	return t.lines <= 0
}
