package message

import (
	"strings"
	"testing"
)

func TestAddressListsAreReadWhateverTheirForm(t *testing.T) {
	for _, c := range []struct{ list, want string }{
		{``, `NIL`},
		{` , ,; `, `NIL`},
		{`ann@example.org`, `((NIL NIL "ann" "example.org"))`},
		{`Ann Lee <ann@example.org>`, `(("Ann Lee" NIL "ann" "example.org"))`},
		{`"Lee, Ann" <ann@example.org>, bob@example.net`, `(("Lee, Ann" NIL "ann" "example.org")(NIL NIL "bob" "example.net"))`},
		{`"a \"quoted\" name" <"a b"@example.org>`, `(("a \"quoted\" name" NIL "a b" "example.org"))`},
		{`Ann   B.  Lee <ann@example.org>`, `(("Ann B. Lee" NIL "ann" "example.org"))`},
		{`=?utf-8?q?=C3=A4?= =?utf-8?q?x?= <a@b>`, `(("=?utf-8?q?=C3=A4?= =?utf-8?q?x?=" NIL "a" "b"))`},
		{`Jürgen <jürgen@dömäin.example>`, `(("Jürgen" NIL "jürgen" "dömäin.example"))`}, // RFC 6532
		{`ann@example.org (Ann (the first) Lee)`, `(("Ann (the first) Lee" NIL "ann" "example.org"))`},
		{`Ann (comment) <ann@example.org> (another)`, `(("Ann" NIL "ann" "example.org"))`},
		{`ann@[192.0.2.1], bob@[IPv6:2001:db8::1]`, `((NIL NIL "ann" "[192.0.2.1]")(NIL NIL "bob" "[IPv6:2001:db8::1]"))`},

		// Groups (RFC 5322 §3.4, I11).
		{`undisclosed-recipients:;`, `((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))`},
		{`A Group:Ed Jones <joe@where.test>,joe@where.test,John <jdoe@one.test>;, x@y`,
			`((NIL NIL "A Group" NIL)("Ed Jones" NIL "joe" "where.test")(NIL NIL "joe" "where.test")("John" NIL "jdoe" "one.test")(NIL NIL NIL NIL)(NIL NIL "x" "y"))`},
		{`"a: b": c@d`, `((NIL NIL "a: b" NIL)(NIL NIL "c" "d")(NIL NIL NIL NIL))`}, // no end

		// RFC 5322 appendix A.1.2, A.5 and A.6.3.
		{`"Joe Q. Public" <john.q.public@example.com>`, `(("Joe Q. Public" NIL "john.q.public" "example.com"))`},
		{`Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>`, `(("Mary Smith" NIL "mary" "x.test")(NIL NIL "jdoe" "example.org")("Who?" NIL "one" "y.test"))`},
		{`<boss@nil.test>, "Giant; \"Big\" Box" <sysservices@example.net>`, `((NIL NIL "boss" "nil.test")("Giant; \"Big\" Box" NIL "sysservices" "example.net"))`},
		{`Pete(A nice \) chap) <pete(his account)@silly.test(his host)>`, `(("Pete" NIL "pete" "silly.test"))`},
		{`A Group(Some people)   :Chris Jones <c@(Chris's host.)public.example>, joe@example.org, John <jdoe@one.test> (my dear friend); (the end of the group)`,
			`((NIL NIL "A Group" NIL)("Chris Jones" NIL "c" "public.example")(NIL NIL "joe" "example.org")("John" NIL "jdoe" "one.test")(NIL NIL NIL NIL))`},
		{`(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;`, `((NIL NIL "Hidden recipients" NIL)(NIL NIL NIL NIL))`},
		{`Joe Q. Public <john.q.public@example.com>`, `(("Joe Q. Public" NIL "john.q.public" "example.com"))`},
		{`Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example`, `(("Mary Smith" "@node.test" "mary" "example.net")(NIL NIL "jdoe" "test.example"))`},
		{`<@a.test, @b.test : x@c.test>`, `((NIL "@a.test,@b.test" "x" "c.test"))`},
		{`john . q . public @ example . com`, `((NIL NIL "john.q.public" "example.com"))`},

		// What people write (RFC 7103 §7.1 and worse).
		{`ann@example.org <ann@example.org>`, `(("ann@example.org" NIL "ann" "example.org"))`},
		{`"Joe <joe@example.com>`, `(("Joe" NIL "joe" "example.com"))`},
		{`Joe, Ann`, `((NIL NIL "Joe" "")(NIL NIL "Ann" ""))`},
		{`Undisclosed recipients`, `(("Undisclosed recipients" NIL "" ""))`},
		{`MAILER-DAEMON <>`, `(("MAILER-DAEMON" NIL "" ""))`},
		{`<ann@example.org`, `((NIL NIL "ann" "example.org"))`},
		{`<ann@example.org, bob@example.net`, `((NIL NIL "ann" "example.org")(NIL NIL "bob" "example.net"))`},
		{`Ann ann@example.org`, `(("Ann" NIL "ann" "example.org"))`},
		{`ann@x bob@y`, `((NIL NIL "ann" "x")(NIL NIL "bob" "y"))`},
		{`Ann <ann@x> Bob <bob@y>`, `(("Ann" NIL "ann" "x")("Bob" NIL "bob" "y"))`},
		{`<ann@x> <bob@y>`, `((NIL NIL "ann" "x")(NIL NIL "bob" "y"))`},
		{`Ann <ann@x> Esq., bob@y`, `(("Ann" NIL "ann" "x")(NIL NIL "bob" "y"))`},
		{`Lee; Ann <ann@x>; bob@y`, `((NIL NIL "Lee" "")("Ann" NIL "ann" "x")(NIL NIL "bob" "y"))`},
		{`<<ann@x>>`, `((NIL NIL "ann" "x"))`},
		{`<Ann Lee@x>`, `((NIL NIL "Ann Lee" "x"))`},
		{`ann@`, `((NIL NIL "ann" ""))`},
		{`@x`, `((NIL NIL "" "x"))`},
		{`ann@b@c`, `((NIL NIL "ann" "b"))`},
		{`a@b (unclosed, c@d`, `(("unclosed, c@d" NIL "a" "b"))`},
		{`a@[1.2.3.4, c@d`, `((NIL NIL "a" "[1.2.3.4")(NIL NIL "c" "d"))`},
		{`)(`, `((NIL NIL ")" ""))`},
	} {
		if got := printAddresses(ParseAddressList(c.list)); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.list, got, c.want)
		}
	}
}

func TestAddressesAreCounted(t *testing.T) {
	for n, want := range map[int]int{MaxAddresses: MaxAddresses, MaxAddresses + 1: MaxAddresses} {
		if got := len(ParseAddressList(strings.Repeat("a@b,", n))); got != want {
			t.Errorf("of %d: %d, want %d", n, got, want)
		}
	}
	list := ParseAddressList("g:" + strings.Repeat("a@b,", MaxAddresses))
	if len(list) != MaxAddresses || list[len(list)-1].Group != GroupEnd {
		t.Errorf("a group of too many has %d and ends in %+v", len(list), list[len(list)-1])
	}
}

func FuzzParseAddressList(f *testing.F) {
	for _, s := range []string{`"a b" <c@d>, e: f@g (h);`, `<@a:b@[c]>`, `"unclosed <a@b>`, `a@b@c <d> e, (f`, "\\\"(<[:;@,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		open := false
		for _, a := range ParseAddressList(s) {
			switch a.Group {
			case GroupStart:
				if open || a.Host != "" || a.Name != "" || a.Route != "" {
					t.Fatalf("%q: start %+v", s, a)
				}
				open = true
			case GroupEnd:
				if !open || a != (Address{Group: GroupEnd}) {
					t.Fatalf("%q: end %+v", s, a)
				}
				open = false
			}
			if len(a.Mailbox)+len(a.Host) > len(s) {
				t.Fatalf("%q: more than there was: %+v", s, a)
			}
		}
		if open {
			t.Fatalf("%q: a group does not end", s)
		}
		// A well-formed address behind any list is found, unless something in
		// front swallows it.
		if strings.ContainsAny(s, "\"(\\<[@:") {
			return
		}
		list := ParseAddressList(s + `, Ann Lee <ann@example.org>`)
		if n := len(list); n == 0 || list[n-1] != (Address{Name: "Ann Lee", Mailbox: "ann", Host: "example.org"}) {
			t.Fatalf("%q: lost an address: %+v", s, list)
		}
	})
}
