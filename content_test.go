package postrider_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/postrider/postrider"
)

func TestContentReadsLikeAFile(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcde\n"), 20_000)
	spill := func(memory int) postrider.Content {
		s := &postrider.Spool{Dir: t.TempDir(), Memory: memory}
		for chunk := range bytesChunks(long, 4093) {
			if n, err := s.Write(chunk); n != len(chunk) || err != nil {
				t.Fatal(n, err)
			}
		}
		if s.Size() != int64(len(long)) {
			t.Fatalf("spool says %d octets, want %d", s.Size(), len(long))
		}
		c, err := s.Content()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for name, c := range map[string]postrider.Content{
		"bytes":             postrider.Bytes(long),
		"string":            postrider.String(string(long)),
		"spool in memory":   spill(1 << 20),
		"spool in a file":   spill(-1),
		"spool at default":  spill(0),
		"spool half-way":    spill(5000),
		"concat":            postrider.Concat(postrider.Bytes(long[:1]), postrider.Bytes(nil), postrider.Bytes(long[1:777]), postrider.Bytes(long[777:])),
		"concat of a spool": postrider.Concat(postrider.Bytes(long[:100]), tail(spill(-1), 100)),
	} {
		t.Run(name, func(t *testing.T) {
			if err := iotest.TestReader(postrider.NewReader(c), long); err != nil {
				t.Error(err)
			}
			if got, err := postrider.ReadAll(c); err != nil || !bytes.Equal(got, long) {
				t.Errorf("ReadAll returned other bytes: %v", err)
			}
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					if got, err := io.ReadAll(postrider.NewReader(c)); err != nil || !bytes.Equal(got, long) {
						t.Errorf("a reader beside others read other bytes: %v", err)
					}
				})
			}
			wg.Wait()
			if _, err := c.ReadAt(make([]byte, 1), c.Size()); err != io.EOF {
				t.Errorf("reading at the end: %v, want EOF", err)
			}
			if _, err := c.ReadAt(make([]byte, 1), -1); err == nil {
				t.Error("reading before the start: no error")
			}
			if err := errors.Join(c.Close(), c.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// tail hides the first n octets of c.
func tail(c postrider.Content, n int64) postrider.Content {
	return struct {
		*io.SectionReader
		io.Closer
	}{io.NewSectionReader(c, n, c.Size()-n), c}
}

func bytesChunks(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			k := min(n, len(b))
			if !yield(b[:k]) {
				return
			}
			b = b[k:]
		}
	}
}

func TestSpoolTurnsToAFileOnlyBeyondItsMemory(t *testing.T) {
	for _, tt := range []struct {
		size  int
		spill bool
	}{{999, false}, {1000, false}, {1001, true}} {
		// A folder that is not there tells when a file is wanted.
		s := &postrider.Spool{Dir: t.TempDir() + "/missing", Memory: 1000}
		_, err := s.Write(make([]byte, tt.size))
		if spilled := err != nil; spilled != tt.spill {
			t.Errorf("%d octets with room for 1000 in memory: %v", tt.size, err)
		}
	}
}

func TestSpoolLeavesNoFileBehind(t *testing.T) {
	dir := t.TempDir()
	s := &postrider.Spool{Dir: dir, Memory: -1}
	if _, err := io.Copy(s, strings.NewReader("one")); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("a crash now would leave %v", left)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if s.Size() != 0 {
		t.Error("a closed spool still has a size")
	}
}

func TestSpoolThatFailedGivesNoContent(t *testing.T) {
	s := &postrider.Spool{Dir: t.TempDir() + "/missing", Memory: -1}
	if _, err := s.Write([]byte("a")); err == nil {
		t.Fatal("no error")
	}
	if c, err := s.Content(); err == nil {
		t.Errorf("got content of %d octets out of a spool that lost some", c.Size())
	}
}

func TestConcatTellsAShortPart(t *testing.T) {
	short := struct {
		*io.SectionReader
		io.Closer
	}{io.NewSectionReader(strings.NewReader("abc"), 0, 10), io.NopCloser(nil)}
	c := postrider.Concat(postrider.String("x"), short, postrider.String("y"))
	if _, err := io.ReadAll(postrider.NewReader(c)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want an unexpected EOF rather than shifted bytes", err)
	}
}
