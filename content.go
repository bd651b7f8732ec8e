package postrider

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"sync"
)

// Content is the bytes of a message, as they came: immutable, of known size,
// readable from any offset, many times and by many goroutines at once. Lines
// end in CRLF and no dots are doubled.
//
// Whoever made or received a Content as a result owns it and closes it. A
// function that takes one as an argument borrows it until it returns.
type Content interface {
	io.ReaderAt
	// Size returns the number of octets, at least 0.
	Size() int64
	// Close frees what the content holds. No method may be called after it, save
	// Close, which then does nothing.
	Close() error
}

// NewReader returns a reader of all of c. It is also an io.Seeker and an
// io.WriterTo, and does not close c.
func NewReader(c Content) *io.SectionReader {
	return io.NewSectionReader(c, 0, c.Size())
}

// ReadAll returns all of c in memory. Use it where the size is known to be
// small.
func ReadAll(c Content) ([]byte, error) {
	b := make([]byte, c.Size())
	if n, err := c.ReadAt(b, 0); n < len(b) {
		return nil, fmt.Errorf("read content: %w", err)
	}
	return b, nil
}

// Bytes returns b as a Content. The caller must not change b any more. Close does
// nothing.
func Bytes(b []byte) Content { return bytesContent(b) }

// String returns s as a Content. Close does nothing.
func String(s string) Content { return bytesContent(s) }

type bytesContent []byte

func (b bytesContent) Size() int64  { return int64(len(b)) }
func (b bytesContent) Close() error { return nil }

func (b bytesContent) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read content: negative offset")
	}
	if off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Concat returns the parts one after the other, without copying them: trace
// fields before a message, for instance. It borrows the parts: closing it closes
// none of them, and they must outlive it.
func Concat(parts ...Content) Content {
	c := &concat{parts: parts, ends: make([]int64, len(parts))}
	for i, p := range parts {
		c.size += p.Size()
		c.ends[i] = c.size
	}
	return c
}

type concat struct {
	parts []Content
	ends  []int64 // ends[i] is the offset behind parts[i]
	size  int64
}

func (c *concat) Size() int64  { return c.size }
func (c *concat) Close() error { return nil }

func (c *concat) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read content: negative offset")
	}
	read := 0
	i := sort.Search(len(c.ends), func(i int) bool { return c.ends[i] > off })
	for ; i < len(c.parts) && read < len(p); i++ {
		part := c.parts[i]
		start := c.ends[i] - part.Size()
		want := min(int64(len(p)-read), c.ends[i]-off)
		n, err := part.ReadAt(p[read:read+int(want)], off-start)
		read += n
		off += int64(n)
		if int64(n) < want {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return read, err
		}
	}
	if read < len(p) {
		return read, io.EOF
	}
	return read, nil
}

// DefaultSpoolMemory is how much of a message a [Spool] holds in memory before it
// turns to a file, in octets.
const DefaultSpoolMemory = 128 << 10

// A Spool takes a message as it arrives and makes a [Content] of it: in memory
// up to a threshold, in a file without a name beyond it, so that a crash leaves
// nothing behind. What a Spool holds is not durable; that is for a store or a
// queue to promise.
//
// Write, then call Content once; or call Close to throw all away. Not for
// concurrent use. The zero Spool is ready.
type Spool struct {
	// Dir is where a large message goes. Empty means os.TempDir.
	Dir string
	// Memory is how many octets stay in memory. Zero means DefaultSpoolMemory;
	// negative means that all go to the file.
	Memory int

	buf  []byte
	file *os.File
	size int64
	err  error
}

// Write appends p. After an error the spool takes no more.
func (s *Spool) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.file == nil {
		if len(s.buf)+len(p) <= s.memory() {
			s.buf = append(s.buf, p...)
			s.size += int64(len(p))
			return len(p), nil
		}
		if s.err = s.spill(); s.err != nil {
			return 0, s.err
		}
	}
	n, err := s.file.Write(p)
	s.size += int64(n)
	if err != nil {
		s.err = fmt.Errorf("spool message: %w", err)
	}
	return n, s.err
}

func (s *Spool) memory() int {
	switch {
	case s.Memory < 0:
		return -1
	case s.Memory == 0:
		return DefaultSpoolMemory
	}
	return s.Memory
}

// spill moves what is in memory to a file that loses its name at once.
func (s *Spool) spill() error {
	f, err := os.CreateTemp(s.Dir, "postrider-spool-*")
	if err != nil {
		return fmt.Errorf("spool message: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return errors.Join(fmt.Errorf("spool message: %w", err), f.Close())
	}
	if _, err := f.Write(s.buf); err != nil {
		return errors.Join(fmt.Errorf("spool message: %w", err), f.Close())
	}
	s.file, s.buf = f, nil
	return nil
}

// Size returns the number of octets written.
func (s *Spool) Size() int64 { return s.size }

// Content ends the writing and returns what was written. The caller owns the
// result; the spool is empty again.
func (s *Spool) Content() (Content, error) {
	if err := s.err; err != nil {
		return nil, errors.Join(err, s.Close())
	}
	var c Content = bytesContent(s.buf)
	if s.file != nil {
		c = &fileContent{file: s.file, size: s.size}
	}
	s.buf, s.file, s.size = nil, nil, 0
	return c, nil
}

// Close throws away what was written. It does nothing after Content.
func (s *Spool) Close() error {
	var err error
	if s.file != nil {
		err = s.file.Close()
	}
	s.buf, s.file, s.size, s.err = nil, nil, 0, nil
	return err
}

// FileContent returns the file f as a Content of its present size, which must
// not change. Close closes f.
func FileContent(f *os.File) (Content, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return &fileContent{file: f, size: info.Size()}, nil
}

type fileContent struct {
	file *os.File
	size int64
	once sync.Once
}

func (c *fileContent) Size() int64 { return c.size }

func (c *fileContent) ReadAt(p []byte, off int64) (int, error) {
	if off >= c.size {
		return 0, io.EOF
	}
	return c.file.ReadAt(p, off)
}

func (c *fileContent) Close() (err error) {
	c.once.Do(func() { err = c.file.Close() })
	return err
}
