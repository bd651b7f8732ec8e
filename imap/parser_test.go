package imap

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/wire"
)

// newParser returns a parser of a connection that says text, and what it has answered.
func newParser(text string) (*parser, *bytes.Buffer) {
	var answers bytes.Buffer
	return &parser{
		r:           wire.NewReader(strings.NewReader(text)),
		goAhead:     func() error { answers.WriteString("+"); return nil },
		maxLine:     100,
		maxLiterals: 10,
	}, &answers
}

func TestElementsAreReadAsTheGrammarSays(t *testing.T) {
	text := func(read func(*parser) (string, error)) func(*parser) (any, error) {
		return func(p *parser) (any, error) { return read(p) }
	}
	astring, str, atom, tag, word := text((*parser).astring), text((*parser).str), text((*parser).atom), text((*parser).tag), text((*parser).word)
	number := func(p *parser) (any, error) { return p.number() }
	number64 := func(p *parser) (any, error) { return p.number64() }
	date := func(p *parser) (any, error) { t, err := p.date(); return t.Format("2006-01-02"), err }
	dateTime := func(p *parser) (any, error) {
		t, err := p.dateTime()
		return t.Format("2006-01-02 15:04:05 -0700"), err
	}
	flags := func(p *parser) (any, error) { f, err := p.flags(); return string(appendFlags(nil, f)), err }
	pattern := text((*parser).listMailbox)
	for _, test := range []struct {
		name  string
		read  func(*parser) (any, error)
		input string
		want  any // nil for a syntaxError
		rest  string
	}{
		{"atom", atom, "a]b", "a", "]b"},
		{"atom", atom, "}+~!#$&'-./:;<=>?@[^_`|", "}+~!#$&'-./:;<=>?@[^_`|", ""},
		{"atom", atom, "", nil, ""},
		{"atom", atom, "\x7f", nil, ""},
		{"atom", atom, "\xe9", nil, ""},
		{"word", word, "fetch x", "FETCH", " x"},
		{"tag", tag, "a]1 x", "a]1", "x"},
		{"tag", tag, "a+ x", nil, ""},
		{"tag", tag, "a", nil, ""},
		{"astring", astring, "a]b c", "a]b", " c"},
		{"astring", astring, `"a b" c`, "a b", " c"},
		{"astring", astring, `"" c`, "", " c"},
		{"astring", astring, `"\"\\" c`, `"\`, " c"},
		{"astring", astring, "\"\xc3\xa9\"", "\u00e9", ""},
		{"astring", astring, `"a\n"`, nil, ""},
		{"astring", astring, `"a\`, nil, ""},
		{"astring", astring, `"a`, nil, ""},
		{"astring", astring, "a%", "a", "%"},
		{"astring", astring, "(", nil, ""},
		{"astring", astring, "{3}\r\na\r\n x", "a\r\n", " x"},
		{"astring", astring, "{3+}\r\n\xe9\xe8\"x", "\xe9\xe8\"", "x"},
		{"astring", astring, "{0}\r\n", "", ""},
		{"astring", astring, "{1}x", nil, ""},
		{"astring", astring, "{ 1}", nil, ""},
		{"astring", astring, "{-1}", nil, ""},
		{"astring", astring, "{1-}", nil, ""},
		{"astring", astring, "{1+}\r\n\x00", nil, ""},
		{"string", str, "a", nil, ""},
		{"pattern", pattern, "a%*] x", "a%*]", " x"},
		{"number", number, "4294967295", uint32(4294967295), ""},
		{"number", number, "4294967296", nil, ""},
		{"number", number, "x", nil, ""},
		{"number64", number64, "9223372036854775807)", int64(9223372036854775807), ")"},
		{"number64", number64, "9223372036854775808", nil, ""},
		{"date", date, "1-Feb-2020", "2020-02-01", ""},
		{"date", date, `"01-feb-2020"`, "2020-02-01", ""},
		{"date", date, "30-Feb-2020", nil, ""},
		{"date", date, "1-Feb-20", nil, ""},
		{"dateTime", dateTime, `" 1-Feb-2020 23:59:59 -0830"`, "2020-02-01 23:59:59 -0830", ""},
		{"dateTime", dateTime, `"01-Feb-2020 23:59:59 +0000" x`, "2020-02-01 23:59:59 +0000", " x"},
		{"dateTime", dateTime, `"01-Feb-2020 24:00:00 +0000"`, nil, ""},
		{"dateTime", dateTime, `"01-Feb-2020 23:59:59"`, nil, ""},
		{"flags", flags, "() x", "()", " x"},
		{"flags", flags, `(\seen $x) y`, `(\Seen $x)`, " y"},
		{"flags", flags, `(\seen $x`, nil, ""},
		{"flags", flags, `(\seen  $x)`, nil, ""},
		{"flags", flags, `(\Recent)`, nil, ""},
		{"flags", flags, `(\*)`, nil, ""},
	} {
		p, _ := newParser(test.input + "\r\n")
		err := p.begin()
		var got any
		if err == nil {
			got, err = test.read(p)
		}
		var syntax syntaxError
		switch {
		case test.want == nil && !errors.As(err, &syntax):
			t.Errorf("%s of %q: got %q, %v", test.name, test.input, got, err)
		case test.want != nil && (err != nil || got != test.want || string(p.line) != test.rest):
			t.Errorf("%s of %q: got %q, %v, and %q is left", test.name, test.input, got, err, p.line)
		}
	}
}

// I5: the client is asked for a literal, unless it sends it unasked or the literal is too large.
func TestLiteralsAreAskedFor(t *testing.T) {
	for _, test := range []struct {
		input, answers string
		tooLarge       bool
	}{
		{"{10}\r\n0123456789\r\n", "+", false},
		{"{11}\r\n", "", true},
		{"{0}\r\n\r\n", "+", false},
		{"{10+}\r\n0123456789\r\n", "", false},
		{"{11+}\r\n0123456789a\r\n", "", true},
		{"{11+}\r\n0123456789a {3+}\r\nabc {0+}\r\n\r\n", "", true},
		{"{11+}\r\n0123456789a {3}\r\n", "", true},
	} {
		p, answers := newParser(test.input + "next\r\n")
		if err := p.begin(); err != nil {
			t.Fatal(err)
		}
		_, err := p.str()
		var large *literalError
		if errors.As(err, &large) != test.tooLarge || err != nil && !test.tooLarge || answers.String() != test.answers {
			t.Errorf("%q: %v, and the server says %q", test.input, err, answers)
		}
		if err := p.skip(); err != nil {
			t.Error(err)
		}
		if err := p.begin(); err != nil || string(p.line) != "next" {
			t.Errorf("behind %q there is %q, %v", test.input, p.line, err)
		}
	}
}

// Literals count together, and so do the lines between them.
func TestLiteralsCountTogether(t *testing.T) {
	p, _ := newParser("{5+}\r\n12345{5+}\r\n12345{1+}\r\n1\r\n")
	if err := p.begin(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		_, err := p.str()
		var large *literalError
		if errors.As(err, &large) != (i == 2) {
			t.Errorf("literal %d: %v", i, err)
		}
	}
	p, _ = newParser(strings.Repeat("{0+}\r\n", 100) + "\r\n")
	if err := p.begin(); err != nil {
		t.Fatal(err)
	}
	most := 0
	for ; ; most++ {
		if _, err := p.str(); err != nil {
			break
		}
	}
	if most != 100/len("{0+}") {
		t.Errorf("%d literals of no octets were read", most)
	}
}

// What the client sends behind a command that failed is read over up to a limit, at no cost in memory.
func TestWhatIsReadOverIsBounded(t *testing.T) {
	chunk := "{1000000+}\r\n" + strings.Repeat("x", 1_000_000)
	small := strings.Repeat("{1+}\r\nx", 1<<10)
	for _, test := range []struct {
		name, text string
	}{{"large literals", chunk}, {"small literals", small}} {
		src := &repeating{text: test.text}
		p := &parser{r: wire.NewReader(src), maxLine: 8192}
		if err := p.begin(); err != nil {
			t.Fatal(err)
		}
		if err := p.skip(); !errors.Is(err, errOutOfStep) {
			t.Errorf("%s: %v", test.name, err)
		}
		if src.n > maxDropped+1<<20 {
			t.Errorf("%s: %d MiB were read", test.name, src.n>>20)
		}
	}
}

// repeating says the same over and over.
type repeating struct {
	text string
	n    int
}

func (r *repeating) Read(b []byte) (int, error) {
	n := copy(b, r.text[r.n%len(r.text):])
	r.n += n
	return n, nil
}

// A literal whose reader fails, as a full disk does, is read to its end all the same.
func TestAFullDiskLeavesTheSessionInStep(t *testing.T) {
	p, _ := newParser("{5+}\r\n12345 x\r\n")
	if err := p.begin(); err != nil {
		t.Fatal(err)
	}
	_, err := p.literal(full{}, 5)
	if err != io.ErrShortWrite || string(p.line) != " x" {
		t.Errorf("got %v, and %q is left", err, p.line)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
