package smtp

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/internal/wire"
)

// auth lets a client log in (RFC 4954 §4). Nothing of the exchange is logged here.
func (c *serverConn) auth(arg string) {
	mechanism, initial, _ := strings.Cut(arg, " ")
	mechanism = strings.ToUpper(mechanism)
	switch {
	case c.session.Identity != nil:
		c.protest(503, "5.5.1", "already authenticated")
		return
	case c.set.maxAuth > 0 && c.authFailures >= c.set.maxAuth:
		c.giveUp(errTooManyLogins)
		return
	case mechanism == "":
		c.protest(501, "5.5.4", "syntax: AUTH mechanism [initial-response]")
		return
	}
	st := c.ask(func(h *Hooks) error {
		if h.Auth == nil {
			return nil
		}
		return h.Auth(c.ctx, c.session, mechanism)
	})
	if !accepts(st) {
		c.refuse(st)
		return
	}
	exchange, err := c.server.Auth.Start(c.ctx, mechanism, c.peer())
	if err != nil {
		c.authFailed(err)
		return
	}
	defer exchange.Cancel()
	if err := c.exchange(exchange, initial); err != nil {
		c.authFailed(err)
		return
	}
	c.authenticated(exchange.Identity())
}

func (c *serverConn) hasAuth() bool {
	return c.server.Auth != nil && !isWithheld(c.server.Withhold, "AUTH")
}

// peer is what a login must know of the client.
func (c *serverConn) peer() account.Peer {
	p := account.Peer{Addr: c.session.RemoteIP(), TLS: c.session.TLS, AllowPlaintext: c.server.AllowPlaintextAuth, Protocol: "smtp"}
	if c.server.LMTP {
		p.Protocol = "lmtp"
	}
	return p
}

// exchange carries challenges and responses until the client has proved who it is.
func (c *serverConn) exchange(x *account.Exchange, initial string) error {
	response, err := decodeInitial(initial)
	for err == nil {
		var challenge []byte
		var done bool
		c.startClock() // it may ask a directory
		challenge, done, err = x.Next(response)
		c.stopClock()
		if done || err != nil {
			break
		}
		c.reply(334, "", base64.StdEncoding.EncodeToString(challenge))
		response, err = c.readResponse()
	}
	return err
}

// Failures of an exchange that are of the protocol, not of the credentials.
var (
	errBase64    = &postrider.Status{Code: "5.5.2", Reply: 501, Text: "malformed base64"}
	errCancelled = &postrider.Status{Code: "5.7.0", Reply: 501, Text: "authentication cancelled"}
	errAuthLine  = &postrider.Status{Code: "5.5.6", Reply: 500, Text: "line of the authentication exchange is too long"}
)

// decodeInitial returns nil for no initial response, and an empty slice for the empty one, "=".
func decodeInitial(s string) ([]byte, error) {
	switch s {
	case "":
		return nil, nil
	case "=":
		return []byte{}, nil
	}
	return decodeResponse([]byte(s))
}

// decodeResponse is strict: no characters out of the alphabet, padding only where it is due.
func decodeResponse(line []byte) ([]byte, error) {
	out := make([]byte, base64.StdEncoding.DecodedLen(len(line)))
	n, err := base64.StdEncoding.Strict().Decode(out, line)
	if err != nil || hasControl(line) { // the decoder would skip line breaks
		return nil, errBase64
	}
	return out[:n], nil
}

// readResponse reads a line of the exchange.
func (c *serverConn) readResponse() ([]byte, error) {
	err := c.await()
	var line []byte
	if err == nil {
		line, err = c.in.ReadLine(maxAuthLine + len("\r\n"))
		c.setIdle(false)
	}
	switch {
	case errors.Is(err, wire.ErrLineTooLong):
		return nil, errAuthLine
	case errors.Is(err, wire.ErrBareLF), errors.Is(err, wire.ErrBareCR):
		return nil, errBase64
	case err != nil:
		c.lost(err)
		return nil, err
	case string(line) == "*":
		return nil, errCancelled
	}
	return decodeResponse(line)
}

// authenticated notes who logged in, if the hooks agree.
func (c *serverConn) authenticated(id account.Identity) {
	c.session.Identity = &id
	st := c.ask(func(h *Hooks) error {
		if h.Authenticated == nil {
			return nil
		}
		return h.Authenticated(c.ctx, c.session)
	})
	if !accepts(st) {
		c.session.Identity = nil
		c.refuse(st)
		return
	}
	c.reply(235, "2.7.0", textOr(st, "authentication successful"))
}

// authFailed answers a failure and counts it.
func (c *serverConn) authFailed(err error) {
	if c.ended {
		return
	}
	c.authFailures++
	c.refuse(authStatus(err))
}

// authStatus is the reply to each of package account's errors (RFC 4954 §6).
func authStatus(err error) *postrider.Status {
	var st *postrider.Status
	if errors.As(err, &st) {
		return st
	}
	for _, row := range authReplies {
		if errors.Is(err, row.err) {
			return &postrider.Status{Code: row.code, Reply: row.reply, Text: row.text, Err: err}
		}
	}
	return &postrider.Status{Code: "4.7.0", Reply: 454, Text: "temporary authentication failure", Err: err}
}

var authReplies = []struct {
	err   error
	reply int
	code  string
	text  string
}{
	{account.ErrCredentials, 535, "5.7.8", "authentication credentials invalid"},
	{account.ErrDisabled, 525, "5.7.13", "account is disabled"},
	{account.ErrMechanism, 504, "5.5.4", "mechanism is not known here"},
	{account.ErrEncryption, 538, "5.7.11", "encryption required for this mechanism; STARTTLS first"},
	{account.ErrExchange, 501, "5.7.0", "the exchange breaks the rules of the mechanism"},
	{account.ErrTooMany, 454, "4.7.0", "too many failed logins, try again later"},
}
