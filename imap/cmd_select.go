package imap

import (
	"context"
	"fmt"
	"strconv"

	"github.com/postrider/postrider/store"
)

// mailbox reads the name of a mailbox. A name that modified UTF-7 does not allow is no mailbox's.
func (p *parser) mailbox() (string, error) {
	text, err := p.astring()
	if err != nil {
		return "", err
	}
	name, err := decodeUTF7(text)
	if err != nil {
		return "", fmt.Errorf("%w: %w", store.ErrName, err)
	}
	return name, nil
}

// onlyMailbox reads the name of a mailbox as the only argument.
func (p *parser) onlyMailbox() (string, error) {
	if err := p.sp(); err != nil {
		return "", err
	}
	name, err := p.mailbox()
	if err != nil {
		return "", err
	}
	return name, p.end()
}

// cmdSelect opens a mailbox (RFC 3501 §6.3.1), cmdExamine the same without changing anything (§6.3.2).
func (s *session) cmdSelect() error  { return s.selectMailbox(false) }
func (s *session) cmdExamine() error { return s.selectMailbox(true) }

func (s *session) selectMailbox(readOnly bool) error {
	name, err := s.p.onlyMailbox()
	if isSyntax(err) {
		return err
	}
	// The old mailbox is closed even if the new one cannot be opened (I9).
	if s.selected != nil {
		s.deselect()
		s.untagged("OK [CLOSED] the mailbox selected before is closed")
	}
	if err != nil {
		return err
	}
	m, err := s.account.Open(s.ctx, name)
	if err != nil {
		return err
	}
	s.selected = &selected{mailbox: m, readOnly: readOnly}
	if err := s.describe(); err != nil {
		s.deselect()
		return err
	}
	if readOnly {
		return &response{"OK", "READ-ONLY", ""}
	}
	return &response{"OK", "READ-WRITE", ""}
}

// describe says all that a client must know of a mailbox that it selects, before the tagged reply.
func (s *session) describe() error {
	m := s.selected
	// The status comes first: a message that arrives in between is one more in the view, and none with a UID below
	// UIDNEXT is missing there.
	st, err := m.mailbox.Status(s.ctx)
	if err != nil {
		return err
	}
	if m.view, err = store.NewView(s.ctx, s.account, m.mailbox); err != nil {
		return err
	}
	if err := s.takeRecent(); err != nil {
		return err
	}
	unseen, err := m.firstUnseen(s.ctx, st)
	if err != nil {
		return err
	}
	s.writeFlags(st.Keywords)
	s.untagged(strconv.Itoa(m.view.Len()) + " EXISTS")
	s.untagged(strconv.Itoa(s.countRecent()) + " RECENT")
	if unseen != 0 {
		s.untagged(fmt.Sprintf("OK [UNSEEN %d] first unseen message", unseen))
	}
	s.untagged(fmt.Sprintf("OK [UIDVALIDITY %d] UIDs are valid", st.UIDValidity))
	s.untagged(fmt.Sprintf("OK [UIDNEXT %d] next UID", max(st.UIDNext, m.view.UIDs().Max()+1)))
	return nil
}

// firstUnseen returns the sequence number of the first message without \Seen, 0 if there is none.
func (m *selected) firstUnseen(ctx context.Context, st store.Status) (uint32, error) {
	if st.Unseen == 0 {
		return 0, nil
	}
	for msg, err := range m.mailbox.Scan(ctx, store.ScanQuery{UIDs: m.view.UIDs()}) {
		if err != nil {
			return 0, err
		}
		if !store.HasFlag(msg.Flags, store.FlagSeen) {
			return m.view.Seq(msg.UID), nil
		}
	}
	return 0, nil
}

// cmdCheck asks for housekeeping, of which there is none to do (RFC 3501 §6.4.1).
func (s *session) cmdCheck() error { return s.p.end() }

// cmdClose removes messages with \Deleted without a word, and closes the mailbox (RFC 3501 §6.4.2).
func (s *session) cmdClose() error {
	if err := s.p.end(); err != nil {
		return err
	}
	if !s.selected.readOnly {
		_, err := s.selected.mailbox.Expunge(s.ctx, store.AllUIDs(), store.FlagDeleted)
		if err != nil && !isGone(err) {
			return err
		}
	}
	s.deselect()
	return nil
}

// cmdUnselect closes the mailbox and leaves it as it is (RFC 3691).
func (s *session) cmdUnselect() error {
	if err := s.p.end(); err != nil {
		return err
	}
	s.deselect()
	return nil
}
