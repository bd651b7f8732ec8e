package resolvetest

// A Fault is how a question goes wrong.
//
// A Zone that is asked directly has no wire: there Bogus is a bogus answer,
// Truncate and NoEDNS change nothing, and all others are a temporary error at once.
type Fault int

const (
	// ServFail: the server answers SERVFAIL.
	ServFail Fault = iota + 1
	// Refused: the server answers REFUSED.
	Refused
	// Bogus: the server answers SERVFAIL, and says that DNSSEC is why (RFC 8914 §4.7).
	Bogus
	// Drop: the server does not answer.
	Drop
	// Truncate: the server answers over TCP; over UDP it says that it would.
	Truncate
	// NoEDNS: the server answers FORMERR to a question with EDNS0 (RFC 6891 §7).
	NoEDNS
	// WrongID: the reply has another ID than the question.
	WrongID
	// WrongQuestion: the reply is to another question.
	WrongQuestion
	// Malformed: the reply has garbage behind its question.
	Malformed
	// Referral: the server does not recurse, and names others to ask.
	Referral
)
