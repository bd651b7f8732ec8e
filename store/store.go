package store

import (
	"context"
	"iter"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/message"
)

// A Store keeps the mail of many accounts. Its methods may be called by many
// goroutines at once, and so may those of the Accounts and Mailboxes it hands out.
//
// A method that changes something does all of it or nothing; when it returns nil,
// the change is on stable storage and every later call sees it, from whichever
// goroutine. A cancelled context may stop a call before its change is decided,
// never half-way.
type Store interface {
	// CreateAccount makes an account with an INBOX and the given mailboxes; INBOX
	// may be one of them. An account's name is one that CheckAccountName accepts,
	// compared octet for octet. ErrExist if it is there already or a mailbox is
	// given twice, ErrName.
	CreateAccount(ctx context.Context, name string, mailboxes ...NewMailbox) error

	// DeleteAccount removes the account and all its mail. Open Accounts and
	// Mailboxes of it answer ErrNotExist from then on. ErrNotExist.
	DeleteAccount(ctx context.Context, name string) error

	// Accounts yields the names of all accounts, in no particular order. An error
	// ends it.
	Accounts(ctx context.Context) iter.Seq2[string, error]

	// Account returns the account of that name, or ErrNotExist. It costs little; it
	// need not be closed.
	Account(ctx context.Context, name string) (Account, error)

	// Deliver puts the message c into every target, all or none, and returns what
	// became of each, in the order of to. The content is borrowed, and kept octet
	// for octet. Its summary is computed once and kept with it. Two targets that are
	// the same mailbox get two messages.
	//
	// ErrNotExist if an account or a mailbox is missing (but see Target.Create),
	// ErrOverQuota if one has no room, ErrName, ErrFlag, ErrLimit; a *TargetError
	// tells which.
	Deliver(ctx context.Context, c postrider.Content, to []Target) ([]Placed, error)

	// Close ends the store when all calls have returned. Every later call answers
	// ErrClosed.
	Close() error
}

// A Target is one mailbox that is to get a message.
type Target struct {
	// Account is the account's name.
	Account string
	// Mailbox is the mailbox's name. Empty means INBOX.
	Mailbox string
	// Create makes the mailbox if it is not there. It is not subscribed to.
	Create bool
	// Flags are set on the new message, as CanonicalFlags returns them.
	Flags []Flag
	// InternalDate is when the message was received. Zero means now.
	InternalDate time.Time
	// Once, if not empty, names this delivery among all to the account, in at most
	// MaxOnceLen octets; a longer one is ErrName. Where a message was delivered under the same name in the last 30
	// days, nothing new is kept and the earlier Placed is returned, though that
	// message may be gone by now. So a queue that crashed between a delivery and
	// noting it down can deliver again without a duplicate.
	Once string
}

// MaxOnceLen is how many octets Target.Once may have.
const MaxOnceLen = 255

// Placed tells where a message was put.
type Placed struct {
	// MailboxID names the mailbox, see MailboxInfo.ID.
	MailboxID   string
	UIDValidity uint32
	UID         UID
	ModSeq      ModSeq
	// ID names the message, see Message.ID.
	ID string
}

// An Account is the mailboxes of one owner.
//
// Mailbox names are UTF-8 with "/" between levels, as [CanonicalName] returns them:
// INBOX is that name in any case, all others are compared octet for octet. Methods
// canonicalise the names they are given and answer ErrName for an impossible one.
// A mailbox needs no parent: "a/b" can be there without "a".
//
// ModSeqs are handed out one after the other, account by account, and a change is
// seen only when all with lower ModSeqs are: who has read the log up to some ModSeq
// will never miss an older one.
type Account interface {
	// Name returns the account's name.
	Name() string

	// Mailboxes returns all mailboxes in the order of CompareNames.
	Mailboxes(ctx context.Context) ([]MailboxInfo, error)

	// Create makes an empty mailbox, with a UIDValidity greater than every one that
	// the account has or had, even if an account of that name was deleted and made
	// anew (RFC 9051 §6.3.4). ErrExist, ErrName.
	Create(ctx context.Context, m NewMailbox) (MailboxInfo, error)

	// Rename gives a mailbox and all below it another name; each keeps its ID, its
	// messages, their UIDs, and open handles. There need not be a mailbox from, if
	// only there is one below it. Renaming INBOX moves its messages to a new
	// mailbox of the name to; INBOX stays, empty, and so does all below it (RFC
	// 9051 §6.3.6). Subscriptions stay as they are. ErrNotExist, ErrExist if to or
	// a name that would arise is taken, be it by a mailbox that is renamed too;
	// ErrName also if to is below from (but for
	// INBOX) or a name that would arise is impossible.
	Rename(ctx context.Context, from, to string) error

	// Delete removes a mailbox and its messages, not what is below it (RFC 9051
	// §6.3.5). ErrNotExist; ErrName for INBOX.
	Delete(ctx context.Context, name string) error

	// Subscribe adds a name to the subscriptions, whether or not a mailbox of
	// that name is there (RFC 9051 §6.3.7). Unsubscribe removes it. Both are
	// content if nothing is to do.
	Subscribe(ctx context.Context, name string) error
	Unsubscribe(ctx context.Context, name string) error

	// Subscriptions returns the subscribed names in the order of CompareNames.
	Subscriptions(ctx context.Context) ([]string, error)

	// Open returns the mailbox of that name, or ErrNotExist. The caller closes it.
	Open(ctx context.Context, name string) (Mailbox, error)

	// ModSeq returns the ModSeq of the newest change of the account, 0 if nothing ever
	// happened.
	ModSeq(ctx context.Context) (ModSeq, error)

	// Changes yields what happened after since, oldest first: in one mailbox, named by
	// its ID, or in the whole account if mailboxID is empty. A mailbox that was
	// deleted, or never was, is no error here. What another goroutine
	// changes meanwhile may or may not be part of it; whoever needs certainty calls
	// again from the last ModSeq seen. It yields the error ErrForgotten and nothing
	// else if the history no longer reaches back to since. The consumer may stop
	// early, take its time, and call any other method meanwhile.
	Changes(ctx context.Context, since ModSeq, mailboxID string) iter.Seq2[Change, error]
}

// NewMailbox says what mailbox to make.
type NewMailbox struct {
	Name string
	// SpecialUse are attributes of RFC 6154 such as \Sent.
	SpecialUse []string
	// Subscribed also subscribes to it.
	Subscribed bool
}

// MailboxInfo is what a list of mailboxes tells of one.
type MailboxInfo struct {
	// ID names the mailbox for as long as it is there, over renames, and is used for no
	// other afterwards: a MAILBOXID of RFC 8474, 1 to 255 characters out of
	// A-Z a-z 0-9 _ -.
	ID   string
	Name string
	// SpecialUse are attributes of RFC 6154.
	SpecialUse []string
	Status     Status
}

// Status is the state of a mailbox as a whole.
type Status struct {
	// UIDValidity is at least 1 (RFC 9051 §2.3.1.1).
	UIDValidity uint32
	// UIDNext is greater than every UID that was ever given out in the mailbox.
	UIDNext UID
	// HighestModSeq is that of the newest change in the mailbox, its creation
	// included, so at least 1 (RFC 7162 §3.1.2).
	HighestModSeq ModSeq
	// Messages, Unseen and Deleted count messages: all, those without \Seen, those
	// with \Deleted.
	Messages, Unseen, Deleted int
	// Recent counts the messages that no TakeRecent has covered yet.
	Recent int
	// Size is the sum of all messages' sizes, in octets.
	Size int64
	// Keywords are the keywords that messages of the mailbox have or once had, at most
	// MaxKeywords. The slice may be shared and must not be changed.
	Keywords []Flag
}

// A Mailbox is an open mailbox. It stays with its mailbox over renames; once that
// is deleted, every method but ID and Close answers ErrNotExist. Messages are named
// by UID only: sequence numbers are the business of a [View].
type Mailbox interface {
	// ID returns the mailbox's ID, see MailboxInfo.
	ID() string

	// Status returns the state of the mailbox at one moment, at the cost of a look-up,
	// however many messages there are.
	Status(ctx context.Context) (Status, error)

	// Scan yields the messages that q asks for, in ascending order of UID. A message
	// that is there all the time is yielded exactly once; one that comes or goes
	// meanwhile, at most once. The consumer may stop early, take its time, and call
	// any other method meanwhile. An error ends it.
	Scan(ctx context.Context, q ScanQuery) iter.Seq2[Message, error]

	// Content returns the bytes of a message, exactly as they were put in. The
	// caller closes it; until then it can be read even if the message is
	// expunged meanwhile. ErrNotExist if there is no such message.
	Content(ctx context.Context, uid UID) (postrider.Content, error)

	// Append adds messages, all or none, with ascending UIDs in the order given
	// (RFC 9051 §6.3.12, RFC 3502). The contents are borrowed. No messages are no
	// change. ErrOverQuota, ErrFlag, ErrLimit.
	Append(ctx context.Context, msgs []NewMessage) ([]Placed, error)

	// SetFlags changes flags of messages. UIDs that are not there are passed over. A
	// message whose flags do not change keeps its ModSeq; all that change get one
	// new ModSeq. ErrFlag, ErrLimit.
	SetFlags(ctx context.Context, c FlagChange) (FlagResult, error)

	// Copy copies messages to another mailbox of the account, or the same, with
	// their flags and internal dates, all or none (RFC 9051 §6.4.7). UIDs that are
	// not there are passed over. ErrNotExist if the mailbox to is not there: it is
	// never made. ErrOverQuota.
	Copy(ctx context.Context, uids UIDSet, to string) (Copied, error)

	// Move is Copy and the removal of the originals in one step (RFC 6851), also to
	// the same mailbox, where the messages get new UIDs.
	Move(ctx context.Context, uids UIDSet, to string) (Copied, error)

	// Expunge removes those messages of uids that carry all the flags of having at that
	// moment, and returns which. UIDs that are not there are passed over; to remove
	// from all messages, give AllUIDs.
	Expunge(ctx context.Context, uids UIDSet, having ...Flag) (Expunged, error)

	// TakeRecent returns the UIDs that were given out and that no earlier call
	// returned: those messages are \Recent in the session that calls, and in no other
	// (RFC 3501 §2.3.2). Messages that are gone may be among them. It need not be
	// durable: after a crash, messages may be recent again.
	TakeRecent(ctx context.Context) (UIDSet, error)

	// Close gives the handle back. It does not wait for other handles.
	Close() error
}

// Message is what is known of a message in a mailbox.
type Message struct {
	UID UID
	// ModSeq is that of the newest change of its flags, or of its arrival.
	ModSeq ModSeq
	// Flags are without \Recent, each but once, in no particular order. The slice
	// may be shared and must not be changed.
	Flags []Flag
	// InternalDate is when the message was received, to the second at least, with its
	// zone's offset to the minute at least.
	InternalDate time.Time
	// Size is the number of octets.
	Size int64

	// ID names the content: copies in the account have the same, different contents
	// never (EMAILID, RFC 8474 §5.1). Characters as in MailboxInfo.ID. ThreadID
	// names the thread (RFC 8474 §5.2), empty if the store keeps none. SaveDate is when the
	// message came to this mailbox (RFC 8514). All three need FieldIDs.
	ID, ThreadID string
	SaveDate     time.Time

	// Summary needs FieldSummary. It may be shared and must not be changed.
	Summary *message.Summary
}

// ScanQuery says which messages to yield and what to tell of them. The zero
// ScanQuery means all messages, without IDs and summaries.
type ScanQuery struct {
	// UIDs limits the messages. Nil means all; an empty set that is not nil, none.
	UIDs UIDSet
	// ChangedSince limits them to those with a greater ModSeq.
	ChangedSince ModSeq
	// Fields asks for more than UID, ModSeq, Flags, InternalDate and Size.
	Fields Fields
}

// Fields says what a Scan tells of a message beyond the cheap.
type Fields uint

// FieldIDs asks for ID, ThreadID and SaveDate; FieldSummary for the Summary.
const (
	FieldIDs Fields = 1 << iota
	FieldSummary
)

// NewMessage is a message to append.
type NewMessage struct {
	Content postrider.Content
	// Flags are set on the message, as CanonicalFlags returns them.
	Flags []Flag
	// InternalDate is kept to the second at least, with its zone. Zero means now.
	InternalDate time.Time
}

// FlagChange says how to change the flags of messages.
type FlagChange struct {
	UIDs UIDSet
	Op   FlagOp
	// Flags are those to add, to remove, or to have, as CanonicalFlags returns them:
	// \Recent is passed over.
	Flags []Flag
	// UnchangedSince, if not zero, leaves alone each message with a greater ModSeq,
	// decided in the same step (RFC 7162 §3.1.3).
	UnchangedSince ModSeq
}

// FlagOp is what becomes of flags.
type FlagOp int

// FlagsAdd and FlagsRemove leave other flags alone; FlagsReplace leaves just the
// given ones.
const (
	FlagsAdd FlagOp = iota + 1
	FlagsRemove
	FlagsReplace
)

// FlagResult tells what SetFlags did.
type FlagResult struct {
	// ModSeq is the new one, 0 if no message changed.
	ModSeq ModSeq
	// Changed are the messages whose flags are other than before.
	Changed UIDSet
	// Modified are those left alone because of UnchangedSince.
	Modified UIDSet
}

// Copied tells what Copy or Move did. The n-th UID of Source became the n-th of
// Dest; both are empty if no message of the set was there.
type Copied struct {
	// MailboxID, UIDValidity and Dest belong to the mailbox of the copies.
	MailboxID    string
	UIDValidity  uint32
	Source, Dest UIDSet
	// ModSeq is the newest of the change.
	ModSeq ModSeq
}

// Expunged tells what Expunge did.
type Expunged struct {
	UIDs UIDSet
	// ModSeq is the new HighestModSeq of the mailbox, 0 if nothing went.
	ModSeq ModSeq
}

// A Change is one entry of an account's log. One operation makes one entry for each
// mailbox it touches, one for each target of a Deliver, and two where messages both arrive and vanish or a mailbox is made
// for a message: a Move within one mailbox makes an arrival, then a vanishing.
type Change struct {
	// ModSeq ascends strictly within a mailbox; entries of different mailboxes may
	// share one.
	ModSeq ModSeq
	Kind   ChangeKind
	// MailboxID names the mailbox. It is empty for MailboxSubscriptions.
	MailboxID string
	// UIDs are the messages of MessagesArrived, MessagesFlagged and MessagesVanished.
	// UIDs of arrivals are greater than those of all earlier arrivals in the mailbox.
	// The set may be shared and must not be changed.
	UIDs UIDSet
}

// ChangeKind is what happened.
type ChangeKind int

// The kinds of change. Their numbers never change, so that a store may keep them.
const (
	// MessagesArrived: by delivery, append, copy or move.
	MessagesArrived ChangeKind = 1
	// MessagesFlagged: their flags are others now.
	MessagesFlagged ChangeKind = 2
	// MessagesVanished: expunged, or moved away.
	MessagesVanished ChangeKind = 3
	MailboxCreated   ChangeKind = 4
	MailboxRenamed   ChangeKind = 5
	MailboxDeleted   ChangeKind = 6
	// MailboxSubscriptions: the set of subscribed names changed.
	MailboxSubscriptions ChangeKind = 7
)

// A Watcher is an Account that tells when something changed. [Watch] uses it, and
// falls back on asking where an account is none.
type Watcher interface {
	// Watch calls changed soon after each change of the account, its own changes
	// included, until stop is called. changed must not block, must call neither
	// the store nor stop, and may be called by several goroutines; a non-blocking
	// send on a channel is what it is for. It is a hint: what changed, the log
	// says. Several changes may be one call. When stop has returned, changed is not
	// running and will not be called again. A second stop does nothing.
	Watch(changed func()) (stop func())
}
