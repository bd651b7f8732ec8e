package imap

import "slices"

// A listing is what a LIST asks for (RFC 3501 §6.3.8, RFC 5258 §6).
type listing struct {
	reference string
	patterns  []string
	// extended says that the command is of RFC 5258, and so may be its replies.
	extended bool

	// Selection options: names that are subscribed to, those above them, and those of a special use.
	subscribed, recursive, special bool
	// Return options. Special uses and children are told of without being asked for.
	tellSubscribed bool
	status         []*statusItem
}

// maxPatterns is how many patterns a LIST may have.
const maxPatterns = 64

// listing reads the arguments of LIST.
func (p *parser) listing() (l listing, err error) {
	if err := p.sp(); err != nil {
		return l, err
	}
	if p.peek() == '(' {
		if err := p.listSelection(&l); err != nil {
			return l, err
		}
		if err := p.sp(); err != nil {
			return l, err
		}
	}
	if l.reference, err = p.astring(); err != nil {
		return l, err
	}
	if err := p.sp(); err != nil {
		return l, err
	}
	if err := p.listPatterns(&l); err != nil {
		return l, err
	}
	if p.acceptWord(" RETURN ") {
		if err := p.listReturn(&l); err != nil {
			return l, err
		}
	}
	return l, p.end()
}

// listSelection reads selection options.
func (p *parser) listSelection(l *listing) error {
	l.extended = true
	err := p.list(true, func() error {
		word, err := p.word()
		if err != nil {
			return err
		}
		switch word {
		case "SUBSCRIBED":
			l.subscribed, l.tellSubscribed = true, true
		case "RECURSIVEMATCH":
			l.recursive = true
		case "SPECIAL-USE":
			l.special = true
		case "REMOTE": // there are none
		default:
			return syntaxError("unknown selection option " + word)
		}
		return nil
	})
	if err == nil && l.recursive && !l.subscribed {
		err = syntaxError("RECURSIVEMATCH needs another selection option")
	}
	return err
}

// listPatterns reads one pattern or a list of them.
func (p *parser) listPatterns(l *listing) error {
	pattern := func() error {
		text, err := p.listMailbox()
		if l.patterns = append(l.patterns, text); len(l.patterns) > maxPatterns {
			return syntaxError("too many patterns")
		}
		return err
	}
	if p.peek() != '(' {
		return pattern()
	}
	l.extended = true
	return p.list(false, pattern)
}

// listMailbox reads a pattern.
func (p *parser) listMailbox() (string, error) {
	switch p.peek() {
	case '"', '{':
		return p.str()
	}
	return p.while("a pattern", isListChar)
}

// listReturn reads return options.
func (p *parser) listReturn(l *listing) error {
	l.extended = true
	return p.list(true, func() error {
		word, err := p.word()
		if err != nil {
			return err
		}
		switch word {
		case "SUBSCRIBED":
			l.tellSubscribed = true
		case "CHILDREN", "SPECIAL-USE":
		case "STATUS": // RFC 5819
			if err := p.sp(); err != nil {
				return err
			}
			items, err := p.statusItems()
			l.status = slices.Concat(l.status, items)
			return err
		default:
			return syntaxError("unknown return option " + word)
		}
		return nil
	})
}
