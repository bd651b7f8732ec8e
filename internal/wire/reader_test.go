package wire

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// readLines reads until an error that ends the connection.
func readLines(r *Reader, limit int) (lines []line) {
	for {
		b, err := r.ReadLine(limit)
		lines = append(lines, line{string(b), err})
		if err != nil && err != ErrBareLF && err != ErrBareCR && err != ErrLineTooLong {
			return lines
		}
	}
}

func compareLines(t *testing.T, what string, in []byte, limit int, got, want []line) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("%s: %q with limit %d:\ngot  %v\nwant %v", what, in, limit, got, want)
		}
	}
}

// S1: only CRLF ends a line, and after each error the reader is at the next one.
func TestOnlyCRLFEndsALineInEverySequence(t *testing.T) {
	n := 7
	if testing.Short() || raceEnabled {
		n = 5
	}
	sequences("\r\n.a", n, func(b []byte) {
		in := append(bytes.Clone(b), "a\r\n"...)
		for _, limit := range []int{2, 3, 4, 6, 512} {
			for _, drain := range []int{3, 64} {
				want := modelLines(in, limit, drain)
				for way, arrive := range ways {
					r := NewReader(arrive(in))
					r.MaxDrain = drain
					compareLines(t, way, in, limit, readLines(r, limit), want)
				}
				for at := range in {
					r := NewReader(split(in, at))
					r.MaxDrain = drain
					compareLines(t, "split", in, limit, readLines(r, limit), want)
				}
			}
		}
	})
}

// S4: the limit counts CRLF, and it may exceed every buffer (RFC 4954 §4 wants 12288, RFC 7162 §4 8192).
func TestALineMayBeAsLongAsItsLimit(t *testing.T) {
	for _, limit := range []int{512, 1012, smallBuffer, 12288, largeBuffer, 100_000} {
		for over := range 2 {
			long := strings.Repeat("x", limit-2+over)
			r := NewReader(strings.NewReader(long + "\r\nNOOP\r\n"))
			got, err := r.ReadLine(limit)
			if over == 0 && (err != nil || string(got) != long) {
				t.Errorf("limit %d: %d octets, %v", limit, len(got)+2, err)
			}
			if over == 1 && (err != ErrLineTooLong || string(got) != long[:64]) {
				t.Errorf("limit %d, a line of one more: %q, %v", limit, got, err)
			}
			if got, err := r.ReadLine(limit); string(got) != "NOOP" || err != nil {
				t.Errorf("limit %d: then %q, %v", limit, got, err)
			}
		}
	}
}

func TestALineWithoutEndIsGivenUp(t *testing.T) {
	for _, test := range []struct{ drain, length int }{{0, 512 + 64<<10}, {1000, 1512}, {-1, 512}} {
		for over := range 2 {
			r := NewReader(strings.NewReader(strings.Repeat("x", test.length-2+over) + "\r\n"))
			r.MaxDrain = test.drain
			_, err := r.ReadLine(512)
			want := ErrLineTooLong
			if test.drain < 0 {
				want = nil
			}
			if over == 1 {
				want = ErrTooMuch
			}
			if err != want {
				t.Errorf("drain %d, length %d+%d: got %v, want %v", test.drain, test.length, over, err, want)
			}
		}
	}
}

type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read += int64(len(p))
	return len(p), nil
}

func TestAnEndlessLineCostsNoMemory(t *testing.T) {
	src := new(endless)
	r := NewReader(src)
	r.MaxDrain = 100 << 20
	if _, err := r.ReadLine(512); err != ErrTooMuch {
		t.Fatalf("got %v, want ErrTooMuch", err)
	}
	if len(r.buf) > smallBuffer || src.read < 100<<20 {
		t.Errorf("buffer of %d octets after reading %d", len(r.buf), src.read)
	}
}

func TestADeadlineInALineLosesNothing(t *testing.T) {
	long := strings.Repeat("x", 600)
	for _, test := range []struct {
		in   string
		want line
	}{
		{"NOOP\r\n", line{"NOOP", nil}},
		{"NO\nOP\r\n", line{"NO\nOP", ErrBareLF}},
		{long + "\r\n", line{long[:64], ErrLineTooLong}},
	} {
		for at := range test.in {
			r := NewReader(&interrupted{in: []byte(test.in + "QUIT\r\n"), at: at})
			if _, err := r.ReadLine(512); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("%q at %d: got %v", test.in, at, err)
			}
			if got, err := r.ReadLine(512); string(got) != test.want.text || err != test.want.err {
				t.Errorf("%q at %d: got %q, %v", test.in, at, got, err)
			}
			if got, err := r.ReadLine(512); string(got) != "QUIT" || err != nil {
				t.Errorf("%q at %d: then %q, %v", test.in, at, got, err)
			}
		}
	}
}

// S20: what came in the clear before TLS is dropped.
func TestDiscardDropsWhatIsBuffered(t *testing.T) {
	r := NewReader(strings.NewReader("STARTTLS\r\nNOOP\r\n"))
	if _, err := r.ReadLine(512); err != nil {
		t.Fatal(err)
	}
	if n := r.Buffered(); n != 6 {
		t.Errorf("Buffered() = %d, want 6", n)
	}
	if n := r.Discard(); n != 6 {
		t.Errorf("Discard() = %d, want 6", n)
	}
	r.Reset(strings.NewReader("EHLO x\r\n"))
	if got, err := r.ReadLine(512); string(got) != "EHLO x" || err != nil {
		t.Errorf("then %q, %v", got, err)
	}
}

func TestAWaitingReaderHoldsNoPooledBuffer(t *testing.T) {
	pr, pw := io.Pipe()
	r := NewReader(pr)
	go pw.Write([]byte(strings.Repeat("x", 500) + "\r\n"))
	if _, err := r.ReadLine(512); err != nil {
		t.Fatal(err)
	}
	if len(r.buf) != smallBuffer {
		t.Fatalf("a line of 500 octets left a buffer of %d", len(r.buf))
	}
	go pw.CloseWithError(io.EOF)
	if err := r.Wait(); err != io.EOF {
		t.Fatalf("Wait: %v", err)
	}
	if len(r.buf) != waitBuffer {
		t.Errorf("while it waited it held %d octets, want %d", len(r.buf), waitBuffer)
	}
}

func TestWaitKeepsWhatCame(t *testing.T) {
	r := NewReader(iotest.OneByteReader(strings.NewReader("NOOP\r\n")))
	for range 2 {
		if err := r.Wait(); err != nil || r.Buffered() != 1 {
			t.Fatalf("Wait: %v, %d buffered", err, r.Buffered())
		}
	}
	if got, err := r.ReadLine(512); string(got) != "NOOP" || err != nil {
		t.Errorf("then %q, %v", got, err)
	}
}

// I5: literals are octets, between lines.
func TestLiteralsAreReadBetweenLines(t *testing.T) {
	body := strings.Repeat("\r\n.\x00\n", 20000)
	in := "A1 APPEND x {100000}\r\n" + body + ")\r\nA2 NOOP\r\n"
	for _, size := range []int{1, 100, 5000, 1 << 20} {
		r := NewReader(&chunks{[]byte(in), size})
		r.ReadLine(512)
		got, err := io.ReadAll(io.LimitReader(r, int64(len(body))))
		if string(got) != body || err != nil {
			t.Fatalf("chunks of %d: Read: %d octets, %v", size, len(got), err)
		}
		compareLines(t, "after a literal", nil, 512, readLines(r, 512), []line{{")", nil}, {"A2 NOOP", nil}, {"", io.EOF}})

		r = NewReader(&chunks{[]byte(in), size})
		r.ReadLine(512)
		var b bytes.Buffer
		n, err := r.CopyN(&b, int64(len(body)))
		if b.String() != body || n != int64(len(body)) || err != nil {
			t.Fatalf("chunks of %d: CopyN: %d octets, %v", size, n, err)
		}
		compareLines(t, "after a literal", nil, 512, readLines(r, 512), []line{{")", nil}, {"A2 NOOP", nil}, {"", io.EOF}})
	}
}

func TestCopyNStaysInStepWhenTheWriterFails(t *testing.T) {
	r := NewReader(strings.NewReader("literal)\r\n"))
	full := errors.New("disk full")
	n, err := r.CopyN(writerFunc(func([]byte) (int, error) { return 0, full }), 7)
	if err != full {
		t.Fatalf("got %v", err)
	}
	if m, err := r.CopyN(io.Discard, 7-n); n+m != 7 || err != nil {
		t.Fatalf("the rest: %d, %v", m, err)
	}
	if got, err := r.ReadLine(512); string(got) != ")" || err != nil {
		t.Errorf("then %q, %v", got, err)
	}
	if _, err := r.CopyN(io.Discard, 1); err != io.ErrUnexpectedEOF {
		t.Errorf("at the end: %v, want io.ErrUnexpectedEOF", err)
	}
}

func TestASourceThatYieldsNothingIsBroken(t *testing.T) {
	r := NewReader(readerFunc(func([]byte) (int, error) { return 0, nil }))
	if _, err := r.ReadLine(512); err != io.ErrNoProgress {
		t.Errorf("got %v, want io.ErrNoProgress", err)
	}
}

func TestAnErrorThatComesWithOctetsIsNotLost(t *testing.T) {
	broken := errors.New("broken")
	first := true
	r := NewReader(readerFunc(func(p []byte) (int, error) {
		if !first {
			return 0, io.EOF
		}
		first = false
		return copy(p, "NOOP\r\nQUI"), broken
	}))
	if got, err := r.ReadLine(512); string(got) != "NOOP" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := r.ReadLine(512); err != broken {
		t.Errorf("then %q, %v, want %v", got, err, broken)
	}
}

func TestResetForgetsALineInProgress(t *testing.T) {
	r := NewReader(&interrupted{in: make([]byte, 5000), at: 2000})
	if _, err := r.ReadLine(512); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	r.Reset(strings.NewReader("NOOP\r\n"))
	if got, err := r.ReadLine(512); string(got) != "NOOP" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func FuzzReadLine(f *testing.F) {
	f.Add([]byte("NOOP\r\n"), uint8(20), uint8(20))
	f.Add([]byte("NO\rOP\r\r\n\n\r\n"), uint8(4), uint8(2))
	f.Add(bytes.Repeat([]byte("x"), 200), uint8(100), uint8(200))
	f.Fuzz(func(t *testing.T, in []byte, limit, drain uint8) {
		limit, drain = max(limit, 2), max(drain, 1)
		want := modelLines(in, int(limit), int(drain))
		for way, arrive := range ways {
			r := NewReader(arrive(in))
			r.MaxDrain = int(drain)
			compareLines(t, way, in, int(limit), readLines(r, int(limit)), want)
		}
	})
}

func BenchmarkReadLine(b *testing.B) {
	in := []byte(strings.Repeat("RCPT TO:<somebody@example.org>\r\n", 100))
	src := bytes.NewReader(in)
	r := NewReader(src)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(in)
		for range 100 {
			if _, err := r.ReadLine(512); err != nil {
				b.Fatal(err)
			}
		}
	}
}
