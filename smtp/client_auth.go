package smtp

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"

	"github.com/postrider/postrider"
)

// An AuthFunc chooses how to log in: it is given the mechanisms that the server offers, in upper case, and the state of the
// session's TLS, nil for none, and returns a client for one exchange. An error keeps the session from being opened.
type AuthFunc func(mechanisms []string, state *tls.ConnectionState) (sasl.Client, error)

// PasswordAuth logs in with a name and a password, by PLAIN (RFC 4616) or else by LOGIN.
func PasswordAuth(username, password string) AuthFunc {
	return func(mechanisms []string, _ *tls.ConnectionState) (sasl.Client, error) {
		switch {
		case slices.Contains(mechanisms, sasl.Plain):
			return sasl.NewPlainClient("", username, password), nil
		case slices.Contains(mechanisms, sasl.Login):
			return &clientLogin{answers: []string{username, password}}, nil
		}
		return nil, fmt.Errorf("smtp: the server offers neither PLAIN nor LOGIN: %q", mechanisms)
	}
}

// clientLogin is LOGIN, the mechanism without an RFC, whose prompts differ from server to server: the first is for the name, the
// second for the password, whatever they say. go-sasl's client knows one spelling of the second.
type clientLogin struct{ answers []string }

func (l *clientLogin) Start() (mechanism string, initial []byte, err error) {
	return sasl.Login, nil, nil
}

func (l *clientLogin) Next([]byte) (response []byte, err error) {
	if len(l.answers) == 0 {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	response, l.answers = []byte(l.answers[0]), l.answers[1:]
	return response, nil
}

// clientAuthSteps is how many challenges a login may have. SCRAM has two.
const clientAuthSteps = 16

// authenticate logs in as Dialer.Auth chooses (RFC 4954 §4).
func (c *Client) authenticate() *ClientError {
	if c.dialer.Auth == nil {
		return nil
	}
	if !c.mayAuthenticate() {
		return clientRefusal(StageAuth, "4.7.11", "no login without encryption")
	}
	offered, ok := c.extensions["AUTH"]
	if !ok {
		return clientRefusal(StageAuth, "4.7.4", "the server does not offer a login")
	}
	client, err := c.dialer.Auth(strings.Fields(clientUpper(offered)), c.tls)
	if err != nil {
		return clientAuthError(err)
	}
	c.replies.quiet = true
	defer func() { c.replies.quiet = false }()
	fail := c.login(client)
	c.authenticated = fail == nil
	return fail
}

// mayAuthenticate reports whether a password would be seen by the server alone. A certificate that OpportunisticTLS let pass is no
// proof; one that the user let pass by InsecureSkipVerify is the user's decision.
func (c *Client) mayAuthenticate() bool {
	if c.dialer.AllowInsecureAuth {
		return true
	}
	return c.tls != nil && (c.verifyErr == nil || c.verifyErr == errClientSkip)
}

// clientAuthError is a login that failed on this side.
func clientAuthError(err error) *ClientError {
	return &ClientError{Stage: StageAuth, Status: &postrider.Status{Code: "4.7.0", Text: "the login failed", Err: err}}
}

// login runs one exchange.
func (c *Client) login(client sasl.Client) *ClientError {
	mechanism, initial, err := client.Start()
	if err != nil {
		return clientAuthError(err)
	}
	r, fail := c.startLogin(mechanism, &initial)
	for steps := 0; fail == nil && r.class() == 3; steps++ {
		if steps == clientAuthSteps {
			return c.cancelLogin(errors.New("too many challenges"))
		}
		response, err := clientChallenge(client, r, &initial)
		if err != nil {
			return c.cancelLogin(err)
		}
		r, fail = c.respond(base64.StdEncoding.EncodeToString(response))
	}
	if fail == nil && r.class() != 2 {
		fail = c.refused(StageAuth, r)
	}
	return fail
}

// startLogin sends AUTH, with the initial response if the line has room for it (RFC 4954 §4), and sets *initial to nil then.
func (c *Client) startLogin(mechanism string, initial *[]byte) (clientReply, *ClientError) {
	const most = 512 - 2 // RFC 5321 §4.5.3.1.4, without CRLF
	line, shown := "AUTH "+mechanism, ""
	if *initial != nil {
		encoded := base64.StdEncoding.EncodeToString(*initial)
		if encoded == "" {
			encoded = "="
		}
		if len(line)+1+len(encoded) <= most {
			line, shown, *initial = line+" "+encoded, line+" ***", nil
		}
	}
	if err := c.ready(StageAuth); err != nil {
		return clientReply{}, err
	}
	c.line = append(c.line[:0], line...)
	if !clientSendable(c.line) {
		return clientReply{}, clientAuthError(fmt.Errorf("smtp: bad SASL mechanism %q", mechanism))
	}
	c.send(shown)
	return c.exchange(StageAuth, c.limits.Command)
}

// respond sends one line of a login.
func (c *Client) respond(line string) (clientReply, *ClientError) {
	c.line = append(c.line[:0], line...)
	shown := "***"
	if line == "*" {
		shown = line
	}
	c.send(shown)
	return c.exchange(StageAuth, c.limits.Command)
}

// clientChallenge returns the response to a 334: the initial one if it is still to be sent, to an empty challenge.
func clientChallenge(client sasl.Client, r clientReply, initial *[]byte) ([]byte, error) {
	if r.lines != 1 {
		return nil, errors.New("challenge of several lines")
	}
	challenge, err := base64.StdEncoding.Strict().DecodeString(string(r.text))
	if err != nil {
		return nil, errors.New("challenge is not base64")
	}
	if *initial == nil {
		return client.Next(challenge)
	}
	if len(challenge) > 0 {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	response := *initial
	*initial = nil
	return response, nil
}

// cancelLogin ends an exchange that this side cannot go on with.
func (c *Client) cancelLogin(err error) *ClientError {
	if _, fail := c.respond("*"); fail != nil {
		return fail
	}
	return clientAuthError(err)
}
