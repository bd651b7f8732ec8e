package message

import (
	"bytes"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// addMessages gives f the shorter messages of the corpora and the broken ones.
func addMessages(f *testing.F, add func(b []byte)) {
	files, err := filepath.Glob("testdata/*/*.[mte]*")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, file := range files {
		if b := readCRLF(f, file); len(b) < 10_000 {
			add(b)
		}
	}
	for _, c := range broken {
		add(crlf([]byte(c.message)))
	}
}

func FuzzSummarize(f *testing.F) {
	addMessages(f, func(b []byte) { f.Add(b, uint(7)) })
	f.Add([]byte(strings.Repeat("Content-Type: message/rfc822\r\n\r\n", MaxDepth+5)), uint(1))
	f.Fuzz(func(t *testing.T, b []byte, cut uint) {
		s := summarize(t, b)
		checkSummary(t, b, s)

		// However it is cut, it is the same message.
		var pushed Scanner
		for rest, n := b, int(cut%97)+1; len(rest) > 0; n = n%97 + 1 {
			n = min(n, len(rest))
			pushed.Write(bytes.Clone(rest[:n]))
			rest = rest[n:]
		}
		checkEqual(t, "pushed", pushed.Finish(), s)
		checkBinary(t, s)
		checkSections(t, b, s)
		for p := range s.Structure.All() {
			checkFields(t, b, p)
			checkDecoded(t, b, p)
		}
	})
}

// checkBinary holds that the binary form loses nothing.
func checkBinary(t *testing.T, s *Summary) {
	t.Helper()
	data, err := s.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	var back Summary
	if err := back.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	checkEqual(t, "binary form", &back, s)
	env, err := DecodeEnvelope(data)
	if err != nil {
		t.Fatal(err)
	}
	checkEqual(t, "envelope alone", &Summary{Envelope: env, Structure: s.Structure}, &Summary{Envelope: s.Envelope, Structure: s.Structure})
}

// checkEqual is cmp.Diff for deep structures, where that takes exponential time.
func checkEqual(t *testing.T, what string, got, want *Summary) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n%+v\n%s, want\n%+v\n%s", what, got, printStructure(got.Structure), want, printStructure(want.Structure))
	}
}

// checkSections reads what a client could ask for, and holds that header and text
// make up the whole.
func checkSections(t *testing.T, b []byte, s *Summary) {
	t.Helper()
	get := func(sec Section) string {
		r, ok, err := s.Section(bytes.NewReader(b), sec)
		if err != nil || !ok {
			t.Fatalf("%v: %v %v", sec, ok, err)
		}
		text, err := io.ReadAll(r)
		if err != nil || int64(len(text)) != r.Size() {
			t.Fatalf("%v: %d octets of %d: %v", sec, len(text), r.Size(), err)
		}
		return string(text)
	}
	if get(Section{}) != string(b) || get(Section{Specifier: Header})+get(Section{Specifier: Text}) != string(b) {
		t.Fatal("header and text are not the message")
	}
	if get(Section{Specifier: HeaderFieldsNot}) != get(Section{Specifier: Header}) {
		t.Fatal("a header without no field is not the header")
	}
	if s.Structure.IsMultipart() {
		n := len(s.Structure.Parts)
		get(Section{Part: []int{n}, Specifier: MIME})
		if _, ok, _ := s.Section(bytes.NewReader(b), Section{Part: []int{n + 1}}); ok {
			t.Fatal("one part too many")
		}
	} else if get(Section{Part: []int{1}}) != get(Section{Specifier: Text}) {
		t.Fatal("part 1 is not the text")
	}
}

// checkFields holds that the fields make up the header.
func checkFields(t *testing.T, b []byte, p *Part) {
	t.Helper()
	header := b[p.HeaderStart:p.BodyStart]
	n := 0
	for f, err := range p.Fields(bytes.NewReader(b)) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(f.Value(), "\n\x00") && f.Name != "" {
			t.Fatalf("value %q", f.Value())
		}
		n += len(f.Raw)
		if !bytes.HasPrefix(header, f.Raw) {
			t.Fatalf("field %q does not begin %q", f.Raw, header)
		}
		header = header[len(f.Raw):]
	}
	if len(trimEOL(header)) > 0 || bytes.Count(header, lf) > 1 {
		t.Fatalf("after the fields: %q", header)
	}
}

// checkDecoded holds that decoding never makes more of it, and text is UTF-8.
func checkDecoded(t *testing.T, b []byte, p *Part) {
	t.Helper()
	decoded, err := io.ReadAll(p.Decoded(bytes.NewReader(b)))
	if err != nil || int64(len(decoded)) > p.Size() {
		t.Fatalf("decoded %d octets of %d: %v", len(decoded), p.Size(), err)
	}
	text, err := io.ReadAll(p.Text(bytes.NewReader(b)))
	if err != nil || string(text) != strings.ToValidUTF8(string(text), "") {
		t.Fatalf("text %q: %v", text, err)
	}
}

func FuzzUnmarshalBinary(f *testing.F) {
	addMessages(f, func(b []byte) {
		data, err := summarize(f, b).AppendBinary(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		var s Summary
		if err := s.UnmarshalBinary(data); err != nil {
			if err != ErrCorrupt || s.Structure != nil {
				t.Fatalf("error %v, summary %+v", err, s)
			}
			DecodeEnvelope(data)
			return
		}
		at := int64(0)
		for p := range s.Structure.All() {
			if p.HeaderStart < 0 || p.BodyStart < p.HeaderStart || p.End < p.BodyStart || p.End > s.Size || p.HeaderStart < at {
				t.Fatalf("offsets %+v", p)
			}
			at = p.HeaderStart
		}
		checkBinary(t, &s)
	})
}

func FuzzParseDate(f *testing.F) {
	for _, c := range dates {
		f.Add(c.value)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDate(s)
		if err != nil {
			return
		}
		again, err := ParseDate(FormatDate(d))
		if err != nil || !again.Equal(d) {
			t.Fatalf("%q: %v, printed and read again %v, %v", s, d, again, err)
		}
	})
}

func FuzzDecodeHeader(f *testing.F) {
	for _, s := range []string{"=?utf-8?q?a?= =?utf-8?b?YQ==?=", "=?iso-2022-jp?B?GyRC?=", "=?x?q?=?=", "[x] Re: =?utf-8?q?=5Bfwd=3A_a=5D?= (fwd)", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if text := DecodeHeader(s); text != strings.ToValidUTF8(text, "") {
			t.Fatalf("%q: %q is not UTF-8", s, text)
		}
		base, _ := BaseSubject(s)
		if again, _ := BaseSubject(base); !strings.Contains(base, "=?") && again != base {
			t.Fatalf("%q: base subject %q has base subject %q", s, base, again)
		}
		ParseMessageIDs(s)
		b := AppendField(nil, "Subject", s)
		lines := bytes.Split(b, []byte("\r\n"))
		for i, line := range lines[:len(lines)-1] {
			if bytes.ContainsAny(line, "\r\n\x00") || len(line) > maxLine || i > 0 && !isBlank(line[0]) {
				t.Fatalf("%q: line %q", s, line)
			}
		}
	})
}
