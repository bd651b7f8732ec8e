package imap

import (
	"strings"

	"github.com/postrider/postrider/message"
)

// A fetchKind is what a FETCH item asks for.
type fetchKind int

const (
	fetchUID fetchKind = iota
	fetchFlags
	fetchInternalDate
	fetchSize
	fetchEnvelope
	fetchBody          // BODY, the structure without extension data
	fetchBodyStructure // BODYSTRUCTURE
	fetchSection       // BODY[...], and the RFC822 items, which are others' names for it
)

// A fetchItem is one item of a FETCH.
type fetchItem struct {
	kind fetchKind
	// name is how the reply calls a fetchSection: "BODY[...]", "RFC822.TEXT".
	name    string
	section message.Section
	// peek leaves \Seen alone.
	peek bool
	// partial asks for length octets from offset on.
	partial        bool
	offset, length int64
}

// fetchItems reads the items of a FETCH: a macro, one item, or a list (RFC 3501 §6.4.5).
func (p *parser) fetchItems() ([]fetchItem, error) {
	if p.peek() == '(' {
		var items []fetchItem
		err := p.list(false, func() error {
			item, err := p.fetchItem()
			items = append(items, item...)
			return err
		})
		return items, err
	}
	return p.fetchItem()
}

// simpleItems are the items, and the macros, that are a word.
var simpleItems = map[string][]fetchItem{
	"UID":           {{kind: fetchUID}},
	"FLAGS":         {{kind: fetchFlags}},
	"INTERNALDATE":  {{kind: fetchInternalDate}},
	"RFC822.SIZE":   {{kind: fetchSize}},
	"ENVELOPE":      {{kind: fetchEnvelope}},
	"BODYSTRUCTURE": {{kind: fetchBodyStructure}},
	"RFC822":        {{kind: fetchSection, name: "RFC822"}},
	"RFC822.HEADER": {{kind: fetchSection, name: "RFC822.HEADER", section: message.Section{Specifier: message.Header}, peek: true}},
	"RFC822.TEXT":   {{kind: fetchSection, name: "RFC822.TEXT", section: message.Section{Specifier: message.Text}}},
	"FAST":          {{kind: fetchFlags}, {kind: fetchInternalDate}, {kind: fetchSize}},
	"ALL":           {{kind: fetchFlags}, {kind: fetchInternalDate}, {kind: fetchSize}, {kind: fetchEnvelope}},
	"FULL":          {{kind: fetchFlags}, {kind: fetchInternalDate}, {kind: fetchSize}, {kind: fetchEnvelope}, {kind: fetchBody}},
}

func (p *parser) fetchItem() ([]fetchItem, error) {
	name, err := p.letters()
	if err != nil {
		return nil, err
	}
	if items, ok := simpleItems[name]; ok {
		return items, nil
	}
	switch {
	case name == "BODY" && p.peek() != '[':
		return []fetchItem{{kind: fetchBody}}, nil
	case name != "BODY" && name != "BODY.PEEK" || p.peek() != '[':
		return nil, syntaxError("unknown FETCH item " + name)
	}
	item := fetchItem{kind: fetchSection, peek: name == "BODY.PEEK"}
	if item.section, err = p.section(); err != nil {
		return nil, err
	}
	item.name = "BODY[" + sectionName(item.section) + "]"
	if err := p.partial(&item); err != nil {
		return nil, err
	}
	return []fetchItem{item}, nil
}

// partial reads "<offset.length>", if it is there.
func (p *parser) partial(item *fetchItem) (err error) {
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
	for isDigit(p.peek()) {
		n, err := p.number()
		if err != nil {
			return s, err
		}
		if n == 0 || len(s.Part) == message.MaxDepth || n > message.MaxParts {
			return s, syntaxError("impossible part number")
		}
		s.Part = append(s.Part, int(n))
		if !p.accept('.') {
			return s, p.expect(']')
		}
	}
	if p.accept(']') {
		if len(s.Part) > 0 {
			return s, syntaxError("part number ends in a dot")
		}
		return s, nil
	}
	word, err := p.letters()
	if err != nil {
		return s, err
	}
	specifiers := map[string]message.Specifier{
		"HEADER": message.Header, "HEADER.FIELDS": message.HeaderFields, "HEADER.FIELDS.NOT": message.HeaderFieldsNot,
		"TEXT": message.Text, "MIME": message.MIME,
	}
	specifier, ok := specifiers[word]
	if !ok || specifier == message.MIME && len(s.Part) == 0 {
		return s, syntaxError("unknown section " + word)
	}
	s.Specifier = specifier
	if specifier == message.HeaderFields || specifier == message.HeaderFieldsNot {
		if err := p.sp(); err != nil {
			return s, err
		}
		err := p.list(false, func() error {
			field, err := p.astring()
			if err == nil && (field == "" || strings.ContainsFunc(field, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' })) {
				err = syntaxError("bad name of a header field")
			}
			s.Fields = append(s.Fields, field)
			return err
		})
		if err != nil {
			return s, err
		}
	}
	return s, p.expect(']')
}
