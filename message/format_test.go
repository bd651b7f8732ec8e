package message

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestFieldsAreFolded(t *testing.T) {
	words := strings.TrimSpace(strings.Repeat("word ", 40))
	long := strings.Repeat("x", 100)
	for _, c := range []struct{ value, want string }{
		{"", "X:\r\n"},
		{"short", "X: short\r\n"},
		{"  two  spaces ", "X:  two  spaces\r\n"},
		{words, "X: " + words[:74] + "\r\n" + words[74:][:75] + "\r\n" + words[149:] + "\r\n"},
		{long, "X: " + long + "\r\n"},
		{"a " + long + " b", "X: a\r\n " + long + "\r\n b\r\n"},
		{"a\r\nBcc: evil@example.org", "X: a Bcc: evil@example.org\r\n"},
		{"a\x00b", "X: ab\r\n"},
		{"ü ä", "X: ü ä\r\n"},
	} {
		if got := string(AppendField(nil, "X", c.value)); got != c.want {
			t.Errorf("%q: %q, want %q", c.value, got, c.want)
		}
	}
}

// M1: no line is longer than 998 octets, whatever it takes.
func TestWordsLongerThanALineAreCut(t *testing.T) {
	b := AppendField(nil, "X", strings.Repeat("ü", 2000))
	for line := range bytes.SplitSeq(b, []byte("\r\n")) {
		if len(line) > maxLine {
			t.Errorf("a line of %d octets", len(line))
		}
	}
	for f := range Fields(b) {
		if got := strings.ReplaceAll(f.Value(), " ", ""); got != strings.Repeat("ü", 2000) {
			t.Errorf("%d octets are left, or a character was cut", len(got))
		}
	}
}

func TestMessageIDsComeFromChance(t *testing.T) {
	id, err := NewMessageID(strings.NewReader("0123456789abcdef"), "mx.example.org")
	if err != nil || id != "<gaytemzugu3doobzmfrggzdfmy@mx.example.org>" {
		t.Errorf("%q, %v", id, err)
	}
	if _, err := NewMessageID(iotest.ErrReader(errors.ErrUnsupported), "x"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("no chance: %v", err)
	}
}

func TestDatesAreFormattedAsRFC5322Says(t *testing.T) {
	zone := time.FixedZone("", -6*3600)
	if got := FormatDate(time.Date(1997, 11, 1, 9, 55, 6, 0, zone)); got != "Sat, 1 Nov 1997 09:55:06 -0600" {
		t.Error(got)
	}
}
