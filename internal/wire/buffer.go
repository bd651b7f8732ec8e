package wire

import "sync"

// Sizes of the pooled buffers. A session's commands fit the small one; text and literals get the large one, so that a message takes few
// system calls.
const (
	smallBuffer = 4 << 10
	largeBuffer = 32 << 10
)

// The pools hold no state, only memory that would otherwise be garbage.
var (
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// getBuffer returns a buffer of at least n octets: of the pools if it is not larger than theirs.
func getBuffer(n int) []byte {
	switch {
	case n <= smallBuffer:
		return smallBuffers.Get().(*[smallBuffer]byte)[:]
	case n <= largeBuffer:
		return largeBuffers.Get().(*[largeBuffer]byte)[:]
	}
	return make([]byte, n)
}

// putBuffer takes back what getBuffer gave, whole; any other slice is left to the collector.
func putBuffer(b []byte) {
	switch cap(b) {
	case smallBuffer:
		smallBuffers.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case largeBuffer:
		largeBuffers.Put((*[largeBuffer]byte)(b[:largeBuffer]))
	}
}
