package imap

import (
	"errors"
	"strings"

	"github.com/postrider/postrider/internal/wire"
	"github.com/postrider/postrider/store"
)

// cmdIdle tells what happens as soon as it happens, until the client says DONE (RFC 2177, I16).
func (s *session) cmdIdle() error {
	if err := s.p.end(); err != nil {
		return err
	}
	s.out.WriteString("+ idling\r\n")
	if s.selected != nil {
		// Watching begins before the first look, so that nothing falls between the two.
		defer store.Watch(s.account, s.tell)()
	}
	until := s.until()
	for {
		s.heard()
		if s.update(true) {
			s.bye("", "the mailbox was deleted", errDeleted)
			return errReplied
		}
		happened, err := s.wait(until, s.selected != nil)
		if err != nil {
			return &connError{err}
		}
		if !happened {
			return s.readDone()
		}
	}
}

// readDone reads the line that ends IDLE.
func (s *session) readDone() error {
	line, err := s.in.ReadLine(s.set.maxLine)
	switch {
	case errors.Is(err, wire.ErrBareCR), errors.Is(err, wire.ErrBareLF):
		return syntaxError("bare CR or LF in command")
	case err != nil:
		return &connError{err}
	case !strings.EqualFold(string(line), "DONE"):
		return syntaxError("expected DONE")
	}
	return nil
}
