package store

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/unicode/norm"
)

// RFC 5051 §2.
func TestCasemap(t *testing.T) {
	for in, want := range map[string]string{
		"":              "",
		"Hello, World!": "HELLO, WORLD!",
		"größe":         "GRO\u0308ßE",
		"GRÖßE":         "GRO\u0308ßE",
		"gro\u0308ße":   "GRO\u0308ßE",
		"\u01c4":        "Dz\u030c", // the example of the RFC
		"\ufb01ne":      "fiNE",     // a ligature decomposes after its case is mapped
		"한글":            norm.NFKD.String("한글"),
		"ｆｕｌｌ":          "FULL",
		"Привет":        "ПРИВЕТ",
		"\xe4a":         "\xe4A", // not UTF-8: binary
		"\xe2\x82":      "\xe2\x82",
	} {
		if got := string(casemap(in)); got != want {
			t.Errorf("casemap(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCasemapOfEachOctetAtEachPlace(t *testing.T) {
	for c := range 0x80 {
		for place := range 17 {
			in := []byte(strings.Repeat("a{`Z[@z", 3))
			in[place] = byte(c)
			if got, want := casemap(string(in)), bytes.ToUpper(in); !bytes.Equal(got, want) {
				t.Fatalf("casemap(%q) = %q, want %q", in, got, want)
			}
		}
	}
}

func TestTextSearchFindsAcrossChunks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	words := []string{"größe", "Ünïcôde", "plain", "한글", "\r\n", " ", "x"}
	var b strings.Builder
	for b.Len() < 3*textChunk {
		b.WriteString(words[random.IntN(len(words))])
	}
	text := b.String()
	mapped := casemap(text)
	for range 100 {
		from := random.IntN(len(text) - 100)
		for from > 0 && text[from]&0xc0 == 0x80 {
			from--
		}
		in := strings.ToUpper(strings.ToValidUTF8(text[from:from+1+random.IntN(90)], ""))
		out := in + "!"
		hit, miss := &needle{text: casemap(in)}, &needle{text: casemap(out)}
		s := newTextSearch(max(len(hit.text), len(miss.text)))
		s.start(hit, miss)
		var r io.Reader = strings.NewReader(text)
		if random.IntN(20) == 0 {
			r = iotest.OneByteReader(r)
		}
		if err := s.read(r); err != nil {
			t.Fatal(err)
		}
		if want := bytes.Contains(mapped, hit.text); hit.found != want || miss.found {
			t.Fatalf("%q: found %v, want %v; %q: found %v", in, hit.found, want, out, miss.found)
		}
	}
}

func TestTextSearchDoesNotFindAcrossTexts(t *testing.T) {
	n := &needle{text: casemap("ab")}
	s := newTextSearch(2)
	for _, text := range []string{"a", "b"} {
		s.start(n)
		s.add(text)
	}
	s.start(n)
	if err := s.read(strings.NewReader("xa")); err != nil {
		t.Fatal(err)
	}
	s.start(n)
	if err := s.read(strings.NewReader("bx")); err != nil || n.found {
		t.Fatalf("found across texts: %v, %v", n.found, err)
	}
}

func BenchmarkCasemap(b *testing.B) {
	for name, s := range map[string]string{"ascii": strings.Repeat("Hello world ", 3000), "cyrillic": strings.Repeat("Привет мир ", 1800)} {
		b.Run(name, func(b *testing.B) {
			src := []byte(s)
			dst := make([]byte, 0, 2*len(src))
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				appendCasemap(dst[:0], src, false)
			}
		})
	}
}
