package imap

import (
	"context"
	"errors"
	"strconv"

	"github.com/postrider/postrider/store"
)

// copy is the command COPY (RFC 3501 §6.4.7).
func (s *session) copy() error { return s.copyBy(bySeq) }

func (s *session) copyBy(by numbering) error {
	uids, to, err := s.copyArguments(by)
	if err != nil {
		return err
	}
	copied, err := s.transfer(store.Mailbox.Copy, uids, to)
	if err != nil {
		return err
	}
	if copied.Source.IsEmpty() {
		return expungedReply(by, uids.Len(), 0)
	}
	return &response{"OK", copyUID(copied), "COPY completed"}
}

// move is the command MOVE (RFC 6851). The view learns from the store which messages are gone, and the client is told by
// EXPUNGE when the command is over: after COPYUID, which stands here (RFC 6851 §4.3, I19).
func (s *session) move() error { return s.moveBy(bySeq) }

func (s *session) moveBy(by numbering) error {
	uids, to, err := s.copyArguments(by)
	if err != nil {
		return err
	}
	if s.selected.readOnly {
		return errReadOnly
	}
	moved, err := s.transfer(store.Mailbox.Move, uids, to)
	if err != nil {
		return err
	}
	if moved.Source.IsEmpty() {
		return expungedReply(by, uids.Len(), 0)
	}
	s.untagged("OK [" + copyUID(moved) + "] messages moved")
	return nil
}

// copyArguments reads the messages and the mailbox they are to go to, up to the end of the command.
func (s *session) copyArguments(by numbering) (uids store.UIDSet, to string, err error) {
	if uids, err = s.messages(by); err != nil {
		return nil, "", err
	}
	if err := s.p.sp(); err != nil {
		return nil, "", err
	}
	if to, err = s.p.mailbox(); err != nil {
		return nil, "", err
	}
	return uids, to, s.p.end()
}

// transfer copies or moves. All messages of uids that are there go, or none. That some were expunged meanwhile
// is no error: COPYUID says which went (RFC 2180 §4.4.2).
func (s *session) transfer(op func(store.Mailbox, context.Context, store.UIDSet, string) (store.Copied, error), uids store.UIDSet, to string) (store.Copied, error) {
	copied, err := op(s.selected.mailbox, s.ctx, uids, to)
	if !errors.Is(err, store.ErrNotExist) {
		return copied, err
	}
	// It may be the selected mailbox that is gone, and not the other.
	if _, err := s.selected.mailbox.Status(s.ctx); err != nil {
		return copied, err
	}
	return copied, &response{"NO", "TRYCREATE", "no such mailbox"}
}

// copyUID is the response code of RFC 4315 §3.
func copyUID(c store.Copied) string {
	b := []byte("COPYUID ")
	b = strconv.AppendUint(b, uint64(c.UIDValidity), 10)
	b = append(b, ' ')
	b = c.Source.Append(b)
	b = append(b, ' ')
	return string(c.Dest.Append(b))
}
