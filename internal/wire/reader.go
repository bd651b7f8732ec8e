package wire

import (
	"bytes"
	"errors"
	"io"
)

// Errors of reading. All but ErrTooMuch leave the reader in step with the peer: the session answers and goes on.
var (
	// ErrBareLF is a LF without a CR before it.
	ErrBareLF = errors.New("bare LF")
	// ErrBareCR is a CR without a LF after it.
	ErrBareCR = errors.New("bare CR")
	// ErrLineTooLong is a line longer than the limit.
	ErrLineTooLong = errors.New("line too long")
	// ErrTooMuch is a line or text whose end was not found within its limit and what Reader.MaxDrain or TextLimits.Drain
	// adds to that: give the connection up.
	ErrTooMuch = errors.New("no end within reach")
)

// waitBuffer is what a Reader holds while it waits. Most commands fit, so that waiting costs no second system call.
const waitBuffer = 128

// headOfLong is how much of a line that is too long ReadLine returns.
const headOfLong = 64

// maxEmptyReads is how often in a row a source may return no octets and no error before it counts as broken.
const maxEmptyReads = 100

// Reader reads a connection by lines, and by octets for literals and chunks. It holds 128 octets itself and borrows more from a pool
// when a line or text needs it. NewReader makes one.
type Reader struct {
	// MaxDrain is how many octets beyond its limit a line may have and still be read to its end. Zero means 64 KiB; less
	// means none.
	MaxDrain int

	src     io.Reader
	err     error  // of src, to be returned by the next fill
	buf     []byte // small[:] or a borrowed one
	r, w    int    // buf[r:w] has been read from src but not yet by the caller
	dropped int    // octets of a line too long that are gone already
	head    [headOfLong]byte
	small   [waitBuffer]byte
}

// NewReader returns a Reader of src.
func NewReader(src io.Reader) *Reader {
	r := new(Reader)
	r.Reset(src)
	return r
}

// Reset makes r read src, dropping what it has buffered of another source.
func (r *Reader) Reset(src io.Reader) {
	r.Discard()
	r.src, r.err = src, nil
}

// Buffered returns how many octets can be read without waiting: more than none after a command means that the client
// pipelines (RFC 2920).
func (r *Reader) Buffered() int { return r.w - r.r }

// Discard drops what is buffered, gives the memory back, and returns how many octets it dropped. After STARTTLS those
// were sent in the clear, by whomever (RFC 3207 §4.2).
func (r *Reader) Discard() int {
	n := r.Buffered()
	r.release()
	r.dropped = 0
	return n
}

// release gives a borrowed buffer back, dropping what is in it.
func (r *Reader) release() {
	putBuffer(r.buf)
	r.buf, r.r, r.w = nil, 0, 0
}

// Wait returns nil once something is buffered, or the error of reading. While it waits no memory of the pool is held: call it
// before each command that may be long in coming.
func (r *Reader) Wait() error {
	if r.Buffered() > 0 {
		return nil
	}
	r.release()
	return r.fill()
}

// ReadLine returns the next line without its CRLF. At most limit octets are accepted, its CRLF counted with them (RFC 5321
// §4.5.3.1). The slice is valid until the next call of a method of r.
//
// A line with a bare LF or CR in it is returned whole together with ErrBareLF or ErrBareCR, whichever comes first in it. A line
// that is too long is ErrLineTooLong, whatever is in it, and its first octets are returned, at most 64, so that an IMAP server
// finds the tag. NUL and every other octet is the caller's business. The end of the connection is io.EOF before a line and
// io.ErrUnexpectedEOF inside one. After another error of the source, such as a deadline, ReadLine may be called again and goes
// on where it was.
func (r *Reader) ReadLine(limit int) ([]byte, error) {
	scanned := 0
	for r.dropped == 0 {
		b := r.buf[r.r:r.w]
		n := lineEnd(b, scanned)
		if n > 0 && n <= limit {
			r.r += n
			return b[:n-2], bare(b[:n-2])
		}
		if n > 0 || len(b) >= limit {
			break
		}
		scanned = len(b)
		if err := r.fill(); err != nil {
			return nil, r.midway(err)
		}
	}
	return r.drainLine(limit)
}

// drainLine drops the line that began r.dropped octets before r.r, up to and with its CRLF.
func (r *Reader) drainLine(limit int) ([]byte, error) {
	most := limit + 64<<10
	if r.MaxDrain != 0 {
		most = limit + max(r.MaxDrain, 0)
	}
	for {
		b := r.buf[r.r:r.w]
		n := lineEnd(b, 0)
		if r.dropped < len(r.head) {
			copy(r.head[r.dropped:], b)
		}
		if r.dropped+max(n, len(b)) > most && (n == 0 || r.dropped+n > most) {
			return nil, ErrTooMuch
		}
		if n > 0 {
			head := r.head[:min(len(r.head), r.dropped+n-2)]
			r.r, r.dropped = r.r+n, 0
			return head, ErrLineTooLong
		}
		drop := len(bytes.TrimSuffix(b, []byte{'\r'})) // a CR stays: its LF may follow
		r.r, r.dropped = r.r+drop, r.dropped+drop
		if err := r.fill(); err != nil {
			return nil, r.midway(err)
		}
	}
}

// Read reads octets as they are, at most len(p): literals (RFC 9051 §4.3) and chunks (RFC 3030 §2). It fits io.LimitReader.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.Buffered() == 0 && len(p) >= smallBuffer {
		return r.read(p)
	}
	if r.Buffered() == 0 {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.buf[r.r:r.w])
	r.r += n
	return n, nil
}

// CopyN writes the next n octets to w, through a buffer of the pool, and returns how many it took from the connection. After an
// error of w the rest still has to be read: CopyN(io.Discard, n-copied) does. The end of the connection is io.ErrUnexpectedEOF.
func (r *Reader) CopyN(w io.Writer, n int64) (copied int64, err error) {
	for copied < n {
		if r.Buffered() == 0 {
			if err := r.fillText(); err == io.EOF {
				return copied, io.ErrUnexpectedEOF
			} else if err != nil {
				return copied, err
			}
		}
		b := r.buf[r.r:r.w]
		b = b[:min(int64(len(b)), n-copied)]
		r.r += len(b)
		copied += int64(len(b))
		if _, err := w.Write(b); err != nil {
			return copied, err
		}
	}
	return copied, nil
}

// fill appends what one read of the source yields, at least an octet, to the buffer, and makes room for it first. It lets the
// buffer grow: whoever calls it limits what may stay in it.
func (r *Reader) fill() error {
	switch {
	case r.buf == nil:
		r.buf = r.small[:]
	case r.r == r.w:
		r.r, r.w = 0, 0
	case r.w == len(r.buf) && len(r.buf) <= waitBuffer:
		r.reserve(smallBuffer) // more than one command: the client pipelines
	case r.w == len(r.buf) && r.r == 0:
		r.reserve(2 * len(r.buf))
	case r.w == len(r.buf):
		r.r, r.w = 0, copy(r.buf, r.buf[r.r:r.w])
	}
	n, err := r.read(r.buf[r.w:])
	r.w += n
	return err
}

// fillText is fill for text and literals. It takes a larger buffer each time a read has filled the last one, so that a slow peer
// holds little of our memory and a fast one costs few system calls.
func (r *Reader) fillText() error {
	if r.w == len(r.buf) && r.w < largeBuffer {
		r.reserve(r.w + 1) // the next size of getBuffer
	}
	return r.fill()
}

// reserve moves to a buffer of at least n octets.
func (r *Reader) reserve(n int) {
	if len(r.buf) >= n {
		return
	}
	larger := getBuffer(n)
	w := copy(larger, r.buf[r.r:r.w])
	putBuffer(r.buf)
	r.buf, r.r, r.w = larger, 0, w
}

// read reads the source once. It returns octets or an error, never both and never neither.
func (r *Reader) read(p []byte) (int, error) {
	if err := r.err; err != nil {
		r.err = nil
		return 0, err
	}
	for range maxEmptyReads {
		n, err := r.src.Read(p)
		if n > 0 {
			r.err = err
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// midway is what err means for a line that may have begun.
func (r *Reader) midway(err error) error {
	if err == io.EOF && (r.Buffered() > 0 || r.dropped > 0) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// lineEnd returns the length of the first line of b with its CRLF, zero if it has no CRLF. The first scanned octets are known to
// hold none.
func lineEnd(b []byte, scanned int) int {
	for i := scanned; ; {
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			return 0
		}
		i += j + 1
		if i >= 2 && b[i-2] == '\r' {
			return i
		}
	}
}

// bare returns the error of the first bare LF or CR in b, which holds no CRLF and is not followed by LF.
func bare(b []byte) error {
	cr := bytes.IndexByte(b, '\r')
	if cr >= 0 {
		b = b[:cr]
	}
	switch {
	case bytes.IndexByte(b, '\n') >= 0:
		return ErrBareLF
	case cr >= 0:
		return ErrBareCR
	}
	return nil
}
