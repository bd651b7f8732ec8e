package postrider

import (
	"time"
)

// An Envelope is what travels beside a message: where it came from, where it
// goes, and the parameters of MAIL and RCPT (RFC 5321 §2.3.1). A field left zero
// is a parameter that was not given; none is ever invented on the way.
type Envelope struct {
	// ReversePath is where reports of failure go. The zero Address is the null
	// path of RFC 5321 §4.5.5, to which nothing automatic is ever sent.
	ReversePath Address
	// Recipients are the forward-paths that were accepted, in order, duplicates
	// included.
	Recipients []Recipient

	// Size is what the client declared, in octets with CRLF and without dots
	// for transparency (RFC 1870 §5). Zero means that it declared nothing.
	Size int64
	// Body is the kind of content (RFC 6152, RFC 3030).
	Body Body
	// SMTPUTF8 says that an address or a header field may hold UTF-8 (RFC 6531 §3.4).
	SMTPUTF8 bool
	// RequireTLS asks every hop for verified TLS or a bounce (RFC 8689).
	RequireTLS bool
	// Auth is the submitter that a trusted client names (RFC 4954 §5): nil if
	// none was named, the null Address for AUTH=<>.
	Auth *Address
	// Return says how much of the message a failure DSN brings back (RFC 3461 §4.3).
	Return Return
	// EnvelopeID is ENVID with its xtext decoded (RFC 3461 §4.4).
	EnvelopeID string
	// Hold is FUTURERELEASE's HOLDUNTIL, or HOLDFOR counted from the receipt of MAIL (RFC
	// 4865 §5). The zero time means: at once.
	Hold time.Time
	// DeliverBy is the limit of RFC 2852, nil for none.
	DeliverBy *DeliverBy
	// Priority is MT-PRIORITY, from -9 to 9 (RFC 6710 §4), nil if not given.
	Priority *int
	// Tracking is MTRK with its certifier and lifetime as written (RFC 3885 §3.1).
	Tracking string
	// Solicit holds the solicitation class keywords of RFC 3865 §2.4.
	Solicit []string
	// Submitter is the historic SUBMITTER of RFC 4405, kept for the log.
	Submitter string
	// TransactionID is CHECKPOINT's TRANSID (RFC 1845), as written.
	TransactionID string
	// ConvertPermitted is CONPERM (RFC 4141 §4).
	ConvertPermitted bool
	// Params are the parameters of MAIL that an application's own extension
	// defined, in the order given.
	Params []Param
}

// A Recipient is one accepted RCPT: a forward-path and its parameters.
type Recipient struct {
	// ForwardPath is where this copy goes. Its Domain is empty only for
	// Postmaster (RFC 5321 §4.5.1).
	ForwardPath Address
	// Notify says when the sender wants to hear of this recipient (RFC 3461 §4.1).
	// Zero means that NOTIFY was not given, which is as FAILURE and perhaps DELAY.
	Notify Notify
	// Original is ORCPT with its xtext decoded (RFC 3461 §4.2).
	Original OriginalRecipient
	// RequireValidSince is RRVS: the recipient must have owned the mailbox
	// without a break since then (RFC 7293). The zero time means: not asked.
	RequireValidSince time.Time
	// RequireValidSinceContinue says that the RRVS parameter ended in ";C": if the next hop cannot check, go on
	// without it (RFC 7293 §3.1).
	RequireValidSinceContinue bool
	// Capabilities says that CONNEG was given (RFC 4141 §5).
	Capabilities bool
	// Params are the parameters of RCPT that an application's own extension
	// defined, in the order given.
	Params []Param
}

// A Param is one ESMTP parameter (RFC 5321 §4.1.2).
type Param struct {
	// Keyword is in upper case.
	Keyword string
	// Value is as written. It is empty for a keyword without a value: the
	// grammar has no empty ones.
	Value string
}

// Body is the kind of content that MAIL declared.
type Body string

// The values of BODY (RFC 6152 §3, RFC 3030 §3). The zero Body means that the
// parameter was not given, which is as Body7Bit.
const (
	Body7Bit       Body = "7BIT"
	Body8BitMIME   Body = "8BITMIME"
	BodyBinaryMIME Body = "BINARYMIME"
)

// Return is how much of a message a failure DSN brings back.
type Return string

// The values of RET (RFC 3461 §4.3). The zero Return leaves the choice to the
// server that writes the DSN.
const (
	ReturnFull    Return = "FULL"
	ReturnHeaders Return = "HDRS"
)

// Notify is a set of the occasions for a DSN (RFC 3461 §4.1).
type Notify uint8

// NotifyNever stands alone; the others combine.
const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

// WantsFailure reports whether a failure is to be told: also when NOTIFY was not given.
func (n Notify) WantsFailure() bool { return n == 0 || n&NotifyFailure != 0 }

// WantsDelay reports whether a delay is to be told: also when NOTIFY was not given.
func (n Notify) WantsDelay() bool { return n == 0 || n&NotifyDelay != 0 }

// WantsSuccess reports whether a delivery is to be told.
func (n Notify) WantsSuccess() bool { return n&NotifySuccess != 0 }

// String returns the value of the NOTIFY parameter, empty for the zero Notify.
func (n Notify) String() string {
	s := ""
	for _, f := range []struct {
		bit  Notify
		name string
	}{{NotifyNever, "NEVER"}, {NotifySuccess, "SUCCESS"}, {NotifyFailure, "FAILURE"}, {NotifyDelay, "DELAY"}} {
		if n&f.bit == 0 {
			continue
		}
		if s != "" {
			s += ","
		}
		s += f.name
	}
	return s
}

// An OriginalRecipient is ORCPT: whom the sender named first (RFC 3461 §4.2).
type OriginalRecipient struct {
	// Type is the address type, such as "rfc822" or "utf-8", as written. Empty
	// means that ORCPT was not given.
	Type string
	// Address is the decoded address.
	Address string
	// Raw is the parameter's value as it came, for the next hop wants it octet for
	// octet (RFC 3461 §5.2.1).
	Raw string
}

// DeliverBy is a limit on the time of delivery (RFC 2852 §4).
type DeliverBy struct {
	// Deadline is when the time is up.
	Deadline time.Time
	// Return says that the message bounces at the deadline; otherwise the sender
	// is told of the delay and the message stays.
	Return bool
	// Trace asks each relay to report.
	Trace bool
}
