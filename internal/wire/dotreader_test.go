package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// S1, S2, S3, P3: every sequence of CR, LF, dot and a letter, alone and with a final dot behind it.
func TestOnlyCRLFDotCRLFEndsTextInEverySequence(t *testing.T) {
	n := 8
	if testing.Short() || raceEnabled {
		n = 5
	}
	sequences("\r\n.a", n, func(b []byte) {
		for _, tail := range []string{"", "\r\n.\r\nQUIT\r\n"} {
			in := append(bytes.Clone(b), tail...)
			want := modelText(in, TextLimits{Line: 1000})
			got := readText(bytes.NewReader(in), TextLimits{}, howToRead["WriteTo"])
			compareText(t, "whole", in, got, want)
		}
	})
}

// S1: the same at every way of arriving and of reading.
func TestTextIsTheSameHoweverItArrives(t *testing.T) {
	n := 6
	if testing.Short() || raceEnabled {
		n = 4
	}
	sequences("\r\n.a", n, func(b []byte) {
		in := append(bytes.Clone(b), "\r\n.\r\n.x"...)
		want := modelText(in, TextLimits{Line: 1000})
		for how, read := range howToRead {
			for way, arrive := range ways {
				compareText(t, how+", "+way, in, readText(arrive(in), TextLimits{}, read), want)
			}
		}
		for at := range in {
			compareText(t, fmt.Sprint("split at ", at), in, readText(split(in, at), TextLimits{}, howToRead["WriteTo"]), want)
		}
	})
}

// S4, S27: limits, on both sides, for every sequence.
func TestTextLimitsCountWhatTheRFCsCount(t *testing.T) {
	n := 6
	if testing.Short() || raceEnabled {
		n = 4
	}
	sequences("\r\n.a", n, func(b []byte) {
		in := append(bytes.Clone(b), "\r\n.\r\n"...)
		for limit := 1; limit <= 8; limit++ {
			for _, limits := range []TextLimits{{Line: limit}, {Line: -1, Size: int64(limit)}, {Line: 4, Size: int64(limit)}} {
				want := modelText(in, limits)
				for _, how := range []string{"Read", "WriteTo"} {
					compareText(t, fmt.Sprintf("%s %+v", how, limits), in, readText(bytes.NewReader(in), limits, howToRead[how]), want)
				}
			}
		}
	})
}

// S1: the pairs that were used for smuggling, spelled out.
func TestSmuggledEndsDoNotEndText(t *testing.T) {
	ends := []string{"\n", "\r", "\r\n", "\n\r", "\r\r\n", "\r\n\n", "\x00\r\n", ""}
	for _, before := range ends {
		for _, after := range ends {
			if before == "\r\n" && after == "\r\n" || before == "\r\r\n" && after == "\r\n" || before == "\x00\r\n" && after == "\r\n" ||
				after == "\r\n\n" && (before == "\r\n" || before == "\r\r\n" || before == "\x00\r\n") {
				continue // these hold a true end
			}
			in := "Subject: one\r\n\r\nfirst" + before + "." + after + "MAIL FROM:<evil@example.net>\r\n.\r\nNOOP\r\n"
			r := NewReader(strings.NewReader(in))
			err := NewDotReader(r, TextLimits{}).Drain()
			rest, _ := io.ReadAll(r)
			if string(rest) != "NOOP\r\n" {
				t.Errorf("%q ended the text: %q follows", before+"."+after, rest)
			}
			bare := strings.ContainsAny(strings.ReplaceAll(before+"."+after+"M", "\r\n", ""), "\r\n")
			if isBare := err == ErrBareCR || err == ErrBareLF; isBare != bare {
				t.Errorf("%q: error %v", before+"."+after, err)
			}
		}
	}
}

// S4: 1000 octets with CRLF, without the stuffed dot (RFC 5321 §4.5.3.1.6).
func TestATextLineMayHave1000Octets(t *testing.T) {
	for _, test := range []struct {
		line string
		want error
	}{
		{strings.Repeat("x", 998), nil},
		{strings.Repeat("x", 999), ErrTextLineTooLong},
		{".." + strings.Repeat("x", 997), nil},
		{".." + strings.Repeat("x", 998), ErrTextLineTooLong},
	} {
		r := NewReader(strings.NewReader("a\r\n" + test.line + "\r\nb\r\n.\r\n"))
		d := NewDotReader(r, TextLimits{})
		if err := d.Drain(); err != test.want {
			t.Errorf("a line of %d octets: got %v, want %v", len(test.line), err, test.want)
		}
	}
}

func TestTextFarTooLargeIsGivenUp(t *testing.T) {
	for _, test := range []struct{ drain, size, want int64 }{{0, 30 << 10, 0}, {100, 1100, 0}, {100, 1101, 1}, {-1, 1001, 1}} {
		in := strings.Repeat("x", int(test.size)-2) + "\r\n.\r\n"
		var got bytes.Buffer
		_, err := NewDotReader(NewReader(strings.NewReader(in)), TextLimits{Line: -1, Size: 1000, Drain: test.drain}).WriteTo(&got)
		if want := []error{ErrTooLarge, ErrTooMuch}[test.want]; err != want || got.Len() > 1000 {
			t.Errorf("%+v: %d octets, %v, want %v", test, got.Len(), err, want)
		}
	}
}

func TestALongTextComesThroughEveryBuffer(t *testing.T) {
	var content, wire bytes.Buffer
	for i := range 20000 {
		line := strings.Repeat(".", i%4) + strings.Repeat("x", i%97) + "\r\n"
		content.WriteString(line)
		if line[0] == '.' {
			wire.WriteByte('.')
		}
		wire.WriteString(line)
	}
	wire.WriteString(".\r\nNOOP\r\n")
	for _, chunk := range []int{1, 127, 128, 129, 4095, 4096, 4097, 32767, 32768, 32769, 1 << 20} {
		r := NewReader(&chunks{wire.Bytes(), chunk})
		d := NewDotReader(r, TextLimits{})
		var got bytes.Buffer
		if n, err := d.WriteTo(&got); err != nil || n != int64(content.Len()) || d.Size() != n || !bytes.Equal(got.Bytes(), content.Bytes()) {
			t.Errorf("in chunks of %d: %d octets, %v", chunk, n, err)
		}
		if line, err := r.ReadLine(512); string(line) != "NOOP" || err != nil {
			t.Errorf("in chunks of %d: then %q, %v", chunk, line, err)
		}
	}
}

// chunks hands out b in reads of at most size octets.
type chunks struct {
	b    []byte
	size int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.size)], c.b)
	c.b = c.b[n:]
	return n, nil
}

func TestADeadlineInTextLosesNothing(t *testing.T) {
	in := []byte("one\r\n..two\r\n.\r\n")
	for at := range in {
		d := NewDotReader(NewReader(&interrupted{in: in, at: at}), TextLimits{})
		var got bytes.Buffer
		_, err := d.WriteTo(&got)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("at %d: got %v", at, err)
		}
		if _, err = d.WriteTo(&got); err != nil || got.String() != "one\r\n.two\r\n" {
			t.Errorf("at %d: got %q, %v", at, got.String(), err)
		}
	}
}

// interrupted is a source whose deadline passes once, at an octet.
type interrupted struct {
	in  []byte
	at  int
	pos int
	hit bool
}

func (s *interrupted) Read(p []byte) (int, error) {
	if s.pos == s.at && !s.hit {
		s.hit = true
		return 0, os.ErrDeadlineExceeded
	}
	end := len(s.in)
	if !s.hit {
		end = s.at
	}
	if s.pos == len(s.in) {
		return 0, io.EOF
	}
	n := copy(p, s.in[s.pos:end])
	s.pos += n
	return n, nil
}

func TestAFailingWriterDoesNotLoseTheEndOfText(t *testing.T) {
	r := NewReader(strings.NewReader("one\r\n..two\r\n.\r\nNOOP\r\n"))
	d := NewDotReader(r, TextLimits{})
	full := errors.New("disk full")
	if _, err := d.WriteTo(writerFunc(func(p []byte) (int, error) { return len(p) / 2, full })); err != full {
		t.Fatalf("got %v, want %v", err, full)
	}
	if err := d.Drain(); err != nil {
		t.Fatal(err)
	}
	if line, err := r.ReadLine(512); string(line) != "NOOP" || err != nil {
		t.Errorf("then %q, %v", line, err)
	}
	if _, err := d.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the end: %v, want io.EOF", err)
	}
	if n, err := d.Read(nil); n != 0 || err != nil {
		t.Errorf("reading nothing: %d, %v", n, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func FuzzDotReader(f *testing.F) {
	for _, seed := range []string{".\r\n", "a\r\n.\r\n", "..a\r\n.\r\n", "a\n.\n\r\n.\r\n", "\r\r\n.\r\r\n.\r\n", ".\r.\r\n.\r\n"} {
		f.Add([]byte(seed), uint8(3), uint8(5))
	}
	f.Fuzz(func(t *testing.T, in []byte, lineLimit, sizeLimit uint8) {
		limits := TextLimits{Line: max(1, int(lineLimit)), Size: int64(sizeLimit)}
		want := modelText(in, limits)
		for how, read := range howToRead {
			for way, arrive := range ways {
				if want.err == io.ErrUnexpectedEOF {
					got := readText(arrive(in), limits, read)
					if got.err != want.err {
						t.Fatalf("%s, %s: %q: got %v", how, way, in, got.err)
					}
					continue
				}
				compareText(t, how+", "+way, in, readText(arrive(in), limits, read), want)
			}
		}
	})
}

func BenchmarkDotReader(b *testing.B) {
	for _, width := range []int{20, 76, 998} {
		b.Run(fmt.Sprintf("1MiB/lines=%d", width), func(b *testing.B) {
			line := strings.Repeat("x", width) + "\r\n"
			in := []byte(strings.Repeat(line, (1<<20)/len(line)) + ".\r\n")
			src := bytes.NewReader(in)
			r := NewReader(src)
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				src.Reset(in)
				r.Reset(src)
				if err := NewDotReader(r, TextLimits{}).Drain(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
