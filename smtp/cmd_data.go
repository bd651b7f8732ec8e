package smtp

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/internal/wire"
)

// data takes a message (RFC 5321 §4.1.1.4).
func (c *serverConn) data(string) {
	if len(c.tx.Envelope.Recipients) == 0 {
		// No protest: with PIPELINING an honest client cannot know (RFC 2920 §3.1).
		c.reply(503, "5.5.1", "DATA needs a recipient first")
		return
	}
	st := c.ask(func(h *Hooks) error {
		if h.Data == nil {
			return nil
		}
		return h.Data(c.ctx, c.tx)
	})
	if !accepts(st) {
		c.refuse(st)
		return
	}
	c.reply(354, "", "end data with <CRLF>.<CRLF>")
	content, st := c.receive()
	switch {
	case c.ended:
	case st != nil:
		c.settle(c.toEach(st), 0)
	default:
		c.deliver(content)
	}
}

// receive reads the message to its true end. If it is not to be had there is a status, and the session may
// have ended.
func (c *serverConn) receive() (content postrider.Content, st *postrider.Status) {
	into := spooler{Spool: postrider.Spool{Dir: c.server.SpoolDir, Memory: c.server.SpoolMemory}}
	defer into.Close()
	c.expectMessage()
	text := wire.NewDotReader(c.in, wire.TextLimits{Line: -1, Size: c.set.maxSize})
	_, err := text.WriteTo(&into)
	c.budget = 0
	switch {
	case errors.Is(err, wire.ErrBareLF), errors.Is(err, wire.ErrBareCR):
		return nil, &postrider.Status{Code: "5.5.2", Reply: 554, Text: err.Error() + " in the message; lines end in CRLF (RFC 5321 section 2.3.8)", Err: err}
	case errors.Is(err, wire.ErrTooLarge):
		return nil, tooLarge(c.set.maxSize)
	case errors.Is(err, errEndless):
		c.refuse(tooLarge(c.set.maxSize))
		c.end(err)
		return nil, nil
	case err != nil:
		c.lost(err)
		return nil, nil
	}
	if into.err == nil {
		content, into.err = into.Content()
	}
	if into.err != nil {
		return nil, &postrider.Status{Code: "4.3.1", Text: "no room for the message, try again later", Err: into.err}
	}
	return content, nil
}

// expectMessage prepares for reading a message: a deadline for each block, and an end to patience. The
// client may send twice what is allowed, for transparency and so that it hears the reply.
func (c *serverConn) expectMessage() {
	c.conn.ReadEach(c.set.data)
	c.received, c.budget = 0, 0
	if c.set.maxSize > 0 {
		c.budget = 2*c.set.maxSize + 1<<20
	}
}

// spooler is a Spool whose failure is noticed when the message is read to its end.
type spooler struct {
	postrider.Spool
	err error
}

func (s *spooler) Write(p []byte) (int, error) {
	if s.err == nil {
		_, s.err = s.Spool.Write(p)
	}
	return len(p), nil
}

// deliver gives the message to the hooks and to the handler, and answers.
func (c *serverConn) deliver(content postrider.Content) {
	defer content.Close()
	st := c.ask(func(h *Hooks) error {
		if h.Message == nil {
			return nil
		}
		return h.Message(c.ctx, c.tx, content)
	})
	if !accepts(st) {
		c.settle(c.toEach(st), content.Size())
		return
	}
	if each, ok := c.server.Handler.(EachHandler); ok && c.server.LMTP {
		c.settle(c.callEach(each, content), content.Size())
		return
	}
	handled := c.call(func() error { return c.server.Handler.Data(c.ctx, c.tx, content) })
	if handled == nil {
		handled = st
	}
	c.settle(c.toEach(handled), content.Size())
}

// callEach asks for a status for each recipient.
func (c *serverConn) callEach(h EachHandler, content postrider.Content) []*postrider.Status {
	var results []error
	c.call(func() error {
		results = h.DataEach(c.ctx, c.tx, content)
		return nil
	})
	want := len(c.tx.Envelope.Recipients)
	if len(results) != want {
		err := fmt.Errorf("DataEach returned %d results for %d recipients", len(results), want)
		return c.toEach(postrider.StatusOf(err))
	}
	statuses := make([]*postrider.Status, want)
	for i, err := range results {
		statuses[i] = postrider.StatusOf(err)
	}
	return statuses
}

// toEach repeats st as often as the client expects a reply: once in SMTP, once for each recipient in
// LMTP, duplicates included (RFC 2033 §4.2).
func (c *serverConn) toEach(st *postrider.Status) []*postrider.Status {
	n := 1
	if c.server.LMTP {
		n = len(c.tx.Envelope.Recipients)
	}
	all := make([]*postrider.Status, n)
	for i := range all {
		all[i] = st
	}
	return all
}

// settle answers the end of the data and ends the transaction.
func (c *serverConn) settle(replies []*postrider.Status, size int64) {
	accepted := 0
	for i, st := range replies {
		var only slog.Attr
		if c.server.LMTP {
			only = to(c.tx.Envelope.Recipients[i])
		}
		if !accepts(st) {
			c.refuse(st, only, slog.Int64("size", size))
			continue
		}
		accepted++
		c.log(slog.LevelInfo, "accept", only, slog.Int("recipients", len(c.tx.Envelope.Recipients)), slog.Int64("size", size),
			slog.Duration("took", time.Since(c.tx.Start)))
		c.accept(st, "2.0.0", "accepted as "+c.tx.ID)
	}
	if accepted == 0 {
		c.reset()
		return
	}
	c.tx, c.errors, c.junk, c.refused = nil, 0, 0, 0
}
