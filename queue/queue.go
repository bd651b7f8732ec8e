package queue

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/postrider/postrider"
)

// Errors of a Queue, found with errors.Is. Every other error is temporary.
var (
	// ErrNotExist means that the message is not, or no longer, in the queue.
	ErrNotExist = errors.New("no such message in the queue")
	// ErrStale means that the lease of the token ran out and another runner may
	// have the recipients. Nothing was changed.
	ErrStale = errors.New("lease is stale")
	// ErrClosed means that the queue is closed.
	ErrClosed = errors.New("queue is closed")
)

// A Queue keeps messages on stable storage until every recipient is settled. Its
// methods may be called by many goroutines at once, and by several processes where
// the implementation says so. Each does all of its change or nothing, and the change
// is durable when it returns nil. The time of leases and of what is due is the
// queue's own clock.
type Queue interface {
	// Put adds messages, all or none, and returns their IDs in the same order. The
	// contents are borrowed; what else a Submission points to is shared, and must not be
	// changed any more.
	Put(ctx context.Context, subs ...Submission) ([]ID, error)

	// Claim leases recipients that are due, not held and not leased: at most q.Max
	// claims, those due first first, where what was leased before counts as due when its lease
	// ended, if that was later. The recipients of a claim share message, transport and next hop, and are
	// all of those that are due, up to q.MaxRecipients. It returns an empty slice if nothing
	// is due.
	Claim(ctx context.Context, q ClaimQuery) ([]Claim, error)

	// Renew makes the lease last for d from now on, more than 0. ErrStale.
	Renew(ctx context.Context, t Token, d time.Duration) error

	// Settle records what became of the recipients of a claim and ends its lease, and
	// puts reports (the DSNs due because of it) in the queue, in one transaction. A
	// recipient that is delivered or failed leaves the queue, and the message with the
	// last one; a deferred one is due again at its RetryAt. Recipients of the claim that
	// no outcome names are given back as they were; outcomes of others have no effect. ErrStale if
	// another runner may have them, or nothing is left of them. An error means that nothing
	// was recorded.
	Settle(ctx context.Context, t Token, outcomes []Outcome, reports ...Submission) error

	// Content returns the bytes of a message, exactly as they were put in. The caller closes
	// it; until then it can be read even if the message leaves the queue. ErrNotExist.
	Content(ctx context.Context, id ID) (postrider.Content, error)

	// NextDue returns when the next recipient that is neither held nor leased is due, or
	// the next lease ends, whichever is first, but for those of the hops except. That may have been in
	// the past. It returns the zero time if there is none.
	NextDue(ctx context.Context, except ...Hop) (time.Time, error)

	// Entries yields the recipients in the queue that match f, by message, oldest message
	// first. The consumer may stop early, take its time, and change the queue meanwhile. An
	// error ends it.
	Entries(ctx context.Context, f Filter) iter.Seq2[Entry, error]

	// Update changes the recipients that match f and are not leased, and returns how many
	// there were.
	Update(ctx context.Context, f Filter, c Change) (int, error)

	// Close ends the queue when all calls have returned. Leases stay: they run out. To close
	// again does nothing.
	Close() error
}

// An ID names a message in the queue: 1 to 64 characters out of A-Z a-z 0-9 -. No two
// messages ever have the same, those of other queues included: a store remembers
// deliveries by it.
type ID string

// A Token proves a lease. It is no longer good once its claim was settled, or the lease ran out and
// another runner claimed any of the recipients.
type Token string

// A Submission is a message to put in the queue.
type Submission struct {
	// Envelope has the reverse-path and the parameters of MAIL. Its Recipients are
	// not used.
	Envelope postrider.Envelope
	// Recipients are at least one.
	Recipients []Recipient
	Content    postrider.Content
	// NotBefore is when the recipients are due first. Zero means now.
	NotBefore time.Time
	// Held puts the recipients on hold.
	Held bool
}

// A Recipient is a recipient with its way out.
type Recipient struct {
	postrider.Recipient
	// Transport names the Transport of the Runner that takes it.
	Transport string
	// NextHop is where the transport takes it: a domain, a host, an account, as the
	// transport defines it. Recipients of a message with the same transport and next
	// hop go in one transaction.
	NextHop string
	// Data is for the transport alone, at most MaxData octets.
	Data []byte
}

// A Message is what the queue tells of a message as a whole.
type Message struct {
	ID ID
	// Envelope is the submission's, without recipients.
	Envelope postrider.Envelope
	// Created is when the message was put in the queue.
	Created time.Time
	// Size is the content's, in octets.
	Size int64
}

// An Entry is one recipient in the queue.
type Entry struct {
	Message Message
	// Index is the recipient's place in the submission, from 0.
	Index int
	Recipient
	// Due is when the next attempt may be made.
	Due time.Time
	// Held recipients are not claimed until they are released.
	Held bool
	// LeasedUntil is zero if nobody has a lease.
	LeasedUntil time.Time
	// Attempts counts the outcomes recorded so far; LastAttempt is when the last one
	// was, LastStatus and LastRemote what it said, as [Entry.Defer] keeps it.
	Attempts    int
	LastAttempt time.Time
	LastStatus  *postrider.Status
	LastRemote  string
}

// ClaimQuery says what to claim.
type ClaimQuery struct {
	// Max is how many claims are wanted, at least 1.
	Max int
	// MaxRecipients is how many recipients a claim may have. Zero means 100.
	MaxRecipients int
	// Lease is how long the claims are leased, more than 0.
	Lease time.Duration
	// PerHop is how many claims of one hop the caller may have under way, those in Busy
	// included. Zero means no limit. See [ClaimQuery.Full].
	PerHop int
	// Busy counts the claims that the caller has under way.
	Busy map[Hop]int
}

// A Hop names a transport and a next hop.
type Hop struct{ Transport, NextHop string }

// A Claim is a lease of recipients that go in one transaction.
type Claim struct {
	Token   Token
	Message Message
	Hop     Hop
	// Recipients are at least one, by ascending Index.
	Recipients []Entry
}

// Result is what became of a recipient.
type Result int

// Delivered recipients are somebody else's responsibility now, deferred ones stay in the
// queue, failed ones leave it for good.
const (
	Delivered Result = iota + 1
	Deferred
	Failed
)

// An Outcome is what an attempt did for one recipient.
type Outcome struct {
	// Index is the recipient's, see Entry.
	Index  int
	Result Result
	// Status says why, in the words of the remote server where one spoke. It may be
	// nil for a delivered recipient.
	Status *postrider.Status
	// Remote is the server that spoke, a host name, empty if none did (Remote-MTA, RFC
	// 3464 §2.3.5).
	Remote string
	// Relayed says of a delivered recipient that another server has it now, rather than a mailbox;
	// NotifiesSuccess, that this server also took over the duty to send the DSNs that the sender asked
	// for (RFC 3461 §5.2.2).
	Relayed, NotifiesSuccess bool
	// Ambiguous says of a deferred recipient that the connection broke after the
	// final dot and before its reply: the message may have arrived.
	Ambiguous bool
	// RetryAt is when a deferred recipient is due again. A Transport may leave it zero, and
	// the Runner decides; Settle wants it set.
	RetryAt time.Time
}

// A Filter selects recipients. A recipient matches if every field that is not zero
// matches; the zero Filter matches all.
type Filter struct {
	// ID is the message's.
	ID ID
	// ReversePath is the sender's address, compared by Canonical.
	ReversePath postrider.Address
	// Domain is the domain of the forward-path, compared by CanonicalDomain.
	Domain string
	// Transport and NextHop are compared octet for octet.
	Transport, NextHop string
	// Held matches recipients on hold.
	Held bool
	// CreatedBefore matches older messages.
	CreatedBefore time.Time
}

// Change says what to do with recipients.
type Change int

// What an operator may do.
const (
	// Hold keeps recipients from being claimed.
	Hold Change = iota + 1
	// Release ends a hold.
	Release
	// RetryNow makes recipients due, whatever their schedule says. A hold stays.
	RetryNow
	// Drop removes recipients without a word to anybody.
	Drop
)

// A Notifier is a Queue that tells when something may have become due. [Runner] uses
// it, and asks now and then where a queue is none.
type Notifier interface {
	// Notify calls due soon after recipients became due sooner than before, by Put, Settle or
	// Update, until stop is called; due must not block and may be called by several
	// goroutines. It is a hint. When stop has returned, due is not running and will not
	// be called again.
	Notify(due func()) (stop func())
}

// A Transport is a way out of the queue.
type Transport interface {
	// Deliver tries once to bring a message to all recipients of the attempt and returns
	// an outcome for each. A recipient without an outcome is deferred, and so are
	// all if Deliver panics. It must return soon after ctx is cancelled. It may be called by
	// many goroutines at once.
	Deliver(ctx context.Context, a *Attempt) []Outcome
}

// TransportFunc makes a Transport of a function.
type TransportFunc func(ctx context.Context, a *Attempt) []Outcome

// Deliver calls f.
func (f TransportFunc) Deliver(ctx context.Context, a *Attempt) []Outcome { return f(ctx, a) }

// An Attempt is a message on its way to recipients that share a next hop.
type Attempt struct {
	Message Message
	// Content is borrowed until Deliver returns.
	Content postrider.Content
	NextHop string
	// Recipients are at least one.
	Recipients []Entry
}
