package smtp

import "crypto/tls"

// startTLS turns to TLS and forgets all that the client said before (RFC 3207 §4.2). What
// the client sent behind the command came in the clear, from whomever: it ends the session.
func (c *serverConn) startTLS(string) {
	if c.session.TLS != nil {
		c.protest(503, "5.5.1", "TLS is active already")
		return
	}
	st := c.ask(func(h *Hooks) error {
		if h.StartTLS == nil {
			return nil
		}
		return h.StartTLS(c.ctx, c.session)
	})
	if !accepts(st) {
		c.refuse(st)
		return
	}
	if c.in.Buffered() > 0 {
		c.reply(554, "5.5.1", "nothing may follow STARTTLS in the clear, closing the connection")
		c.end(errInjected)
		return
	}
	c.reply(220, "2.0.0", textOr(st, "ready to start TLS"))
	if err := c.out.Flush(); err != nil {
		c.end(err)
		return
	}
	c.reset()
	c.session.Hello, c.session.Extended, c.session.Identity, c.offered = "", false, nil, 0
	c.handshake(tls.Server(c.raw, c.server.TLSConfig))
}

func (c *serverConn) hasTLS() bool {
	return c.server.TLSConfig != nil && !isWithheld(c.server.Withhold, "STARTTLS")
}
