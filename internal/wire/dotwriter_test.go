package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// stuff writes in in pieces and returns what went out.
func stuff(pieces ...[]byte) (out []byte, err error) {
	var b bytes.Buffer
	d := NewDotWriter(&b)
	for _, p := range pieces {
		if n, err := d.Write(p); err == nil && n != len(p) {
			return nil, fmt.Errorf("Write returned %d of %d and no error", n, len(p))
		}
	}
	err = d.Close()
	return b.Bytes(), err
}

// S1, S2, S3: every sequence, whole, in two pieces at every place, and in single octets.
func TestADotWriterStuffsEverySequence(t *testing.T) {
	n := 7
	if testing.Short() || raceEnabled {
		n = 5
	}
	sequences("\r\n.a", n, func(b []byte) {
		want, wantErr := modelStuffed(b)
		check := func(how string, out []byte, err error) {
			t.Helper()
			if err != wantErr || err == nil && !bytes.Equal(out, want) {
				t.Fatalf("%s: %q: got %q, %v, want %q, %v", how, b, out, err, want, wantErr)
			}
			if err != nil && (strings.Contains("\r\n"+string(out), "\r\n.\r\n") || modelBare(bytes.ReplaceAll(out, crlf, nil)) != nil) {
				t.Fatalf("%s: %q: refused, yet %q went out", how, b, out)
			}
		}
		out, err := stuff(b)
		check("whole", out, err)
		for at := range b {
			out, err := stuff(b[:at], b[at:])
			check("in two", out, err)
		}
		var octets [][]byte
		for i := range b {
			octets = append(octets, b[i:i+1])
		}
		out, err = stuff(octets...)
		check("in octets", out, err)
	})
}

func TestWhatADotWriterSendsADotReaderReads(t *testing.T) {
	sequences("\r\n.a", 6, func(b []byte) {
		out, err := stuff(b)
		if err != nil {
			return
		}
		want := string(b)
		if want != "" && !strings.HasSuffix(want, "\r\n") {
			want += "\r\n"
		}
		got := readText(bytes.NewReader(out), TextLimits{}, howToRead["Read"])
		if string(got.content) != want || got.err != nil || len(got.rest) > 0 {
			t.Fatalf("%q became %q, %v, rest %q", b, got.content, got.err, got.rest)
		}
	})
}

func TestADotWriterKeepsItsError(t *testing.T) {
	var b bytes.Buffer
	d := NewDotWriter(&b)
	if _, err := d.Write([]byte("a\nb")); err != ErrBareLF {
		t.Fatalf("got %v, want ErrBareLF", err)
	}
	if n, err := d.Write([]byte("more\r\n")); n != 0 || err != ErrBareLF {
		t.Errorf("then %d, %v, want 0 and ErrBareLF", n, err)
	}
	if err := d.Close(); err != ErrBareLF {
		t.Errorf("Close: %v, want ErrBareLF", err)
	}
	broken := errors.New("broken")
	d = NewDotWriter(writerFunc(func([]byte) (int, error) { return 0, broken }))
	if _, err := d.Write([]byte("a\r\n")); err != broken {
		t.Errorf("got %v, want %v", err, broken)
	}
	d = NewDotWriter(&b)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write([]byte("late")); err != io.ErrClosedPipe {
		t.Errorf("after Close: %v, want io.ErrClosedPipe", err)
	}
}

func FuzzDotWriter(f *testing.F) {
	for _, seed := range []string{"", ".", "a\r\n.\r\nb", "a\r", "\n", "..\r\n."} {
		f.Add([]byte(seed), uint8(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, at uint8) {
		cut := min(int(at), len(in))
		want, wantErr := modelStuffed(in)
		if out, err := stuff(in[:cut], in[cut:]); err != wantErr || err == nil && !bytes.Equal(out, want) {
			t.Fatalf("%q at %d: got %q, %v, want %q, %v", in, cut, out, err, want, wantErr)
		}
	})
}

func BenchmarkDotWriter(b *testing.B) {
	line := strings.Repeat("x", 76) + "\r\n"
	in := []byte(strings.Repeat(line, (1<<20)/len(line)))
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	w := NewWriter(io.Discard)
	for b.Loop() {
		d := NewDotWriter(w)
		d.Write(in)
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
		w.Flush()
	}
}
