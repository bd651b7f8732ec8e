package message

import (
	"bufio"
	"io"
)

// Body returns the octets of p's body in its transfer encoding; r is the
// message.
func (p *Part) Body(r io.ReaderAt) *io.SectionReader {
	return io.NewSectionReader(r, p.BodyStart, p.Size())
}

// Decoded returns the octets of p's body without its transfer encoding; r is the
// message. Base64 and quoted-printable are read tolerantly: what has no meaning
// is skipped or kept as it stands, and no content is an error. The body of an
// encoding we do not know, of a multipart and of a message is returned as it is
// (RFC 2046 §5.1, §5.2.1).
func (p *Part) Decoded(r io.ReaderAt) io.Reader {
	body := p.Body(r)
	if p.IsMultipart() || p.IsMessage() {
		return body
	}
	return decodeTransfer(p.Encoding, body)
}

// Text returns p's body, decoded and converted to UTF-8 by the charset
// parameter; r is the message. Text in no charset we know is taken for UTF-8, and
// where it is not that, for windows-1252.
func (p *Part) Text(r io.ReaderAt) io.Reader {
	return charsetReader(p.Param("charset"), p.Decoded(r))
}

// isEncoded reports whether decodeTransfer has anything to do.
func isEncoded(encoding string) bool {
	return encoding == "base64" || encoding == "quoted-printable"
}

func decodeTransfer(encoding string, r io.Reader) io.Reader {
	switch encoding {
	case "base64":
		return &base64Reader{r: bufio.NewReader(r)}
	case "quoted-printable":
		return &quotedReader{r: bufio.NewReader(r)}
	}
	return r
}

// base64Reader decodes base64 (RFC 2045 §6.8). It skips what is outside the
// alphabet; padding ends a group, behind which another may begin, as where
// encoded pieces were put together.
type base64Reader struct {
	r    *bufio.Reader
	bits uint32
	n    int // sextets in bits
	out  []byte
	buf  [3]byte
}

const base64Skip = 0xff

var base64Values = func() (t [256]byte) {
	for i := range t {
		t[i] = base64Skip
	}
	for i, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		t[c] = byte(i)
	}
	return t
}()

// Read is the method of io.Reader.
func (d *base64Reader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(d.out) > 0 {
			m := copy(p[n:], d.out)
			d.out = d.out[m:]
			n += m
			continue
		}
		c, err := d.r.ReadByte()
		if err != nil {
			d.flush()
			if len(d.out) > 0 {
				continue
			}
			if n > 0 {
				return n, nil
			}
			return 0, err
		}
		if c == '=' {
			d.flush()
			continue
		}
		v := base64Values[c]
		if v == base64Skip {
			continue
		}
		d.bits = d.bits<<6 | uint32(v)
		if d.n++; d.n == 4 {
			d.buf = [3]byte{byte(d.bits >> 16), byte(d.bits >> 8), byte(d.bits)}
			d.out, d.n, d.bits = d.buf[:], 0, 0
		}
	}
	return n, nil
}

// flush ends a group of less than four characters.
func (d *base64Reader) flush() {
	bits := d.bits << (6 * (4 - d.n))
	d.buf = [3]byte{byte(bits >> 16), byte(bits >> 8)}
	d.out = d.buf[:max(0, d.n-1)]
	d.n, d.bits = 0, 0
}

// quotedReader decodes quoted-printable (RFC 2045 §6.7). An equals sign that
// begins neither an octet nor a soft line break stands for itself; white space at
// the end of a line is dropped, as rule 3 says.
type quotedReader struct {
	r   *bufio.Reader
	out []byte // decoded and not yet read
	pad []byte // white space that is dropped if the line ends here
	err error
}

// maxPad is how much white space may wait for the end of its line.
const maxPad = 1000

// Read is the method of io.Reader.
func (d *quotedReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(d.out) < len(p) && d.err == nil {
		if !d.literal() {
			d.step()
		}
	}
	n := copy(p, d.out)
	d.out = d.out[:copy(d.out, d.out[n:])]
	if n > 0 {
		return n, nil
	}
	return 0, d.err
}

// literal takes the octets at hand that stand for themselves.
func (d *quotedReader) literal() bool {
	ahead, _ := d.r.Peek(d.r.Buffered())
	n := 0
	for n < len(ahead) && ahead[n] != '=' && ahead[n] != '\r' && ahead[n] != '\n' {
		n++
	}
	for n > 0 && isBlank(ahead[n-1]) {
		n--
	}
	if n == 0 {
		return false
	}
	d.out = append(append(d.out, d.pad...), ahead[:n]...)
	d.pad = d.pad[:0]
	d.r.Discard(n)
	return true
}

// step decodes what the next octet begins.
func (d *quotedReader) step() {
	c, err := d.r.ReadByte()
	switch {
	case err != nil:
		d.err = err
	case isBlank(c) && len(d.pad) < maxPad:
		d.pad = append(d.pad, c)
	case c == '\r' || c == '\n':
		d.pad = d.pad[:0]
		d.out = append(d.out, c)
	default:
		d.out = append(d.out, d.pad...)
		d.pad = d.pad[:0]
		if c != '=' || !d.escape() {
			d.out = append(d.out, c)
		}
	}
}

// escape decodes what follows an equals sign, if that means anything.
func (d *quotedReader) escape() bool {
	next, _ := d.r.Peek(2)
	if len(next) == 2 {
		if hi, lo := unhex(next[0]), unhex(next[1]); hi >= 0 && lo >= 0 {
			d.out = append(d.out, byte(hi<<4|lo))
			d.r.Discard(2)
			return true
		}
	}
	return d.softBreak()
}

// softBreak skips a soft line break, white space before the end of the line
// included.
func (d *quotedReader) softBreak() bool {
	ahead, _ := d.r.Peek(maxPad)
	n := 0
	for n < len(ahead) && isBlank(ahead[n]) {
		n++
	}
	if n < len(ahead) && ahead[n] == '\r' {
		n++
	}
	switch {
	case n < len(ahead) && ahead[n] == '\n':
		n++
	case n < len(ahead):
		return false
	}
	d.r.Discard(n)
	return true
}
