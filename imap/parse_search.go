package imap

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"

	"github.com/postrider/postrider/store"
)

// A search is the SEARCH command as the client wrote it (RFC 3501 §6.4.4, RFC 4731).
type search struct {
	// view and recent, which the session sets, tell what sequence numbers mean and which messages are
	// \Recent.
	view   *store.View
	recent store.UIDSet

	// returns says that the reply is to be ESEARCH, and with which of min, max, all, count.
	returns              bool
	min, max, all, count bool

	query  store.Query
	keys   int                          // read so far
	decode func(string) (string, error) // from the charset to UTF-8
}

// errBadCharset is answered NO [BADCHARSET] (I15).
var errBadCharset = errors.New("unknown charset")

// search reads the arguments of SEARCH into s, with the space in front, to the end of the command.
func (p *parser) search(s *search) error {
	if err := p.sp(); err != nil {
		return err
	}
	if err := p.searchReturn(s); err != nil {
		return err
	}
	if err := p.searchCharset(s); err != nil {
		return err
	}
	var err error
	if s.query, err = p.searchKeys(s, 0); err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	if err := s.query.Check(); err != nil {
		return syntaxError(err.Error())
	}
	return nil
}

// acceptWord passes over the word, in any case, with the space behind it.
func (p *parser) acceptWord(word string) bool {
	if len(p.line) < len(word) || !strings.EqualFold(string(p.line[:len(word)]), word) {
		return false
	}
	p.line = p.line[len(word):]
	return true
}

// searchReturn reads "RETURN (...)", if it is there. An empty list means ALL.
func (p *parser) searchReturn(s *search) error {
	if !p.acceptWord("RETURN ") {
		return nil
	}
	s.returns = true
	asked := 0
	err := p.list(true, func() error {
		word, err := p.word()
		if err != nil {
			return err
		}
		asked++
		switch word {
		case "MIN":
			s.min = true
		case "MAX":
			s.max = true
		case "ALL":
			s.all = true
		case "COUNT":
			s.count = true
		default:
			return syntaxError("unknown return option " + word)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.all = s.all || asked == 0
	return p.sp()
}

// searchCharset reads "CHARSET ...", if it is there.
func (p *parser) searchCharset(s *search) error {
	s.decode = asUTF8
	if !p.acceptWord("CHARSET ") {
		return nil
	}
	charset, err := p.astring()
	if err != nil {
		return err
	}
	if s.decode, err = decoder(charset); err != nil {
		return err
	}
	return p.sp()
}

// asUTF8 is the decoder of UTF-8 and US-ASCII. Octets that are neither find octets that are neither.
func asUTF8(text string) (string, error) { return text, nil }

// decoder returns what turns text of the charset into UTF-8.
func decoder(charset string) (func(string) (string, error), error) {
	switch strings.ToUpper(charset) {
	case "UTF-8", "US-ASCII":
		return asUTF8, nil
	}
	e, err := htmlindex.Get(charset)
	if err != nil || e == encoding.Replacement {
		return nil, errBadCharset
	}
	return func(text string) (string, error) { return e.NewDecoder().String(text) }, nil
}

// searchKeys reads keys parted by spaces, up to the end of the line or of the parentheses.
func (p *parser) searchKeys(s *search, depth int) (store.Query, error) {
	var keys []store.Query
	for {
		key, err := p.searchKey(s, depth)
		if err != nil {
			return store.Query{}, err
		}
		keys = append(keys, key)
		if p.peek() != ' ' || p.end() == nil {
			break
		}
		p.line = p.line[1:]
	}
	if len(keys) == 1 {
		return keys[0], nil
	}
	return store.And(keys...), nil
}

func (p *parser) searchKey(s *search, depth int) (store.Query, error) {
	// Query.Check counts too, but by then all would be in memory.
	if s.keys++; s.keys > store.MaxQueryKeys {
		return store.Query{}, syntaxError("too many search keys")
	}
	if depth > store.MaxQueryDepth {
		return store.Query{}, syntaxError("search nested too deeply")
	}
	switch c := p.peek(); {
	case c == '(':
		p.line = p.line[1:]
		q, err := p.searchKeys(s, depth+1)
		if err == nil {
			err = p.expect(')')
		}
		return q, err
	case isDigit(c) || c == '*':
		return p.searchSet(s, bySeq)
	}
	word, err := p.word()
	if err != nil {
		return store.Query{}, err
	}
	if q, ok := flagKeys[word]; ok {
		return q, nil
	}
	if key := argumentOf(word); key != nil {
		if err := p.sp(); err != nil {
			return store.Query{}, err
		}
		return key(p, s, depth)
	}
	recent := store.Query{Key: store.KeyUIDs, UIDs: s.recent}
	switch word {
	case "ALL":
		return store.Query{}, nil
	case "NEW":
		return store.And(recent, store.Not(hasFlag(store.FlagSeen))), nil
	case "OLD":
		return store.Not(recent), nil
	case "RECENT":
		return recent, nil
	}
	return store.Query{}, syntaxError("unknown search key " + word)
}

func hasFlag(f store.Flag) store.Query { return store.Query{Key: store.KeyFlag, Flag: f} }

// flagKeys are the keys without arguments that ask for flags.
var flagKeys = map[string]store.Query{
	"ANSWERED":   hasFlag(store.FlagAnswered),
	"DELETED":    hasFlag(store.FlagDeleted),
	"DRAFT":      hasFlag(store.FlagDraft),
	"FLAGGED":    hasFlag(store.FlagFlagged),
	"SEEN":       hasFlag(store.FlagSeen),
	"UNANSWERED": store.Not(hasFlag(store.FlagAnswered)),
	"UNDELETED":  store.Not(hasFlag(store.FlagDeleted)),
	"UNDRAFT":    store.Not(hasFlag(store.FlagDraft)),
	"UNFLAGGED":  store.Not(hasFlag(store.FlagFlagged)),
	"UNSEEN":     store.Not(hasFlag(store.FlagSeen)),
}

// A searchArgument reads what follows a key.
type searchArgument func(p *parser, s *search, depth int) (store.Query, error)

func textKey(key store.Key, field string) searchArgument {
	return func(p *parser, s *search, _ int) (store.Query, error) {
		raw, err := p.astring()
		if err != nil {
			return store.Query{}, err
		}
		text, err := s.decode(raw)
		if err != nil {
			return store.Query{}, syntaxError("text is not in its charset")
		}
		return store.Query{Key: key, Field: field, Text: text}, nil
	}
}

func dateKey(key store.Key) searchArgument {
	return func(p *parser, _ *search, _ int) (store.Query, error) {
		t, err := p.date()
		return store.Query{Key: key, Date: store.DateOf(t)}, err
	}
}

func sizeKey(key store.Key) searchArgument {
	return func(p *parser, _ *search, _ int) (store.Query, error) {
		n, err := p.number64()
		return store.Query{Key: key, Size: n}, err
	}
}

func keyword(p *parser) (store.Query, error) {
	name, err := p.atom()
	if err != nil {
		return store.Query{}, err
	}
	f, err := store.ParseFlag(name)
	if err != nil {
		return store.Query{}, syntaxError(fmt.Sprintf("bad keyword %s", name))
	}
	return hasFlag(f), nil
}

// searchSet reads a set of sequence numbers or UIDs.
func (p *parser) searchSet(s *search, by numbering) (store.Query, error) {
	set, err := p.set()
	if err != nil {
		return store.Query{}, err
	}
	uids, err := span(s.view, set, by)
	return store.Query{Key: store.KeyUIDs, UIDs: uids}, err
}

// argumentOf returns what reads the arguments of a key that has some (RFC 3501 §6.4.4), nil for all others.
func argumentOf(key string) searchArgument {
	switch key {
	case "BCC", "CC", "FROM", "SUBJECT", "TO":
		return textKey(store.KeyHeader, key)
	case "BODY":
		return textKey(store.KeyBody, "")
	case "TEXT":
		return textKey(store.KeyText, "")
	case "BEFORE":
		return dateKey(store.KeyBefore)
	case "ON":
		return dateKey(store.KeyOn)
	case "SINCE":
		return dateKey(store.KeySince)
	case "SENTBEFORE":
		return dateKey(store.KeySentBefore)
	case "SENTON":
		return dateKey(store.KeySentOn)
	case "SENTSINCE":
		return dateKey(store.KeySentSince)
	case "LARGER":
		return sizeKey(store.KeyLarger)
	case "SMALLER":
		return sizeKey(store.KeySmaller)
	case "UID":
		return func(p *parser, s *search, _ int) (store.Query, error) { return p.searchSet(s, byUID) }
	case "KEYWORD":
		return func(p *parser, _ *search, _ int) (store.Query, error) { return keyword(p) }
	case "UNKEYWORD":
		return negated(func(p *parser, _ *search, _ int) (store.Query, error) { return keyword(p) })
	case "HEADER":
		return headerKey
	case "NOT":
		return negated((*parser).nextKey)
	case "OR":
		return orKey
	}
	return nil
}

// nextKey reads a key that is the argument of another.
func (p *parser) nextKey(s *search, depth int) (store.Query, error) { return p.searchKey(s, depth+1) }

func negated(argument searchArgument) searchArgument {
	return func(p *parser, s *search, depth int) (store.Query, error) {
		q, err := argument(p, s, depth)
		return store.Not(q), err
	}
}

func headerKey(p *parser, s *search, depth int) (store.Query, error) {
	field, err := p.astring()
	if err == nil {
		err = p.sp()
	}
	if err != nil {
		return store.Query{}, err
	}
	return textKey(store.KeyHeader, field)(p, s, depth)
}

func orKey(p *parser, s *search, depth int) (store.Query, error) {
	a, err := p.nextKey(s, depth)
	if err == nil {
		err = p.sp()
	}
	if err != nil {
		return store.Query{}, err
	}
	b, err := p.nextKey(s, depth)
	return store.Or(a, b), err
}
