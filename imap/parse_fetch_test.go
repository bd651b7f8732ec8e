package imap

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/wire"
)

// parserAt returns a parser that has begun with input, the rest of a command. In it, LF stands for CRLF.
func parserAt(tb testing.TB, input string) *parser {
	tb.Helper()
	p := &parser{
		r:       wire.NewReader(strings.NewReader(strings.ReplaceAll(input, "\n", "\r\n") + "\r\n")),
		goAhead: func() error { return nil },
		maxLine: 64 << 10, maxLiterals: 64 << 10,
	}
	if err := p.begin(); err != nil {
		tb.Fatal(err)
	}
	return p
}

// String writes what a FETCH asks for, each item once.
func (f fetchItems) String() string {
	var words []string
	for _, item := range []struct {
		att  fetchAtts
		name string
	}{
		{attUID, "UID"}, {attFlags, "FLAGS"}, {attInternalDate, "INTERNALDATE"}, {attSize, "RFC822.SIZE"},
		{attEnvelope, "ENVELOPE"}, {attBody, "BODY"}, {attBodyStructure, "BODYSTRUCTURE"},
	} {
		if f.atts&item.att != 0 {
			words = append(words, item.name)
		}
	}
	for _, s := range f.sections {
		name := s.name
		if s.peek && strings.HasPrefix(name, "BODY") {
			name = "BODY.PEEK" + name[len("BODY"):]
		}
		if s.partial {
			name += fmt.Sprintf("<%d.%d>", s.offset, s.length)
		}
		words = append(words, name)
	}
	return "(" + strings.Join(words, " ") + ")"
}

func parseFetch(tb testing.TB, input string) (fetchItems, error) {
	p := parserAt(tb, input)
	items, err := p.fetchItems()
	if err == nil {
		err = p.end()
	}
	return items, err
}

// RFC 3501 §6.4.5, §9 fetch.
func TestFetchAsksForItems(t *testing.T) {
	for input, want := range map[string]string{
		"FLAGS":                                "(FLAGS)",
		"(flags)":                              "(FLAGS)",
		"(UID FLAGS UID)":                      "(UID FLAGS)",
		"fast":                                 "(FLAGS INTERNALDATE RFC822.SIZE)",
		"ALL":                                  "(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)",
		"Full":                                 "(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY)",
		"BODY":                                 "(BODY)",
		"(BODY BODYSTRUCTURE)":                 "(BODY BODYSTRUCTURE)",
		"RFC822":                               "(RFC822)",
		"(RFC822.HEADER RFC822.TEXT)":          "(RFC822.HEADER RFC822.TEXT)",
		"RFC822.SIZE":                          "(RFC822.SIZE)",
		"BODY[]":                               "(BODY[])",
		"body.peek[]":                          "(BODY.PEEK[])",
		"BODY[]<0.1>":                          "(BODY[]<0.1>)",
		"BODY[]<5.9223372036854775807>":        "(BODY[]<5.9223372036854775807>)",
		"BODY[TEXT]":                           "(BODY[TEXT])",
		"BODY[header]":                         "(BODY[HEADER])",
		"BODY[1]":                              "(BODY[1])",
		"BODY[1.2.3]":                          "(BODY[1.2.3])",
		"BODY[99999]":                          "(BODY[99999])",
		"BODY[1.mime]":                         "(BODY[1.MIME])",
		"BODY[4.2.HEADER]":                     "(BODY[4.2.HEADER])",
		"BODY[1.TEXT]<0.10>":                   "(BODY[1.TEXT]<0.10>)",
		"BODY[HEADER.FIELDS (Date fRoM)]":      "(BODY[HEADER.FIELDS (Date fRoM)])",
		"BODY[HEADER.FIELDS.NOT (\"To\")]":     "(BODY[HEADER.FIELDS.NOT (To)])",
		"BODY[2.HEADER.FIELDS (\"a%b\")]<1.2>": "(BODY[2.HEADER.FIELDS (\"a%b\")]<1.2>)",
		"BODY[HEADER.FIELDS (NIL)]":            "(BODY[HEADER.FIELDS (\"NIL\")])",
		"BODY[HEADER.FIELDS ({2}\nTo Cc)]":     "(BODY[HEADER.FIELDS (To Cc)])",
		"BODY[HEADER.FIELDS ({3+}\nx]y)]":      "(BODY[HEADER.FIELDS (x]y)])",
		"(BODY[] BODY.PEEK[1] FLAGS)":          "(FLAGS BODY[] BODY.PEEK[1])",
		"FLAGS ":                               "(FLAGS)",
	} {
		items, err := parseFetch(t, input)
		if err != nil || items.String() != want {
			t.Errorf("FETCH 1 %q asks for %v, %v; want %s", input, items, err, want)
		}
	}
}

func TestFetchItemsThatAreNoneAreBad(t *testing.T) {
	for _, input := range []string{
		"", "()", "(FLAGS", "FLAGS)", "(FLAGS  UID)", "FLAGS UID", "(FAST)", "(FLAGS ALL)", "MODSEQQ", "BODYX", "BODY.PEEK", "RFC822.PEEK",
		"BODY[", "BODY[0]", "BODY[1.]", "BODY[1.0]", "BODY[.1]", "BODY[1..2]", "BODY[4294967296]", "BODY[2147483648]", "BODY[MIME]", "BODY[1 ]", "BODY[1.2",
		"BODY[TEXT.1]", "BODY[1TEXT]", "BODY[1.FOO]", "BODY[]<>", "BODY[]<1>", "BODY[]<1.0>", "BODY[]<.1>", "BODY[]<1.2", "BODY[]<-1.2>", "BODY[]<9223372036854775808.1>",
		"BODY[HEADER.FIELDS]", "BODY[HEADER.FIELDS ()]", "BODY[HEADER.FIELDS From]", "BODY[HEADER.FIELDS (From)", "BODY[HEADER.FIELDS (a%b)]", "BODY[HEADER.FIELDS (\"\")]", "BODY[HEADER.FIELDS (\"a b\")]",
		"BODY[HEADER.FIELDS (\"a:\")]", "BODY[HEADER.FIELDS (\"\xe4\")]", "BODY[HEADER (From)]", "RFC822<0.1>", "\"FLAGS\"", "{5}\nFLAGS",
	} {
		items, err := parseFetch(t, input)
		var syntax syntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("FETCH 1 %q asks for %v, %v; want a syntax error", input, items, err)
		}
	}
}

func TestFetchNamesABoundedNumberOfSections(t *testing.T) {
	for n, ok := range map[int]bool{maxSections: true, maxSections + 1: false} {
		_, err := parseFetch(t, "("+strings.Repeat("BODY[] ", n-1)+"BODY[])")
		if (err == nil) != ok {
			t.Errorf("%d sections: %v", n, err)
		}
	}
}

// Else a client could make us keep a line for each octet of its literals.
func TestTheLinesBehindLiteralsAreBounded(t *testing.T) {
	for n, ok := range map[int]bool{4: true, 5: false} {
		line := strings.Repeat("x ", 8191-len("{1+}")/2) + "{1+}" // 16 KiB less 4, and the parser takes 64 KiB
		_, err := parseFetch(t, "BODY[HEADER.FIELDS ({1+}\n"+strings.Repeat("a "+line+"\n", n)+"a)]")
		var syntax syntaxError
		if ok && err != nil || !ok && !errors.As(err, &syntax) {
			t.Errorf("%d lines: %v", n, err)
		}
	}
}

func FuzzFetchItems(f *testing.F) {
	for _, seed := range []string{"ALL", "(FLAGS BODY.PEEK[1.2.HEADER.FIELDS.NOT (From \"x y\")]<0.5>)", "BODY[HEADER.FIELDS ({2}\nTo Cc)]", "RFC822.TEXT", "BODY[1..]<"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		items, err := fuzzed(t, input, (*parser).fetchItems)
		if err != nil {
			return
		}
		again, err := parseFetch(t, items.String())
		if err != nil || again.String() != items.String() {
			t.Errorf("%q is %v, and that %v, %v", input, items, again, err)
		}
	})
}

// fuzzed parses input, which need not be lines.
func fuzzed[T any](t *testing.T, input string, parse func(*parser) (T, error)) (out T, err error) {
	p := &parser{r: wire.NewReader(strings.NewReader(input + "\r\n")), goAhead: func() error { return nil }, maxLine: 8192, maxLiterals: 8192}
	if err := p.begin(); err != nil {
		return out, err
	}
	if out, err = parse(p); err == nil {
		err = p.end()
	}
	return out, err
}
