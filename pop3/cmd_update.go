package pop3

import (
	"fmt"
	"strconv"
)

// cmdNoop does nothing (RFC 1939 §5).
func (s *session) cmdNoop() { s.ok("nothing done") }

// cmdDele marks a message as deleted. It stays where it is until QUIT (RFC 1939 §5).
func (s *session) cmdDele(arg string) {
	if m, n := s.oneMessage(arg); m != nil {
		s.drop.mark(m)
		s.ok("message " + strconv.Itoa(n) + " marked as deleted")
	}
}

// cmdRset unmarks all messages (RFC 1939 §5).
func (s *session) cmdRset() {
	s.drop.unmark()
	s.ok(s.contents())
}

// cmdQuit ends the session, after the login by way of the UPDATE state: it is the only
// way to a removal (RFC 1939 §6). The lock is free before the client hears of it.
func (s *session) cmdQuit() {
	if s.drop == nil {
		s.ok(s.server.Hostname + " signing off")
		s.end(nil)
		return
	}
	left, marked := s.drop.left, s.drop.marked()
	err := s.update()
	s.closeDrop()
	if err != nil {
		s.refuse("QUIT", err)
	} else {
		s.removed = marked
		s.ok(fmt.Sprintf("%s signing off (%d messages left)", s.server.Hostname, left))
	}
	s.end(nil)
}

// update removes the marked messages.
func (s *session) update() error {
	ctx, cancel := s.call()
	defer cancel()
	return s.drop.expunge(ctx)
}
