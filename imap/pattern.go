package imap

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/postrider/postrider/store"
)

// A pattern is a name with wildcards: "*" stands for anything, "%" for anything without a "/" (RFC 3501 §6.3.8). Names are
// matched from all places in the pattern at once, which are bits: the cost is the name's length times a 64th of
// the pattern's, whatever the wildcards. It keeps room for its work, so it belongs to one goroutine.
type pattern struct {
	words         int      // of each set of places
	rows          []uint64 // for each octet the places where it stands for itself
	star, percent []uint64 // the places of wildcards
	now           []uint64 // places that fit the name so far
	end           int      // the place behind the last
	least         int      // how many octets a name must have
}

// newPattern returns the pattern of a reference and a name as the client wrote them, or nil if no mailbox can match
// it.
func newPattern(reference, name string) *pattern {
	text, err := decodeUTF7(reference + name)
	if err != nil || name == "" {
		return nil
	}
	text = oneWild(norm.NFC.String(text))
	p := &pattern{words: len(text)/64 + 1, end: len(text)}
	sets := make([]uint64, (3+256)*p.words)
	p.now, p.star, p.percent, p.rows = sets[:p.words], sets[p.words:2*p.words], sets[2*p.words:3*p.words], sets[3*p.words:]
	for i := range len(text) {
		set := p.row(text[i])
		switch text[i] {
		case '*':
			set = p.star
		case '%':
			set = p.percent
		default:
			p.least++
		}
		set[i/64] |= 1 << (i % 64)
	}
	return p
}

// oneWild puts one wildcard in place of several in a row: it is as good as the strongest of them.
func oneWild(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		rest := strings.TrimLeft(text, "*%")
		switch wild := text[:len(text)-len(rest)]; {
		case strings.Contains(wild, "*"):
			b.WriteByte('*')
		case wild != "":
			b.WriteByte('%')
		}
		i := strings.IndexAny(rest, "*%")
		if i < 0 {
			i = len(rest)
		}
		b.WriteString(rest[:i])
		text = rest[i:]
	}
	return b.String()
}

// row is the places where c stands for itself.
func (p *pattern) row(c byte) []uint64 { return p.rows[int(c)*p.words:][:p.words] }

// matches reports whether a canonical name matches. The case of INBOX as the first level does not matter.
func (p *pattern) matches(name string) bool {
	if len(name) < p.least {
		return false
	}
	inbox := name == store.Inbox || store.IsBelow(name, store.Inbox)
	clear(p.now)
	p.now[0] = 1 | p.wild(0)&1<<1
	for i := range len(name) {
		c, other := name[i], name[i]
		if inbox && i < len(store.Inbox) {
			other |= 0x20
		}
		if !p.step(c, other) {
			return false
		}
	}
	return p.now[p.end/64]>>(p.end%64)&1 != 0
}

func (p *pattern) wild(word int) uint64 { return p.star[word] | p.percent[word] }

// step goes on by the octet c, which may also be written other, and reports whether any place is left.
func (p *pattern) step(c, other byte) bool {
	row, rowOther := p.row(c), p.row(other)
	var passed, empty, alive uint64 // carried into the next word: places behind an octet, and behind a wildcard
	for w, now := range p.now {
		octets := now & (row[w] | rowOther[w])
		stay := now & p.star[w]
		if c != '/' {
			stay |= now & p.percent[w]
		}
		next := octets<<1 | passed | stay
		passed = octets >> 63
		// A wildcard stands for nothing, too. There are never two in a row.
		skip := next & p.wild(w)
		next |= skip<<1 | empty
		empty = skip >> 63
		p.now[w] = next
		alive |= next
	}
	return alive != 0
}
