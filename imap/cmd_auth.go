package imap

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/internal/wire"
	"github.com/postrider/postrider/store"
)

func (s *session) mayStartTLS() bool {
	return s.server.TLSConfig != nil && s.tls == nil && s.account == nil
}

// mayLogin reports whether a password may be sent.
func (s *session) mayLogin() bool { return len(s.server.Auth.Mechanisms(s.peer())) > 0 }

// cmdStartTLS turns to TLS and forgets what the client said before (RFC 3501 §6.2.1). What the client
// sent behind the command came in the clear, from whomever: it ends the session (I20).
func (s *session) cmdStartTLS() error {
	switch err := s.p.end(); {
	case err != nil:
		return err
	case s.tls != nil:
		return syntaxError("TLS is active already")
	case s.server.TLSConfig == nil:
		return syntaxError("TLS is not available")
	case s.in.Buffered() > 0:
		s.bye("", "nothing may follow STARTTLS in the clear", errInjected)
		return errReplied
	}
	s.tagged(response{"OK", "", "begin TLS"})
	if err := s.out.Flush(); err != nil {
		return &connError{err}
	}
	s.errors = 0
	s.handshake(tls.Server(s.raw, s.server.TLSConfig))
	return errReplied
}

// cmdLogin logs in by name and password (RFC 3501 §6.2.3).
func (s *session) cmdLogin() error {
	if err := s.p.sp(); err != nil {
		return err
	}
	if !s.mayLogin() {
		return account.ErrEncryption
	}
	name, err := s.p.astring()
	if err == nil {
		err = s.p.sp()
	}
	if err != nil {
		return err
	}
	password, err := s.p.astring()
	if err == nil {
		err = s.p.end()
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, loginTimeout)
	defer cancel()
	who, err := s.server.Auth.Password(ctx, s.peer(), name, password)
	if err != nil {
		s.authFailures++
		return err
	}
	return s.enter(ctx, who)
}

// maxAuth is how many octets a line of an exchange may have, its CRLF counted, as in SMTP and POP3 (RFC 4954 §4).
const maxAuth = 12288 + len("\r\n")

// cmdAuthenticate logs in by a SASL mechanism (RFC 3501 §6.2.2), with or without an initial response
// (RFC 4959).
func (s *session) cmdAuthenticate() error {
	if err := s.p.sp(); err != nil {
		return err
	}
	mechanism, err := s.p.atom()
	if err != nil {
		return err
	}
	var initial []byte
	if s.p.accept(' ') {
		if initial, err = s.p.initialResponse(); err != nil {
			return err
		}
	}
	if err := s.p.end(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, loginTimeout)
	defer cancel()
	exchange, err := s.server.Auth.Start(ctx, mechanism, s.peer())
	if err == nil {
		defer exchange.Cancel()
		err = s.exchange(exchange, initial)
	}
	if err != nil {
		s.authFailures++
		return err
	}
	return s.enter(ctx, exchange.Identity())
}

// initialResponse reads base64, or "=" for an empty response.
func (p *parser) initialResponse() ([]byte, error) {
	text, err := p.while("an initial response", func(c byte) bool { return c > ' ' && c < 0x7f })
	switch {
	case err != nil:
		return nil, err
	case text == "=":
		return []byte{}, nil
	}
	return decodeResponse([]byte(text))
}

// exchange carries challenges and responses until the client has proved who it is.
func (s *session) exchange(x *account.Exchange, response []byte) error {
	for {
		challenge, done, err := x.Next(response)
		if done || err != nil {
			return err
		}
		s.out.WriteString("+ ")
		s.out.WriteString(base64.StdEncoding.EncodeToString(challenge))
		s.out.WriteString("\r\n")
		if response, err = s.readResponse(); err != nil {
			return err
		}
	}
}

// errCancelled is a client that gives an exchange up.
var errCancelled = fmt.Errorf("%w: cancelled by the client", account.ErrExchange)

// readResponse reads a line of the exchange.
func (s *session) readResponse() ([]byte, error) {
	line, err := s.readLine(maxAuth)
	switch {
	case errors.Is(err, wire.ErrLineTooLong), errors.Is(err, wire.ErrBareLF), errors.Is(err, wire.ErrBareCR):
		return nil, fmt.Errorf("%w: %w", account.ErrExchange, err)
	case err != nil:
		return nil, &connError{err}
	case string(line) == "*":
		return nil, errCancelled
	}
	return decodeResponse(line)
}

// decodeResponse is strict. Line breaks, which the decoder would skip, cannot be in a line.
func decodeResponse(line []byte) ([]byte, error) {
	out := make([]byte, base64.StdEncoding.DecodedLen(len(line)))
	n, err := base64.StdEncoding.Strict().Decode(out, line)
	if err != nil {
		return nil, fmt.Errorf("%w: malformed base64", account.ErrExchange)
	}
	return out[:n], nil
}

// enter opens the mail of who logged in.
func (s *session) enter(ctx context.Context, who account.Identity) error {
	s.identity = who // for the log
	a, err := s.server.Open(ctx, who)
	if err != nil {
		s.identity = account.Identity{}
		if errors.Is(err, store.ErrNotExist) {
			return no("CONTACTADMIN", "there is no mail for this account")
		}
		return fmt.Errorf("open account %s: %w", who.Account, err)
	}
	s.account = a
	s.p.maxLiterals = int64(s.set.maxLiteral)
	return &response{"OK", "CAPABILITY " + s.capabilities(), "logged in"}
}
