package account

import (
	"context"
	"log/slog"
)

// An Authenticator is the one place where clients log in, for all protocols: it
// runs SASL exchanges and checks passwords against a [Directory], and counts
// failures. One Authenticator may be shared by any number of servers and
// goroutines, so that a guesser finds no second chance on another port.
type Authenticator struct {
	// Directory says whose passwords are right. Required.
	Directory Directory
	// Logger receives an "auth" line for each login, failed or not. Nil means
	// slog.Default. Secrets are never logged.
	Logger *slog.Logger
}

// Mechanisms returns the SASL mechanisms to announce to peer, best first. It is
// empty where TLS must come first.
func (a *Authenticator) Mechanisms(peer Peer) []string { panic("being written") }

// Start begins an exchange by the mechanism of that name, in any case. It
// returns ErrMechanism or ErrEncryption if peer cannot use it, ErrTooMany if
// peer must wait.
func (a *Authenticator) Start(ctx context.Context, mechanism string, peer Peer) (*Exchange, error) {
	panic("being written")
}

// Password logs in with a name and a password, for IMAP's LOGIN and POP3's USER
// and PASS. It returns ErrEncryption, ErrTooMany, ErrCredentials, ErrDisabled, or an
// error of the Directory's, which is temporary.
func (a *Authenticator) Password(ctx context.Context, peer Peer, login, password string) (Identity, error) {
	panic("being written")
}

// An Exchange is one SASL dialogue (RFC 4422 §3), for one goroutine.
type Exchange struct{}

// Next takes the client's response, decoded: nil means that the client sent no
// initial response, an empty slice that it sent an empty one. It returns the next
// challenge, or done after which Identity holds the result. An error ends the
// exchange: ErrCredentials, ErrDisabled, ErrExchange, or a temporary one.
func (e *Exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	panic("being written")
}

// Cancel ends an exchange that the client gave up ("*", RFC 4954 §4). It costs
// the client no failed login. It may be called at any time.
func (e *Exchange) Cancel() {}

// Identity returns who logged in, once Next has said done.
func (e *Exchange) Identity() Identity { panic("being written") }
