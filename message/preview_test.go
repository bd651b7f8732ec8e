package message

import (
	"strings"
	"testing"
)

// RFC 8970 §3.3.
func TestPreviewIsTheBeginningOfTheText(t *testing.T) {
	long := strings.Repeat("ä ", 300)
	for _, c := range []struct{ name, message, want string }{
		{"plain", "\nHello,\n\n  this \t is it.\n", "Hello, this is it."},
		{"200 characters", "Content-Type: text/plain; charset=utf-8\n\n" + long, long[:len("ä ")*100-1]},
		{"quoted-printable", "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\ngr=FC=DFe =\nan alle", "grüße an alle"},
		{"base64", "Content-Transfer-Encoding: base64\n\naGVs\nbG8=\n", "hello"},
		{"HTML", "Content-Type: text/html; charset=utf-8\n\n<html><head><title>x</title><style>p{}</style></head><body><!-- <p>no</p> --><p>Fish &amp; <b>ch</b>ips</p><p>a &lt; b&nbsp;&#8364;&#x20AC;&unknown; <script>if (a</b) {}</SCRIPT >end<br>x<y",
			"Fish & chips a < b €€&unknown; end x"},
		{"a tag that is none", "Content-Type: text/html\n\n1 < 2 <3 & 4", "1 < 2 <3 & 4"},
		{"references that are none", "Content-Type: text/html\n\n&; &#; &#x; &#xzz; &#1114112; &#55296; &", "&; &#; &#x; &#xzz; &#1114112; &#55296; &"},
		{"the first text", "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\nContent-Type: image/png\n\nno\n--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\nyes\n--c\nContent-Type: text/html\n\nno\n--c--\n--b--\n", "yes"},
		{"the first that says something", "Content-Type: multipart/alternative; boundary=b\n\n--b\n\n \n\n--b\nContent-Type: text/html\n\n<p>yes</p>\n--b--\n", "yes"},
		{"no attachment", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment\n\nno\n--b--\n", ""},
		{"none", "Content-Type: application/pdf\n\n%PDF\n", ""},
		{"in a forwarded message", "Content-Type: message/rfc822\n\nSubject: x\n\nyes\n", "yes"},
		{"invisible characters", "Content-Type: text/plain; charset=utf-8\n\na\u200b\u00ad\ufeff\u034fb\x01c\u2028d", "abc d"},
	} {
		if got := summarize(t, crlf([]byte(c.message))).Preview; got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
