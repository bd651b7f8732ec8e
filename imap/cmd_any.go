package imap

import "strings"

// A capability is a row of the table of capabilities.
type capability struct {
	name string
	// when says in which states of the session it is announced; nil means in all.
	when func(s *session) bool
}

// capabilities are what a session can announce, in this order. Nothing is announced that does not work now.
var capabilities = []capability{
	{"IMAP4rev1", nil},
	{"LITERAL+", nil},
	{"SASL-IR", nil},
	{"ID", nil},
	{"ENABLE", nil},
	{"STARTTLS", (*session).mayStartTLS},
	{"LOGINDISABLED", func(s *session) bool { return s.account == nil && !s.mayLogin() }},
	{"IDLE", nil},
	{"NAMESPACE", isLoggedIn},
	{"CHILDREN", isLoggedIn},
	{"UNSELECT", isLoggedIn},
	{"UIDPLUS", isLoggedIn},
	{"MOVE", isLoggedIn},
	{"ESEARCH", isLoggedIn},
	{"LIST-EXTENDED", isLoggedIn},
	{"LIST-STATUS", isLoggedIn},
	{"SPECIAL-USE", isLoggedIn},
	{"CREATE-SPECIAL-USE", isLoggedIn},
	{"STATUS=SIZE", isLoggedIn},
	{"MULTIAPPEND", isLoggedIn},
}

func isLoggedIn(s *session) bool { return s.account != nil }

// capabilities returns what the session can do now.
func (s *session) capabilities() string {
	var names []string
	for _, c := range capabilities {
		if c.when == nil || c.when(s) {
			names = append(names, c.name)
		}
	}
	if s.account == nil {
		for _, m := range s.server.Auth.Mechanisms(s.peer()) {
			names = append(names, "AUTH="+m)
		}
	} else if s.set.maxMessage > 0 {
		names = append(names, s.appendLimit())
	}
	return strings.Join(names, " ")
}

// cmdCapability lists the capabilities (RFC 3501 §6.1.1).
func (s *session) cmdCapability() error {
	if err := s.p.end(); err != nil {
		return err
	}
	s.untagged("CAPABILITY " + s.capabilities())
	return nil
}

// cmdNoop does nothing, but the dispatcher tells what happened (RFC 3501 §6.1.2).
func (s *session) cmdNoop() error { return s.p.end() }

// cmdLogout ends the session (RFC 3501 §6.1.3).
func (s *session) cmdLogout() error {
	if err := s.p.end(); err != nil {
		return err
	}
	s.deselect()
	s.bye("", "logging out", nil)
	return nil
}

// Limits of what a client may say of itself (RFC 2971 §3.3).
const (
	maxIDFields = 30
	maxIDName   = 30
	maxIDValue  = 1024
)

// cmdID tells the client who we are. What it says of itself is not used for anything (RFC 2971 §1).
func (s *session) cmdID() error {
	if err := s.p.sp(); err != nil {
		return err
	}
	if !s.p.acceptWord("NIL") {
		fields := 0
		err := s.p.list(true, func() error {
			fields++
			return s.p.idField(fields)
		})
		if err != nil {
			return err
		}
	}
	if err := s.p.end(); err != nil {
		return err
	}
	s.untagged(`ID ("name" "postrider")`)
	return nil
}

// idField reads a name and a value.
func (p *parser) idField(n int) error {
	name, err := p.str()
	if err != nil {
		return err
	}
	if err := p.sp(); err != nil {
		return err
	}
	value, _, err := p.nstring()
	if err == nil && (n > maxIDFields || len(name) > maxIDName || len(value) > maxIDValue) {
		err = syntaxError("too much in ID")
	}
	return err
}
