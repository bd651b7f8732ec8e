package imap

import "github.com/postrider/postrider/store"

// numbering is what the numbers of a command mean.
type numbering bool

const (
	bySeq numbering = false // message sequence numbers
	byUID numbering = true  // UIDs: the command was given as UID FETCH, UID STORE ...
)

// uid runs the command behind UID (RFC 3501 §6.4.8, RFC 4315 §2.1, RFC 6851 §3.2).
func (s *session) uid() error {
	if err := s.p.sp(); err != nil {
		return err
	}
	name, err := s.p.word()
	if err != nil {
		return err
	}
	switch name {
	case "FETCH":
		return s.fetchBy(byUID)
	case "STORE":
		return s.storeBy(byUID)
	case "SEARCH":
		return s.searchBy(byUID)
	case "COPY":
		return s.copyBy(byUID)
	case "MOVE":
		return s.moveBy(byUID)
	case "EXPUNGE":
		return s.expungeUIDs()
	}
	return syntaxError("unknown command UID " + name)
}

// messages reads the set of messages that a command is for, with the space in front. Sequence numbers beyond the view
// are BAD, UIDs that are not there are passed over (RFC 3501 §6.4.8, §9 seq-number; I14).
func (s *session) messages(by numbering) (store.UIDSet, error) {
	if err := s.p.sp(); err != nil {
		return nil, err
	}
	set, err := s.p.set()
	if err != nil {
		return nil, err
	}
	if by == byUID {
		return s.selected.view.ResolveUIDs(set), nil
	}
	uids, err := s.selected.view.Resolve(set)
	if err != nil {
		return nil, syntaxError("no such message")
	}
	return uids, nil
}

// expungedReply is how a command ends of whose messages only some, or none, were still there: the client asked for numbers
// of which it was not told yet that they are gone (RFC 2180 §4, RFC 5530 §3). UIDs that are not there were never an error.
func expungedReply(by numbering, asked, done int) error {
	switch {
	case by == byUID || done >= asked:
		return nil
	case done == 0:
		return &response{"NO", "EXPUNGEISSUED", "messages were expunged by another session"}
	}
	return &response{"OK", "EXPUNGEISSUED", "some of the messages were expunged by another session"}
}

// errReadOnly is the answer to what would change a mailbox that was selected by EXAMINE.
var errReadOnly = &response{"NO", "READ-ONLY", "mailbox is read-only"}
