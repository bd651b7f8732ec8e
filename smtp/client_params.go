package smtp

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider"
)

// Parameters of MAIL and RCPT go to servers that offer their extension and to no others; the client adds none that the envelope does not
// have, save SIZE, and BODY and SMTPUTF8 where the message needs them.

// mailLine puts the MAIL command under construction (RFC 5321 §4.1.1.2).
func (t *clientTransaction) mailLine() *ClientError {
	path, _ := t.address(t.env.ReversePath)
	c := t.c
	c.line = append(c.line[:0], "MAIL FROM:<"...)
	c.line = append(c.line, path...)
	c.line = append(c.line, '>')
	if c.extended {
		t.mailParams()
	}
	for _, p := range t.env.Params {
		if err := t.param(p); err != nil {
			return err
		}
	}
	if !clientSendable(c.line) {
		return clientRefusal(StageCheck, "5.5.4", "the sender or its parameters cannot be written as a command")
	}
	return nil
}

func (t *clientTransaction) mailParams() {
	c, env := t.c, t.env
	if c.offers("SIZE") {
		c.line = append(c.line, " SIZE="...)
		c.line = strconv.AppendInt(c.line, t.content.Size(), 10)
	}
	if t.how.body != "" {
		t.add(" BODY=", string(t.how.body))
	}
	if t.how.utf8 {
		t.add(" SMTPUTF8", "")
	}
	if t.how.require {
		t.add(" REQUIRETLS", "")
	}
	if env.Auth != nil && c.offers("AUTH") {
		t.add(" AUTH=", clientSubmitter(*env.Auth))
	}
	if c.offers("DSN") {
		t.dsnParams()
	}
	if env.DeliverBy != nil && c.offers("DELIVERBY") {
		t.add(" BY=", clientDeliverBy(env.DeliverBy, t.how.left))
	}
	if env.Priority != nil && c.offers("MT-PRIORITY") {
		t.add(" MT-PRIORITY=", strconv.Itoa(*env.Priority))
	}
}

// dsnParams passes RET and ENVID on as they came (RFC 3461 §5.2.1).
func (t *clientTransaction) dsnParams() {
	if t.env.Return != "" {
		t.add(" RET=", string(t.env.Return))
	}
	if t.env.EnvelopeID != "" {
		t.add(" ENVID=", clientXtext(t.env.EnvelopeID))
	}
}

func (t *clientTransaction) add(keyword, value string) {
	t.c.line = append(t.c.line, keyword...)
	t.c.line = append(t.c.line, value...)
}

// param adds a parameter that the application defined, where the server offers an extension of that name.
func (t *clientTransaction) param(p postrider.Param) *ClientError {
	if !t.c.offers(clientUpper(p.Keyword)) {
		return nil
	}
	t.add(" ", p.Keyword)
	if p.Value == "" {
		return nil
	}
	if !clientValue(p.Value, t.how.utf8) {
		return clientRefusal(StageCheck, "5.5.4", fmt.Sprintf("parameter %s cannot be written as a command", p.Keyword))
	}
	t.add("=", p.Value)
	return nil
}

// clientSubmitter is the value of AUTH (RFC 4954 §5).
func clientSubmitter(a postrider.Address) string {
	if a.IsNull() {
		return "<>"
	}
	return clientXtext(a.String())
}

// clientDeliverBy is the value of BY with what is left of the time, rounded down so that no hop adds to it (RFC 2852 §4).
func clientDeliverBy(by *postrider.DeliverBy, left time.Duration) string {
	const most = 999999999
	seconds := min(max(int64(left/time.Second), -most), most)
	value := strconv.FormatInt(seconds, 10) + ";"
	if by.Return {
		value += "R"
	} else {
		value += "N"
	}
	if by.Trace {
		value += "T"
	}
	return value
}

// rcptLine puts the RCPT command for a recipient under construction (RFC 5321 §4.1.1.3).
func (t *clientTransaction) rcptLine(rcpt *postrider.Recipient) *ClientError {
	path, ok := t.address(rcpt.ForwardPath)
	if !ok {
		return clientRefusal(StageCheck, "5.6.7", "the next server does not take internationalised addresses, and the recipient's is one")
	}
	c := t.c
	c.line = append(c.line[:0], "RCPT TO:<"...)
	c.line = append(c.line, path...)
	c.line = append(c.line, '>')
	if err := t.rcptParams(rcpt); err != nil {
		return err
	}
	for _, p := range rcpt.Params {
		if err := t.param(p); err != nil {
			return err
		}
	}
	if rcpt.ForwardPath.IsNull() || !clientSendable(c.line) {
		return clientRefusal(StageCheck, "5.5.4", "the recipient or its parameters cannot be written as a command")
	}
	return nil
}

func (t *clientTransaction) rcptParams(rcpt *postrider.Recipient) *ClientError {
	if t.c.offers("DSN") {
		if rcpt.Notify != 0 {
			t.add(" NOTIFY=", rcpt.Notify.String())
		}
		if rcpt.Original.Type != "" {
			original := clientOriginal(rcpt.Original, t.how.utf8)
			if !clientValue(original, t.how.utf8) {
				return clientRefusal(StageCheck, "5.5.4", "ORCPT cannot be written as a command")
			}
			t.add(" ORCPT=", original)
		}
	}
	if since := rcpt.RequireValidSince; !since.IsZero() {
		return t.requireValid(since, rcpt.RequireValidSinceContinue)
	}
	return nil
}

// clientOriginal is the value of ORCPT: octet for octet as it came (RFC 3461 §5.2.1), unless it holds UTF-8 and the server takes
// none (RFC 6533 §3), or it never came so.
func clientOriginal(o postrider.OriginalRecipient, utf8 bool) string {
	if o.Raw != "" && (utf8 || clientASCII([]byte(o.Raw))) {
		return o.Raw
	}
	if strings.EqualFold(o.Type, "utf-8") {
		return o.Type + ";" + clientUnitext(o.Address)
	}
	return o.Type + ";" + clientXtext(o.Address)
}

// requireValid adds RRVS, or refuses the recipient if the server could not obey it and the sender does not want that (RFC 7293 §5.1.1).
func (t *clientTransaction) requireValid(since time.Time, orContinue bool) *ClientError {
	if !t.c.offers("RRVS") {
		if orContinue {
			return nil
		}
		return clientRefusal(StageCheck, "5.7.19", "the next server cannot tell whose mailbox it was")
	}
	t.add(" RRVS=", since.UTC().Format(time.RFC3339))
	if orContinue {
		t.add(";C", "")
	}
	return nil
}
