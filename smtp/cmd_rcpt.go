package smtp

import (
	"log/slog"

	"github.com/postrider/postrider"
)

// rcpt adds a recipient to the transaction (RFC 5321 §4.1.1.3).
func (c *serverConn) rcpt(arg string) {
	r, st := c.parseRcpt(arg)
	if st != nil {
		c.protest(st.ReplyCode(), st.EnhancedCode(), st.Text)
		return
	}
	if c.set.maxRefused > 0 && c.refused >= c.set.maxRefused {
		c.giveUp(errTooManyRefused)
		return
	}
	if most := c.set.maxRecipients; most > 0 && len(c.tx.Envelope.Recipients) >= most {
		c.refuse(&postrider.Status{Code: "4.5.3", Reply: 452, Text: "too many recipients; send the message to the others again"}, to(r))
		return
	}
	if st = c.askRcpt(&r); !accepts(st) {
		c.refused++
		c.refuse(c.plainForward(st), to(r))
		return
	}
	c.tx.Envelope.Recipients = append(c.tx.Envelope.Recipients, r)
	c.accept(c.plainForward(st), "2.1.5", "recipient ok")
}

// to is the attribute of a recipient in logs.
func to(r postrider.Recipient) slog.Attr { return slog.String("to", r.ForwardPath.String()) }

func (c *serverConn) parseRcpt(arg string) (r postrider.Recipient, st *postrider.Status) {
	arg, ok := cutPrefixFold(arg, "TO:")
	if !ok {
		return r, syntaxError("5.5.4", "syntax: RCPT TO:<address>")
	}
	path, params, err := cutPath(arg)
	switch {
	case err != nil:
		return r, syntaxError("5.1.3", err.Error())
	case path.IsNull():
		return r, syntaxError("5.1.3", "the null path receives no mail")
	}
	r.ForwardPath = path
	if err := parseParams(c, c.set.rcptParams, &r, params); err != nil {
		return r, paramError(err)
	}
	if !c.tx.Envelope.SMTPUTF8 && !isASCII(arg) {
		return r, &postrider.Status{Code: "5.6.7", Text: "address needs MAIL's parameter SMTPUTF8"}
	}
	return r, nil
}

func (c *serverConn) askRcpt(r *postrider.Recipient) *postrider.Status {
	hooked := c.ask(func(h *Hooks) error {
		if h.Rcpt == nil {
			return nil
		}
		return h.Rcpt(c.ctx, c.tx, r)
	})
	if !accepts(hooked) {
		return hooked
	}
	handled := c.call(func() error { return c.server.Handler.Rcpt(c.ctx, c.tx, r) })
	if handled == nil {
		return hooked
	}
	return handled
}

// plainForward makes 251 and 551 with an address that the client cannot read a plain 250 or 550
// (RFC 6531 §3.7.4.1).
func (c *serverConn) plainForward(st *postrider.Status) *postrider.Status {
	if st == nil || st.Reply != 251 && st.Reply != 551 || isASCII(st.Text) || c.tx.Envelope.SMTPUTF8 {
		return st
	}
	plain := *st
	plain.Reply -= 1
	plain.Text = "recipient has another address"
	return &plain
}
