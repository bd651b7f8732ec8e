package store

// A UID names a message in a mailbox (RFC 9051 §2.3.1.1). It is at least 1; 0 is
// no message.
type UID uint32

// A ModSeq numbers the changes of an account in order (RFC 7162 §3). It is at least 1
// and fits in 63 bits; 0 is before all changes.
type ModSeq int64

// A UIDRange is the UIDs from First to Last, both included.
type UIDRange struct{ First, Last UID }

// Len returns how many UIDs the range has.
func (r UIDRange) Len() int { return int(int64(r.Last) - int64(r.First) + 1) }
