package route

import (
	"context"
	"crypto/tls"
	"net/netip"
	"time"

	"github.com/postrider/postrider"
)

// A Router says what becomes of each recipient of a mail. It may be called by
// many goroutines at once. It is asked at RCPT, when m.Content is nil, again when the
// content is known, so it must change nothing: it only decides.
//
// An empty Verdict means that the Router has nothing to say of the recipient. An
// error, a panic, and too long a time all defer: see [Resolve]. A *postrider.Status
// as the error decides the reply.
type Router interface {
	Route(ctx context.Context, m *Mail, r postrider.Recipient) (Verdict, error)
}

// Func makes a Router of a function, for the application's own rules.
type Func func(ctx context.Context, m *Mail, r postrider.Recipient) (Verdict, error)

// Route calls f.
func (f Func) Route(ctx context.Context, m *Mail, r postrider.Recipient) (Verdict, error) {
	return f(ctx, m, r)
}

// Mail is what is known of a mail so far. A Router must not change it.
type Mail struct {
	// ID names the transaction. It is the same each time a Router is asked about the same mail.
	ID string
	// Remote is the address of the client, the zero Addr for a mail of our own, such as a DSN.
	Remote netip.Addr
	// Hello is the name that the client gave itself.
	Hello string
	// TLS is the state of the client's TLS, nil for none.
	TLS *tls.ConnectionState
	// Account is the account that logged in, empty if none did.
	Account string
	// Received is when the transaction began.
	Received time.Time
	// Envelope holds the reverse-path and the parameters of MAIL, and the recipients
	// accepted so far.
	Envelope *postrider.Envelope
	// Content is the message, with our Received field on top; nil until the final dot.
	Content postrider.Content
	// RedirectedFrom are the addresses that led to this recipient by Redirect verdicts, first
	// one first. If it is not empty, it was the owner of an address of ours who
	// wanted the mail to go there, whoever sent it.
	RedirectedFrom []postrider.Address
}

// A Verdict is what becomes of one recipient: one action or several, such as a
// delivery and a redirection. It is data: print it, compare it, keep it. The empty
// Verdict means: nothing to say.
//
// Reject, Defer and Discard stand alone; beside others they are not looked at, save
// that Defer wins over everything.
type Verdict []Action

// An Action is one part of a Verdict. Only the fields named at its Kind count.
type Action struct {
	Kind Kind `json:"kind"`
	// Account and Mailbox say where Deliver and Quarantine put the message. An empty
	// Mailbox is INBOX to Deliver and Junk to Quarantine; one that is not there is
	// made.
	Account string `json:"account,omitempty"`
	Mailbox string `json:"mailbox,omitempty"`
	// Flags are set on what Deliver and Quarantine put there.
	Flags []string `json:"flags,omitempty"`
	// Via is the host to which Relay hands the mail, as "host", "host:port" or
	// "[address]:port". Empty means: as the recipient's domain says, by MX.
	Via string `json:"via,omitempty"`
	// To are the addresses that Redirect puts in the recipient's place.
	To []postrider.Address `json:"to,omitempty"`
	// Status is the reply of Reject and Defer.
	Status *postrider.Status `json:"status,omitempty"`
	// Name names the function of Handle.
	Name string `json:"name,omitempty"`
	// Rule tells which rule decided, for the log. It may be empty.
	Rule string `json:"rule,omitempty"`
}

// Kind is what an Action does.
type Kind string

// The kinds of action.
const (
	// KindDeliver puts the message in a mailbox.
	KindDeliver Kind = "deliver"
	// KindRelay hands it to another server.
	KindRelay Kind = "relay"
	// KindRedirect puts other recipients in this one's place, for which the Router is asked in turn.
	KindRedirect Kind = "redirect"
	// KindReject refuses the recipient for good: 5yz, or a DSN if it is too late for that.
	KindReject Kind = "reject"
	// KindDefer refuses it for now: 4yz, or another try.
	KindDefer Kind = "defer"
	// KindDiscard accepts it and does nothing, and tells nobody.
	KindDiscard Kind = "discard"
	// KindHold accepts it into the queue, where an operator decides; the other fields are a
	// relay's.
	KindHold Kind = "hold"
	// KindQuarantine delivers it out of the way.
	KindQuarantine Kind = "quarantine"
	// KindHandle gives it to a function of the application's, at least once.
	KindHandle Kind = "handle"
)

// Deliver puts the message in the account's INBOX, with the flags given.
func Deliver(account string, flags ...string) Verdict {
	return Verdict{{Kind: KindDeliver, Account: account, Flags: flags}}
}

// DeliverTo puts the message in a mailbox of the account, with the flags given.
func DeliverTo(account, mailbox string, flags ...string) Verdict {
	return Verdict{{Kind: KindDeliver, Account: account, Mailbox: mailbox, Flags: flags}}
}

// Relay hands the mail to the host via, or by the MX of the recipient's domain if
// via is empty.
func Relay(via string) Verdict { return Verdict{{Kind: KindRelay, Via: via}} }

// Redirect puts other addresses in the recipient's place.
func Redirect(to ...postrider.Address) Verdict { return Verdict{{Kind: KindRedirect, To: to}} }

// Reject refuses the recipient for good. The code is an enhanced one such as "5.1.1";
// the text says what the sender can do.
func Reject(code, text string) Verdict {
	return Verdict{{Kind: KindReject, Status: &postrider.Status{Code: code, Text: text}}}
}

// Defer refuses the recipient for now, with an enhanced code such as "4.2.1".
func Defer(code, text string) Verdict {
	return Verdict{{Kind: KindDefer, Status: &postrider.Status{Code: code, Text: text}}}
}

// Discard accepts the recipient and does nothing.
func Discard() Verdict { return Verdict{{Kind: KindDiscard}} }

// Hold keeps the mail in the queue until an operator releases it, then relays it
// by the MX of the recipient's domain.
func Hold() Verdict { return Verdict{{Kind: KindHold}} }

// Quarantine delivers to the account's Junk mailbox.
func Quarantine(account string) Verdict {
	return Verdict{{Kind: KindQuarantine, Account: account}}
}

// Handle gives the mail to the application's function of that name.
func Handle(name string) Verdict { return Verdict{{Kind: KindHandle, Name: name}} }

// By returns the verdict with its actions marked as decided by the rule, where no
// rule is named yet. An empty verdict stays empty.
func (v Verdict) By(rule string) Verdict {
	if len(v) == 0 {
		return v
	}
	marked := make(Verdict, len(v))
	copy(marked, v)
	for i := range marked {
		if marked[i].Rule == "" {
			marked[i].Rule = rule
		}
	}
	return marked
}
