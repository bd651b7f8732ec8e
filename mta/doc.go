// Package mta wires the parts of a mail server together: it answers an
// smtp.Server, asks a route.Router what becomes of each recipient, delivers to
// a store.Store, and puts the rest in a queue.Queue, whose Runner it gives
// ways out.
//
//	m := &mta.MTA{Hostname: "mx.example.org", Router: router, Store: mail, Queue: q, Directory: people}
//	runner := &queue.Runner{Queue: q, Transports: m.Transports(next), Hostname: m.Hostname, Route: m.RouteReport}
//	go func() { log.Fatal(runner.Run(ctx)) }()
//	mx := &smtp.Server{Hostname: m.Hostname, Handler: m, Hooks: []smtp.Hooks{m.Hooks()}}
//	msa := &smtp.Server{Hostname: m.Hostname, Handler: m, Hooks: []smtp.Hooks{m.Hooks()}, Auth: auth, Submission: true}
//
// # The way of a message
//
// At RCPT the Router decides, so that an unknown recipient is refused at once.
// After the final dot it decides again, now with the content at hand, and
// then:
//
//   - If every destination is a mailbox, and nobody asked for a report of success
//     (RFC 3461 §5.2.3), the message is delivered to all of them in one transaction
//     of the store, and the reply follows.
//   - Otherwise the message and all its destinations are put in the queue in one
//     transaction, and the reply follows.
//   - If every recipient is refused, so is the message. If the Router defers
//     any, so is the message, and nothing of it was delivered: the client comes
//     again with all of it.
//   - A refusal of some recipients only is answered with success, and the sender
//     hears of those by DSN (RFC 5321 §4.4). LMTP has a reply for each recipient, and
//     there each gets its own.
//
// Deliveries out of the queue name themselves to the store (store.Target.Once),
// so a crash between delivery and noting it down makes no duplicate.
//
// # What is added to a message
//
// One Received field on top (RFC 5321 §4.4) and, at delivery to a mailbox,
// Return-Path above it. To what an account submits, also Date and
// Message-ID where they are missing (RFC 6409 §8.2, §8.3). Not an octet of the rest
// changes.
//
// # Who may send as whom
//
// The Hooks hold those who logged in to the reverse-paths that
// account.MaySend allows them, and the null one.
//
// # Errors
//
// By postrider.StatusOf: what nobody classified keeps the mail at the client's,
// or in the queue.
//
// # Limits
//
// MTA.MaxReceived against loops; the limits of smtp, route, queue and store.
//
// # Standards
//
// RFC 5321 §3.7, §4.4, §6.1, §6.3; RFC 3848 and RFC 8314 §4.3 (clauses of Received); RFC
// 6409 §4.2, §6.1, §8.
//
// # Bugs
//
// The Router is asked when a message arrives, not again before each attempt, so a
// change of rules does not move what is in the queue already.
package mta
