package smtp

import (
	"strconv"
	"time"

	"github.com/postrider/postrider"
)

// mail begins a transaction (RFC 5321 §4.1.1.2).
func (c *serverConn) mail(arg string) {
	e, st := c.parseMail(arg)
	if st != nil {
		c.protest(st.ReplyCode(), st.EnhancedCode(), st.Text)
		return
	}
	c.transactions++
	c.tx = &Transaction{
		ID: c.session.ID + "-" + strconv.Itoa(c.transactions), Session: c.session, Start: time.Now(), Envelope: e,
	}
	st = c.ask(func(h *Hooks) error {
		if h.Mail == nil {
			return nil
		}
		return h.Mail(c.ctx, c.tx)
	})
	if !accepts(st) {
		c.refuse(st)
		c.tx = nil
		return
	}
	c.accept(st, "2.1.0", "sender ok")
}

func (c *serverConn) parseMail(arg string) (e postrider.Envelope, st *postrider.Status) {
	arg, ok := cutPrefixFold(arg, "FROM:")
	if !ok {
		return e, syntaxError("5.5.4", "syntax: MAIL FROM:<address>")
	}
	from, params, err := cutPath(arg)
	if err != nil || from.Domain == "" && from.Local != "" {
		return e, syntaxError("5.1.7", pathError(err))
	}
	e.ReversePath = from
	if err := parseParams(c, c.set.mailParams, &e, params); err != nil {
		return e, paramError(err)
	}
	if !e.SMTPUTF8 && !isASCII(arg) {
		return e, &postrider.Status{Code: "5.6.7", Reply: 550, Text: "address needs the parameter SMTPUTF8"}
	}
	return e, nil
}

// reset ends the transaction, if there is one, without a message.
func (c *serverConn) reset() {
	if c.tx == nil {
		return
	}
	tx := c.tx
	c.tx = nil
	c.tellReset(tx)
}

// accept answers a command that hooks or the handler let pass, with their text or another.
func (c *serverConn) accept(st *postrider.Status, enhanced, text string) {
	if st == nil {
		c.reply(250, enhanced, text)
		return
	}
	said := *st
	if said.Code == "" {
		said.Code = enhanced
	}
	if said.Text == "" {
		said.Text = text
	}
	c.answer(&said, false)
}

// syntaxError is the status of an argument that cannot be read (RFC 5321 §4.1.4).
func syntaxError(enhanced, text string) *postrider.Status {
	return &postrider.Status{Code: enhanced, Reply: 501, Text: text}
}

// pathError says what is wrong with an address, nil meaning that its domain is missing.
func pathError(err error) string {
	if err == nil {
		return "address has no domain"
	}
	return err.Error()
}

// paramError is the status of a parameter's error.
func paramError(err error) *postrider.Status {
	if st, ok := err.(*postrider.Status); ok {
		return st
	}
	return syntaxError("5.5.4", err.Error())
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
