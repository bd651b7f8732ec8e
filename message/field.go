package message

import (
	"io"
	"iter"
	"strings"
)

// A Field is a header field as it stands in the message.
type Field struct {
	// Raw has the octets of the field, its line ends included.
	Raw []byte

	// Name is as written, without white space before the colon. It is empty for
	// lines that are no field and have none above them to continue, such as an
	// mbox "From " line.
	Name string
}

// Is reports whether the field has that name; the case of ASCII letters does not
// matter. A Field without a name has none, not even the empty one.
func (f Field) Is(name string) bool {
	if len(f.Name) != len(name) || name == "" {
		return false
	}
	for i := range len(name) {
		if lower(f.Name[i]) != lower(name[i]) {
			return false
		}
	}
	return true
}

// Value returns the field's value, unfolded (RFC 5322 §2.2.3) and without white
// space at its ends; encoded-words are kept, see DecodeHeader. Lines that ought
// to have been folded are joined by a space (RFC 7103 §7.2).
func (f Field) Value() string {
	raw := f.Raw
	if f.Name == "" {
		return string(trimEOL(raw))
	}
	colon := nameEnd(raw)
	line, rest := cutLine(raw[colon+1:])
	text := appendUnfolded(make([]byte, 0, len(raw)), line)
	for len(rest) > 0 {
		line, rest = cutLine(rest)
		if !isBlank(line[0]) {
			text = append(text, ' ')
		}
		text = appendUnfolded(text, line)
	}
	return strings.Trim(string(text), " \t")
}

// Fields returns an iterator over the header fields in b, a whole header such as
// those that Part.Header returns, in order. Put together, their Raw is b without
// the empty line at which the header ends. The fields share b's octets.
func Fields(b []byte) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for len(b) > 0 {
			line, rest := cutLine(b)
			if len(trimEOL(line)) == 0 && len(line) > 0 && line[len(line)-1] == '\n' {
				return
			}
			f := Field{Raw: line}
			if colon := nameEnd(line); colon >= 0 {
				f.Name = strings.TrimRight(string(line[:colon]), " \t")
				f.Raw = b[:fieldEnd(b, len(line))]
				rest = b[len(f.Raw):]
			}
			if !yield(f) {
				return
			}
			b = rest
		}
	}
}

// fieldEnd returns the length of the field whose first line has n octets.
func fieldEnd(b []byte, n int) int {
	for n < len(b) {
		line, _ := cutLine(b[n:])
		if len(trimEOL(line)) == 0 || !isBlank(line[0]) && nameEnd(line) >= 0 {
			break
		}
		n += len(line)
	}
	return n
}

// cutLine cuts off the first line of b, with its end.
func cutLine(b []byte) (line, rest []byte) {
	for i, c := range b {
		if c == '\n' {
			return b[:i+1], b[i+1:]
		}
	}
	return b, nil
}

// Header reads p's header, its empty line included, at most MaxHeaderSize octets;
// r is the message. For the header of an encapsulated message ask p.Message.
func (p *Part) Header(r io.ReaderAt) ([]byte, error) {
	b := make([]byte, p.BodyStart-p.HeaderStart)
	if n, err := r.ReadAt(b, p.HeaderStart); n < len(b) {
		return nil, readError(err)
	}
	return b, nil
}

// Fields returns an iterator over p's header fields in order; r is the message.
// An error to read it is yielded once, and last.
func (p *Part) Fields(r io.ReaderAt) iter.Seq2[Field, error] {
	return func(yield func(Field, error) bool) {
		b, err := p.Header(r)
		if err != nil {
			yield(Field{}, err)
			return
		}
		for f := range Fields(b) {
			if !yield(f, nil) {
				return
			}
		}
	}
}
