package imap

// A command is a row in the table of commands. The dispatcher has read tag and name; run reads its
// arguments from s.p, from the space in front of them up to p.end, writes untagged replies to s.out, and returns nil for
// "OK completed", a *response for another tagged reply, a syntaxError for BAD, an error of the store or
// any other, which reply.go turns into NO. A connError ends the session.
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

// commands is what a server understands: the commands as RFC 3501 §6 lists them, then those of extensions.
var commands = []command{
	{"CAPABILITY", anyState, true, (*session).cmdCapability},
	{"NOOP", anyState, true, (*session).cmdNoop},
	{"LOGOUT", anyState, false, (*session).cmdLogout},
	{"STARTTLS", notAuthenticated, false, (*session).cmdStartTLS},
	{"AUTHENTICATE", notAuthenticated, false, (*session).cmdAuthenticate},
	{"LOGIN", notAuthenticated, false, (*session).cmdLogin},
	{"SELECT", loggedIn, false, (*session).cmdSelect},
	{"EXAMINE", loggedIn, false, (*session).cmdExamine},
	{"CREATE", loggedIn, true, (*session).cmdCreate},
	{"DELETE", loggedIn, true, (*session).cmdDelete},
	{"RENAME", loggedIn, true, (*session).cmdRename},
	{"SUBSCRIBE", loggedIn, true, (*session).cmdSubscribe},
	{"UNSUBSCRIBE", loggedIn, true, (*session).cmdUnsubscribe},
	{"LIST", loggedIn, true, (*session).cmdList},
	{"LSUB", loggedIn, true, (*session).cmdLsub},
	{"STATUS", loggedIn, true, (*session).cmdStatus},
	{"APPEND", loggedIn, true, (*session).cmdAppend},
	{"CHECK", inMailbox, true, (*session).cmdCheck},
	{"CLOSE", inMailbox, false, (*session).cmdClose},
	{"EXPUNGE", inMailbox, true, (*session).expunge},
	{"SEARCH", inMailbox, false, (*session).search},
	{"FETCH", inMailbox, false, (*session).fetch},
	{"STORE", inMailbox, false, (*session).store},
	{"COPY", inMailbox, true, (*session).copy},
	{"UID", inMailbox, true, (*session).uid},
	{"ID", anyState, true, (*session).cmdID},               // RFC 2971
	{"IDLE", loggedIn, true, (*session).cmdIdle},           // RFC 2177
	{"NAMESPACE", loggedIn, true, (*session).cmdNamespace}, // RFC 2342
	{"UNSELECT", inMailbox, false, (*session).cmdUnselect}, // RFC 3691
	{"ENABLE", loggedIn, true, (*session).cmdEnable},       // RFC 5161
	{"MOVE", inMailbox, true, (*session).move},             // RFC 6851
}

func findCommand(name string) *command {
	for i := range commands {
		if commands[i].name == name {
			return &commands[i]
		}
	}
	return nil
}
