package smtp

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider"
)

func TestReadingAPath(t *testing.T) {
	for _, test := range []struct {
		in   string
		want postrider.Address
		rest string
	}{
		{"<>", postrider.Address{}, ""},
		{"<a@b>", postrider.Address{Local: "a", Domain: "b"}, ""},
		{"<a@b> SIZE=1", postrider.Address{Local: "a", Domain: "b"}, " SIZE=1"},
		{`<"a>b\" c"@d>`, postrider.Address{Local: `a>b" c`, Domain: "d"}, ""},
		{`<"a\\"@d>`, postrider.Address{Local: `a\`, Domain: "d"}, ""},
		{"<PostMaster>", postrider.Address{Local: "PostMaster"}, ""},
		{"<@r:a@b>", postrider.Address{Local: "a", Domain: "b"}, ""},
		{"<@r.example,@[192.0.2.1],@[IPv6:::1]:a@b>", postrider.Address{Local: "a", Domain: "b"}, ""},
		{"<@r:postmaster>", postrider.Address{Local: "postmaster"}, ""},
	} {
		got, rest, err := cutPath(test.in)
		if err != nil || got != test.want || rest != test.rest {
			t.Errorf("%s: %+v, %q, %v", test.in, got, rest, err)
		}
	}
	for _, in := range []string{
		"", "a@b", "<a@b", "a@b>", "<a>", "< >", "< a@b>", "<a@b >", "<a@b>x", "<<a@b>>", `<"a@b>`, `<"a\`, "<@r>", "<@r:>", "<@r,a@b>", "<@r:@s:a@b>", "<@>",
		"<@[192.0.2.1:a@b>", "<@:a@b>", "<a@b>\tSIZE=1", "<postmaster@>", "<a@b,c@d>",
	} {
		if got, rest, err := cutPath(in); err == nil {
			t.Errorf("%s is taken for %+v, %q", in, got, rest)
		}
	}
}

func TestReadingXtext(t *testing.T) {
	for in, want := range map[string]string{"": "", "abc": "abc", "a+2Bb": "a+b", "+3D": "=", "+C3+BC": "ü"} {
		if got, err := decodeXtext(in); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"+", "+2", "a+", "+2b", "+GG", "+2 "} {
		if got, err := decodeXtext(in); err == nil {
			t.Errorf("%q is taken for %q", in, got)
		}
	}
}

func TestReadingUnitext(t *testing.T) {
	for in, want := range map[string]string{`bj\x{F6}rn`: "björn", `\x{1F600}\x{5C}`: "😀\\", "ü": "ü", "a+2Bb": "a+b"} {
		if got, err := decodeUnitext(in); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{`\x{`, `\x{F}`, `\x{}`, `\x{1234567}`, `\x{D800}`, `\x{110000}`, `\x{0D}`, "+0A", "\xff", `\x{GG}`} {
		if got, err := decodeUnitext(in); err == nil {
			t.Errorf("%q is taken for %q", in, got)
		}
	}
}

// RFC 5321 §4.5.3.1.5: no line of a reply is longer than 512 octets, and none ends in the midst of a character.
func TestLongRepliesAreCut(t *testing.T) {
	long := strings.Repeat("ü", 400)
	line, rest := cutReply(long, 501)
	if len(line) != 500 || line+rest != long {
		t.Errorf("%d octets, then %d", len(line), len(rest))
	}
	if line, rest := cutReply(strings.Repeat("\x80", 600), 501); len(line) != 501 || len(rest) != 99 {
		t.Errorf("octets that are no UTF-8 are cut into %d and %d", len(line), len(rest))
	}
	if line, rest := cutReply("short", 5); line != "short" || rest != "" {
		t.Errorf("%q, %q", line, rest)
	}
}

// FuzzServerCommand reads a command's argument as MAIL's and as RCPT's, with all extensions offered.
func FuzzServerCommand(f *testing.F) {
	for _, seed := range []string{
		"FROM:<a@b> SIZE=1 BODY=8BITMIME SMTPUTF8 AUTH=<> RET=HDRS ENVID=a+2B", "FROM: <@r,@s:\"x y\"@[192.0.2.1]>", "from:<>", "FROM:<ü@ü.example> SMTPUTF8",
		"TO:<a@b> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb", `TO:<a@b> ORCPT=utf-8;bj\x{F6}rn@b`, "TO:<Postmaster>", "TO:<\"\\\\\"@b>  NOTIFY=NEVER ",
	} {
		f.Add(seed)
	}
	srv := &Server{Hostname: "mx.example.org", Handler: HandlerFunc(nil)}
	set, err := srv.settle()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		c := &serverConn{server: srv, set: set, session: new(Session), offered: ^extensionSet(0)}
		if e, st := c.parseMail(arg); st == nil {
			checkAddress(t, e.ReversePath)
			again, st := c.parseMail("FROM:<" + e.ReversePath.String() + ">" + arg[strings.LastIndexByte(arg, '>')+1:])
			if params := strings.Count(arg, ">"); st != nil && params == 1 {
				t.Errorf("%q was read, its print was not: %v", arg, st)
			} else if params == 1 && !cmp.Equal(again, e) {
				t.Errorf("%q: %s", arg, cmp.Diff(e, again))
			}
		} else if st.ReplyCode() < 500 || st.EnhancedCode()[0] != '5' {
			t.Errorf("%q: %v", arg, st)
		}
		c.tx = &Transaction{Session: c.session, Envelope: postrider.Envelope{SMTPUTF8: true}}
		if r, st := c.parseRcpt(arg); st == nil {
			checkAddress(t, r.ForwardPath)
			if hasControl([]byte(r.Original.Address)) {
				t.Errorf("%q: control character in %q", arg, r.Original.Address)
			}
		}
	})
}

func checkAddress(t *testing.T, a postrider.Address) {
	if a.IsNull() || a.Domain == "" && strings.EqualFold(a.Local, "postmaster") {
		return
	}
	if again, err := postrider.ParseAddress(a.String()); err != nil || again != a {
		t.Errorf("%+v prints as %s, which reads as %+v, %v", a, a, again, err)
	}
}
