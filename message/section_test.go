package message

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// The message of RFC 9051 §6.4.5.1, with all its part specifiers.
var sectionsExample = crlf([]byte(`Subject: outer
Content-Type: multipart/mixed; boundary=a

--a

one
--a
Content-Type: application/octet-stream

two
--a
Content-Type: message/rfc822

Subject: three
Content-Type: multipart/mixed; boundary=b

--b

three.one
--b
Content-Type: application/octet-stream

three.two
--b--
--a
Content-Type: multipart/mixed; boundary=c

--c
Content-Type: image/gif

four.one
--c
Content-Type: message/rfc822

Subject: four.two
Content-Type: multipart/mixed; boundary=d

--d

four.two.one
--d
Content-Type: multipart/alternative; boundary=e

--e

four.two.two.one
--e
Content-Type: text/richtext

four.two.two.two
--e--
--d--
--c--
--a--
`))

// section reads a section written as IMAP does; "NIL" if there is none.
func section(t *testing.T, b []byte, spec string) string {
	t.Helper()
	sec := Section{}
	rest := spec
	for rest != "" && rest[0] >= '0' && rest[0] <= '9' {
		var n int
		word, after, _ := strings.Cut(rest, ".")
		fmt.Sscan(word, &n)
		sec.Part, rest = append(sec.Part, n), after
	}
	word, names, _ := strings.Cut(rest, " ")
	sec.Specifier = map[string]Specifier{"": None, "HEADER": Header, "HEADER.FIELDS": HeaderFields,
		"HEADER.FIELDS.NOT": HeaderFieldsNot, "TEXT": Text, "MIME": MIME}[word]
	sec.Fields = strings.Fields(strings.Trim(names, "()"))
	r, ok, err := summarize(t, b).Section(bytes.NewReader(b), sec)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return "NIL"
	}
	text, err := io.ReadAll(r)
	if err != nil || int64(len(text)) != r.Size() {
		t.Fatalf("%s: %d octets of %d, %v", spec, len(text), r.Size(), err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// I12, RFC 9051 §6.4.5.1.
func TestSectionsAreThoseOfRFC9051(t *testing.T) {
	for _, c := range []struct{ spec, want string }{
		{"HEADER", "Subject: outer\nContent-Type: multipart/mixed; boundary=a\n\n"},
		{"1", "one"}, {"1.MIME", "\n"}, {"1.HEADER", "NIL"}, {"1.TEXT", "NIL"}, {"1.1", "NIL"},
		{"2", "two"}, {"2.MIME", "Content-Type: application/octet-stream\n\n"},
		{"3.MIME", "Content-Type: message/rfc822\n\n"},
		{"3.HEADER", "Subject: three\nContent-Type: multipart/mixed; boundary=b\n\n"},
		{"3.HEADER.FIELDS (subject)", "Subject: three\n\n"},
		{"3.TEXT", "--b\n\nthree.one\n--b\nContent-Type: application/octet-stream\n\nthree.two\n--b--"},
		{"3.1", "three.one"}, {"3.2", "three.two"}, {"3.2.MIME", "Content-Type: application/octet-stream\n\n"}, {"3.3", "NIL"},
		{"4.1", "four.one"}, {"4.1.MIME", "Content-Type: image/gif\n\n"}, {"4.HEADER", "NIL"}, {"4.TEXT", "NIL"},
		{"4.2.HEADER", "Subject: four.two\nContent-Type: multipart/mixed; boundary=d\n\n"},
		{"4.2.1", "four.two.one"}, {"4.2.2.1", "four.two.two.one"}, {"4.2.2.2", "four.two.two.two"},
		{"4.2.2.MIME", "Content-Type: multipart/alternative; boundary=e\n\n"}, {"4.2.2.3", "NIL"},
		{"5", "NIL"}, {"0", "NIL"}, {"MIME", "NIL"},
	} {
		if got := section(t, sectionsExample, c.spec); got != c.want {
			t.Errorf("BODY[%s] is %q, want %q", c.spec, got, c.want)
		}
	}
	if whole := section(t, sectionsExample, ""); whole != strings.ReplaceAll(string(sectionsExample), "\r\n", "\n") {
		t.Errorf("BODY[] is %q", whole)
	}
}

// I12: part 1 exists for any message that is not multipart.
func TestPartOneOfASimpleMessageIsItsBody(t *testing.T) {
	simple := []byte("Subject: x\r\n\r\nbody\r\n")
	inner := append([]byte("Content-Type: message/rfc822\r\nX: y\r\n\r\n"), simple...)
	for _, c := range []struct {
		message    []byte
		spec, want string
	}{
		{simple, "1", "body\n"}, {simple, "1.MIME", "Subject: x\n\n"}, {simple, "1.1", "NIL"}, {simple, "2", "NIL"},
		{simple, "1.HEADER", "NIL"}, {simple, "TEXT", "body\n"},
		{inner, "1", "Subject: x\n\nbody\n"}, {inner, "1.HEADER", "Subject: x\n\n"}, {inner, "1.TEXT", "body\n"},
		{inner, "1.MIME", "Content-Type: message/rfc822\nX: y\n\n"}, {inner, "1.1", "body\n"}, {inner, "1.1.MIME", "Subject: x\n\n"}, {inner, "1.1.1", "NIL"},
		{inner, "TEXT", "Subject: x\n\nbody\n"}, {inner, "HEADER.FIELDS (SUBJECT)", "\n"},
	} {
		if got := section(t, c.message, c.spec); got != c.want {
			t.Errorf("%q BODY[%s] is %q, want %q", c.message, c.spec, got, c.want)
		}
	}
}

// RFC 9051 §6.4.5.1: exact octets, ASCII case, the empty line if there is one.
func TestHeaderSubsetsKeepOctets(t *testing.T) {
	b := []byte("From x\r\nSubject : one\r\n two\r\nTo: a@b\r\nsubject: three\r\nstray\r\nK: k\r\n\r\nbody")
	for _, c := range []struct{ spec, want string }{
		{"HEADER.FIELDS (SUBJECT)", "Subject : one\n two\nsubject: three\nstray\n\n"},
		{"HEADER.FIELDS (to k)", "To: a@b\nK: k\n\n"},
		{"HEADER.FIELDS (\u212a)", "\n"}, // the Kelvin sign is no K
		{"HEADER.FIELDS (x-none)", "\n"},
		{"HEADER.FIELDS.NOT (subject K)", "From x\nTo: a@b\n\n"},
	} {
		if got := section(t, b, c.spec); got != c.want {
			t.Errorf("BODY[%s] is %q, want %q", c.spec, got, c.want)
		}
	}
	if got := section(t, []byte("To: a\r\nCc: b"), "HEADER.FIELDS (cc)"); got != "Cc: b" {
		t.Errorf("without an empty line: %q", got)
	}
}
