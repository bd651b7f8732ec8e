package message

import (
	"bytes"
	"io"
	"slices"
)

// A Section names octets of a message as IMAP's BODY[...] does (RFC 9051
// §6.4.5.1). The zero Section is the whole message.
type Section struct {
	Part      []int // part numbers, counted from 1; none for the message itself
	Specifier Specifier
	Fields    []string // the names for HeaderFields and HeaderFieldsNot
}

// A Specifier is the last word of a Section.
type Specifier uint8

const (
	None            Specifier = iota // the part's body, or the whole message
	Header                           // the header of a message
	HeaderFields                     // its fields with one of the names
	HeaderFieldsNot                  // its fields with none of the names
	Text                             // the body of a message
	MIME                             // the header of a part
)

// PartAt returns the part with those numbers, the message itself for none; nil if
// there is no such part. Part 1 of what is no multipart is the same part again.
func (s *Summary) PartAt(numbers ...int) *Part {
	part, whole := s.Structure, true // whole: part is a message, not yet numbered
	for _, n := range numbers {
		if !whole && part.Message != nil {
			part, whole = part.Message, true
		}
		switch {
		case len(part.Parts) > 0:
			if n < 1 || n > len(part.Parts) {
				return nil
			}
			part = part.Parts[n-1]
		case !whole || n != 1:
			return nil
		}
		whole = false
	}
	return part
}

// Section returns the octets that sec names; r is the message. The second result
// is false if the message has no such section, which IMAP answers with NIL. Only
// subsets of a header are read here; all else is read from r as the caller reads.
func (s *Summary) Section(r io.ReaderAt, sec Section) (*io.SectionReader, bool, error) {
	part := s.PartAt(sec.Part...)
	if part == nil {
		return nil, false, nil
	}
	message := part
	if len(sec.Part) > 0 {
		message = part.Message // nil if part encapsulates none
	}
	switch sec.Specifier {
	case None:
		if len(sec.Part) == 0 {
			return io.NewSectionReader(r, 0, s.Size), true, nil
		}
		return part.Body(r), true, nil
	case MIME:
		if len(sec.Part) == 0 {
			return nil, false, nil
		}
		return part.header(r), true, nil
	}
	if message == nil {
		return nil, false, nil
	}
	switch sec.Specifier {
	case Header:
		return message.header(r), true, nil
	case Text:
		return message.Body(r), true, nil
	case HeaderFields, HeaderFieldsNot:
		b, err := message.headerSubset(r, sec.Fields, sec.Specifier == HeaderFields)
		if err != nil {
			return nil, false, err
		}
		return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), true, nil
	}
	return nil, false, nil
}

func (p *Part) header(r io.ReaderAt) *io.SectionReader {
	return io.NewSectionReader(r, p.HeaderStart, p.BodyStart-p.HeaderStart)
}

// headerSubset returns the fields of p's header whose names are, or are not,
// among names, and the empty line if there is one.
func (p *Part) headerSubset(r io.ReaderAt, names []string, among bool) ([]byte, error) {
	b, err := p.Header(r)
	if err != nil {
		return nil, err
	}
	var out []byte
	rest := b
	for f := range Fields(b) {
		if slices.ContainsFunc(names, f.Is) == among {
			out = append(out, f.Raw...)
		}
		rest = rest[len(f.Raw):]
	}
	return append(out, rest...), nil
}
