package store

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of a Store, found with errors.Is. Every other error is temporary.
var (
	// ErrNotExist means that the account, the mailbox or the message is not there.
	ErrNotExist = errors.New("does not exist")
	// ErrExist means that the name is taken.
	ErrExist = errors.New("exists already")
	// ErrName means that no mailbox or account can have that name, or that the
	// operation is not for INBOX.
	ErrName = errors.New("impossible name")
	// ErrFlag means that no message can have such a flag.
	ErrFlag = errors.New("impossible flag")
	// ErrLimit means that a bound was met: too many keywords in a mailbox, or a
	// search with too many keys.
	ErrLimit = errors.New("too many")
	// ErrOverQuota means that there is no room by the rules of the account.
	ErrOverQuota = errors.New("over quota")
	// ErrForgotten means that the change log does not reach back that far.
	ErrForgotten = errors.New("history is forgotten")
	// ErrClosed means that the store is closed.
	ErrClosed = errors.New("store is closed")
	// ErrCorrupt means that what is on disk cannot be right. Nothing was changed.
	ErrCorrupt = errors.New("stored data is damaged")
)

// An Error says what failed, where, and why. Err is one of the package's errors or
// the cause.
type Error struct {
	// Op is what was tried, such as "append".
	Op string
	// Account and Mailbox say where; either may be empty.
	Account, Mailbox string
	Err              error
}

// Error returns "append to INBOX of ann: over quota" or the like.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Mailbox != "" {
		b.WriteString(" " + e.Mailbox)
	}
	if e.Account != "" {
		b.WriteString(" of " + e.Account)
	}
	return b.String() + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// A TargetError says which target of a Deliver could not be served. No other
// target got the message either.
type TargetError struct {
	// Index is the target's place in the list.
	Index int
	Err   error
}

// Error returns "target 2: deliver to INBOX of ann: over quota" or the like.
func (e *TargetError) Error() string { return fmt.Sprintf("target %d: %v", e.Index, e.Err) }

// Unwrap returns the cause.
func (e *TargetError) Unwrap() error { return e.Err }
