package message

import "testing"

// I11, RFC 9051 §7.5.2, and RFC 7103 §7.5.1 for what is repeated.
func TestEnvelope(t *testing.T) {
	for _, c := range []struct{ name, header, want string }{
		{"nothing", "", `NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL`},
		{"empty fields", "Date:\nSubject: \nFrom:\nIn-Reply-To:\nMessage-ID:\n", `"" "" NIL NIL NIL NIL NIL NIL "" ""`},
		{"all fields", "Date: d\nSubject: s\nFrom: a@b\nSender: c@d\nReply-To: e@f\nTo: g@h\nCc: i@j\nBcc: k@l\nIn-Reply-To: <m@n>\nMessage-ID: <o@p>\n",
			`"d" "s" ((NIL NIL "a" "b")) ((NIL NIL "c" "d")) ((NIL NIL "e" "f")) ((NIL NIL "g" "h")) ((NIL NIL "i" "j")) ((NIL NIL "k" "l")) "<m@n>" "<o@p>"`},
		{"Sender and Reply-To default to From", "From: a@b\nReply-To: \n", `NIL NIL ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) NIL NIL NIL NIL NIL`},
		{"unfolded, and otherwise as it is", "Subject: a\n\tb\n  =?utf-8?q?c?=  \n", `NIL "a	b  =?utf-8?q?c?=" NIL NIL NIL NIL NIL NIL NIL NIL`},
		{"8-bit, NUL and CR", "Subject: \xe4\x00b\rc\n", "NIL \"\xe4bc\" NIL NIL NIL NIL NIL NIL NIL NIL"},
		{"a line that ought to be folded", "Subject: This is your reminder\nabout the football game\n", `NIL "This is your reminder about the football game" NIL NIL NIL NIL NIL NIL NIL NIL`},
		{"repeated Subject", "Subject: a\nSubject: b\nSubject: b\nSubject:\n", `NIL "a b" NIL NIL NIL NIL NIL NIL NIL NIL`},
		{"the same Subject", "Subject: a\nSubject: a\n", `NIL "a" NIL NIL NIL NIL NIL NIL NIL NIL`},
		{"an empty Subject before another", "Subject:\nSubject: a\n", `NIL "a" NIL NIL NIL NIL NIL NIL NIL NIL`},
		{"repeated addresses", "To: a@b\nTo: c@d\n", `NIL NIL NIL NIL NIL ((NIL NIL "a" "b")(NIL NIL "c" "d")) NIL NIL NIL NIL`},
		{"other fields once", "Message-ID: <a@b>\nMessage-ID: <c@d>\nDate:\nDate: x\n", `"" NIL NIL NIL NIL NIL NIL NIL NIL "<a@b>"`},
		{"names in any case", "SUBJECT: a\nmessage-id: b\n", `NIL "a" NIL NIL NIL NIL NIL NIL NIL "b"`},
	} {
		s := summarize(t, crlf([]byte(c.header+"\nbody")))
		checkBinary(t, s)
		if got := printEnvelope(&s.Envelope); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}
