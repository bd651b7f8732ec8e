package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// S19: replies to pipelined commands leave together, when the caller says so.
func TestAWriterWritesOnlyOnFlush(t *testing.T) {
	var writes []string
	w := NewWriter(writerFunc(func(p []byte) (int, error) {
		writes = append(writes, string(p))
		return len(p), nil
	}))
	w.WriteString("250 ok\r\n")
	w.Write([]byte("250 ok"))
	w.WriteByte('\r')
	w.WriteByte('\n')
	if len(writes) != 0 || w.Buffered() != 16 {
		t.Fatalf("before Flush: %q written, %d buffered", writes, w.Buffered())
	}
	for range 2 {
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if len(writes) != 1 || writes[0] != "250 ok\r\n250 ok\r\n" {
		t.Errorf("written: %q", writes)
	}
	if w.buf != nil {
		t.Error("after Flush it still holds a buffer")
	}
}

func TestAWriterPassesEveryOctetOnInOrder(t *testing.T) {
	sizes := []int{0, 1, 7, smallBuffer - 1, smallBuffer, smallBuffer + 1, largeBuffer - 1, largeBuffer, largeBuffer + 1, 3*largeBuffer + 5}
	for _, first := range sizes {
		for _, second := range sizes {
			var got bytes.Buffer
			w := NewWriter(&got)
			a, b := strings.Repeat("a", first), strings.Repeat("b", second)
			w.WriteString(a)
			if n, err := w.Write([]byte(b)); n != second || err != nil {
				t.Fatalf("Write: %d, %v", n, err)
			}
			if n, err := w.WriteString(a); n != first || err != nil {
				t.Fatalf("WriteString: %d, %v", n, err)
			}
			if w.Buffered() > largeBuffer {
				t.Errorf("%d octets are waiting", w.Buffered())
			}
			w.WriteByte('c')
			w.Flush()
			if got.String() != a+b+a+"c" {
				t.Errorf("%d and %d octets came out as %d", first, second, got.Len())
			}
		}
	}
}

func TestAWriterFillsByOctets(t *testing.T) {
	var got bytes.Buffer
	w := NewWriter(&got)
	for range 2*largeBuffer + 3 {
		w.WriteByte('x')
	}
	w.Flush()
	if got.Len() != 2*largeBuffer+3 {
		t.Errorf("%d octets came out", got.Len())
	}
}

func TestAWriterKeepsItsErrorUntilReset(t *testing.T) {
	broken := errors.New("broken")
	w := NewWriter(writerFunc(func([]byte) (int, error) { return 0, broken }))
	w.WriteString("x")
	if err := w.Flush(); err != broken {
		t.Fatalf("got %v", err)
	}
	if _, err := w.WriteString("x"); err != broken {
		t.Errorf("WriteString: %v", err)
	}
	if n, err := w.Write(make([]byte, largeBuffer)); n != 0 || err != broken {
		t.Errorf("Write: %d, %v", n, err)
	}
	if err := w.WriteByte('x'); err != broken {
		t.Errorf("WriteByte: %v", err)
	}
	var got bytes.Buffer
	w.Reset(&got)
	w.WriteString("y")
	if err := w.Flush(); err != nil || got.String() != "y" {
		t.Errorf("after Reset: %v, %q", err, got.String())
	}
}
