// Package smtp receives and sends mail by RFC 5321: a [Server], which is also one of LMTP and of message submission, and a [Client].
//
// A Server needs a name and a [Handler], which decides about recipients and takes messages. [HandlerFunc] makes one of a function; the
// package's example receives mail in twenty lines. Policy of all kinds goes into [Hooks]. What is refused, and how, is the error that
// a Handler or hook returns, a *postrider.Status if the client is to know why:
//
//	return &postrider.Status{Code: "5.1.1", Text: "no such mailbox here"} // 550 5.1.1 no such mailbox here
//	return fmt.Errorf("look up %s: %w", addr, err)                        // 451 4.3.0 try again later; the cause goes to the log
//
// Mail for others is sent with a [Dialer], which makes Clients.
//
// # The server
//
// A message that was answered 250 is the server's responsibility (RFC 5321 §4.2.5), so a Handler returns nil only when the message is on
// stable storage. The package itself keeps nothing: while a message is on its way in, it lies in memory, or in a file
// without a name once it is larger than Server.SpoolMemory.
//
// Bytes are exact. Only CRLF ends a line and only CRLF.CRLF ends a message; one that holds a bare CR or LF is read to its true end and
// refused (554 5.5.2), never repaired. A command with one is refused, too (500 5.5.2).
//
// What is strict and what is not: EHLO must name a domain or an address literal, as RFC 5321 §4.1.2 demands, but whether it is the client's is not looked
// at. Addresses stand in angle brackets; spaces between the colon and the bracket, which the grammar does not have, are tolerated, as is
// white space at the end of a command. Parameters are understood only after EHLO has offered their extension (555). Source routes are
// read and forgotten. Text lines may be of any length up to the message's.
//
// Extensions: PIPELINING, SIZE, 8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES and HELP always; STARTTLS with TLSConfig; AUTH with Auth; DSN if
// the Handler is a [FeatureHandler] that says so; EXPN if a hook answers it. Server.Withhold takes any of them back.
//
// # Concurrency
//
// One goroutine owns a session, and all calls of the Handler and of hooks for it come from there, one after the other; those of different
// sessions come at once. When Shutdown or Close has returned, none of these goroutines is left. A Client belongs to one goroutine
// at a time.
//
// # Errors
//
// The reply is the error: [postrider.StatusOf] turns what a Handler or hook returns into one. An error that nobody classified is 451 4.3.0, so that the
// client keeps the mail, and its text stays in the log. A panic is answered 421, costs its session, and is logged with its stack.
//
// # Limits
//
// All have a field of Server, a default that is the RFC's or a careful operator's, and a reply:
//
//	MaxMessageSize   50 MiB   552 5.3.4   at MAIL if declared, else after the data
//	MaxRecipients    1000     452 4.5.3   per message; the rest is sent again
//	MaxLine          2048     500 5.5.2   command line; AUTH's may have 12288 octets
//	MaxErrors        20       421 4.7.0   commands that break the protocol
//	MaxJunk          200      421 4.7.0   commands that do nothing for a message
//	MaxRefused       1000     421 4.7.0   recipients refused
//	MaxAuthFailures  5        421 4.7.0   logins failed
//	MaxSessions      1000     421 4.3.2   at once
//	MaxPerClient     100      421 4.3.2   at once, of one address
//	CommandTimeout   5 min    421 4.4.2   for a whole command line
//	DataTimeout      5 min    421 4.4.2   for each block of a message
//	HandlerTimeout   9 min    the Handler's error, then 421 4.3.0
//
// A client that sends more than twice MaxMessageSize without an end is cut off after 552. A waiting session holds no buffers: without TLS
// it costs about 5 KiB.
//
// # Standards
//
// RFC 5321 complete but for the obsolete SEND, SOML, SAML and TURN. RFC 1870 (SIZE), RFC 2033 (LMTP), RFC 2034 and RFC 3463
// (enhanced codes), RFC 2920 (PIPELINING), RFC 3207 (STARTTLS), RFC 3461 and RFC 6533 (parameters of DSN), RFC 4954 (AUTH), RFC 6152 (8BITMIME), RFC
// 6409 (submission: authentication; the repairs are a Handler's), RFC 6531 (SMTPUTF8), RFC 8314 (implicit TLS). [Session.Protocol] follows
// RFC 3848.
//
// # Bugs
//
// A client that goes away while the Handler works is noticed only afterwards: the message is then accepted, and will come a second
// time. A block of data may be a single octet, so DataTimeout alone does not stop a client that is slow by intention.
package smtp
