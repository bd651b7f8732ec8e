// Package wire is what SMTP, POP3 and IMAP share on the wire: lines that only CRLF ends, text that only CRLF.CRLF ends, and buffers
// that a waiting connection gives back.
//
// # Limits
//
// Every read has one, and memory never grows past it: a line that is too long is read and dropped to its end, so that the session can answer
// it and go on, unless its end is too far away. Text has a limit per line and one in all.
//
// # Errors
//
// A bare CR or LF ends nothing; it is an error after which the reader stands behind the next true end. Nothing is ever repaired: where two
// programs disagree about the end of a message, one of them can be made to accept a message the other never saw (RFC 5321 §2.3.8, §4.1.1.4).
// Errors of the network are passed on as they are, and io.EOF in the middle of something is io.ErrUnexpectedEOF.
//
// # Concurrency
//
// A Reader and a Writer each belong to one goroutine at a time; the two may be different ones.
package wire
