// Package postrider holds the words that the packages of a mail server
// share: an [Address], the [Envelope] of a message with its [Recipient]s, the
// [Content] that the envelope carries, and the [Status] with which a server
// answers.
//
// The packages below this one make a mail server, in whole or in part:
//
//	message   what a server must know of a message: structure, envelope, sections
//	resolve   where mail for a domain goes
//	account   who has an account, and how they prove it
//	smtp      server and client of RFC 5321, LMTP
//	store     mailboxes; memstore and sqlstore keep them
//	queue     mail on its way out; memqueue and sqlqueue keep it, relay sends it
//	route     what becomes of each recipient
//	pop3      read a mailbox by RFC 1939
//	imap      read all mailboxes by RFC 3501
//	mta       the wiring of the above
//	mailtest  tests of mail software without a network
//
// # Concurrency
//
// Address, Envelope, Recipient and Status are plain values. A Content may be
// read by many goroutines at once.
//
// # Standards
//
// RFC 5321 (addresses, envelope, replies), RFC 6531 (internationalised
// addresses), RFC 3463 and RFC 5248 (enhanced status codes). The parameters of
// an envelope follow the RFCs named at their fields.
package postrider
