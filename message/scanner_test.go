package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// Each message of the corpora, as IMAP would describe it. The golden files were
// compared with the answers of Dovecot 2.3.19.
func TestCorporaAreReadAsTheGoldenFilesSay(t *testing.T) {
	for _, corpus := range []string{"mime4j/*.msg", "cpython/*.txt", "mimekit/*.[te]*"} {
		files, err := filepath.Glob("testdata/" + corpus)
		if err != nil || len(files) < 30 {
			t.Fatal(len(files), err)
		}
		var got strings.Builder
		for _, file := range files {
			b := readCRLF(t, file)
			s := summarize(t, b)
			checkSummary(t, b, s)
			fmt.Fprintf(&got, "== %s\n(%s)\n(%s)\nheader %d, preview %q\n\n", filepath.Base(file),
				printStructure(s.Structure), printEnvelope(&s.Envelope), s.HeaderSize, s.Preview)
		}
		golden := "testdata/" + filepath.Dir(corpus) + ".golden"
		if *update {
			if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", golden, diff)
		}
	}
}

// Messages that break rules, with what BODYSTRUCTURE says of them. Line ends are
// CRLF unless written otherwise.
var broken = []struct{ name, message, want string }{
	{"the empty message", "", `"text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL`},
	{"a header without a body", "Subject: x\n", `"text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL`},
	{"a body without a header", "\nhello\n", `"text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 7 1 NIL NIL NIL NIL`},
	{"no line end at all", "Content-Type: text/html", `"text" "html" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL`},
	{"an mbox line first", "From ann@example.org Mon Jan  1 00:00:00 2024\nContent-Type: text/html\n\nx\n",
		`"text" "html" ("charset" "us-ascii") NIL NIL "7bit" 3 1 NIL NIL NIL NIL`},
	{"a continuation that is not indented (RFC 7103 §7.2)", "Content-Type: multipart/mixed;\nboundary=b\n\n--b\n\nx\n--b--\n",
		`("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL`},
	{"white space before the colon (RFC 5322 §4.5)", "Content-Type : text/html\n\nx",
		`"text" "html" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL`},
	{"a line of white space continues the header (RFC 7103 §7.3)", "Subject: x\n \nContent-Type: text/html\n\nx",
		`"text" "html" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL`},
	{"a Content-Type that is none (RFC 2045 §5.2)", "Content-Type: ; foo=bar\n\nx",
		`"text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL`},
	{"a Content-Type without subtype", "Content-Type: text; charset=utf-8\n\nx",
		`"text" "plain" ("charset" "utf-8") NIL NIL "7bit" 1 0 NIL NIL NIL NIL`},
	{"the first Content-Type counts", "Content-Type: text/html\nContent-Type: text/enriched\n\nx",
		`"text" "html" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL`},
	{"a multipart without a boundary parameter", "Content-Type: multipart/mixed\n\n--x\n\ny\n--x--\n",
		`"text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 17 4 NIL NIL NIL NIL`},
	{"a multipart without any part", "Content-Type: multipart/mixed; boundary=b\n\nnothing\n",
		`("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL`},
	{"only a final delimiter", "Content-Type: multipart/mixed; boundary=b\n\n--b--\nx\n",
		`("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL`},
	{"no final delimiter (M2)", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nabc\n",
		`("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 1 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL`},
	{"a delimiter at the very end", "Content-Type: multipart/mixed; boundary=b\n\n--b",
		`("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL`},
	{"padding behind the boundary (M2)", "Content-Type: multipart/mixed; boundary=b\n\n--b \t \n\nabc\n--b-- \t\n",
		`("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL`},
	{"the outer delimiter ends inner parts", "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\nabc\n--o\n\ndef\n--o--\n",
		`(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0 NIL NIL NIL NIL) "mixed" ("boundary" "i") NIL NIL NIL)` +
			`("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0 NIL NIL NIL NIL) "mixed" ("boundary" "o") NIL NIL NIL`},
	{"one boundary within another", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b1\n\n--b1\n\nx\n--b1--\n--b\n\ny\n--b--\n",
		`(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL) "mixed" ("boundary" "b1") NIL NIL NIL)` +
			`("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL`},
	{"a boundary that ends in dashes", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=\"b--\"\n\n--b--\n\nx\n--b----\n--b--\n",
		`(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL) "mixed" ("boundary" "b--") NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL`},
	{"a delimiter inside a header", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n--b\n\ny\n--b--\n",
		`("text" "html" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL)` +
			`("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL`},
	{"a delimiter inside the header of a message", "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n--b--\n",
		`("message" "rfc822" NIL NIL NIL "7bit" 12 (NIL "x" NIL NIL NIL NIL NIL NIL NIL NIL)` +
			` ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL) 1 NIL NIL NIL NIL) "digest" ("boundary" "b") NIL NIL NIL`},
	{"bare LF", "Content-Type: multipart/mixed; boundary=b\x00\x00--b\x00\x00abc\x00--b--\x00", // \x00 stands for it
		`("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL`},
	{"CR CR LF", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nabc\r\n--b--\r\n",
		`("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 4 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL`},
	{"a bare CR ends no line", "Content-Type: text/plain;\rcharset=utf-8\n\na\r--b",
		`"text" "plain" ("charset" "utf-8") NIL NIL "7bit" 5 0 NIL NIL NIL NIL`},
	{"encoded as it may not be (M2)", "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n--b\n\nx\n--b--",
		`("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL`},
	{"a digest's parts are messages (RFC 2046 §5.1.5)", "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\ny\n--b\nContent-Type: text/html\n\nz\n--b--",
		`("message" "rfc822" NIL NIL NIL "7bit" 15 (NIL "x" NIL NIL NIL NIL NIL NIL NIL NIL)` +
			` ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL) 2 NIL NIL NIL NIL)` +
			`("text" "html" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL) "digest" ("boundary" "b") NIL NIL NIL`},
	{"message/global (RFC 6532)", "Content-Type: message/global\n\nSubject: ü\n\ny\n",
		`"message" "global" NIL NIL NIL "7bit" 18 (NIL "ü" NIL NIL NIL NIL NIL NIL NIL NIL)` +
			` ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL`},
}

func TestBrokenMessagesAreReadSensibly(t *testing.T) {
	for _, c := range broken {
		t.Run(c.name, func(t *testing.T) {
			b := []byte(strings.ReplaceAll(c.message, "\n", "\r\n"))
			b = bytes.ReplaceAll(b, []byte("\x00"), []byte("\n"))
			s := summarize(t, b)
			checkSummary(t, b, s)
			if got := printStructure(s.Structure); got != c.want {
				t.Errorf("got\n%s, want\n%s", got, c.want)
			}
		})
	}
}

// The example of RFC 9051 §7.5.2 and all that BODYSTRUCTURE can say (I12).
func TestExtensionDataIsKept(t *testing.T) {
	b := crlf([]byte(`Content-Type: Text/Plain; Charset="us-ascii" (Plain text); name*0=one; name*1*=%41
Content-ID: <960723163407.20117h@cac.washington.edu>
Content-Description: Compiler
 diff
Content-Transfer-Encoding: (really) BASE64
Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==
Content-Disposition: Attachment; filename="cc\".diff"; size=4554
Content-Language: en, de-CH (Swiss)
Content-Location: http://example.org/a
 /b

x
y
`))
	const want = `"text" "plain" ("charset" "us-ascii" "name*" "utf-8''oneA") "<960723163407.20117h@cac.washington.edu>" ` +
		`"Compiler diff" "base64" 6 2 "Q2hlY2sgSW50ZWdyaXR5IQ==" ("attachment" ("filename" "cc\".diff" "size" "4554")) ` +
		`("en" "de-CH") "http://example.org/a /b"`
	if got := printStructure(summarize(t, b).Structure); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

func TestReadErrorsAreReturned(t *testing.T) {
	broken := errors.New("broken disk")
	for _, c := range []struct {
		r    io.ReaderAt
		want error
	}{
		{strings.NewReader("Subject: x"), io.ErrUnexpectedEOF},
		{failingReader{broken}, broken},
	} {
		if _, err := Summarize(c.r, 100); !errors.Is(err, c.want) {
			t.Errorf("got %v, want %v", err, c.want)
		}
		p := &Part{BodyStart: 50}
		for _, err := range p.Fields(c.r) {
			if !errors.Is(err, c.want) {
				t.Errorf("Fields: got %v, want %v", err, c.want)
			}
		}
	}
}

type failingReader struct{ err error }

func (f failingReader) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func TestAScannerCanBeUsedAgain(t *testing.T) {
	var s Scanner
	for range 2 {
		if _, err := io.Copy(&s, iotest.OneByteReader(strings.NewReader("Subject: x\r\n\r\ny"))); err != nil {
			t.Fatal(err)
		}
		sum := s.Finish()
		if sum.Envelope.Subject != "x" || sum.Size != 15 || sum.HeaderSize != 14 || sum.Preview != "y" {
			t.Errorf("got %+v", sum)
		}
	}
	if sum := s.Finish(); sum.Size != 0 || sum.Structure.Type != "text" {
		t.Errorf("the empty message: %+v", sum)
	}
}

// checkSummary holds what is true of every Summary.
func checkSummary(t testing.TB, b []byte, s *Summary) {
	t.Helper()
	root := s.Structure
	if s.Size != int64(len(b)) || root.HeaderStart != 0 || root.End != s.Size || root.BodyStart != s.HeaderSize {
		t.Fatalf("offsets of the message: %+v", root)
	}
	parts := 0
	for p := range root.All() {
		parts++
		checkPart(t, b, p)
	}
	if parts > 2*MaxParts+2 {
		t.Fatalf("%d parts", parts)
	}
	if n := len([]rune(s.Preview)); n > 200 {
		t.Fatalf("a preview of %d characters", n)
	}
	if !strings.EqualFold(strings.Join(strings.Fields(s.Preview), " "), s.Preview) {
		t.Fatalf("preview %q has white space", s.Preview)
	}
}

func checkPart(t testing.TB, b []byte, p *Part) {
	t.Helper()
	if p.HeaderStart < 0 || p.BodyStart < p.HeaderStart || p.End < p.BodyStart || p.End > int64(len(b)) {
		t.Fatalf("part out of order: %+v", p)
	}
	if p.BodyStart-p.HeaderStart > MaxHeaderSize {
		t.Fatalf("header too long: %+v", p)
	}
	if n := int64(bytes.Count(b[p.BodyStart:p.End], lf)); n != p.Lines {
		t.Fatalf("%d lines, want %d: %+v", p.Lines, n, p)
	}
	if p.Type == "" || p.Subtype == "" || p.Encoding == "" {
		t.Fatalf("lacks a default: %+v", p)
	}
	if (p.Type == "multipart") != (len(p.Parts) > 0) || isMessageType(p) != (p.Message != nil) || (p.Message == nil) != (p.Envelope == nil) {
		t.Fatalf("type does not fit: %+v", p)
	}
	if m := p.Message; m != nil && (m.HeaderStart != p.BodyStart || m.End != p.End) {
		t.Fatalf("message %+v in %+v", m, p)
	}
	at := p.BodyStart
	for _, c := range p.Parts {
		if c.HeaderStart < at || c.End > p.End {
			t.Fatalf("part %+v in %+v", c, p)
		}
		at = c.End
	}
}
