package account

import (
	"strings"

	"github.com/emersion/go-sasl"
)

// A mechanism is a row of the table of SASL mechanisms.
type mechanism struct {
	name string
	// plaintext says that whoever listens learns the password.
	plaintext bool
	// server makes the server's side of one exchange.
	server func(*Exchange) sasl.Server
}

// mechanisms is what an Authenticator speaks, best first.
var mechanisms = []mechanism{
	{
		name:      sasl.Plain, // RFC 4616
		plaintext: true,
		server:    func(e *Exchange) sasl.Server { return sasl.NewPlainServer(e.password) },
	},
	{
		name:      sasl.Login, // no RFC; old clients know nothing else
		plaintext: true,
		server:    func(e *Exchange) sasl.Server { return &loginServer{password: e.password} },
	},
}

func findMechanism(name string) (mechanism, bool) {
	for _, m := range mechanisms {
		if strings.EqualFold(m.name, name) {
			return m, true
		}
	}
	return mechanism{}, false
}

// usable reports whether the mechanism may be used on peer's connection
// (RFC 4954 §4, RFC 5034 §4, RFC 4616 §1: no plain password without TLS).
func (m mechanism) usable(peer Peer) bool {
	return !m.plaintext || peer.secure()
}

// loginServer is the server's side of LOGIN, which no RFC describes: two prompts,
// two answers. The prompts are those that clients look for. An initial response
// is the user name, as clients that send one mean it.
type loginServer struct {
	password func(identity, login, password string) error
	prompted bool
	login    *string // nil until given
}

func (s *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil && !s.prompted:
		s.prompted = true
		return []byte("Username:"), false, nil
	case s.login == nil:
		login := string(response)
		s.login = &login
		return []byte("Password:"), false, nil
	}
	return nil, true, s.password("", *s.login, string(response))
}
