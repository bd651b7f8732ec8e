// Package pop3 is a POP3 server.
//
//	server := &pop3.Server{
//		Hostname:  "mail.example.org",
//		Auth:      &account.Authenticator{Directory: accounts},
//		TLSConfig: tlsConfig,
//		Open: func(ctx context.Context, who account.Identity) (pop3.Maildrop, error) {
//			a, err := store.OpenAccount(ctx, mail, who.Account, store.DefaultMailboxes()...)
//			if err != nil {
//				return nil, err
//			}
//			return a.Open(ctx, store.Inbox)
//		},
//	}
//	err := server.ServeTLS(ctx, listener)
//
// A [Server] reads a [Maildrop]: five methods that every store.Mailbox has, and that any
// table can have whose rows are messages.
//
// # Sessions
//
// A session locks its maildrop and takes a snapshot of it. Message numbers mean the same
// messages until the end, whatever is delivered or removed meanwhile; a message that
// another program removed answers -ERR. What DELE marked is removed by QUIT, all or nothing,
// and by nothing else: a session that times out, breaks off or is shut down removes nothing.
// The lock is among the sessions of one Server unless the maildrop is a [Locker].
//
// A unique-id is 16 characters, UID and UIDVALIDITY in hexadecimal: the same in every session and on every server of the
// same store, and the same as Dovecot's default for the same numbers.
//
// # Messages
//
// A message is sent as it is stored, and its size is the number of octets stored. RFC 1939 needs
// two exceptions to end the text: a message that does not end in CRLF gets one, and a dot
// at the start of a line is doubled. A message may hold a bare CR or LF, which no mail should, if
// somebody put it there by IMAP's APPEND. It is neither repaired nor withheld; since some
// clients take those for line ends, a dot behind one is doubled too, so that the
// message cannot end early and speak for the server.
//
// # Errors
//
// Answers to a failed command begin with a response code (RFC 2449 §8, RFC 3206):
//
//	AUTH         wrong name or password, disabled account
//	IN-USE       another session has the maildrop
//	LOGIN-DELAY  too many failed logins from there
//	SYS/PERM     no maildrop, a damaged one, a postrider.Status of class 5
//	SYS/TEMP     everything else: a Status of class 4, and whatever nobody classified
//
// The text of a postrider.Status is sent to the client; that of any other error is only
// logged. A message number that means nothing, and a breach of the protocol, have no code.
//
// # Concurrency
//
// A Server has one goroutine per session and one per listener, which have ended when Shutdown or Close
// returns. Open may be called by many at once, the methods of a Maildrop by one at a time.
//
// # Limits
//
// A session that waits for a command holds some 4 KiB and, after the login, 16 octets per
// message; one at work, up to 70 KiB more. A command line has at most 512 octets, before
// the login 12,290. Server's fields bound time, errors, logins, messages and sessions.
//
// # Standards
//
// RFC 1939 (POP3) but for APOP, which needs passwords in the clear on the server. RFC 2449 (CAPA,
// response codes, pipelining), RFC 2595 (STLS), RFC 3206 (SYS and AUTH), RFC 5034 (AUTH,
// with initial response), RFC 8314 (TLS from the start).
//
// # Bugs
//
// UTF8 and LANG (RFC 6856) are missing: a message with UTF-8 in its header fields is sent as it
// is. EXPIRE says NEVER, for the server removes nothing by itself; if something else does,
// clients are not told.
package pop3
