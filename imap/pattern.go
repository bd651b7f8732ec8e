package imap

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/postrider/postrider/store"
)

// A pattern is a name with wildcards: "*" stands for anything, "%" for anything without a "/" (RFC 3501 §6.3.8). It keeps
// room for its work, so it belongs to one goroutine.
type pattern struct {
	text      string
	plain     bool // without wildcards
	now, next []bool
}

// newPattern returns the pattern of a reference and a name as the client wrote them, or nil if no mailbox can match
// it.
func newPattern(reference, name string) *pattern {
	text, err := decodeUTF7(reference + name)
	if err != nil || name == "" || len(text) > 3*store.MaxNameLen {
		return nil
	}
	// Wildcards in a row are as good as the strongest of them.
	text = norm.NFC.String(text)
	p := &pattern{plain: !strings.ContainsAny(text, "*%")}
	var b strings.Builder
	for i := range len(text) {
		isWild := text[i] == '*' || text[i] == '%'
		if isWild && b.Len() > 0 {
			last := b.String()[b.Len()-1]
			if last == '*' || last == text[i] {
				continue
			}
		}
		b.WriteByte(text[i])
	}
	p.text = b.String()
	p.now, p.next = make([]bool, len(p.text)+1), make([]bool, len(p.text)+1)
	return p
}

// matches reports whether a canonical name matches. Its cost is at most the product of both lengths, whatever the
// wildcards.
func (p *pattern) matches(name string) bool {
	switch {
	case p.text == "*":
		return true
	case p.plain && len(p.text) != len(name):
		return false
	}
	inbox := name == store.Inbox || store.IsBelow(name, store.Inbox)
	clear(p.now)
	p.now[0] = true
	p.skipWild()
	for i := range len(name) {
		if !p.step(name[i], inbox && i < len(store.Inbox)) {
			return false
		}
	}
	return p.now[len(p.text)]
}

// step goes on by an octet of the name, from every place in the pattern that fits what came before it. It reports whether
// there is any left.
func (p *pattern) step(c byte, anyCase bool) (alive bool) {
	clear(p.next)
	for j := range len(p.text) {
		if !p.now[j] {
			continue
		}
		w := p.text[j]
		switch {
		case w == '*' || w == '%' && c != '/':
			p.next[j], alive = true, true
		case w == '*' || w == '%':
		case w == c || anyCase && w|0x20 == c|0x20:
			p.next[j+1], alive = true, true
		}
	}
	p.now, p.next = p.next, p.now
	p.skipWild()
	return alive
}

// skipWild lets wildcards stand for nothing.
func (p *pattern) skipWild() {
	for j := range len(p.text) {
		if p.now[j] && (p.text[j] == '*' || p.text[j] == '%') {
			p.now[j+1] = true
		}
	}
}
