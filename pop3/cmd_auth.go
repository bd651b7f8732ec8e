package pop3

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/internal/wire"
)

// cmdUser takes the name for PASS (RFC 1939 §7). It says yes to every name, so that
// nobody learns from it who has a maildrop.
func (s *session) cmdUser(arg string) {
	switch {
	case len(s.server.Auth.Mechanisms(s.peer())) == 0:
		s.protest("TLS is needed first, use STLS")
	case arg == "":
		s.protest("a name is expected")
	default:
		s.user = &arg
		s.ok("now the password")
	}
}

// cmdPass logs in by name and password. All of its argument is the password, spaces
// included (RFC 1939 §7).
func (s *session) cmdPass(arg string) {
	if s.user == nil {
		s.protest("USER first")
		return
	}
	login := *s.user
	s.user = nil
	ctx, cancel := s.call()
	defer cancel()
	who, err := s.server.Auth.Password(ctx, s.peer(), login, arg)
	if err != nil {
		s.loginFailed("PASS", err)
		return
	}
	s.enter("PASS", who)
}

// cmdAuth logs in by a SASL mechanism (RFC 5034 §4). Without an argument it lists the mechanisms, as
// no RFC says and old clients expect.
func (s *session) cmdAuth(arg string) {
	mechanism, initial, _ := strings.Cut(strings.TrimRight(arg, " "), " ")
	if mechanism == "" {
		s.ok("mechanisms follow")
		for _, m := range s.server.Auth.Mechanisms(s.peer()) {
			s.out.WriteString(m + "\r\n")
		}
		s.out.WriteString(".\r\n")
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	exchange, err := s.server.Auth.Start(ctx, mechanism, s.peer())
	if err != nil {
		s.loginFailed("AUTH", err)
		return
	}
	defer exchange.Cancel()
	if err := s.exchange(exchange, initial, cancel); err != nil {
		if !s.ended {
			s.loginFailed("AUTH", err)
		}
		return
	}
	s.enter("AUTH", exchange.Identity())
}

// exchange carries challenges and responses until the client has proved who it is. Cancel ends x where
// a step takes too long.
func (s *session) exchange(x *account.Exchange, initial string, cancel func()) error {
	response, err := decodeInitial(initial)
	for err == nil {
		var challenge []byte
		var done bool
		stop := s.limit(cancel)
		challenge, done, err = x.Next(response)
		stop()
		if done || err != nil {
			break
		}
		s.out.WriteString("+ ")
		s.out.WriteString(base64.StdEncoding.EncodeToString(challenge))
		s.out.WriteString("\r\n")
		response, err = s.readResponse()
	}
	return err
}

// errCancelled is a client that gives an exchange up.
var errCancelled = fmt.Errorf("%w: cancelled by the client", account.ErrExchange)

// readResponse reads a line of the exchange. If the connection fails, the session has ended.
func (s *session) readResponse() ([]byte, error) {
	line, err := s.readLine(maxAuth)
	switch {
	case errors.Is(err, wire.ErrLineTooLong), errors.Is(err, wire.ErrBareLF), errors.Is(err, wire.ErrBareCR):
		return nil, fmt.Errorf("%w: %w", account.ErrExchange, err)
	case err != nil:
		s.end(err)
		return nil, err
	case string(line) == "*":
		return nil, errCancelled
	}
	return decodeResponse(line)
}

// decodeInitial returns nil for no initial response, and an empty slice for the empty one, "=".
func decodeInitial(arg string) ([]byte, error) {
	switch arg {
	case "":
		return nil, nil
	case "=":
		return []byte{}, nil
	}
	return decodeResponse([]byte(arg))
}

// decodeResponse is strict, as RFC 5034 §4 wants. Line breaks, which the decoder would skip,
// cannot be in a line.
func decodeResponse(line []byte) ([]byte, error) {
	out := make([]byte, base64.StdEncoding.DecodedLen(len(line)))
	n, err := base64.StdEncoding.Strict().Decode(out, line)
	if err != nil {
		return nil, fmt.Errorf("%w: malformed base64", account.ErrExchange)
	}
	return out[:n], nil
}

// loginFailed answers a login that failed, and ends a session with too many of them.
func (s *session) loginFailed(command string, err error) {
	s.authFailures++
	s.refuse(command, err)
	if s.set.maxAuth > 0 && s.authFailures >= s.set.maxAuth {
		s.end(errTooManyLogins)
	}
}

// enter locks and opens the maildrop of who logged in (RFC 1939 §4). If that fails, the lock
// is released before the answer.
func (s *session) enter(command string, who account.Identity) {
	s.identity = who // for the log
	drop, err := s.open(who)
	if err != nil {
		s.refuse(command, err)
		s.identity = account.Identity{}
		return
	}
	s.drop = drop
	s.ok(s.contents())
}

func (s *session) open(who account.Identity) (*snapshot, error) {
	ctx, cancel := s.call()
	defer cancel()
	d, err := s.server.Open(ctx, who)
	if err != nil {
		return nil, err
	}
	unlock, err := s.server.locks.lock(ctx, who.Account, d)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	entered := false
	defer func() { // also if d panics
		if !entered {
			unlock()
			d.Close()
		}
	}()
	snap, err := takeSnapshot(ctx, d, s.set.maxMessages)
	if err != nil {
		return nil, err
	}
	snap.unlock, entered = unlock, true
	return snap, nil
}
