package mta

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/route"
	"github.com/postrider/postrider/smtp"
	"github.com/postrider/postrider/store"
)

// An MTA takes mail from smtp.Servers, as their Handler, and brings it on its way.
// One may serve any number of servers: for mail from elsewhere, for submission, for
// LMTP. The fields must not change once it is in use.
type MTA struct {
	// Hostname is the name of this server in trace fields and in the Message-IDs that it
	// makes. Required.
	Hostname string
	// Postmaster is the domain to which RCPT TO:<Postmaster>, without a domain, is meant
	// (RFC 5321 §4.5.1). Empty means Hostname. The Router has to know it.
	Postmaster string
	// Router says what becomes of each recipient. Required.
	Router route.Router
	// Store is where mail is delivered. Required if the Router ever delivers.
	Store store.Store
	// Mailboxes are those that an account gets beside INBOX when its first mail makes room for it in
	// the Store. Nil means store.DefaultMailboxes.
	Mailboxes []store.NewMailbox
	// Queue takes what cannot be delivered at once. Required if the Router ever does anything but
	// deliver, discard and refuse.
	Queue queue.Queue
	// Directory says from which addresses an account may submit. Nil means from any.
	Directory account.Directory
	// Handlers are the application's functions, by the name that route.Handle uses.
	Handlers map[string]Handler
	// MaxReceived is how many Received fields a message may have when it arrives; beyond
	// that it is in a loop (RFC 5321 §6.3). Zero means 100; negative means no limit.
	MaxReceived int
	// Logger gets a line for each message accepted or delivered. Nil means
	// slog.Default.
	Logger *slog.Logger
}

// A Handler is a function of the application's that takes mail: it opens a ticket, calls a
// web service. It is called at least once for each recipient; a nil error means done, a Status of
// class 5 bounces the mail, and everything else tries again later by the schedule of the
// queue.
type Handler func(ctx context.Context, m Handled) error

// Handled is a mail for a Handler.
type Handled struct {
	// Key is the same each time the Handler is called for this mail and recipient, and
	// no other's.
	Key string
	// Envelope has the reverse-path and the parameters of MAIL, without recipients.
	Envelope postrider.Envelope
	// Recipient is who the mail is for.
	Recipient postrider.Recipient
	// Content is the message. It is borrowed until the Handler returns.
	Content postrider.Content
	// Attempt counts from 1.
	Attempt int
}

func (m *MTA) log() *slog.Logger {
	if m.Logger != nil {
		return m.Logger
	}
	return slog.Default()
}

// Hooks hold those who logged in to their own addresses (RFC 6409 §6.1) and belong in
// every server that has Auth.
func (m *MTA) Hooks() smtp.Hooks { return smtp.Hooks{Mail: m.checkSender} }

func (m *MTA) checkSender(ctx context.Context, tx *smtp.Transaction) error {
	who, from := tx.Session.Identity, tx.Envelope.ReversePath
	if who == nil || m.Directory == nil || from.IsNull() {
		return nil
	}
	err := account.MaySend(ctx, m.Directory, who.Account, from)
	if errors.Is(err, account.ErrNotExist) || errors.Is(err, account.ErrDisabled) {
		return &postrider.Status{Code: "5.7.1", Text: "you may not send from this address",
			Err: fmt.Errorf("account %s as %s: %w", who.Account, from, err)}
	}
	return err
}

// Features says that DSN parameters are honoured.
func (m *MTA) Features(*smtp.Session) smtp.Features { return smtp.Features{DSN: m.Queue != nil} }

// Rcpt asks the Router, so that an unknown recipient is refused at once.
func (m *MTA) Rcpt(ctx context.Context, tx *smtp.Transaction, rcpt *postrider.Recipient) error {
	if rcpt.ForwardPath.Domain == "" {
		rcpt.ForwardPath.Domain = m.Postmaster
		if m.Postmaster == "" {
			rcpt.ForwardPath.Domain = m.Hostname
		}
	}
	decisions := route.Resolve(ctx, m.Router, mailOf(tx, nil), *rcpt)
	if err := refusal(decisions); err != nil {
		return err
	}
	return checkQualified(tx, decisions)
}

// refusal returns the reply to a recipient that is deferred or wholly rejected.
func refusal(decisions []route.Decision) error {
	if d, ok := route.Deferred(decisions); ok {
		return statusOf(d.Action.Status, "4.3.0", "try again later")
	}
	if d, ok := route.Rejected(decisions); ok {
		return statusOf(d.Action.Status, "5.7.1", "recipient refused")
	}
	return nil
}

// statusOf returns the status of a verdict, and one that says the same where the rule left it out or
// contradicts itself.
func statusOf(s *postrider.Status, code, text string) *postrider.Status {
	if s == nil || s.Permanent() != (code[0] == '5') {
		return &postrider.Status{Code: code, Text: text, Err: errors.New("a rule gave no fitting status")}
	}
	return s
}

// checkQualified refuses to submit mail for another server to a domain of one label: RFC 6409
// §4.2 lets only whole names out.
func checkQualified(tx *smtp.Transaction, decisions []route.Decision) error {
	if tx.Session.Identity == nil {
		return nil
	}
	for _, d := range decisions {
		domain := postrider.CanonicalDomain(d.Recipient.ForwardPath.Domain)
		if d.Action.Kind == route.KindRelay && d.Action.Via == "" && !qualified(domain) {
			return &postrider.Status{Code: "5.1.2", Reply: 554, Text: "domain is not fully qualified"}
		}
	}
	return nil
}

func qualified(domain string) bool {
	for i := range len(domain) {
		if domain[i] == '.' || domain[i] == '[' {
			return true
		}
	}
	return false
}

// mailOf is what the Router is told of a transaction.
func mailOf(tx *smtp.Transaction, c postrider.Content) *route.Mail {
	mail := &route.Mail{
		ID:       tx.ID,
		Remote:   tx.Session.RemoteIP(),
		Hello:    tx.Session.Hello,
		TLS:      tx.Session.TLS,
		Received: tx.Start,
		Envelope: &tx.Envelope,
		Content:  c,
	}
	if !mail.Remote.IsValid() {
		// A client without an address, on a Unix socket say, is no mail of our own.
		mail.Remote = unspecified
	}
	if tx.Session.Identity != nil {
		mail.Account = tx.Session.Identity.Account
	}
	return mail
}
