package message

import (
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
	"testing/iotest"
)

func TestTransferEncodingsAreReadTolerantly(t *testing.T) {
	for _, c := range []struct{ encoding, body, want string }{
		{"base64", "aGVsbG8gd29ybGQ=", "hello world"},
		{"base64", "aGVs\r\nbG8g\r\n\r\nd29ybGQ", "hello world"},        // no padding
		{"base64", "aGV*sbG8g!d29y-bGQ=", "hello world"},                // RFC 2045 §6.8: ignored
		{"base64", "aGVsbG8=IHdvcmxk", "hello world"},                   // two pieces
		{"base64", "aGVsbG8=\r\n-- \r\n", "hello"},                      // a list's footer
		{"base64", "a", ""}, {"base64", "", ""}, {"base64", "====", ""}, //
		{"quoted-printable", "a=3Db=3db", "a=b=b"},                                  //
		{"quoted-printable", "soft=\r\n line=  \r\nend", "soft lineend"},            //
		{"quoted-printable", "soft=\nline", "softline"},                             //
		{"quoted-printable", "trailing  \t\r\nx \ny  ", "trailing\r\nx\ny"},         // rule 3
		{"quoted-printable", "a=b c=XY d==3D", "a=b c=XY d=="},                      // left as they stand
		{"quoted-printable", "end=", "end"}, {"quoted-printable", "end=4", "end=4"}, //
		{"quoted-printable", strings.Repeat(" ", 3000) + "x", strings.Repeat(" ", 3000) + "x"},
		{"7bit", "as=3Dis", "as=3Dis"}, {"x-uuencode", "as=3Dis", "as=3Dis"},
	} {
		r := decodeTransfer(c.encoding, strings.NewReader(c.body))
		got, err := io.ReadAll(iotest.OneByteReader(r))
		if err != nil || string(got) != c.want {
			t.Errorf("%s %.100q: %.100q, %v, want %.100q", c.encoding, c.body, got, err, c.want)
		}
	}
}

func TestTransferEncodingsAreThoseOfTheStandardLibrary(t *testing.T) {
	var all strings.Builder
	for i := range 5000 {
		all.WriteByte(byte(i * i / 7))
	}
	var qp strings.Builder
	w := quotedprintable.NewWriter(&qp)
	w.Binary = true
	if _, err := io.WriteString(w, all.String()); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	for encoding, body := range map[string]string{
		"base64":           base64.StdEncoding.EncodeToString([]byte(all.String())),
		"quoted-printable": qp.String(),
	} {
		got, err := io.ReadAll(decodeTransfer(encoding, strings.NewReader(body)))
		if err != nil || string(got) != all.String() {
			t.Errorf("%s: %v, %d octets of %d", encoding, err, len(got), all.Len())
		}
	}
}

func TestReadErrorsPassThroughDecoders(t *testing.T) {
	for _, encoding := range []string{"base64", "quoted-printable", "7bit"} {
		r := decodeTransfer(encoding, iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("aGVsbG8="))))
		if _, err := io.ReadAll(r); err != iotest.ErrTimeout {
			t.Errorf("%s: %v", encoding, err)
		}
	}
}

func TestTextIsUTF8(t *testing.T) {
	for _, c := range []struct{ fields, body, want string }{
		{"text/plain; charset=utf-8", "grüße", "grüße"},
		{"text/plain", "gr\xfc\xdfe", "grüße"},
		{"text/plain; charset=utf-8", "gr\xfc\xdfe and grüße", "grüße and grüße"},
		{"text/plain; charset=iso-8859-1", "gr\xfc\xdfe \x80", "grüße €"}, // as the Web has it
		{"text/plain; charset=\"ISO-8859-15\"", "\xa4", "€"},
		{"text/plain; charset=koi8-r\nContent-Transfer-Encoding: Quoted-Printable", "=F0=D2=C9=D7=C5=D4", "Привет"},
		{"text/plain; charset=iso-2022-jp", "\x1b$BF|K\\\x1b(B", "日本"},
		{"text/plain; charset=gb2312", "\xd6\xd0", "中"},
		{"text/plain; charset=utf-16le\nContent-Transfer-Encoding: base64", "aABpAA==", "hi"},
		{"text/plain; charset=x-nonsense", "a\xe4", "aä"},
		{"text/plain; charset=replacement", "a", "a"},
		{"text/plain; charset*=ascii'en'utf-8", "ü", "ü"},
	} {
		s := summarize(t, crlf([]byte("Content-Type: "+c.fields+"\n\n"+c.body)))
		r := strings.NewReader(strings.ReplaceAll("Content-Type: "+c.fields+"\n\n"+c.body, "\n", "\r\n"))
		got, err := io.ReadAll(iotest.OneByteReader(s.Structure.Text(r)))
		if err != nil || string(got) != c.want {
			t.Errorf("%s %q: %q, %v, want %q", c.fields, c.body, got, err, c.want)
		}
	}
}
