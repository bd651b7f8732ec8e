package imap

import "github.com/postrider/postrider/store"

// expunge is the command EXPUNGE (RFC 3501 §6.4.3). The client is told what is gone when the command is over.
func (s *session) expunge() error {
	if err := s.p.end(); err != nil {
		return err
	}
	if s.selected.readOnly {
		return errReadOnly
	}
	return s.expungeDeleted(store.AllUIDs())
}

// expungeUIDs is the command UID EXPUNGE: it spares what is not in its set, for it may be another session's (RFC 4315 §2.1,
// I19).
func (s *session) expungeUIDs() error {
	uids, err := s.messages(byUID)
	if err != nil {
		return err
	}
	if err := s.p.end(); err != nil {
		return err
	}
	if s.selected.readOnly {
		return errReadOnly
	}
	return s.expungeDeleted(uids)
}

// expungeDeleted removes those messages of uids that are \Deleted. CLOSE does it too, unless the mailbox is read-only, and
// forgets the view rather than telling (RFC 3501 §6.4.2).
func (s *session) expungeDeleted(uids store.UIDSet) error {
	_, err := s.selected.mailbox.Expunge(s.ctx, uids, store.FlagDeleted)
	return err
}
