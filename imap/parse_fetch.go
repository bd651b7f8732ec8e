package imap

import (
	"math"
	"strings"

	"github.com/postrider/postrider/message"
)

// fetchAtts is a set of the items of FETCH that are a word (RFC 3501 §6.4.5).
type fetchAtts uint16

const (
	attUID fetchAtts = 1 << iota
	attFlags
	attInternalDate
	attSize
	attEnvelope
	attBody          // BODY, the structure without extension data
	attBodyStructure // BODYSTRUCTURE

	// attSummary are those for which the message's summary is needed.
	attSummary = attEnvelope | attBody | attBodyStructure
)

// fetchItems is what a FETCH asks for.
type fetchItems struct {
	atts     fetchAtts
	sections []fetchSection
}

// A fetchSection is a BODY[...], or one of the RFC822 items, which are others' names for it.
type fetchSection struct {
	// name is how the reply calls it: "BODY[...]", "RFC822.TEXT".
	name    string
	section message.Section
	// peek leaves \Seen alone.
	peek bool
	// partial asks for at most length octets from offset on.
	partial        bool
	offset, length int64
}

// isWhole reports whether the section is the whole message, for which no structure is needed.
func (s *fetchSection) isWhole() bool {
	return len(s.section.Part) == 0 && s.section.Specifier == message.None
}

// macros stand for several items. They are used alone.
var macros = map[string]fetchAtts{
	"FAST": attFlags | attInternalDate | attSize,
	"ALL":  attFlags | attInternalDate | attSize | attEnvelope,
	"FULL": attFlags | attInternalDate | attSize | attEnvelope | attBody,
}

// simpleItems are the items that are but a word.
var simpleItems = map[string]fetchAtts{
	"UID":           attUID,
	"FLAGS":         attFlags,
	"INTERNALDATE":  attInternalDate,
	"RFC822.SIZE":   attSize,
	"ENVELOPE":      attEnvelope,
	"BODYSTRUCTURE": attBodyStructure,
}

// rfc822Items are the sections that are but a word.
var rfc822Items = map[string]fetchSection{
	"RFC822":        {name: "RFC822"},
	"RFC822.HEADER": {name: "RFC822.HEADER", section: message.Section{Specifier: message.Header}, peek: true},
	"RFC822.TEXT":   {name: "RFC822.TEXT", section: message.Section{Specifier: message.Text}},
}

// maxSections is how many sections a FETCH may name: each is read from the message anew.
const maxSections = 1000

// fetchItems reads the items of a FETCH: a macro, one item, or a list (RFC 3501 §9, fetch).
func (p *parser) fetchItems() (fetchItems, error) {
	var items fetchItems
	if p.peek() == '(' {
		err := p.list(false, func() error { return p.fetchItem(&items, false) })
		return items, err
	}
	err := p.fetchItem(&items, true)
	return items, err
}

// fetchItem reads one item, or a macro where there may be one.
func (p *parser) fetchItem(items *fetchItems, macro bool) error {
	name, err := p.letters()
	if err != nil {
		return err
	}
	if name == "BODY" || name == "BODY.PEEK" {
		if p.peek() == '[' {
			return p.bodySection(items, name == "BODY.PEEK")
		}
		if name == "BODY" {
			items.atts |= attBody
			return nil
		}
	}
	if atts, ok := simpleItems[name]; ok {
		items.atts |= atts
		return nil
	}
	if section, ok := rfc822Items[name]; ok {
		return items.addSection(section)
	}
	if atts, ok := macros[name]; ok && macro {
		items.atts |= atts
		return nil
	}
	return syntaxError("unknown FETCH item " + name)
}

func (f *fetchItems) addSection(s fetchSection) error {
	if len(f.sections) == maxSections {
		return syntaxError("too many sections")
	}
	f.sections = append(f.sections, s)
	return nil
}

// bodySection reads what follows "BODY" or "BODY.PEEK".
func (p *parser) bodySection(items *fetchItems, peek bool) error {
	section, err := p.section()
	if err != nil {
		return err
	}
	item := fetchSection{name: "BODY[" + sectionName(section) + "]", section: section, peek: peek}
	if err := p.partial(&item); err != nil {
		return err
	}
	return items.addSection(item)
}

// partial reads "<offset.length>", if it is there.
func (p *parser) partial(item *fetchSection) (err error) {
	if !p.accept('<') {
		return nil
	}
	item.partial = true
	if item.offset, err = p.number64(); err != nil {
		return err
	}
	if err := p.expect('.'); err != nil {
		return err
	}
	if item.length, err = p.number64(); err != nil {
		return err
	}
	if item.length == 0 {
		return syntaxError("partial of no octets")
	}
	return p.expect('>')
}

// section reads "[...]".
func (p *parser) section() (s message.Section, err error) {
	if err := p.expect('['); err != nil {
		return s, err
	}
	if s.Part, err = p.partNumbers(); err != nil {
		return s, err
	}
	if p.accept(']') {
		return s, nil
	}
	if len(s.Part) > 0 {
		if err := p.expect('.'); err != nil {
			return s, err
		}
	}
	word, err := p.letters()
	if err != nil {
		return s, err
	}
	s.Specifier = specifierOf(word)
	if s.Specifier == message.None || s.Specifier == message.MIME && len(s.Part) == 0 {
		return s, syntaxError("unknown section " + word)
	}
	if hasFields(s.Specifier) {
		if err := p.sp(); err != nil {
			return s, err
		}
		if s.Fields, err = p.headerList(); err != nil {
			return s, err
		}
	}
	return s, p.expect(']')
}

// partNumbers reads part numbers parted by dots, none perhaps. The dot before a word stays.
func (p *parser) partNumbers() ([]int, error) {
	var numbers []int
	for isDigit(p.peek()) {
		n, err := p.number()
		if err != nil {
			return nil, err
		}
		if n == 0 || n > math.MaxInt32 {
			return nil, syntaxError("impossible part number")
		}
		numbers = append(numbers, int(n))
		if len(p.line) < 2 || p.line[0] != '.' || !isDigit(p.line[1]) {
			break
		}
		p.line = p.line[1:]
	}
	return numbers, nil
}

// specifierNames are the words of a section (RFC 3501 §9, section-msgtext and section-text).
var specifierNames = [...]string{
	message.Header:          "HEADER",
	message.HeaderFields:    "HEADER.FIELDS",
	message.HeaderFieldsNot: "HEADER.FIELDS.NOT",
	message.Text:            "TEXT",
	message.MIME:            "MIME",
}

// specifierOf returns None for a word that is no specifier.
func specifierOf(word string) message.Specifier {
	for s, name := range specifierNames {
		if name == word {
			return message.Specifier(s)
		}
	}
	return message.None
}

func hasFields(s message.Specifier) bool {
	return s == message.HeaderFields || s == message.HeaderFieldsNot
}

// headerList reads names of header fields in parentheses.
func (p *parser) headerList() ([]string, error) {
	var fields []string
	err := p.list(false, func() error {
		field, err := p.astring()
		if err == nil && (field == "" || strings.ContainsFunc(field, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' })) {
			err = syntaxError("bad name of a header field")
		}
		fields = append(fields, field)
		return err
	})
	return fields, err
}
