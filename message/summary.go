package message

import (
	"io"
	"iter"
	"sync"
)

// The bounds of what a Summary may hold. See the package comment for what
// happens beyond them.
const (
	// MaxDepth is how deeply parts may be nested: a multipart and an
	// encapsulated message count one each.
	MaxDepth = 100

	// MaxParts is how many parts of all kinds a message may have.
	MaxParts = 10_000

	// MaxHeaderSize is how many octets a header may have, its final empty line
	// included. It also bounds the octets of all the field values that are kept
	// of one message.
	MaxHeaderSize = 1 << 20

	// MaxAddresses is how many addresses are kept of one message, counted over
	// all its fields and all the messages inside it.
	MaxAddresses = 20_000

	// MaxReferences is how many identifiers of a References field are kept: the
	// first, which names the thread, and the last ones.
	MaxReferences = 1000
)

// A Summary is what a server needs to know of a message without its bytes.
type Summary struct {
	Envelope  Envelope
	Structure *Part // never nil from Summarize, Scanner and UnmarshalBinary

	// Preview is the beginning of the message's text, at most 200 characters of
	// UTF-8 with white space folded; empty when the message has no text
	// (RFC 8970 §3.3).
	Preview string

	// References are the message's ancestors, the oldest first, as RFC 5256
	// (REFERENCES) finds them: the identifiers of the References field, or else the
	// first one of In-Reply-To. They have the form of ParseMessageIDs.
	References []string

	HeaderSize int64 // octets of the header, its empty line included
	Size       int64 // octets of the message
}

// A Part is a node of the MIME structure: the message itself, a body part of a
// multipart, or the message inside a message/rfc822. It has all that IMAP's BODY
// and BODYSTRUCTURE say (RFC 9051 §7.5.2).
type Part struct {
	// Type and Subtype are in lower case. Without a readable Content-Type they
	// are text and plain with the parameter charset=us-ascii, or message and
	// rfc822 in a multipart/digest (RFC 2045 §5.2, RFC 2046 §5.1.5).
	Type    string
	Subtype string
	Params  []Param

	ID          string // Content-ID, with its angle brackets
	Description string // Content-Description, unfolded, encoded-words kept
	Encoding    string // Content-Transfer-Encoding in lower case; "7bit" if absent
	MD5         string // Content-MD5

	Disposition       string // Content-Disposition in lower case; empty if absent
	DispositionParams []Param
	Language          []string // Content-Language
	Location          string   // Content-Location, unfolded

	// The header is [HeaderStart, BodyStart) of the message's octets, its empty
	// line included; the body is [BodyStart, End). The line break before a
	// boundary delimiter belongs to the delimiter (RFC 2046 §5.1.1).
	HeaderStart int64
	BodyStart   int64
	End         int64

	// Lines is the number of LF octets in the body, as it is encoded.
	Lines int64

	// Parts are the body parts of a multipart, at least one; nil otherwise.
	Parts []*Part

	// Envelope and Message are those of the encapsulated message of a
	// message/rfc822 or message/global, and nil otherwise. Message covers exactly
	// this part's body.
	Envelope *Envelope
	Message  *Part
}

// Size returns the number of octets of the body in its transfer encoding.
func (p *Part) Size() int64 { return p.End - p.BodyStart }

// IsMultipart reports whether p has body parts.
func (p *Part) IsMultipart() bool { return len(p.Parts) > 0 }

// IsMessage reports whether p encapsulates a message.
func (p *Part) IsMessage() bool { return p.Message != nil }

// All yields p and all the parts below it, those of encapsulated messages
// included, in the order of their octets.
func (p *Part) All() iter.Seq[*Part] {
	return func(yield func(*Part) bool) { p.walk(yield) }
}

func (p *Part) walk(yield func(*Part) bool) bool {
	if !yield(p) {
		return false
	}
	if p.Message != nil && !p.Message.walk(yield) {
		return false
	}
	for _, c := range p.Parts {
		if !c.walk(yield) {
			return false
		}
	}
	return true
}

// chunkSize is how much of a message is read at once.
const chunkSize = 64 << 10

// work is what one Summarize borrows; see Scanner.reset for what is kept of it.
type work struct {
	scan  Scanner
	chunk [chunkSize]byte
}

var works = sync.Pool{New: func() any { return new(work) }}

// Summarize reads the size octets of r once, in order, and returns what they
// say. The error is r's, or io.ErrUnexpectedEOF when r has fewer octets.
func Summarize(r io.ReaderAt, size int64) (*Summary, error) {
	w := works.Get().(*work)
	defer works.Put(w)
	w.scan.reset()
	for off := int64(0); off < size; {
		n, err := r.ReadAt(w.chunk[:min(size-off, chunkSize)], off)
		if n == 0 {
			return nil, readError(err)
		}
		w.scan.Write(w.chunk[:n])
		off += int64(n)
	}
	return w.scan.Finish(), nil
}

// readError is the error of a read that ended too early.
func readError(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
