package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"
)

// What follows are the rules again, octet by octet and with the whole input at hand, as the RFCs say them.

// text is what a DotReader should make of an input.
type text struct {
	content []byte // all of it, up to the fault of bare octets
	size    int64  // of all of it
	err     error
	rest    []byte // behind the final dot
}

// modelText reads data by RFC 5321 §4.1.1.4 and §4.5.2.
func modelText(in []byte, limits TextLimits) text {
	var m text
	start, line, long := true, 0, false
	add := func(c byte) {
		if m.err == nil {
			m.content = append(m.content, c)
		}
		m.size++
		line++
		long = long || limits.Line > 0 && line > limits.Line
	}
	for i := 0; i < len(in); i++ {
		if start && bytes.HasPrefix(in[i:], []byte(".\r\n")) {
			m.rest = in[i+3:]
			return m.finish(limits, long)
		}
		if start && in[i] == '.' {
			start = false
			continue
		}
		start = false
		switch {
		case bytes.HasPrefix(in[i:], []byte("\r\n")):
			add('\r')
			add('\n')
			i++
			start, line = true, 0
		case in[i] == '\r' && i+1 == len(in):
			// nothing follows: the input breaks off
		case in[i] == '\r' || in[i] == '\n':
			if m.err == nil {
				m.err = map[byte]error{'\r': ErrBareCR, '\n': ErrBareLF}[in[i]]
			}
			add(in[i])
		default:
			add(in[i])
		}
	}
	m.err, m.rest = io.ErrUnexpectedEOF, nil
	return m
}

func (m text) finish(limits TextLimits, long bool) text {
	if limits.Size > 0 && int64(len(m.content)) > limits.Size {
		m.content = m.content[:limits.Size]
	}
	switch {
	case m.err != nil:
	case limits.Size > 0 && m.size > limits.Size:
		m.err = ErrTooLarge
	case long:
		m.err = ErrTextLineTooLong
	}
	return m
}

// line is what ReadLine should return.
type line struct {
	text string
	err  error
}

func (l line) String() string { return fmt.Sprintf("%q (%v)", l.text, l.err) }

// modelLines reads all lines of an input.
func modelLines(in []byte, limit, drain int) (lines []line) {
	for {
		n := bytes.Index(in, []byte("\r\n"))
		switch {
		case n < 0 && len(in) > limit+drain, n >= 0 && n+2 > limit+drain:
			return append(lines, line{"", ErrTooMuch})
		case n < 0 && len(in) == 0:
			return append(lines, line{"", io.EOF})
		case n < 0:
			return append(lines, line{"", io.ErrUnexpectedEOF})
		case n+2 > limit:
			lines = append(lines, line{string(in[:min(n, headOfLong)]), ErrLineTooLong})
		default:
			lines = append(lines, line{string(in[:n]), modelBare(in[:n])})
		}
		in = in[n+2:]
	}
}

func modelBare(b []byte) error {
	for _, c := range b {
		switch c {
		case '\r':
			return ErrBareCR
		case '\n':
			return ErrBareLF
		}
	}
	return nil
}

// modelStuffed returns what a DotWriter should send.
func modelStuffed(in []byte) (out []byte, err error) {
	start := true
	for i := 0; i < len(in); i++ {
		if start && in[i] == '.' {
			out = append(out, '.')
		}
		start = false
		switch {
		case bytes.HasPrefix(in[i:], []byte("\r\n")):
			out = append(out, '\r', '\n')
			start = true
			i++
		case in[i] == '\r':
			return nil, ErrBareCR
		case in[i] == '\n':
			return nil, ErrBareLF
		default:
			out = append(out, in[i])
		}
	}
	if !start {
		out = append(out, '\r', '\n')
	}
	return append(out, '.', '\r', '\n'), nil
}

// sequences calls f with every sequence over alphabet of up to n octets.
func sequences(alphabet string, n int, f func(b []byte)) {
	b := make([]byte, 0, n)
	var extend func()
	extend = func() {
		f(b)
		if len(b) < n {
			for i := range len(alphabet) {
				b = append(b, alphabet[i])
				extend()
				b = b[:len(b)-1]
			}
		}
	}
	extend()
}

// ways are the ways in which an input may arrive.
var ways = map[string]func(b []byte) io.Reader{
	"whole":          func(b []byte) io.Reader { return bytes.NewReader(b) },
	"octet by octet": func(b []byte) io.Reader { return iotest.OneByteReader(bytes.NewReader(b)) },
	"with its end":   func(b []byte) io.Reader { return iotest.DataErrReader(bytes.NewReader(b)) },
}

// split delivers b in two reads.
func split(b []byte, at int) io.Reader {
	return io.MultiReader(bytes.NewReader(b[:at]), bytes.NewReader(b[at:]))
}

// readText reads one text in the way of how, and what follows it.
func readText(src io.Reader, limits TextLimits, how func(*DotReader) ([]byte, error)) text {
	r := NewReader(src)
	d := NewDotReader(r, limits)
	content, err := how(d)
	m := text{content: content, size: d.Size(), err: err}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		m.rest, _ = io.ReadAll(r)
	}
	return m
}

var howToRead = map[string]func(d *DotReader) ([]byte, error){
	"Read": func(d *DotReader) ([]byte, error) { return io.ReadAll(struct{ io.Reader }{d}) },
	"ReadOneOctet": func(d *DotReader) ([]byte, error) {
		return io.ReadAll(iotest.OneByteReader(d))
	},
	"WriteTo": func(d *DotReader) ([]byte, error) {
		var b bytes.Buffer
		_, err := d.WriteTo(&b)
		return b.Bytes(), err
	},
	"ReadThenWriteTo": func(d *DotReader) ([]byte, error) {
		p := make([]byte, 1)
		n, err := d.Read(p)
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		b := bytes.NewBuffer(p[:n])
		_, err = d.WriteTo(b)
		return b.Bytes(), err
	},
}

func compareText(t *testing.T, what string, in []byte, got, want text) {
	t.Helper()
	if !bytes.Equal(got.content, want.content) || got.err != want.err || !bytes.Equal(got.rest, want.rest) || got.size != want.size {
		t.Fatalf("%s: %q:\ngot  %q, size %d, %v, rest %q\nwant %q, size %d, %v, rest %q", what, in,
			got.content, got.size, got.err, got.rest, want.content, want.size, want.err, want.rest)
	}
}
