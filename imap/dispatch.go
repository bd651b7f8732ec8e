package imap

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"

	"github.com/postrider/postrider/internal/wire"
	"github.com/postrider/postrider/store"
)

// turns runs commands one after the other (I4) to the end of the session.
func (s *session) turns() {
	for !s.ended {
		s.turn()
	}
}

// turn reads a command and answers it.
func (s *session) turn() {
	if _, err := s.wait(s.until(), false); err != nil {
		s.lost(err)
		return
	}
	err := s.p.begin()
	var broken *connError
	if errors.As(err, &broken) {
		s.lost(broken)
		return
	}
	s.beginLiterals()
	tag, noTag := s.p.tag()
	if noTag != nil {
		tag, err = "*", noTag
	}
	s.tag = tag
	var c *command
	if err == nil {
		c, err = s.command()
	}
	if err == nil {
		err = c.run(s)
	}
	s.complete(c, err)
}

// beginLiterals lets a client that is logged in take its time for each part of a literal. A stranger has but the time
// of the line for the whole command.
func (s *session) beginLiterals() {
	if s.account != nil {
		s.conn.ReadEach(s.set.idle)
	}
}

// tag reads the tag and the space behind it.
func (p *parser) tag() (string, error) {
	tag, err := p.while("a tag", isTagChar)
	if err == nil {
		err = p.sp()
	}
	return tag, err
}

// command reads the name of a command and returns it, if it may be given now.
func (s *session) command() (*command, error) {
	name, err := s.p.word()
	if err != nil {
		return nil, err
	}
	c := findCommand(name)
	now := notAuthenticated
	switch {
	case s.selected != nil:
		now = inMailbox
	case s.account != nil:
		now = authenticated
	}
	switch {
	case c == nil:
		return nil, syntaxError("unknown command")
	case c.states&now != 0:
		return c, nil
	case now == notAuthenticated:
		return nil, syntaxError("log in first")
	case c.states == inMailbox:
		return nil, syntaxError("select a mailbox first")
	}
	return nil, syntaxError("not after the login")
}

// errReplied is what a command returns that has sent its tagged reply itself, or said BYE.
var errReplied = errors.New("replied")

// complete tells what happened in the selected mailbox, and ends the command by its tagged reply. c is nil if no command
// was run.
func (s *session) complete(c *command, err error) {
	if !s.isAlive(err) || err == errReplied {
		return
	}
	if err != nil {
		if lost := s.p.skip(); lost != nil {
			s.lost(lost)
			return
		}
	}
	r := replyOf(err)
	if r.text == "" {
		r.text = c.name + " completed"
	}
	if r.unexpected {
		s.log(slog.LevelError, "reject", slog.String("command", c.name), slog.Any("err", err))
	}
	gone := c != nil && s.update(c.expunge)
	s.tagged(r.response)
	switch {
	case gone:
		s.bye("", "the mailbox was deleted", errDeleted)
	case r.kind != "BAD":
		s.errors = 0
	default:
		s.errors++
	}
	switch {
	case s.set.maxErrors > 0 && s.errors > s.set.maxErrors:
		s.bye("", "too many errors", errTooManyErrors)
	case s.set.maxAuth > 0 && s.authFailures >= s.set.maxAuth:
		s.bye("", "too many failed logins", errTooManyLogins)
	}
}

// isAlive reports whether the connection still stands after a command that returned err, and ends the
// session if not.
func (s *session) isAlive(err error) bool {
	var broken *connError
	_, unsent := s.out.Write(nil) // the Writer remembers its error
	switch {
	case errors.As(err, &broken):
		s.lost(broken)
	case unsent != nil:
		s.end(unsent)
	case s.ctx.Err() != nil:
		s.end(context.Cause(s.ctx))
	default:
		return true
	}
	return false
}

// lost ends a session that cannot be read any more, and tells the client why if it still listens.
func (s *session) lost(err error) {
	switch {
	case errors.Is(err, ErrServerClosed):
		s.bye("UNAVAILABLE", "server is shutting down", ErrServerClosed)
	case errors.Is(err, errTimeout), errors.Is(err, os.ErrDeadlineExceeded):
		s.bye("", "idle for too long", errTimeout)
	case errors.Is(err, wire.ErrLineTooLong), errors.Is(err, wire.ErrTooMuch):
		s.bye("", "line is too long", err)
	case errors.Is(err, errOutOfStep):
		s.bye("", "literal is too large", err)
	case errors.Is(err, io.EOF):
		s.end(io.EOF)
	default:
		s.end(err)
	}
}

// isGone reports whether the selected mailbox was deleted, by an error of its view.
func isGone(err error) bool { return errors.Is(err, store.ErrNotExist) }
