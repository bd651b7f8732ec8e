package message

import (
	"strings"
	"testing"
)

func TestParametersAreReadWhateverTheirForm(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{`text/plain; charset=utf-8`, `("charset" "utf-8")`},
		{`text/plain; charset = "utf-8" ; format=flowed;`, `("charset" "utf-8" "format" "flowed")`},
		{`text/plain; charset=us-ascii (Plain text)`, `("charset" "us-ascii")`},
		{`text/plain (a) ; (b) charset=x`, `("charset" "x")`},
		{`text/plain; name="a;b\"c\\d"`, `("name" "a;b\"c\\d")`},
		{`text/plain; name=my file.txt; x=y`, `("name" "my file.txt" "x" "y")`},
		{`text/plain; charset=utf-8 format=flowed`, `("charset" "utf-8" "format" "flowed")`},
		{`text/plain charset=utf-8`, `("charset" "utf-8")`},
		{`text/plain; name="unclosed; x=y`, `("name" "unclosed" "x" "y")`},
		{`text/plain; name="a" junk; x=y`, `("name" "a" "x" "y")`},
		{`text/plain; =x; y; z=`, `("z" "")`},
		{`text/plain; boundary==_a/b:c?`, `("boundary" "=_a/b:c?")`},
		{`text/plain; name==?utf-8?q?a?=`, `("name" "=?utf-8?q?a?=")`}, // RFC 2231 says no; kept raw
		{"text/plain; name=gr\xfc\xdfe", "(\"name\" \"gr\xfc\xdfe\")"},

		// RFC 2231 §3, §4 and §4.1.
		{`message/external-body; access-type=URL; URL*0="ftp://"; URL*1="cs.utk.edu/x"`, `("access-type" "URL" "url" "ftp://cs.utk.edu/x")`},
		{`application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A`, `("title*" "utf-8''This%20is%20%2A%2A%2Afun%2A%2A%2A")`},
		{`application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2="isn't it!"`,
			`("title*" "utf-8''This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it!")`},
		{`a/b; n*1=b; n*0=a; n*3=d`, `("n" "ab")`},                                                              // out of order, and a gap
		{`a/b; n*0*=utf-8''%C3; n*1*=%A4`, `("n*" "utf-8''%C3%A4")`},                                            // cut in a character
		{`a/b; n*=iso-8859-1''%E4%zz%`, `("n*" "utf-8''%C3%A4%25zz%25")`},                                       //
		{`a/b; n*=plain`, `("n*" "utf-8''plain")`},                                                              // no charset
		{`a/b; n=x; n*=utf-8''y`, `("n" "x" "n*" "utf-8''y")`},                                                  // RFC 6266's way
		{`a/b; n*x=1; n*-1=2; n*99999999999999999999=3`, `("n*x" "1" "n*-1" "2" "n*99999999999999999999" "3")`}, //
	} {
		_, _, params := parseMediaType(c.value)
		if got := paramsText(params); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.value, got, c.want)
		}
	}
}

func TestAnExtendedParameterIsPreferred(t *testing.T) {
	s := summarize(t, crlf([]byte("Content-Disposition: attachment; filename=x; filename*=utf-8''y\nContent-Type: text/plain; name=a; name=b\n\n")))
	if got := s.Structure.DispositionParam("filename"); got != "y" {
		t.Errorf("filename %q", got)
	}
	if got := s.Structure.Param("name"); got != "a" {
		t.Errorf("name %q", got)
	}
	if got := s.Structure.Param("none"); got != "" {
		t.Errorf("none %q", got)
	}
}

func TestParametersAreCounted(t *testing.T) {
	for n, want := range map[int]int{maxParams: maxParams, maxParams + 1: maxParams} {
		if got := len(parseParams(strings.Repeat(";a=b", n))); got != want {
			t.Errorf("of %d: %d, want %d", n, got, want)
		}
	}
}
