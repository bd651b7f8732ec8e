package account

import (
	"context"
	"fmt"

	"github.com/emersion/go-sasl"
)

// Mechanisms returns the SASL mechanisms to announce to peer, best first. It is
// empty where TLS must come first.
func (a *Authenticator) Mechanisms(peer Peer) []string {
	var names []string
	for _, m := range mechanisms {
		if m.usable(peer) {
			names = append(names, m.name)
		}
	}
	return names
}

// Start begins an exchange by the mechanism of that name, in any case. It
// returns ErrMechanism or ErrEncryption if peer cannot use it, ErrTooMany if
// peer must wait. The exchange ends with ctx.
func (a *Authenticator) Start(ctx context.Context, mechanism string, peer Peer) (*Exchange, error) {
	m, ok := findMechanism(mechanism)
	switch {
	case !ok:
		return nil, ErrMechanism
	case !m.usable(peer):
		return nil, ErrEncryption
	}
	if err := a.limits().allow(peer.Addr); err != nil {
		return nil, err
	}
	e := &Exchange{auth: a, ctx: ctx, peer: peer, mechanism: m.name}
	e.server = m.server(e)
	return e, nil
}

// An Exchange is one SASL dialogue (RFC 4422 §3), for one goroutine.
type Exchange struct {
	auth      *Authenticator
	ctx       context.Context // of the exchange: Next has the frame of go-sasl, without one
	peer      Peer
	mechanism string
	server    sasl.Server

	begun    bool
	over     bool
	identity Identity
	err      error // what became of the login, if the mechanism got that far
}

// Next takes the client's response, decoded: nil means that the client sent no
// initial response, an empty slice that it sent an empty one. It returns the next
// challenge, or done after which Identity holds the result. An error ends the
// exchange: ErrCredentials, ErrDisabled, ErrTooMany, ErrExchange, or a temporary
// one.
func (e *Exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	if e.over {
		return nil, false, fmt.Errorf("%w: it is over", ErrExchange)
	}
	if e.begun && response == nil {
		response = []byte{} // only an initial response can be missing
	}
	e.begun = true
	challenge, done, err = e.server.Next(response)
	switch {
	case e.err != nil: // go first: a mechanism may wrap or replace it
		err = e.err
	case err != nil:
		err = fmt.Errorf("%w: %w", ErrExchange, err)
	case done && e.identity.Account == "":
		err = fmt.Errorf("%w: nobody was named", ErrExchange)
	}
	if err != nil {
		e.over = true
		return nil, false, err
	}
	e.over = done
	return challenge, done, nil
}

// Cancel ends an exchange that the client gave up ("*", RFC 4954 §4). It costs
// the client no failed login. It may be called at any time, also after the end.
func (e *Exchange) Cancel() { e.over = true }

// Identity returns who logged in, once Next has said done; the zero Identity
// before.
func (e *Exchange) Identity() Identity { return e.identity }

// password is where the mechanisms with a password end.
func (e *Exchange) password(identity, login, password string) error {
	e.identity, e.err = e.auth.login(e.ctx, e.peer, passwordLogin{
		mechanism: e.mechanism, identity: identity, login: login, password: password,
	})
	return e.err
}
