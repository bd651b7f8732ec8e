package dsn

import (
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider"
)

// Limits of what a report repeats, in octets.
const (
	// MaxText is how much of what a server said is repeated.
	MaxText = 2000
	// MaxReturned is how large a message may be to be returned whole, if its sender did not ask for
	// that. One whose sender did is returned up to MaxReturnedFull.
	MaxReturned     = 50 << 10
	MaxReturnedFull = 10 << 20
)

// Action is what became of a recipient (RFC 3464 §2.3.3). The zero Action is for what no report tells.
type Action string

// The actions. Relayed means that the next server does not send DSNs.
const (
	None      Action = ""
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered"
	Relayed   Action = "relayed"
)

// A Report is a DSN in the making. Fill in the fields, Add recipients, and Write it
// unless it is Empty.
type Report struct {
	// ID makes the report's Message-ID, and its MIME boundary, unique at ReportingMTA: letters, digits, dots
	// and hyphens.
	ID string
	// ReportingMTA is the host name of the server that reports.
	ReportingMTA string
	// To is the reverse-path of the message. It must not be the null path.
	To postrider.Address
	// Arrived is when the message was accepted, Now when the report is written.
	Arrived, Now time.Time
	// EnvelopeID is ENVID as the sender gave it, decoded.
	EnvelopeID string
	// Return is what the sender wants back.
	Return postrider.Return
	// Body and SMTPUTF8 are those of the message's envelope.
	Body     postrider.Body
	SMTPUTF8 bool
	// RequireTLS is the envelope's too: the report travels as carefully as the message, and brings back its
	// header at most (RFC 8689 §5).
	RequireTLS bool
	// RetryUntil is when a delayed message is given up. Zero means that the report does not say.
	RetryUntil time.Time

	recipients []recipient
	eightBit   bool // what goes back has octets above 127
}

type recipient struct {
	postrider.Recipient
	action Action
	status *postrider.Status
	remote string
}

// Add adds a recipient, unless its sender did not ask to be told of that action (RFC 3461 §5.2): a failure
// is told unless NOTIFY leaves it out, a success only if NOTIFY names it. The status says why, in
// the words of the server remote if one spoke; it may be nil for a success.
func (r *Report) Add(rcpt postrider.Recipient, action Action, status *postrider.Status, remote string) {
	wanted := false
	switch action {
	case Failed:
		wanted = rcpt.Notify.WantsFailure()
	case Delayed:
		wanted = rcpt.Notify.WantsDelay()
	case Delivered, Relayed:
		wanted = rcpt.Notify.WantsSuccess()
	}
	if wanted {
		r.recipients = append(r.recipients, recipient{rcpt, action, status, remote})
	}
}

// Empty reports whether there is nobody to tell of, or nobody to tell.
func (r *Report) Empty() bool { return len(r.recipients) == 0 || r.To.IsNull() }

// has reports whether any recipient has the action.
func (r *Report) has(a Action) bool {
	return slices.ContainsFunc(r.recipients, func(x recipient) bool { return x.action == a })
}

// envelope returns what the report travels in: from the null path, asking for no report on itself
// (RFC 3461 §6.1).
func (r *Report) envelope() *postrider.Envelope {
	env := &postrider.Envelope{
		Recipients: []postrider.Recipient{{ForwardPath: r.To, Notify: postrider.NotifyNever}},
		SMTPUTF8:   r.utf8(),
		RequireTLS: r.RequireTLS,
	}
	if r.utf8() || r.eightBit {
		env.Body = postrider.Body8BitMIME
	}
	return env
}

// utf8 reports whether the report needs the internationalised form.
func (r *Report) utf8() bool { return r.SMTPUTF8 || !r.To.IsASCII() }

// clean makes a text of somebody else's fit for a field or a paragraph of ours: printable, on one line,
// and not too long. Where the report is not internationalised, what is not ASCII becomes a question
// mark.
func (r *Report) clean(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > MaxText {
		s = strings.ToValidUTF8(s[:MaxText], "") + " ..."
	}
	utf8 := r.utf8()
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c > '~' && !utf8 || c == '\uFFFD' {
			return '?'
		}
		return c
	}, s)
}
