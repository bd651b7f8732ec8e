package relay

import (
	"context"
	"errors"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/smtp"
)

// A session is a Client with a server.
type session struct {
	server   server
	client   *smtp.Client
	messages int         // transactions so far
	reused   bool        // it was idle before, and the server may have gone meanwhile
	timer    *time.Timer // while it is idle
}

// offers reports whether the server offers the extension.
func (s *session) offers(keyword string) bool {
	_, ok := s.client.Extension(keyword)
	return ok
}

// secure reports whether a message with REQUIRETLS may use the session (RFC 8689 §4.2.1).
func (s *session) secure() bool { return s.client.VerifyError() == nil && s.offers("REQUIRETLS") }

// open opens a session. Where TLS is offered and then fails, a server gets mail that does not require it in the clear, over a new
// connection: mail between servers has to (RFC 7435 §3).
func (t *Transport) open(ctx context.Context, to server, strict bool) (*session, error) {
	d := t.dialer
	d.ServerName = to.name()
	if t.Transcript != nil {
		d.Transcript = func(line string) { t.Transcript(to.addr, line) }
	}
	client, err := d.Connect(ctx, to.addr.String())
	if fail, ok := errors.AsType[*smtp.ClientError](err); ok && tlsFailed(fail) && ctx.Err() == nil {
		if strict {
			return nil, tlsRequired(fail)
		}
		t.log().InfoContext(ctx, "TLS failed, going on without", "host", to.host, "remote", to.addr, "err", err)
		d.TLS = smtp.NoTLS
		client, err = d.Connect(ctx, to.addr.String())
	}
	if err != nil {
		return nil, err
	}
	return &session{server: to, client: client}, nil
}

// tlsFailed reports whether STARTTLS was begun and came to nothing. A server that breaks the protocol is another matter: somebody may
// be in the middle.
func tlsFailed(fail *smtp.ClientError) bool {
	return fail.Stage == smtp.StageTLS && fail.Reply == "" && !errors.Is(fail, smtp.ErrProtocol)
}

// tlsRequired makes of a failed handshake what RFC 8689 §4.2.1 wants it to be for a message with REQUIRETLS.
func tlsRequired(fail *smtp.ClientError) error {
	return &smtp.ClientError{Stage: smtp.StageTLS, Status: &postrider.Status{Code: "5.7.10", Text: "REQUIRETLS needs a verified TLS session", Err: fail}}
}
