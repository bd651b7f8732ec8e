package pop3

import "strings"

// A capability is a row of the table of capabilities (RFC 2449 §5).
type capability struct {
	tag string
	// args returns what stands behind the tag, and whether to announce it now. Nil
	// means nothing, always.
	args func(s *session) (string, bool)
}

// capabilities is what CAPA announces, in this order. What is announced before the login
// is announced after it too (RFC 2449 §5), but for STLS, which RFC 2595 §4 ties to the
// state.
var capabilities = []capability{
	{tag: "TOP"},
	{tag: "UIDL"},
	{tag: "USER", args: (*session).capaUser},
	{tag: "SASL", args: (*session).capaSASL},
	{tag: "STLS", args: (*session).capaStls},
	{tag: "RESP-CODES"},
	{tag: "AUTH-RESP-CODE"}, // RFC 3206 §6
	{tag: "PIPELINING"},
	{tag: "EXPIRE", args: func(*session) (string, bool) { return "NEVER", true }},
	{tag: "IMPLEMENTATION", args: func(*session) (string, bool) { return "postrider", true }},
}

// cmdCapa lists the capabilities.
func (s *session) cmdCapa() {
	s.ok("capabilities follow")
	for _, c := range capabilities {
		args, announced := "", true
		if c.args != nil {
			args, announced = c.args(s)
		}
		if !announced {
			continue
		}
		s.out.WriteString(strings.TrimRight(c.tag+" "+args, " "))
		s.out.WriteString("\r\n")
	}
	s.out.WriteString(".\r\n")
}

// capaUser announces USER where a password may be sent.
func (s *session) capaUser() (string, bool) {
	return "", len(s.server.Auth.Mechanisms(s.peer())) > 0
}

// capaSASL lists the mechanisms (RFC 5034 §3).
func (s *session) capaSASL() (string, bool) {
	mechanisms := s.server.Auth.Mechanisms(s.peer())
	return strings.Join(mechanisms, " "), len(mechanisms) > 0
}

func (s *session) capaStls() (string, bool) {
	return "", s.server.TLSConfig != nil && s.tls == nil && s.drop == nil
}
