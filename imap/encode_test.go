package imap

import (
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/message"
	"github.com/postrider/postrider/store"
)

// RFC 3501 §9, string: quoted strings have 7 bits, no CR and no LF; NUL is nowhere.
func TestStringsAreQuotedOrLiterals(t *testing.T) {
	for s, want := range map[string]string{
		"":                         `""`,
		"a b":                      `"a b"`,
		`a "b" \c`:                 `"a \"b\" \\c"`,
		"NIL":                      `"NIL"`,
		"tab\tesc\x1b\x7f":         "\"tab\tesc\x1b\x7f\"",
		"a\r\nb":                   "{4}\r\na\r\nb",
		"a\rb":                     "{3}\r\na\rb",
		"a\nb":                     "{3}\r\na\nb",
		"\xc3\xa4\"":               "{3}\r\n\xc3\xa4\"",
		"\xff":                     "{1}\r\n\xff",
		"a\x00b":                   `"ab"`,
		"\x00":                     `""`,
		"\x00\xff\x00\xfe":         "{2}\r\n\xff\xfe",
		strings.Repeat("x", 999):   `"` + strings.Repeat("x", 999) + `"`,
		strings.Repeat("\"", 1000): "{1000}\r\n" + strings.Repeat("\"", 1000),
	} {
		if got := string(appendString(nil, s)); got != want {
			t.Errorf("%q is %q, want %q", s, got, want)
		}
	}
}

func TestCapitalsAreOfASCIIOnly(t *testing.T) {
	for s, want := range map[string]string{"text": `"TEXT"`, "x-Ab{1": `"X-AB{1"`, "ß\xff": "{3}\r\nß\xff", "aß": "{3}\r\nAß"} {
		if got := string(appendUpper([]byte("keep "), s)); got != "keep "+want {
			t.Errorf("%q is %q, want %q", s, got, want)
		}
	}
}

func TestNamesAreAtomsWhereTheyCanBe(t *testing.T) {
	for name, want := range map[string]string{
		"INBOX": "INBOX", "a/b": "a/b", "a b": `"a b"`, "": `""`, "nil": `"nil"`, "a]": "a]", "100%": `"100%"`, "a&b": "a&-b", "Grüße": "Gr&APwA3w-e", `q"`: `"q\""`,
	} {
		if got := string(appendMailbox(nil, name)); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

func TestFlagsAreAList(t *testing.T) {
	for want, got := range map[string][]byte{
		"()":                    appendFlags(nil, nil),
		`(\Recent)`:             appendFlags(nil, nil, `\Recent`),
		`(\Seen $x \Recent)`:    appendFlags(nil, []store.Flag{store.FlagSeen, "$x"}, `\Recent`),
		`(\Seen \Deleted work)`: appendFlags(nil, []store.Flag{store.FlagSeen, store.FlagDeleted, "work"}),
	} {
		if string(got) != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// RFC 3501 §9, date-time.
func TestDatesHaveTheirZone(t *testing.T) {
	for want, zone := range map[string]int{
		`"02-Jan-2026 03:04:05 +0000"`: 0, `"02-Jan-2026 03:04:05 +0545"`: 5*3600 + 45*60, `"02-Jan-2026 03:04:05 -0830"`: -(8*3600 + 30*60),
	} {
		date := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", zone))
		if got := string(appendDate(nil, date)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func summarize(tb testing.TB, text string) *message.Summary {
	tb.Helper()
	text = strings.ReplaceAll(text, "\n", "\r\n")
	sum, err := message.Summarize(postrider.String(text), int64(len(text)))
	if err != nil {
		tb.Fatal(err)
	}
	return sum
}

// RFC 3501 §7.4.2 (I11).
func TestEnvelopes(t *testing.T) {
	for text, want := range map[string]string{
		"": "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
		"Subject:\nDate:\nMessage-ID:\nIn-Reply-To:\nFrom:\n\n": `("" "" NIL NIL NIL NIL NIL NIL "" "")`,
		"From: Ann <ann@example.org>\n\n":                       `(NIL NIL (("Ann" NIL "ann" "example.org")) (("Ann" NIL "ann" "example.org")) (("Ann" NIL "ann" "example.org")) NIL NIL NIL NIL NIL)`,
		"From: a@b\nSender: c@d\nReply-To: <e@f>, g@h\n\n":      `(NIL NIL ((NIL NIL "a" "b")) ((NIL NIL "c" "d")) ((NIL NIL "e" "f")(NIL NIL "g" "h")) NIL NIL NIL NIL NIL)`,
		"To: undisclosed-recipients:;\n\n":                      `(NIL NIL NIL NIL NIL ((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL)`,
		"Cc: g: \"A, B\" <@x,@y:a@b>, c;\n\n":                   `(NIL NIL NIL NIL NIL NIL ((NIL NIL "g" NIL)("A, B" "@x,@y" "a" "b")(NIL NIL "c" "")(NIL NIL NIL NIL)) NIL NIL NIL)`,
		"Subject: a\n b \"c\" \xe4\nMessage-ID: <x@y>\n\n":      "(NIL {9}\r\na b \"c\" \xe4 NIL NIL NIL NIL NIL NIL NIL \"<x@y>\")",
	} {
		if got := string(appendEnvelope(nil, &summarize(t, text).Envelope)); got != want {
			t.Errorf("%q has\n\t%s, want\n\t%s", text, got, want)
		}
	}
}

// RFC 3501 §7.4.2 (I12): BODY has no extension data, sizes and lines are those of the encoded form.
func TestStructures(t *testing.T) {
	const plain = `("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" `
	tests := []struct{ name, text, body, structure string }{
		{"nothing", "", plain + "0 0)", plain + "0 0 NIL NIL NIL NIL)"},
		{"text", "Subject: x\n\na\nb\n", plain + "6 2)", plain + "6 2 NIL NIL NIL NIL)"},
		{
			"a part with everything",
			"Content-Type: image/PNG; name=\"a \\\"b\\\"\"; x=y\nContent-ID: <i@d>\nContent-Description: an image\nContent-Transfer-Encoding: BASE64\n" +
				"Content-MD5: Q2hlY2s=\nContent-Disposition: attachment; filename=a.png\nContent-Language: en, de\nContent-Location: http://example.org/\n\naaaa\n",
			`("IMAGE" "PNG" ("NAME" "a \"b\"" "X" "y") "<i@d>" "an image" "BASE64" 6)`,
			`("IMAGE" "PNG" ("NAME" "a \"b\"" "X" "y") "<i@d>" "an image" "BASE64" 6 "Q2hlY2s=" ("ATTACHMENT" ("FILENAME" "a.png")) ("en" "de") "http://example.org/")`,
		},
		{
			"parameters of RFC 2231",
			"Content-Type: text/html; charset*0=ut; charset*1=f-8\nContent-Disposition: inline; filename*0*=utf-8'de'%e2%82; filename*1*=%ac\nContent-Language: de\n\n",
			`("TEXT" "HTML" ("CHARSET" "utf-8") NIL NIL "7BIT" 0 0)`,
			`("TEXT" "HTML" ("CHARSET" "utf-8") NIL NIL "7BIT" 0 0 NIL ("INLINE" ("FILENAME*" "utf-8''%E2%82%AC")) "de" NIL)`,
		},
		{
			"multipart",
			"Content-Type: multipart/mixed; boundary=b\nContent-Disposition: inline\n\n--b\n\na\n--b\nContent-Type: application/x\n\nb\n--b--\n",
			"(" + plain + `1 0)("APPLICATION" "X" NIL NIL NIL "7BIT" 1) "MIXED")`,
			"(" + plain + `1 0 NIL NIL NIL NIL)("APPLICATION" "X" NIL NIL NIL "7BIT" 1 NIL NIL NIL NIL) "MIXED" ("BOUNDARY" "b") ("INLINE" NIL) NIL NIL)`,
		},
		{
			"a message in a message",
			"Content-Type: message/rfc822\n\nFrom: a@b\nContent-Type: message/rfc822\n\nSubject: inner\n\ntext\n",
			`("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 67 (NIL NIL ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) NIL NIL NIL NIL NIL) ` +
				`("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 24 (NIL "inner" NIL NIL NIL NIL NIL NIL NIL NIL) ` + plain + `6 1) 3) 6)`,
			`("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 67 (NIL NIL ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) NIL NIL NIL NIL NIL) ` +
				`("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 24 (NIL "inner" NIL NIL NIL NIL NIL NIL NIL NIL) ` + plain + `6 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL) 6 NIL NIL NIL NIL)`,
		},
		{
			"a digest",
			"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\n1\n--b--\n",
			`(("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 17 (NIL "one" NIL NIL NIL NIL NIL NIL NIL NIL) ` + plain + `1 0) 2) "DIGEST")`,
			`(("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 17 (NIL "one" NIL NIL NIL NIL NIL NIL NIL NIL) ` + plain + `1 0 NIL NIL NIL NIL) 2 NIL NIL NIL NIL) "DIGEST" ("BOUNDARY" "b") NIL NIL NIL)`,
		},
		{"a multipart without parts", "Content-Type: multipart/mixed; boundary=b\n\nnothing\n", "(" + plain + `0 0) "MIXED")`, "(" + plain + `0 0 NIL NIL NIL NIL) "MIXED" ("BOUNDARY" "b") NIL NIL NIL)`},
		{"a multipart without a boundary", "Content-Type: multipart/mixed\n\na\n", plain + "3 1)", plain + "3 1 NIL NIL NIL NIL)"},
		{"a type that is none", "Content-Type: text\n\na\n", plain + "3 1)", plain + "3 1 NIL NIL NIL NIL)"},
		{"no closing delimiter", "Content-Type: multipart/x; boundary=b\n\n--b\n\na", "(" + plain + `1 0) "X")`, "(" + plain + `1 0 NIL NIL NIL NIL) "X" ("BOUNDARY" "b") NIL NIL NIL)`},
		{
			"8-bit octets", "Content-Type: a/b; n=\"\xe4\"\nContent-Description: \xff\n\n",
			"(\"A\" \"B\" (\"N\" {1}\r\n\xe4) NIL {1}\r\n\xff \"7BIT\" 0)",
			"(\"A\" \"B\" (\"N\" {1}\r\n\xe4) NIL {1}\r\n\xff \"7BIT\" 0 NIL NIL NIL NIL)",
		},
	}
	for _, test := range tests {
		root := summarize(t, test.text).Structure
		if got := string(appendStructure(nil, root, false)); got != test.body {
			t.Errorf("%s: BODY\n\t%s, want\n\t%s", test.name, got, test.body)
		}
		if got := string(appendStructure(nil, root, true)); got != test.structure {
			t.Errorf("%s: BODYSTRUCTURE\n\t%s, want\n\t%s", test.name, got, test.structure)
		}
	}
}

// FuzzEncode holds that whatever is in a message, what is said of it can be read as RFC 3501 §9 has it.
func FuzzEncode(f *testing.F) {
	f.Add("From: a <b@c>, g: d@e;\r\nSubject: \"x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\r\n--b--")
	f.Add("Content-Type: \xe4/\x00; \"a\"=b; c*=utf-8''%41\r\nContent-Language: a,,b\nContent-Disposition: x; y\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		sum, err := message.Summarize(postrider.String(text), int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{
			appendEnvelope(nil, &sum.Envelope), appendStructure(nil, sum.Structure, false), appendStructure(nil, sum.Structure, true),
		} {
			if rest, ok := readList(b); !ok || len(rest) > 0 {
				t.Errorf("%q: %q cannot be read, from %q on", text, b, rest)
			}
		}
	})
}

// readList reads a list of strings, numbers, NIL and lists, in which a space parts all but list from list, and returns what
// follows.
func readList(b []byte) (rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '(' {
		return b, false
	}
	b = b[1:]
	for {
		isList := len(b) > 0 && b[0] == '('
		if b, ok = readElement(b); !ok || len(b) == 0 {
			return b, false
		}
		switch {
		case b[0] == ')':
			return b[1:], true
		case b[0] == ' ':
			b = b[1:]
		case !isList || b[0] != '(':
			return b, false
		}
	}
}

func readElement(b []byte) (rest []byte, ok bool) {
	if len(b) == 0 {
		return b, false
	}
	switch c := b[0]; {
	case c == '(':
		return readList(b)
	case c == 'N':
		return b[min(3, len(b)):], strings.HasPrefix(string(b), "NIL")
	case isDigit(c):
		for len(b) > 0 && isDigit(b[0]) {
			b = b[1:]
		}
		return b, true
	case c == '"':
		for i := 1; i < len(b); i++ {
			switch c := b[i]; {
			case c == '"':
				return b[i+1:], true
			case c == '\\':
				i++
			case c == 0 || c == '\r' || c == '\n' || c > 0x7f:
				return b[i:], false
			}
		}
	case c == '{':
		n, i := 0, 1
		for ; i < len(b) && isDigit(b[i]); i++ {
			n = 10*n + int(b[i]-'0')
		}
		if i+3+n <= len(b) && string(b[i:i+3]) == "}\r\n" {
			literal := b[i+3 : i+3+n]
			return b[i+3+n:], !strings.Contains(string(literal), "\x00")
		}
	}
	return b, false
}
