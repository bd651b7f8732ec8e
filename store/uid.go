package store

// A UID names a message in a mailbox (RFC 9051 §2.3.1.1). It is at least 1; 0 is
// no message.
type UID uint32

// A ModSeq numbers the changes of an account in order (RFC 7162 §3). It is at least 1
// and fits in 63 bits; 0 is before all changes.
type ModSeq int64

// A UIDRange is the UIDs from First to Last, both included.
type UIDRange struct{ First, Last UID }

// A UIDSet is a set of UIDs as ascending ranges that neither overlap nor touch. The
// nil UIDSet is empty.
type UIDSet []UIDRange

// A Flag is a system flag such as \Seen, in the spelling of the constants, or a
// keyword such as $Forwarded (RFC 9051 §2.3.2). Keywords are the same in any case;
// a mailbox keeps the spelling it saw first.
type Flag string

// The system flags that a message keeps.
const (
	FlagSeen     Flag = `\Seen`
	FlagAnswered Flag = `\Answered`
	FlagFlagged  Flag = `\Flagged`
	FlagDeleted  Flag = `\Deleted`
	FlagDraft    Flag = `\Draft`
)
