package imap

import (
	"context"

	"github.com/postrider/postrider/internal/wire"
	"github.com/postrider/postrider/store"
)

// A session is one connection. One goroutine owns it; what others may touch is said.
type session struct {
	ctx context.Context
	p   parser       // of the command that is being read
	out *wire.Writer // replies wait here until the session reads again

	account  store.Account // nil before the login
	selected *selected     // nil unless a mailbox is selected
}

// selected is the mailbox that a session has selected.
type selected struct {
	mailbox  store.Mailbox
	view     *store.View
	readOnly bool // by EXAMINE
	// recent is the least UID that is \Recent in this session, those above it too; 0 for none.
	recent store.UID
}

// A command is a row in the table of commands. The dispatcher has read tag and name; run reads its
// arguments from s.p, up to p.end, writes untagged replies to s.out, and returns nil for "OK completed", a
// *response for another tagged reply, a syntaxError for BAD, an error of the store or any other, which
// reply.go turns into NO. An error of the connection ends the session.
//
// After run, and before the tagged reply, the dispatcher tells what happened in the selected mailbox:
// EXISTS, RECENT and FETCH always, EXPUNGE only if expunge is true (RFC 9051 §7.5.1, I3).
type command struct {
	name    string
	states  states
	expunge bool
	run     func(s *session) error
}

// states is a set of the states in which a command may be given (RFC 3501 §3).
type states uint8

const (
	notAuthenticated states = 1 << iota
	authenticated
	inMailbox
	anyState = notAuthenticated | authenticated | inMailbox
	loggedIn = authenticated | inMailbox
)

// A response is a tagged reply other than "OK completed".
type response struct {
	kind string // "OK", "NO" or "BAD"
	code string // without brackets, empty for none
	text string
}

func (r *response) Error() string { return r.kind + " " + r.text }
