package imap

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/internal/wire"
	"github.com/postrider/postrider/store"
)

func TestErrorsAreTold(t *testing.T) {
	for _, test := range []struct {
		err    error
		want   string
		logged bool
	}{
		{store.ErrNotExist, "NO [NONEXISTENT] no such mailbox", false},
		{store.ErrExist, "NO [ALREADYEXISTS] mailbox exists already", false},
		{store.ErrName, "NO [CANNOT] impossible for a mailbox of that name", false},
		{store.ErrFlag, "NO [CANNOT] no message can have such a flag", false},
		{store.ErrLimit, "NO [LIMIT] too many keywords or search keys", false},
		{store.ErrOverQuota, "NO [OVERQUOTA] no room by the quota", false},
		{store.ErrCorrupt, "NO [CORRUPTION] stored mail is damaged", true},
		{store.ErrForgotten, "NO [UNAVAILABLE] temporary failure, try again later", true},
		{store.ErrClosed, "NO [UNAVAILABLE] temporary failure, try again later", true},
		{account.ErrCredentials, "NO [AUTHENTICATIONFAILED] wrong name or password", false},
		{account.ErrDisabled, "NO [CONTACTADMIN] account is disabled", false},
		{account.ErrTooMany, "NO [UNAVAILABLE] too many failed logins, try again later", false},
		{account.ErrMechanism, "NO no such mechanism", false},
		{account.ErrEncryption, "NO [PRIVACYREQUIRED] TLS is needed first, use STARTTLS", false},
		{account.ErrExchange, "BAD authentication exchange failed", false},
		{errBadCharset, "NO [BADCHARSET (US-ASCII UTF-8)] unknown charset", false},
		{syntaxError("expected a space"), "BAD expected a space", false},
		{&literalError{99}, "BAD [TOOBIG] literal is too large", false},
		{no("HASCHILDREN", "not now"), "NO [HASCHILDREN] not now", false},
		{&postrider.Status{Code: "5.2.2", Text: "mailbox is full", Err: errFake}, "NO [OVERQUOTA] mailbox is full", true},
		{&postrider.Status{Code: "5.2.3", Text: "message is too large"}, "NO [TOOBIG] message is too large", true},
		{&postrider.Status{Code: "5.7.1", Text: "not for you"}, "NO [NOPERM] not for you", true},
		{&postrider.Status{Code: "5.3.0", Text: "caf\u00e9\r\n* BYE ]"}, "NO [CANNOT] caf? * BYE ]", true},
		{&postrider.Status{Code: "4.2.2", Text: "mailbox is full for now"}, "NO [UNAVAILABLE] mailbox is full for now", true},
		{&postrider.Status{Code: "5.0.0"}, "NO [CANNOT] failed", true},
		{errFake, "NO [UNAVAILABLE] temporary failure, try again later", true},
	} {
		var out bytes.Buffer
		s := session{tag: "a", out: wire.NewWriter(&out)}
		r := replyOf(fmt.Errorf("open INBOX: %w", test.err))
		s.tagged(r.response)
		s.out.Flush()
		if got := out.String(); got != "a "+test.want+"\r\n" || r.unexpected != test.logged {
			t.Errorf("%v: got %q, logged %v; want %q, %v", test.err, got, r.unexpected, test.want, test.logged)
		}
	}
}
