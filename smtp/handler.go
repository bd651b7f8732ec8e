package smtp

import (
	"context"

	"github.com/postrider/postrider"
)

// A Handler decides what becomes of mail. Its methods are called by the goroutine
// of the session, so one session's calls come one after the other, and those of
// different sessions at once.
//
// A nil error, or a *postrider.Status of class 2, accepts; the Status's text goes
// into the reply ("queued as 4711"). Every other error refuses, by
// [postrider.StatusOf]: what is no Status is answered 451 4.3.0, goes to the log
// and tells the client nothing. A Status whose Reply is 421 also ends the session.
// The text of a reply must be ASCII (RFC 6531 §3.7.4); other characters are
// sent as question marks.
//
// The context ends with the session, when the server is closed, and after
// Server.HandlerTimeout.
type Handler interface {
	// Rcpt is asked once for each RCPT, after the Hooks. If it accepts, the
	// recipient is appended to the transaction's envelope, with the changes that Rcpt
	// made to it.
	Rcpt(ctx context.Context, tx *Transaction, rcpt *postrider.Recipient) error

	// Data takes the message. When it accepts, the message must be on stable
	// storage: the reply makes it the server's (RFC 5321 §4.2.5). When it refuses, the
	// message must not be delivered later. The content is borrowed until Data
	// returns, and holds exactly what the client sent: trace fields are the handler's
	// to add.
	Data(ctx context.Context, tx *Transaction, content postrider.Content) error
}

// An EachHandler is a Handler that can answer for each recipient. A server of LMTP
// asks DataEach in place of Data (RFC 2033 §4.2); a server of SMTP never does. For a
// Handler that is none, an LMTP client hears what Data returned once for each
// recipient.
type EachHandler interface {
	Handler
	// DataEach is Data with one result for each of tx.Envelope.Recipients, in their
	// order. The message must be on stable storage for those that are accepted and
	// must not be delivered to the others.
	DataEach(ctx context.Context, tx *Transaction, content postrider.Content) []error
}

// A FeatureHandler is a Handler that honours extensions which concern what becomes
// of a message after it was accepted. The server offers such an extension only if
// the Handler says that it does.
type FeatureHandler interface {
	Handler
	// Features is asked at each EHLO.
	Features(s *Session) Features
}

// Features are the extensions that only a Handler can honour. The zero value is
// what RFC 5321 asks of any.
type Features struct {
	// DSN says that the parameters of RFC 3461 are obeyed and travel on: Return and
	// EnvelopeID of the envelope, Notify and Original of each recipient.
	DSN bool
}

// HandlerFunc is a Handler that accepts every recipient and gives each message to
// the function: a test inbox, an ingest. Do not relay from it: it would relay
// for everybody.
type HandlerFunc func(ctx context.Context, tx *Transaction, content postrider.Content) error

// Rcpt accepts.
func (f HandlerFunc) Rcpt(context.Context, *Transaction, *postrider.Recipient) error { return nil }

// Data calls f.
func (f HandlerFunc) Data(ctx context.Context, tx *Transaction, content postrider.Content) error {
	return f(ctx, tx, content)
}
