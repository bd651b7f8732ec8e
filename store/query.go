package store

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// A Query says which messages a search wants (RFC 9051 §6.4.4): a tree of keys. The
// zero Query is all messages.
//
// What only the session knows, it has put into UIDs before: sequence numbers,
// the result of an earlier search, and the messages that are \Recent, of which NEW, OLD
// and RECENT speak.
type Query struct {
	Key Key
	// Args are the operands of KeyAnd, KeyOr and, just one, KeyNot.
	Args []Query
	// UIDs are for KeyUIDs.
	UIDs UIDSet
	// Flag is for KeyFlag: a system flag or a keyword.
	Flag Flag
	// Field is the name of a header field for KeyHeader, in any case.
	Field string
	// Text is what KeyHeader, KeyBody and KeyText look for, in UTF-8. The empty text
	// is in every field, every body and every message.
	Text string
	// Size is for KeyLarger and KeySmaller, in octets.
	Size int64
	// Date is for the six keys of dates.
	Date Date
}

// A Key is what a Query tests.
type Key int

// The keys. Text is compared by i;unicode-casemap (RFC 5051), so without regard to
// case, after transfer encodings, charsets and encoded-words are decoded.
const (
	// KeyAnd is all of Args; without any, ALL.
	KeyAnd Key = iota
	// KeyOr is at least one of Args; without any, nothing.
	KeyOr
	// KeyNot is all but what the one of Args is.
	KeyNot
	// KeyUIDs is what is in UIDs.
	KeyUIDs
	// KeyFlag is what has Flag: ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, KEYWORD.
	KeyFlag
	// KeyLarger and KeySmaller are what is so in octets; Size itself is neither.
	KeyLarger
	KeySmaller
	// KeyBefore, KeyOn and KeySince compare the day of the internal date, in its own
	// time zone. Since includes the day.
	KeyBefore
	KeyOn
	KeySince
	// KeySentBefore, KeySentOn and KeySentSince compare the day of the Date field, in
	// its own time zone. A message without a readable one is none of them.
	KeySentBefore
	KeySentOn
	KeySentSince
	// KeyHeader is what has a field of the name Field with Text in it: HEADER, and
	// BCC, CC, FROM, SUBJECT and TO.
	KeyHeader
	// KeyBody is what has Text in the body: in a part that is text, or in the header of
	// an enclosed message.
	KeyBody
	// KeyText is what has Text in the header, in the header of a part, or in the body.
	KeyText
)

// And, Or and Not combine queries.
func And(args ...Query) Query { return Query{Key: KeyAnd, Args: args} }

// Or is at least one of args.
func Or(args ...Query) Query { return Query{Key: KeyOr, Args: args} }

// Not is all but arg.
func Not(arg Query) Query { return Query{Key: KeyNot, Args: []Query{arg}} }

// A Date is a day, whatever the time zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf returns the day of t in t's time zone.
func DateOf(t time.Time) Date {
	var d Date
	d.Year, d.Month, d.Day = t.Date()
	return d
}

// Compare returns -1 if d is before e, 1 if it is after, 0 on the same day.
func (d Date) Compare(e Date) int {
	return cmp.Or(cmp.Compare(d.Year, e.Year), cmp.Compare(d.Month, e.Month), cmp.Compare(d.Day, e.Day))
}

// Bounds on a Query.
const (
	// MaxQueryKeys is how many keys a query may have, MaxQueryDepth how deeply they may
	// be nested.
	MaxQueryKeys  = 1000
	MaxQueryDepth = 100
	// MaxQueryText is how many octets all texts and field names may have together.
	MaxQueryText = 32 << 10
)

// Check returns nil if q is fit to be searched for, an error that wraps ErrLimit if it
// is too large, and another if it is no query at all.
func (q *Query) Check() error {
	var c queryCheck
	return c.check(q, 1)
}

// queryCheck sums up a query.
type queryCheck struct{ keys, text int }

func (c *queryCheck) check(q *Query, depth int) error {
	c.keys++
	c.text += len(q.Text) + len(q.Field)
	switch {
	case depth > MaxQueryDepth:
		return fmt.Errorf("search nested deeper than %d: %w", MaxQueryDepth, ErrLimit)
	case c.keys > MaxQueryKeys:
		return fmt.Errorf("search with more than %d keys: %w", MaxQueryKeys, ErrLimit)
	case c.text > MaxQueryText:
		return fmt.Errorf("search for more than %d octets of text: %w", MaxQueryText, ErrLimit)
	case q.Key < KeyAnd || q.Key > KeyText:
		return errors.New("search by an unknown key")
	case q.Key == KeyNot && len(q.Args) != 1:
		return errors.New("search for the contrary of not just one thing")
	case q.Key > KeyNot && len(q.Args) > 0:
		return errors.New("search key with operands it does not take")
	}
	for i := range q.Args {
		if err := c.check(&q.Args[i], depth+1); err != nil {
			return err
		}
	}
	return nil
}
