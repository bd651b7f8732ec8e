// Package store keeps mail: accounts, their mailboxes, and the messages in them,
// behind one small interface that SMTP delivery, POP3 and IMAP share.
//
// A [Store] has accounts, an [Account] has mailboxes, a [Mailbox] has messages, named
// by [UID]. An application uses an implementation, memstore or sqlstore, or writes
// its own and proves it with storetest. What is hard about IMAP is done once,
// above the interface, in concrete types: sequence numbers in [View], searching
// in [Search], sets of UIDs in [UIDSet].
//
//	s := memstore.New()
//	ann, err := store.OpenAccount(ctx, s, "ann", store.DefaultMailboxes()...)
//	...
//	placed, err := s.Deliver(ctx, postrider.String(msg), []store.Target{{Account: "ann"}})
//
// # The log
//
// Every change of an account has a [ModSeq] and an entry in its log, which
// [Account].Changes reads from any point. All that tells a client or another program
// what happened is derived from it: a [View] follows a mailbox so, and
// [Watch] is but a hint to look.
//
// # Optional powers
//
// What some stores can do better than others is an interface of its own, with a
// function that falls back where a store lacks it, so that callers never assert:
// [Watcher] and Watch, [Searcher] and Search, [UIDLister] and [ListUIDs]. The functions
// look through a wrapper that has a method Unwrap returning the wrapped Account or
// Mailbox; one that hides or changes things must have none.
//
// # Durability
//
// When a method that changes something returns nil, the change is on stable
// storage, unless the store says of itself that it keeps nothing. When it returns an
// error, nothing has changed, or, where a disk failed at the worst moment, all of it
// has.
//
// # Concurrency
//
// A Store, its Accounts and Mailboxes may be used by many goroutines at once. A View
// belongs to one.
//
// # Errors
//
// What a caller can act upon is one of the package's errors, found with errors.Is:
// [ErrNotExist], [ErrExist], [ErrName], [ErrFlag], [ErrLimit], [ErrOverQuota], [ErrForgotten],
// [ErrClosed], [ErrCorrupt]. Everything else is temporary, a full disk included.
// [Error] tells where, [TargetError] which target of a Deliver.
//
// # Limits
//
// Names, flags, keywords and searches are bounded by the constants of this package.
// The number and size of messages is bounded by the store.
//
// # Standards
//
// RFC 3501 and RFC 9051 (UIDs, flags, names, COPY, SEARCH), RFC 7162 (ModSeq), RFC 4315,
// RFC 6851 (MOVE), RFC 6154 (special use), RFC 8474 (object IDs), RFC 8514 (save
// date), RFC 5198 (names), RFC 5051 (comparing text).
package store
