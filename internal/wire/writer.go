package wire

import "io"

// Writer collects what is written until Flush, so that the answers to pipelined commands leave in one piece (RFC 2920 §3.2). Only if
// 32 KiB are waiting does it write by itself. Between Flush and the next write it holds no memory of the pool. NewWriter makes one.
//
// After an error of the connection every call returns that error: io.Writer's promise is broken for good, as part of a
// reply may be on its way.
type Writer struct {
	dst io.Writer
	buf []byte
	n   int
	err error
}

// NewWriter returns a Writer to dst.
func NewWriter(dst io.Writer) *Writer { return &Writer{dst: dst} }

// Reset drops what is waiting and any error, and makes w write to dst.
func (w *Writer) Reset(dst io.Writer) {
	w.release()
	w.dst, w.err = dst, nil
}

// Buffered returns how many octets wait for Flush.
func (w *Writer) Buffered() int { return w.n }

// Write adds p.
func (w *Writer) Write(p []byte) (int, error) {
	if w.Buffered() == 0 && len(p) >= largeBuffer {
		return w.direct(p)
	}
	written := 0
	for w.err == nil {
		w.reserve(len(p) - written)
		n := copy(w.buf[w.n:], p[written:])
		w.n += n
		written += n
		if written == len(p) {
			break
		}
		w.Flush()
	}
	return written, w.err
}

// WriteString adds s.
func (w *Writer) WriteString(s string) (int, error) {
	written := 0
	for w.err == nil {
		w.reserve(len(s) - written)
		n := copy(w.buf[w.n:], s[written:])
		w.n += n
		written += n
		if written == len(s) {
			break
		}
		w.Flush()
	}
	return written, w.err
}

// WriteByte adds c.
func (w *Writer) WriteByte(c byte) error {
	if w.reserve(1); w.n == len(w.buf) {
		w.Flush()
		w.reserve(1)
	}
	if w.err == nil {
		w.buf[w.n] = c
		w.n++
	}
	return w.err
}

// Flush writes what is waiting and gives the buffer back.
func (w *Writer) Flush() error {
	if w.err == nil && w.n > 0 {
		_, w.err = w.dst.Write(w.buf[:w.n])
	}
	w.release()
	return w.err
}

// direct writes a large p past the buffer.
func (w *Writer) direct(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.dst.Write(p)
	w.err = err
	return n, err
}

// reserve makes room for n octets, or for as many as the large buffer has.
func (w *Writer) reserve(n int) {
	if w.err != nil || len(w.buf)-w.n >= n || len(w.buf) == largeBuffer {
		return
	}
	larger := getBuffer(min(w.n+n, largeBuffer))
	copy(larger, w.buf[:w.n])
	putBuffer(w.buf)
	w.buf = larger
}

func (w *Writer) release() {
	putBuffer(w.buf)
	w.buf, w.n = nil, 0
}
