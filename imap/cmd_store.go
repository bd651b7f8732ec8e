package imap

import (
	"strings"

	"github.com/postrider/postrider/store"
)

// store is the command STORE (RFC 3501 §6.4.6).
func (s *session) store() error { return s.storeBy(bySeq) }

func (s *session) storeBy(by numbering) error {
	uids, err := s.messages(by)
	if err != nil {
		return err
	}
	change, silent, err := s.p.flagChange()
	if err != nil {
		return err
	}
	if s.selected.readOnly {
		return errReadOnly
	}
	change.UIDs = uids
	res, err := s.selected.mailbox.SetFlags(s.ctx, change)
	if err != nil {
		return err
	}
	if silent {
		// What others changed meanwhile has ModSeqs of its own and is told (I14). That messages
		// are gone is no error here (RFC 2180 §4.2.1).
		s.selected.view.Own(res.ModSeq)
		return nil
	}
	if err := s.tellKeywords(); err != nil {
		return err
	}
	f := s.newFetcher(fetchItems{atts: attFlags}, by)
	if err := f.run(uids); err != nil {
		return err
	}
	s.selected.view.Own(res.ModSeq)
	return expungedReply(by, uids.Len(), f.found)
}

// flagChange reads what STORE is to do, with the space in front, to the end of the command.
func (p *parser) flagChange() (change store.FlagChange, silent bool, err error) {
	if err := p.sp(); err != nil {
		return change, false, err
	}
	change.Op = store.FlagsReplace
	switch {
	case p.accept('+'):
		change.Op = store.FlagsAdd
	case p.accept('-'):
		change.Op = store.FlagsRemove
	}
	word, err := p.letters()
	if err != nil {
		return change, false, err
	}
	item, silent := strings.CutSuffix(word, ".SILENT")
	if item != "FLAGS" {
		return change, false, syntaxError("unknown STORE item " + word)
	}
	if err := p.sp(); err != nil {
		return change, false, err
	}
	if change.Flags, err = p.storeFlags(); err != nil {
		return change, false, err
	}
	return change, silent, p.end()
}

// storeFlags reads flags in parentheses or without them (RFC 3501 §9, store-att-flags).
func (p *parser) storeFlags() ([]store.Flag, error) {
	if p.peek() == '(' {
		return p.flags()
	}
	var flags []store.Flag
	for {
		f, err := p.flag()
		if err != nil {
			return nil, err
		}
		flags = append(flags, f)
		if !p.accept(' ') {
			return flags, nil
		}
	}
}
