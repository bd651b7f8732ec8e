package smtp

import (
	"context"

	"github.com/postrider/postrider"
)

// Hooks are an application's say in each phase of a session: policy, filters,
// statistics. All fields may be nil. A server asks its sets of hooks in order, and
// after them, for Rcpt and Message, the Handler; the first that refuses ends the
// asking.
//
// A nil error passes, as does a *postrider.Status of class 2, whose text replaces
// that of the reply unless a later one replaces it again. Other errors are the
// reply, under the rules of [Handler]. A hook that panics costs its client the session
// (421) and nobody else anything.
type Hooks struct {
	// Connect is asked before the greeting. A Status of class 2 replaces the text after
	// the host name. A refusal of class 4 is answered 421 and ends the connection; one
	// of class 5 is answered 554, after which every command but QUIT is out of
	// order (RFC 5321 §3.1).
	Connect func(ctx context.Context, s *Session) error

	// Hello is asked at EHLO, HELO and LHLO, with the name that the client gave. The
	// session keeps its former one if it refuses. RFC 5321 §4.1.4 forbids to refuse a name because
	// it is not the name of the client's address.
	Hello func(ctx context.Context, s *Session, name string) error

	// StartTLS is asked before the handshake that STARTTLS begins. What the
	// handshake brought is in Session.TLS from the next Hello on.
	StartTLS func(ctx context.Context, s *Session) error

	// Auth is asked before an exchange by the SASL mechanism, in upper case.
	Auth func(ctx context.Context, s *Session, mechanism string) error

	// Authenticated is asked after a successful exchange; the identity is in
	// Session.Identity, and is gone again if it refuses.
	Authenticated func(ctx context.Context, s *Session) error

	// Mail is asked at MAIL, with the reverse-path and its parameters in the envelope.
	Mail func(ctx context.Context, tx *Transaction) error

	// Rcpt is asked at RCPT, before the Handler, and may change the recipient.
	Rcpt func(ctx context.Context, tx *Transaction, rcpt *postrider.Recipient) error

	// Data is asked at DATA, once there is a recipient and before the client is told to go ahead.
	Data func(ctx context.Context, tx *Transaction) error

	// Message is asked after the final dot, before the Handler. The content is
	// borrowed.
	Message func(ctx context.Context, tx *Transaction, content postrider.Content) error

	// Vrfy is asked at VRFY. A Status of class 2 is the answer and must name the mailbox
	// (RFC 5321 §3.5.1); nil passes, in the end to 252: no answer, but mail is taken.
	Vrfy func(ctx context.Context, s *Session, arg string) error

	// Expn is asked at EXPN, which is offered if any set has it. A Status of class 2 is the
	// answer, a line for each member of the list.
	Expn func(ctx context.Context, s *Session, arg string) error

	// Reset is told of each transaction that ended without its message having been
	// accepted: by RSET, EHLO, STARTTLS, a refusal after the data, or the end of the
	// session. All sets are told.
	Reset func(ctx context.Context, tx *Transaction)

	// Close is told of the end of each session for which Connect was asked, whatever
	// it answered, with the error that ended it, nil after QUIT. All sets are told.
	Close func(ctx context.Context, s *Session, err error)
}
