package imap

import (
	"errors"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/wire"
	"github.com/postrider/postrider/store"
)

// cmdIdle tells what happens as soon as it happens, until the client says DONE (RFC 2177, I16).
func (s *session) cmdIdle() error {
	if err := s.p.end(); err != nil {
		return err
	}
	s.out.WriteString("+ idling\r\n")
	s.watch()
	err := s.idle(s.until())
	s.unwatch()
	return err
}

// watch makes the session hear of what happens in the account, if it has a mailbox selected. Watching begins before the
// first look at the mailbox, so that nothing falls between the two.
func (s *session) watch() {
	if s.selected != nil {
		s.stop = store.Watch(s.account, s.tell)
	}
}

// unwatch ends that.
func (s *session) unwatch() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// idle tells what happens until the client says something.
func (s *session) idle(until time.Time) error {
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
