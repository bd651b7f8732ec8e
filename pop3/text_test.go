package pop3

import (
	"bytes"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/wire"
)

// writeText returns message as a textWriter sends it, given in pieces of n octets.
func writeText(t testing.TB, message string, n int) string {
	var b bytes.Buffer
	w := wire.NewWriter(&b)
	text := newTextWriter(w)
	for i := 0; i < len(message); i += n {
		piece := message[i:min(i+n, len(message))]
		if got, err := text.Write([]byte(piece)); got != len(piece) || err != nil {
			t.Fatalf("Write = %d, %v", got, err)
		}
	}
	if err := text.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The ways in which clients find lines: by the letter of RFC 1939, as those do that read to LF, and as those
// do that take a CR alone for an end as well. Each returns the first line with its end.
var conventions = map[string]func(s string) string{
	"CRLF": func(s string) string {
		if i := strings.Index(s, "\r\n"); i >= 0 {
			return s[:i+2]
		}
		return s
	},
	"LF": func(s string) string {
		if i := strings.IndexByte(s, '\n'); i >= 0 {
			return s[:i+1]
		}
		return s
	},
	"any": func(s string) string {
		i := strings.IndexAny(s, "\r\n")
		if i < 0 {
			return s
		}
		if strings.HasPrefix(s[i:], "\r\n") {
			i++
		}
		return s[:i+1]
	},
}

// checkText holds what a client sees of message to P3.
func checkText(t testing.TB, message string, n int) {
	t.Helper()
	sent := writeText(t, message, n)
	for convention, first := range conventions {
		rest, got := sent, ""
		for {
			line := first(rest)
			rest = rest[len(line):]
			body := strings.TrimRight(line, "\r\n")
			if body == "." {
				break
			}
			if line == "" {
				t.Fatalf("%q sent as %q: a client of %s finds no end", message, sent, convention)
			}
			got += strings.TrimPrefix(line, ".")
		}
		if rest != "" {
			t.Fatalf("%q sent as %q: for a client of %s the text ends before %q", message, sent, convention, rest)
		}
		want := message
		if want != "" && !strings.HasSuffix(want, "\r\n") {
			want += "\r\n"
		}
		if bare(message) && convention != "any" {
			continue // may see a dot too many, see textWriter
		}
		if got != want {
			t.Fatalf("%q sent as %q: a client of %s reads %q", message, sent, convention, got)
		}
	}
}

// bare reports whether s has a CR or LF that is not part of a CRLF.
func bare(s string) bool { return strings.ContainsAny(strings.ReplaceAll(s, "\r\n", ""), "\r\n") }

// P3: every message of up to seven octets out of those that matter, in pieces of every size.
func TestNoMessageEndsEarlyForAnyClient(t *testing.T) {
	const octets = "x.\r\n"
	var try func(prefix string, more int)
	try = func(prefix string, more int) {
		for n := 1; n <= max(len(prefix), 1); n++ {
			checkText(t, prefix, n)
		}
		if more == 0 {
			return
		}
		for _, c := range octets {
			try(prefix+string(c), more-1)
		}
	}
	try("", 7)
}

func FuzzText(f *testing.F) {
	f.Add("Subject: x\r\n\r\n.\r\n..\r\n", 3)
	f.Add("a\n.\r\n", 1)
	f.Add(".", 1)
	f.Add("", 1)
	f.Fuzz(func(t *testing.T, message string, n int) {
		checkText(t, message, max(1, n))
	})
}

// topOf returns the top of message, given in pieces of n octets.
func topOf(message string, lines, n int) string {
	filter := topFilter{lines: lines}
	top := ""
	for i := 0; i < len(message); i += n {
		piece := message[i:min(i+n, len(message))]
		k, done := filter.take([]byte(piece))
		top += piece[:k]
		if done {
			break
		}
	}
	return top
}

func TestTheTopIsTheSameHoweverTheMessageIsRead(t *testing.T) {
	for _, message := range []string{
		"", "\r\n", "a: b\r\n", "a: b\r\n\r\n", "a: b\r\n\r\none\r\n\r\nthree\r\nfour", "a: b\n\none\ntwo\n", "\r\r\n\r\n1\r\n2\r\n", "a\r\n\r\r\nb\r\n\r\nc\r\n",
	} {
		for lines := range 6 {
			want := topOf(message, lines, max(len(message), 1))
			for n := 1; n < len(message); n++ {
				if got := topOf(message, lines, n); got != want {
					t.Errorf("%q in pieces of %d: the top of %d is %q, want %q", message, n, lines, got, want)
				}
			}
		}
	}
	// What is not empty does not end the header.
	if got := topOf("a\r\n\r\r\nb\r\n\r\nc\r\n", 0, 100); got != "a\r\n\r\r\nb\r\n\r\n" {
		t.Errorf("got %q", got)
	}
}
