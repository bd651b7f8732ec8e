// Package imap serves the mail of a store.Account by IMAP4rev1 (RFC 3501).
//
//	s := &imap.Server{
//		Auth: &account.Authenticator{Directory: people},
//		Open: func(ctx context.Context, who account.Identity) (store.Account, error) {
//			return store.OpenAccount(ctx, mail, who.Account, store.DefaultMailboxes()...)
//		},
//		TLSConfig: config,
//	}
//	go s.ServeTLS(ctx, imaps)
//	err := s.Serve(ctx, imap)
//
// Neither FETCH nor APPEND holds a message in memory, and changes made by one session, or by a delivery, show in all others that have
// the mailbox selected: at once in IDLE, otherwise at their next command.
//
// # Concurrency
//
// Each connection is a session with one goroutine, which runs its commands one after the other in the order they came. While it waits for a
// command, or in IDLE, it holds no buffers and costs about 8 KiB without TLS. A Server has no other goroutines. Methods of the store are called by many at once.
//
// # Errors
//
// What a client is told is NO with a code of RFC 5530, where one of the store's or account's errors is found in the error: [NONEXISTENT],
// [ALREADYEXISTS], [TRYCREATE], [CANNOT], [LIMIT], [OVERQUOTA], [CORRUPTION], [AUTHENTICATIONFAILED], [CONTACTADMIN]. A postrider.Status
// shows its text. Everything else is [UNAVAILABLE], "temporary failure", and its cause is in the log only. What the client wrote
// wrong is BAD. A panic is the end of its session, never of the process.
//
// # Limits
//
// Lines, literals, messages, sessions, errors in a row, failed logins and all waiting are bounded by fields of Server. A literal that is too large
// is refused, or, where the client sends it unasked, read over; beyond 256 MiB the session ends.
//
// # Standards
//
// RFC 3501; RFC 2177 (IDLE), RFC 2342 (NAMESPACE), RFC 2971 (ID), RFC 3348 (CHILDREN), RFC 3502 (MULTIAPPEND), RFC 3691 (UNSELECT), RFC 4315
// (UIDPLUS), RFC 4731 (ESEARCH), RFC 4959 (SASL-IR), RFC 5161 (ENABLE), RFC 5258 (LIST-EXTENDED), RFC 5530 (response codes), RFC 5819 (LIST-STATUS),
// RFC 6154 (SPECIAL-USE and CREATE-SPECIAL-USE), RFC 6851 (MOVE), RFC 7888 (LITERAL+), RFC 7889 (APPENDLIMIT), RFC 8438 (STATUS=SIZE).
//
// # Bugs
//
// APPENDLIMIT is one for all mailboxes, and holds for all messages of a MULTIAPPEND together. Commands of one session never overlap. A
// client that is still sending when the server says BYE may see its connection reset instead. Who deletes the mailbox that others have
// selected ends their sessions.
package imap
