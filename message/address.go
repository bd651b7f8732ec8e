package message

import "strings"

// An Address is an element of an address list as IMAP's ENVELOPE has them (RFC
// 9051 §7.5.2): a mailbox, or one of the two markers that enclose the members of
// a group. All strings have the octets of the message.
type Address struct {
	// Name is the display name without its quotes, or else the comment behind
	// the address; encoded-words are kept. Empty means none (NIL).
	Name string

	// Route is an obsolete source route, as in "@a.example,@b.example" (RFC 5322
	// §4.4). Empty means none (NIL).
	Route string

	// Mailbox is the local part without quotes, or the name of the group that
	// starts.
	Mailbox string

	// Host is the domain. It is empty for the group markers, where IMAP sends NIL,
	// and for a mailbox that lacks one, where NIL would be a marker and IMAP must
	// send an empty string.
	Host string

	Group Group
}

// Group says whether an Address is a marker of a group.
type Group uint8

const (
	NoGroup    Group = iota // a mailbox
	GroupStart              // the group named Mailbox starts
	GroupEnd                // the group ends
)

// ParseAddressList reads the value of a From, To or similar field. It takes
// obsolete syntax (RFC 5322 §4.4), raw UTF-8 (RFC 6532), and whatever else people
// write: missing commas, names that ought to be quoted, semicolons for commas,
// addresses without a domain. It returns no more than MaxAddresses.
func ParseAddressList(s string) []Address {
	return appendAddresses(nil, s, MaxAddresses)
}

// appendAddresses adds the addresses of s to list until list has most of them.
func appendAddresses(list []Address, s string, most int) []Address {
	p := addressParser{s: s, list: list, most: most}
	p.parse()
	return p.list
}

type addressParser struct {
	s    string
	i    int
	list []Address
	most int

	inGroup    bool
	noQuoteEnd bool // there is no '"' after i that could end a quoted string

	// The entry being read: the words seen in it so far...
	words []word
	space [8]word // where words begins its life
	// ...the address they made up before an at sign, and what else there was.
	addr    Address
	hasAddr bool // addr has a mailbox
	angle   bool // which was in angle brackets
	comment string
}

// A word is an atom, a quoted string or, in bare addresses, a domain.
type word struct {
	start, end int // in s, with the quotes
	quoted     bool
}

func (p *addressParser) parse() {
	p.words = p.space[:0]
	for p.i < len(p.s) && p.room() > 0 {
		switch c := p.s[p.i]; c {
		case ' ', '\t', '\r', '\n':
			p.i++
		case '(':
			p.readComment()
		case ',':
			p.i++
			p.endEntry()
		case ';':
			p.i++
			p.endEntry()
			p.endGroup()
		case ':':
			p.i++
			p.startGroup()
		case '<':
			p.readAngle()
		case '@':
			p.readAt()
		default:
			p.readWord()
		}
	}
	p.endEntry()
	p.endGroup()
}

// room returns how many more addresses there may be.
func (p *addressParser) room() int {
	n := p.most - len(p.list)
	if p.inGroup {
		n-- // for the marker at its end
	}
	return n
}

func (p *addressParser) emit(a Address) {
	if p.room() > 0 {
		p.list = append(p.list, a)
	}
}

// endEntry emits the address of the entry and begins another.
func (p *addressParser) endEntry() {
	switch {
	case p.hasAddr:
		if p.addr.Name == "" {
			p.addr.Name = p.comment
		}
		p.emit(p.addr)
	case len(p.words) == 1: // RFC 7103 §7.1.7
		p.emit(Address{Name: p.comment, Mailbox: p.phrase(p.words)})
	case len(p.words) > 1:
		p.emit(Address{Name: p.phrase(p.words)})
	}
	p.clearEntry()
}

func (p *addressParser) clearEntry() {
	p.words, p.addr, p.comment = p.words[:0], Address{}, ""
	p.hasAddr, p.angle = false, false
}

func (p *addressParser) startGroup() {
	if p.inGroup || p.hasAddr {
		p.endEntry() // "a:b:c" or "a@b:c": no group begins here
		return
	}
	if p.room() >= 2 {
		p.emit(Address{Mailbox: p.phrase(p.words), Group: GroupStart})
		p.inGroup = true
	}
	p.clearEntry()
}

func (p *addressParser) endGroup() {
	if p.inGroup {
		p.list = append(p.list, Address{Group: GroupEnd})
		p.inGroup = false
	}
}

func (p *addressParser) readComment() {
	n := commentEnd(p.s[p.i:])
	text := p.s[p.i+1 : p.i+n]
	p.i += n
	if p.comment == "" {
		text = strings.TrimSuffix(text, ")")
		p.comment = unquote(strings.TrimSpace(text))
	}
}

// readWord reads a quoted string or an atom, dots included.
func (p *addressParser) readWord() {
	w := p.nextWord(phraseStops)
	if p.hasAddr { // "a@b c@d" or "<a@b> c"
		if p.angle && p.skipTrailer() {
			return
		}
		p.endEntry() // a comma is missing
	}
	p.words = append(p.words, w)
}

// skipTrailer skips what follows an address in angle brackets up to the end of
// the entry, unless it has an address of its own.
func (p *addressParser) skipTrailer() bool {
	next := strings.IndexAny(p.s[p.i:], ",;<@")
	if next < 0 {
		p.i = len(p.s)
		return true
	}
	if c := p.s[p.i+next]; c == '<' || c == '@' {
		return false
	}
	p.i += next
	return true
}

const (
	phraseStops = " \t\r\n(),;:<@\""
	localStops  = " \t\r\n()<>@\""
	domainStops = " \t\r\n(),;:<>@\""
)

// nextWord reads a quoted string, or at least one octet up to one of stops.
func (p *addressParser) nextWord(stops string) word {
	start := p.i
	if p.s[start] == '"' && !p.noQuoteEnd {
		if n := quotedEnd(p.s[start:]); n > 0 {
			p.i += n
			return word{start, p.i, true}
		}
		p.noQuoteEnd = true
	}
	for p.i++; p.i < len(p.s) && strings.IndexByte(stops, p.s[p.i]) < 0; {
		p.i++
	}
	return word{start, p.i, false}
}

// text returns a word without its quotes.
func (p *addressParser) text(w word) string {
	if w.quoted {
		return unquote(p.s[w.start+1 : w.end-1])
	}
	return p.s[w.start:w.end]
}

// phrase returns words with one space between each two that are apart.
func (p *addressParser) phrase(words []word) string {
	if len(words) == 0 {
		return ""
	}
	if len(words) == 1 {
		return p.trimQuote(p.text(words[0]))
	}
	simple := true
	for i, w := range words {
		simple = simple && !w.quoted && (i == 0 || w.start == words[i-1].end ||
			w.start == words[i-1].end+1 && p.s[w.start-1] == ' ')
	}
	if simple {
		return p.trimQuote(p.s[words[0].start:words[len(words)-1].end])
	}
	var b strings.Builder
	for i, w := range words {
		if i > 0 && w.start > words[i-1].end {
			b.WriteByte(' ')
		}
		b.WriteString(p.text(w))
	}
	return p.trimQuote(b.String())
}

// trimQuote removes the quote of a quoted string that never ended (RFC 7103
// §7.1.6).
func (p *addressParser) trimQuote(s string) string {
	if p.noQuoteEnd {
		s = strings.TrimPrefix(s, `"`)
	}
	return s
}

// readAt makes the words at the end of the entry a local part and reads its
// domain.
func (p *addressParser) readAt() {
	if p.hasAddr && !p.angle {
		// "a@b@c" makes sense, if at all, as a name.
		at := p.i
		p.i++
		p.readDomain()
		p.words = append(p.words, word{at, p.i, false})
		return
	}
	if p.hasAddr {
		p.endEntry()
	}
	first := p.localStart()
	local := p.localPart(p.words[first:])
	name := p.phrase(p.words[:first])
	at := p.i
	p.i++
	host := p.readDomain()
	p.addr = Address{Name: name, Mailbox: local, Host: host}
	p.hasAddr = true
	p.words = append(p.words, word{at, p.i, false}) // should a name follow from it
}

// localStart returns the index of the first of the words that make a local part
// at their end: one word, or several with dots between.
func (p *addressParser) localStart() int {
	i := max(0, len(p.words)-1)
	for ; i > 0; i-- {
		prev, this := p.words[i-1], p.words[i]
		if prev.end != this.start && p.s[prev.end-1] != '.' && p.s[this.start] != '.' {
			break
		}
	}
	return i
}

// localPart joins words without what is between them.
func (p *addressParser) localPart(words []word) string {
	if len(words) == 1 {
		return p.text(words[0])
	}
	var b strings.Builder
	for _, w := range words {
		b.WriteString(p.text(w))
	}
	return b.String()
}

// readDomain reads a domain or an address literal, with obsolete white space and
// comments around its dots. A comment behind it may be a name.
func (p *addressParser) readDomain() string {
	p.skipSpace()
	start := p.i
	if start < len(p.s) && p.s[start] == '[' {
		if n := strings.IndexAny(p.s[start+1:], "[]<>,;@"); n > 0 && p.s[start+1+n] == ']' {
			p.i = start + n + 2
			return p.s[start:p.i]
		}
	}
	var parts []string // of a domain in several pieces
	domain := ""
	for p.i < len(p.s) && strings.IndexByte(domainStops, p.s[p.i]) < 0 {
		w := p.nextWord(domainStops)
		if domain != "" {
			parts = append(parts, domain)
		}
		domain = p.s[w.start:w.end]
		end := p.i
		p.skipSpace()
		if !strings.HasSuffix(domain, ".") && (p.i >= len(p.s) || p.s[p.i] != '.') {
			p.i = end
			break
		}
	}
	if parts == nil {
		return domain
	}
	return strings.Join(append(parts, domain), "")
}

// skipSpace skips white space and comments.
func (p *addressParser) skipSpace() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\r', '\n':
			p.i++
		case '(':
			p.readComment()
		default:
			return
		}
	}
}

// readAngle reads an address in angle brackets; the words before it are its
// name, whatever they look like.
func (p *addressParser) readAngle() {
	if p.angle {
		p.endEntry()
	}
	name := p.phrase(p.words)
	p.i++
	a := Address{Name: name}
	p.skipSpace()
	if p.i < len(p.s) && p.s[p.i] == '@' {
		a.Route = p.readRoute()
	}
	local := len(p.words)
	for p.i < len(p.s) && p.s[p.i] != '@' && p.s[p.i] != '>' {
		switch p.s[p.i] {
		case ' ', '\t', '\r', '\n', '(':
			p.skipSpace()
		case '<', ')':
			p.i++
		default:
			p.words = append(p.words, p.nextWord(localStops))
		}
	}
	a.Mailbox = p.angleLocal(p.words[local:])
	if p.i < len(p.s) && p.s[p.i] == '@' {
		p.i++
		a.Host = p.readDomain()
	}
	if n := strings.IndexAny(p.s[p.i:], ">,;"); n < 0 {
		p.i = len(p.s)
	} else if p.i += n; p.s[p.i] == '>' {
		p.i++
	}
	p.addr, p.hasAddr, p.angle = a, true, true
	p.words = p.words[:0]
}

// angleLocal joins the words of a local part in angle brackets. White space in
// it, where there are no dots, is wrong, but some put names there.
func (p *addressParser) angleLocal(words []word) string {
	for i := 1; i < len(words); i++ {
		prev, this := words[i-1], words[i]
		if prev.end != this.start && p.s[prev.end-1] != '.' && p.s[this.start] != '.' {
			return p.phrase(words)
		}
	}
	return p.localPart(words)
}

// readRoute reads a source route and the colon behind it.
func (p *addressParser) readRoute() string {
	rest := p.s[p.i:]
	n := strings.IndexAny(rest, ":<>")
	if n < 0 || rest[n] != ':' {
		return ""
	}
	p.i += n + 1
	route := rest[:n]
	if strings.ContainsAny(route, " \t\r\n") {
		route = strings.Join(strings.Fields(route), "")
	}
	return strings.TrimRight(route, ",")
}
