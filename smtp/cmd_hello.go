package smtp

import (
	"strings"

	"github.com/postrider/postrider"
)

// greet asks who may come in and says the greeting (RFC 5321 §3.1).
func (c *serverConn) greet() {
	if c.server.group.Stopping() {
		c.lost(ErrServerClosed)
		return
	}
	c.connected = true
	st := c.ask(func(h *Hooks) error {
		if h.Connect == nil {
			return nil
		}
		return h.Connect(c.ctx, c.session)
	})
	if accepts(st) {
		lines := strings.Split(textOr(st, c.protocolName()+" ready"), "\n")
		lines[0] = c.server.Hostname + " " + lines[0]
		c.reply(220, "", lines...)
		return
	}
	turned := *st
	if turned.Reply = 421; st.Permanent() {
		turned.Reply = 554
		c.turnedAway = true
	}
	c.refuse(&turned)
}

func (c *serverConn) protocolName() string {
	if c.server.LMTP {
		return "LMTP"
	}
	return "ESMTP"
}

func (c *serverConn) helo(name string) { c.hello(name, false) }

func (c *serverConn) ehlo(name string) { c.hello(name, true) }

// hello begins the session anew under a name (RFC 5321 §4.1.1.1). Replies to it have no enhanced
// codes (RFC 2034 §3). If the name is refused nothing has changed (RFC 5321 §4.1.4).
func (c *serverConn) hello(name string, extended bool) {
	name = cutHelloName(name)
	if err := checkHelloName(name); err != nil {
		c.protest(501, "", "name must be a domain or an address literal in brackets: "+err.Error())
		return
	}
	st := c.ask(func(h *Hooks) error {
		if h.Hello == nil {
			return nil
		}
		return h.Hello(c.ctx, c.session, name)
	})
	if !accepts(st) {
		c.refuseHello(st)
		return
	}
	c.reset()
	c.session.Hello, c.session.Extended, c.offered = name, extended, 0
	greeting := strings.TrimRight(c.server.Hostname+" "+textOr(st, ""), " ")
	if !extended {
		c.reply(250, "", greeting)
		return
	}
	if f, ok := c.server.Handler.(FeatureHandler); ok {
		c.features = f.Features(c.session)
	}
	c.reply(250, "", append([]string{greeting}, c.offer()...)...)
}

// cutHelloName drops what some clients put behind an address literal (RFC 5321 §4.1.1.1).
func cutHelloName(name string) string {
	if strings.HasPrefix(name, "[") {
		name, _, _ = strings.Cut(name, " ")
	}
	return name
}

func (c *serverConn) refuseHello(st *postrider.Status) {
	c.logRefusal(st)
	code, _ := replyCodes(st)
	if c.reply(code, "", st.Lines()...); code == 421 {
		c.end(errRefused)
	}
}
