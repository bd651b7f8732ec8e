package smtp

import (
	"slices"
	"strings"

	"github.com/postrider/postrider"
)

// rset ends the transaction (RFC 5321 §4.1.1.5).
func (c *serverConn) rset(string) {
	c.reset()
	c.reply(250, "2.0.0", "ok")
}

// noop does nothing (RFC 5321 §4.1.1.9).
func (c *serverConn) noop(string) { c.reply(250, "2.0.0", "ok") }

// quit ends the session (RFC 5321 §4.1.1.10).
func (c *serverConn) quit(string) {
	c.reply(221, "2.0.0", c.server.Hostname+" closing the connection")
	c.end(nil)
}

// help lists the commands, or gives the syntax of one (RFC 5321 §4.1.1.8).
func (c *serverConn) help(arg string) {
	if arg != "" {
		cmd := c.set.commands[strings.ToUpper(arg)]
		if cmd == nil || cmd.available != nil && !cmd.available(c) {
			c.protest(504, "5.5.4", "no such command")
			return
		}
		c.reply(214, "2.0.0", cmd.help)
		return
	}
	lines := []string{"commands:"}
	for _, cmd := range serverCommands() {
		if c.set.commands[cmd.verb] != nil && (cmd.available == nil || cmd.available(c)) {
			lines = append(lines, cmd.help)
		}
	}
	c.reply(214, "2.0.0", lines...)
}

// vrfy tells what the hooks know of an address or user (RFC 5321 §4.1.1.6). Without an answer of theirs it
// promises nothing.
func (c *serverConn) vrfy(arg string) {
	arg, utf8, ok := c.inquiry("VRFY", arg)
	if !ok {
		return
	}
	st := c.ask(func(h *Hooks) error {
		if h.Vrfy == nil {
			return nil
		}
		return h.Vrfy(c.ctx, c.session, arg)
	})
	if st == nil {
		st = &postrider.Status{Code: "2.0.0", Reply: 252, Text: "cannot verify, but will take mail and attempt delivery"}
	}
	c.tell(st, utf8)
}

// expn tells the members of a list, if a hook knows it (RFC 5321 §4.1.1.7).
func (c *serverConn) expn(arg string) {
	arg, utf8, ok := c.inquiry("EXPN", arg)
	if !ok {
		return
	}
	st := c.ask(func(h *Hooks) error {
		if h.Expn == nil {
			return nil
		}
		return h.Expn(c.ctx, c.session, arg)
	})
	if st == nil {
		st = &postrider.Status{Code: "5.1.1", Text: "no such list"}
	}
	c.tell(st, utf8)
}

// hasExpn reports whether a hook answers EXPN.
func (c *serverConn) hasExpn() bool {
	return slices.ContainsFunc(c.server.Hooks, func(h Hooks) bool { return h.Expn != nil })
}

// inquiry reads the argument of VRFY and EXPN and its parameter SMTPUTF8 (RFC 6531 §3.7.4.2).
func (c *serverConn) inquiry(verb, arg string) (what string, utf8, ok bool) {
	const param = " SMTPUTF8"
	if n := len(arg) - len(param); n > 0 && strings.EqualFold(arg[n:], param) && c.isOffered("SMTPUTF8") {
		arg, utf8 = strings.TrimRight(arg[:n], " "), true
	}
	if arg == "" {
		c.protest(501, "5.5.4", "syntax: "+verb+" string")
		return "", false, false
	}
	return arg, utf8, true
}

// tell answers an inquiry. What the client cannot read it is not told (RFC 6531 §3.7.4.2).
func (c *serverConn) tell(st *postrider.Status, utf8 bool) {
	if !utf8 && !isASCII(st.Text) {
		if accepts(st) {
			st = &postrider.Status{Code: "2.6.8", Reply: 252, Text: "the answer needs the parameter SMTPUTF8"}
		} else {
			st = &postrider.Status{Code: "5.6.8", Reply: 550, Text: "the answer needs the parameter SMTPUTF8"}
		}
	}
	if !accepts(st) {
		c.refuse(st)
		return
	}
	c.answer(st, utf8)
}
