package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/postrider/postrider"
)

// A Stage is how far a session or a transaction had come.
type Stage string

// The stages, in the order in which they come.
const (
	StageConnect  Stage = "connect"  // opening the connection
	StageGreeting Stage = "greeting" // waiting for 220
	StageHello    Stage = "EHLO"     // EHLO, HELO or LHLO
	StageTLS      Stage = "TLS"      // STARTTLS and the handshake
	StageAuth     Stage = "AUTH"     // logging in
	StageIdle     Stage = "idle"     // between transactions
	StageCheck    Stage = "check"    // comparing the message with what the server offers; nothing was sent yet
	StageMail     Stage = "MAIL"     // the reverse-path
	StageRcpt     Stage = "RCPT"     // a forward-path
	StageData     Stage = "DATA"     // DATA and the message itself
	StageFinal    Stage = "final"    // the reply to the final dot
	StageQuit     Stage = "QUIT"     // the goodbye
)

// A ClientError says why a session was not opened or a recipient's copy not accepted. It wraps its Status, so that
// [postrider.StatusOf] and [postrider.IsPermanent] judge it, and through it the cause.
//
// It may be shared by several recipients. Treat it as read-only.
type ClientError struct {
	// Stage is where it happened.
	Stage Stage
	// Status is what it means for the message, never nil. A reply of the server is judged by its first digit alone
	// (RFC 5321 §4.3.2), a broken connection is as 451 (§3.8), and so is everything that nobody classified.
	Status *postrider.Status
	// Reply is what the server said, its lines joined by line feeds, control characters replaced, at most 2048 octets:
	// "550 5.1.1 no such user". Empty means that the server said nothing to it: the connection failed, or the client itself refused.
	Reply string
	// Ambiguous says that the connection broke after the final dot and before its reply, so that the server may have accepted
	// the message all the same. Sending again may make a duplicate; not sending again may lose the message (RFC 1047).
	Ambiguous bool
}

// Error returns the stage and the status with its cause.
func (e *ClientError) Error() string {
	text := fmt.Sprintf("smtp: %s: %s", e.Stage, e.Status)
	if e.Ambiguous {
		text += " (the message may have been accepted)"
	}
	return text
}

// Unwrap returns the status.
func (e *ClientError) Unwrap() error { return e.Status }

// Causes of a Status that the client itself found, for errors.Is.
var (
	// ErrProtocol is a server that broke the protocol: a malformed or endless reply, or one that nobody asked for.
	ErrProtocol = errors.New("protocol violation")
	// ErrClientClosed is a Client that was closed, or whose connection broke earlier.
	ErrClientClosed = errors.New("smtp: client closed")
)

// clientConnectError says that there is no connection.
func clientConnectError(err error) *ClientError {
	return &ClientError{Stage: StageConnect, Status: &postrider.Status{Code: "4.4.1", Reply: 451, Text: "connection failed", Err: err}}
}

// refused is a reply of class 4 or 5 as an error. A reply of another class is not what the command can have, and breaks the
// session.
func (c *Client) refused(stage Stage, r clientReply) *ClientError {
	if class := r.class(); class != 4 && class != 5 {
		return c.lost(stage, fmt.Errorf("%w: unexpected reply %q", ErrProtocol, r.String()))
	}
	return &ClientError{Stage: stage, Status: r.status(), Reply: r.String()}
}

// clientRefusal is refused where the client refuses, not the server.
func clientRefusal(stage Stage, code, text string) *ClientError {
	return &ClientError{Stage: stage, Status: &postrider.Status{Code: code, Text: text}}
}

// lost ends the connection because of err, and returns what that means for the step.
func (c *Client) lost(stage Stage, err error) *ClientError {
	if c.broken == nil {
		c.broken = err
	}
	err = c.cause(err)
	c.Close()
	return &ClientError{Stage: stage, Status: &postrider.Status{Code: clientLossCode(err), Reply: 451, Text: clientLossText(err), Err: err}}
}

// cause is the reason behind err: the context's if it interrupted the connection.
func (c *Client) cause(err error) error {
	if done := context.Cause(c.conn.ctx); done != nil {
		return done
	}
	return err
}

func clientLossCode(err error) string {
	if errors.Is(err, ErrProtocol) {
		return "4.5.0"
	}
	return "4.4.2"
}

func clientLossText(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, ErrProtocol):
		return "the server broke the protocol"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "the session was given up"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the server took too long"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server closed the connection"
	}
	return "the connection was lost"
}

// unusable is the error of a step on a connection that is gone.
func (c *Client) unusable(stage Stage) *ClientError {
	err := ErrClientClosed
	if c.broken != nil {
		err = fmt.Errorf("%w: %w", ErrClientClosed, c.broken)
	}
	return &ClientError{Stage: stage, Status: &postrider.Status{Code: "4.4.2", Reply: 451, Text: "the connection was lost", Err: err}}
}
