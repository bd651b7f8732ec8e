package message

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

// nested returns multiparts in one another, and the text in the innermost.
func nested(depth int) []byte {
	var b bytes.Buffer
	for i := range depth {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d.\r\n\r\n--b%d.\r\n", i, i)
	}
	b.WriteString("\r\nhello\r\n")
	for i := range depth {
		fmt.Fprintf(&b, "--b%d.--\r\n", depth-1-i)
	}
	return b.Bytes()
}

func TestDepthIsBounded(t *testing.T) {
	for depth, want := range map[int]string{MaxDepth: "text/plain", MaxDepth + 1: "application/octet-stream", 1000: "application/octet-stream"} {
		messages := []byte(strings.Repeat("Content-Type: message/rfc822\r\n\r\n", depth) + "\r\nhello\r\n")
		for _, b := range [][]byte{nested(depth), messages} {
			s := summarize(t, b)
			checkSummary(t, b, s)
			checkBinary(t, s)
			p, n := s.Structure, 0
			for ; p.Message != nil || len(p.Parts) > 0; n++ {
				if p.Message != nil {
					p = p.Message
				} else {
					p = p.Parts[0]
				}
			}
			if got := p.Type + "/" + p.Subtype; got != want || n != MaxDepth {
				t.Errorf("of depth %d: %s in depth %d, want %s", depth, got, n, want)
			}
		}
	}
}

func TestPartsAreCounted(t *testing.T) {
	head := "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	for parts, last := range map[int]string{MaxParts - 2: "text", MaxParts - 1: "application", MaxParts + 10: "application"} {
		b := []byte(head + strings.Repeat("--b\r\n\r\nx\r\n", parts) + "--b--\r\n")
		s := summarize(t, b)
		checkSummary(t, b, s)
		checkBinary(t, s)
		n := len(s.Structure.Parts)
		p := s.Structure.Parts[n-1]
		if want := min(parts, MaxParts-1); n != want || p.Type != last {
			t.Errorf("of %d parts: %d, want %d, the last one %s, want %s", parts, n, want, p.Type, last)
		}
		if last == "application" && p.End != s.Size {
			t.Errorf("of %d parts the last one ends at %d of %d", parts, p.End, s.Size)
		}
	}
}

func TestHeadersAreBounded(t *testing.T) {
	tail := "\r\n\r\n"
	for size, want := range map[int]int{MaxHeaderSize: MaxHeaderSize, MaxHeaderSize + 1: MaxHeaderSize, 3 * MaxHeaderSize: MaxHeaderSize} {
		one := "Subject: x\r\nX: " + strings.Repeat("x", size-len("Subject: x\r\nX: ")-len(tail)) + tail + "body"
		many := "Subject: x\r\n" + strings.Repeat("\tx\r\n", (size-12-2)/4) + strings.Repeat("\t", (size-12-2)%4) + tail[:2] + "body"
		for _, b := range []string{one, many} {
			s := summarize(t, []byte(b))
			checkSummary(t, []byte(b), s)
			if s.HeaderSize > int64(want) || s.HeaderSize < int64(want)-4 || !strings.HasPrefix(s.Envelope.Subject, "x") {
				t.Errorf("a header of %d ends at %d", size, s.HeaderSize)
			}
		}
	}
}

// Many headers together keep no more than one may have.
func TestKeptValuesAreBounded(t *testing.T) {
	part := "--b\r\nContent-Description: " + strings.Repeat("x", 100_000) + "\r\n\r\n"
	b := []byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat(part, 30))
	total := 0
	for p := range summarize(t, b).Structure.All() {
		total += len(p.Description)
	}
	if total > MaxHeaderSize || total < MaxHeaderSize-1000 {
		t.Errorf("%d octets kept", total)
	}
}

func TestAddressesOfAllHeadersAreCounted(t *testing.T) {
	part := "--b\r\n\r\nTo: " + strings.Repeat("a@b,", MaxAddresses/2) + "\r\n\r\n"
	b := []byte("To: c@d\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n" + strings.Repeat(part, 4))
	s := summarize(t, b)
	total := len(s.Envelope.To)
	for p := range s.Structure.All() {
		if p.Envelope != nil {
			total += len(p.Envelope.To)
		}
	}
	if total != MaxAddresses {
		t.Errorf("%d addresses kept, want %d", total, MaxAddresses)
	}
}

// A message of 100 MiB takes no more memory than one of a page.
func TestMemoryDoesNotGrowWithTheMessage(t *testing.T) {
	head := "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/pdf\r\n\r\n"
	r := &endless{head: head, size: 100 << 20}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s, err := Summarize(r, r.size)
	if err != nil {
		t.Fatal(err)
	}
	part := s.Structure.Parts[0]
	if n, err := io.Copy(io.Discard, part.Decoded(r)); err != nil || n != part.Size() {
		t.Errorf("%d octets of %d, %v", n, part.Size(), err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("%d octets allocated", got)
	}
}

// endless is a message of any size.
type endless struct {
	head string
	size int64
}

func (e *endless) ReadAt(p []byte, off int64) (int, error) {
	p = p[:min(int64(len(p)), e.size-off)]
	for i := range p {
		p[i] = 'x'
		if off+int64(i) < int64(len(e.head)) {
			p[i] = e.head[off+int64(i)]
		}
	}
	if len(p) == 0 {
		return 0, io.EOF
	}
	return len(p), nil
}

// hostile are messages made to cost more than their size, given about n octets.
var hostile = map[string]func(n int) []byte{
	"nested multiparts": func(n int) []byte { return nested(n / 70) },
	"nested messages": func(n int) []byte {
		return bytes.Repeat([]byte("Content-Type: message/rfc822\r\n\r\n"), n/32)
	},
	"delimiters": func(n int) []byte {
		return append([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n"), bytes.Repeat([]byte("--b\r\n"), n/5)...)
	},
	"dashes": func(n int) []byte { return append(nested(100), bytes.Repeat([]byte("--\r\n"), n/4)...) },
	"dashes inside": func(n int) []byte {
		b := nested(100)
		i := bytes.Index(b, []byte("hello"))
		return append(b[:i:i], bytes.Repeat([]byte("--b\r\n"), n/5)...)
	},
	"multiparts side by side": func(n int) []byte {
		part := "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n--c--\r\n"
		return append([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n"), bytes.Repeat([]byte(part), n/len(part))...)
	},
	"fields":         repeatField("Subject: x%d\r\n", ""),
	"continuations":  repeatField(" x\r\n", "Subject: "),
	"stray lines":    repeatField("x\r\n", "Subject: "),
	"parameters":     repeatField(`;a*0*="`, "Content-Type: text/plain"),
	"bad parameters": repeatField(`a"(`, "Content-Type: text/plain;"),
	"addresses":      repeatField("a@b,", "To: "),
	"at signs":       repeatField("@b", "To: a"),
	"brackets":       repeatField("<@[", "To: "),
	"routes":         repeatField("<@a,", "To: "),
	"comments":       repeatField("(a@b", "To: "),
	"quotes":         repeatField(`"\"`, "To: "),
	"trailers":       repeatField("c ", "To: <a@b> "),
	"dots":           repeatField("a . ", "To: "),
	"groups":         repeatField("g:", "To: "),
	"references":     repeatField(`<\">`, "References: "),
	"languages":      repeatField("a,", "Content-Language: "),
	"HTML": func(n int) []byte {
		return append([]byte("Content-Type: text/html\r\n\r\n"), bytes.Repeat([]byte("<script></<!--&"), n/15)...)
	},
	"soft breaks": func(n int) []byte {
		return append([]byte("Content-Transfer-Encoding: quoted-printable\r\n\r\n"), bytes.Repeat([]byte("= "), n/2)...)
	},
}

func repeatField(piece, before string) func(n int) []byte {
	return func(n int) []byte {
		b := []byte(before)
		for i := 0; len(b) < n; i++ {
			if strings.Contains(piece, "%") {
				b = fmt.Appendf(b, piece, i)
			} else {
				b = append(b, piece...)
			}
		}
		return b
	}
}

// No message costs more than a small multiple of what an honest one of its size
// does: what is quadratic takes minutes here.
func TestHostileMessagesCostLinearTime(t *testing.T) {
	for name, build := range hostile {
		b := build(2 * MaxHeaderSize)
		start := time.Now()
		s := summarize(t, b)
		checkSummary(t, b, s)
		DecodeHeader(s.Envelope.Subject)
		BaseSubject(s.Envelope.Subject)
		ParseDate(s.Envelope.Subject)
		n := 0
		for range s.Structure.Fields(bytes.NewReader(b)) {
			n++
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: %d octets took %v", name, len(b), took)
		} else {
			t.Logf("%-25s %8v, %d fields", name, took.Round(time.Millisecond), n)
		}
	}
}
