package imap

import (
	"slices"
	"strings"

	"github.com/postrider/postrider/store"
)

// cmdCreate makes a mailbox (RFC 3501 §6.3.3), perhaps for a special use (RFC 6154 §3). Those above it need not be
// there: LIST shows them.
func (s *session) cmdCreate() error {
	if err := s.p.sp(); err != nil {
		return err
	}
	name, err := s.p.mailbox()
	if err != nil {
		return err
	}
	var uses []string
	if s.p.accept(' ') {
		if uses, err = s.p.createUses(); err != nil {
			return err
		}
	}
	if err := s.p.end(); err != nil {
		return err
	}
	for _, use := range uses {
		if !slices.Contains(specialUses, use) {
			return no("USEATTR", "no mailbox can be made for that use")
		}
	}
	// A delimiter at the end says that there will be mailboxes below; it is no part of the name (I6).
	name = strings.TrimSuffix(name, "/")
	_, err = s.account.Create(s.ctx, store.NewMailbox{Name: name, SpecialUse: uses})
	return err
}

// specialUses are what a mailbox can be made for. \All and \Flagged would be views of others.
var specialUses = []string{store.UseArchive, store.UseDrafts, store.UseJunk, store.UseSent, store.UseTrash}

// createUses reads "(USE (...))", the only parameter of CREATE there is.
func (p *parser) createUses() (uses []string, err error) {
	err = p.list(false, func() error {
		name, err := p.word()
		if err != nil {
			return err
		}
		if name != "USE" {
			return syntaxError("unknown parameter " + name)
		}
		if err := p.sp(); err != nil {
			return err
		}
		return p.list(true, func() error {
			if err := p.expect('\\'); err != nil {
				return err
			}
			use, err := p.atom()
			uses = append(uses, canonicalUse(`\`+use))
			return err
		})
	})
	slices.Sort(uses)
	return slices.Compact(uses), err
}

// canonicalUse returns the spelling of a special use that the store knows.
func canonicalUse(use string) string {
	for _, known := range specialUses {
		if strings.EqualFold(use, known) {
			return known
		}
	}
	return use
}

// cmdDelete removes a mailbox, and none below it (RFC 3501 §6.3.4, I6).
func (s *session) cmdDelete() error {
	name, err := s.p.onlyMailbox()
	if err != nil {
		return err
	}
	if err := s.account.Delete(s.ctx, name); err != nil {
		return err
	}
	s.leaveDeleted()
	return nil
}

// leaveDeleted closes the selected mailbox if it was the one that this session deleted.
func (s *session) leaveDeleted() {
	if s.selected == nil {
		return
	}
	if _, err := s.selected.mailbox.Status(s.ctx); isGone(err) {
		s.deselect()
		s.untagged("OK [CLOSED] the selected mailbox was deleted")
	}
}

// cmdRename gives a mailbox and all below it another name. Of INBOX it moves the messages only (RFC 3501 §6.3.5,
// I6).
func (s *session) cmdRename() error {
	if err := s.p.sp(); err != nil {
		return err
	}
	from, err := s.p.mailbox()
	if err != nil {
		return err
	}
	to, err := s.p.onlyMailbox()
	if err != nil {
		return err
	}
	return s.account.Rename(s.ctx, from, strings.TrimSuffix(to, "/"))
}

// cmdSubscribe adds a name to those that LSUB lists, whether or not there is such a mailbox (RFC 3501 §6.3.6).
func (s *session) cmdSubscribe() error {
	name, err := s.p.onlyMailbox()
	if err != nil {
		return err
	}
	return s.account.Subscribe(s.ctx, name)
}

// cmdUnsubscribe removes a name from those that LSUB lists (RFC 3501 §6.3.7).
func (s *session) cmdUnsubscribe() error {
	name, err := s.p.onlyMailbox()
	if err != nil {
		return err
	}
	return s.account.Unsubscribe(s.ctx, name)
}

// cmdNamespace says that all mailboxes are the user's own (RFC 2342 §5).
func (s *session) cmdNamespace() error {
	if err := s.p.end(); err != nil {
		return err
	}
	s.untagged(`NAMESPACE (("" "/")) NIL NIL`)
	return nil
}
