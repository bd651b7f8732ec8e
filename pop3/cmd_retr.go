package pop3

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

// cmdRetr sends a message (RFC 1939 §5).
func (s *session) cmdRetr(arg string) {
	if m, _ := s.oneMessage(arg); m != nil && s.send("RETR", m, nil) {
		s.retrieved++
	}
}

// cmdTop sends the header of a message and some lines of its body (RFC 1939 §7).
func (s *session) cmdTop(arg string) {
	which, count, _ := strings.Cut(strings.TrimRight(arg, " "), " ")
	lines, ok := number(count)
	if !ok {
		s.protest("a message number and a number of lines are expected")
		return
	}
	if m, _ := s.oneMessage(which); m != nil {
		s.send("TOP", m, &topFilter{lines: lines})
	}
}

// send answers with a message, or with what top leaves of it, and reports whether it did.
func (s *session) send(command string, m *entry, top *topFilter) bool {
	ctx, cancel := s.call()
	defer cancel()
	content, err := s.drop.drop.Content(ctx, m.uid)
	if errors.Is(err, store.ErrNotExist) {
		err = errGone
	}
	if err != nil {
		s.refuse(command, err)
		return false
	}
	defer content.Close()
	r := contentReader{content: content, size: content.Size(), buffer: s.borrowBuffer()}
	chunk, err := r.next() // before the +OK, for it is the likeliest to fail
	if err != nil {
		s.refuse(command, err)
		return false
	}
	s.okOctets(r.size)
	if err := s.copyText(&r, chunk, top); err != nil {
		// Only the end of the connection tells the client that the message is not whole.
		s.end(fmt.Errorf("%s of message %d: %w", command, m.uid, err))
		return false
	}
	return true
}

// okOctets answers +OK and a size.
func (s *session) okOctets(size int64) {
	var b [48]byte
	line := append(strconv.AppendInt(append(b[:0], "+OK "...), size, 10), " octets\r\n"...)
	s.out.Write(line)
}

// copyText sends the text that begins with chunk.
func (s *session) copyText(r *contentReader, chunk []byte, top *topFilter) error {
	text := newTextWriter(s.out)
	for len(chunk) > 0 {
		done := false
		if top != nil {
			var n int
			n, done = top.take(chunk)
			chunk = chunk[:n]
		}
		if _, err := text.Write(chunk); err != nil {
			return err
		}
		if done {
			break
		}
		var err error
		if chunk, err = r.next(); err != nil {
			return err
		}
	}
	return text.Close()
}

// A contentReader reads a content in chunks.
type contentReader struct {
	content   postrider.Content
	off, size int64
	buffer    []byte
}

// next returns the next chunk, valid until the next call, and an empty one at the end. A content
// shorter than its size is an error.
func (r *contentReader) next() ([]byte, error) {
	if r.off == r.size {
		return nil, nil
	}
	chunk := r.buffer[:min(int64(len(r.buffer)), r.size-r.off)]
	n, err := r.content.ReadAt(chunk, r.off)
	r.off += int64(n)
	switch {
	case n == len(chunk):
		return chunk, nil
	case err == nil, err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}

// textBuffer is how much of a message is read at once.
const textBuffer = 32 << 10

// textBuffers holds no state, only memory that would otherwise be garbage.
var textBuffers = sync.Pool{New: func() any { return new([textBuffer]byte) }}

// borrowBuffer returns a buffer that the session holds until it waits.
func (s *session) borrowBuffer() []byte {
	if s.buffer == nil {
		s.buffer = textBuffers.Get().(*[textBuffer]byte)
	}
	return s.buffer[:]
}

func (s *session) releaseBuffer() {
	if s.buffer != nil {
		textBuffers.Put(s.buffer)
		s.buffer = nil
	}
}
