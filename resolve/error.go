package resolve

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Kind says what an Error means for the mail.
type Kind uint8

const (
	// Temporary: the answer could not be had now. Try later. The zero Kind,
	// since what nobody classified is temporary.
	Temporary Kind = iota
	// Bogus: there is an answer, but DNSSEC disproves it. Try later, and never
	// go on without it (RFC 7672 §2.1.1).
	Bogus
	// NXDomain: the name does not exist, nor any below it (RFC 8020).
	NXDomain
	// NoData: the name exists, but has no record of the type.
	NoData
	// Invalid: no such name can exist; nothing was asked.
	Invalid
	// NullMX: the domain says that it takes no mail (RFC 7505). From Hosts only.
	NullMX
	// Unusable: the domain has MX records, but none leads to an address
	// (RFC 5321 §5.1). From Hosts only.
	Unusable
	// Loop: the best host left for the domain is ourselves (RFC 5321 §5.1).
	// From Hosts only.
	Loop
)

var kindTexts = [...]string{
	Temporary: "temporary failure",
	Bogus:     "bogus answer",
	NXDomain:  "no such name",
	NoData:    "no such record",
	Invalid:   "not a domain name",
	NullMX:    "domain takes no mail",
	Unusable:  "no usable mail exchange",
	Loop:      "mail loops back to this host",
}

// String returns a short lower-case text for logs.
func (k Kind) String() string {
	if int(k) < len(kindTexts) {
		return kindTexts[k]
	}
	return "unknown failure"
}

// An Error is why there are no records.
type Error struct {
	Kind Kind
	Name string // what was asked for
	Type string // the record type, as "MX"; empty when several were asked

	// Authentic is whether DNSSEC vouches for the absence; only with NXDomain
	// and NoData.
	Authentic bool

	// TTL is how long the absence may still be relied on (RFC 2308 §5).
	TTL time.Duration

	// Err is the cause, if there is more to say. It may name servers and is for
	// the log, not for the peer.
	Err error
}

// Error describes e for the log.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("resolve ")
	if e.Type != "" {
		b.WriteString(e.Type + " of ")
	}
	b.WriteString(e.Name + ": " + e.Kind.String())
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the Kind of the first *Error in err's tree, and Temporary when
// there is none. It means nothing for a nil err.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Temporary
}

// IsTemporary reports whether err is an error after which asking again later may
// help: any that is not known to be permanent. A bogus answer is temporary too,
// since zones are mended and attacks end.
func IsTemporary(err error) bool {
	return err != nil && KindOf(err) <= Bogus
}

// IsBogus reports whether err is an answer that DNSSEC disproves.
func IsBogus(err error) bool {
	return err != nil && KindOf(err) == Bogus
}

// IsNotFound reports whether err says for certain that there is no such record,
// with or without the name: what RFC 7208 §4.6.4 calls a void lookup.
func IsNotFound(err error) bool {
	k := KindOf(err)
	return err != nil && (k == NXDomain || k == NoData)
}

// joined is several causes on one line, for the log.
type joined []error

// compact returns the causes that are there as one error, or nil.
func (j joined) compact() error {
	j = slices.DeleteFunc(j, func(err error) bool { return err == nil })
	if len(j) == 0 {
		return nil
	}
	return j
}

// Error describes the causes in turn.
func (j joined) Error() string {
	texts := make([]string, len(j))
	for i, err := range j {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the causes.
func (j joined) Unwrap() []error { return j }

var (
	errEmpty    = errors.New("answer without records")
	errNotASCII = errors.New("not in A-label form")
	errBadName  = errors.New("label or name of wrong length")
	errBadAddr  = errors.New("not an address")
	errLiteral  = errors.New("an address without brackets")
	errMXIsAddr = errors.New("MX names an address instead of a host")
	errMXIsRoot = errors.New("MX names the root")
)
