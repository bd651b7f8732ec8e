// Package queue keeps mail until it has gone out: [Queue] is a durable list of
// messages and recipients, [Transport] a way out, and [Runner] what brings the one to
// the other, tries again, and tells senders what failed.
//
//	q, err := sqlqueue.Open(ctx, dir)
//	out := &relay.Transport{Hostname: "mail.example.org", Resolver: &resolve.DNS{}}
//	runner := &queue.Runner{
//		Queue:      q,
//		Transports: map[string]queue.Transport{"relay": out},
//		Hostname:   "mail.example.org",
//		Route:      func(...) ([]queue.Recipient, error) { ... }, // the way of a bounce
//	}
//	go func() { log.Fatal(runner.Run(ctx)) }()
//	ids, err := q.Put(ctx, queue.Submission{...})
//
// Package memqueue is the reference of a Queue, sqlqueue one for production, relay the Transport that speaks SMTP.
// The methods Check of [Submission], [ClaimQuery], [Outcome] and [Change] are the rules that all queues share, and
// package queuetest holds a queue to its promises.
//
// # Leases
//
// A runner does not take recipients out of the queue, it leases them. While an attempt lasts, the lease is renewed; if the
// process dies, it runs out and another runner goes on. A [Token] fences the two: what a runner has to say after another
// has claimed the same recipients is refused, in the transaction that would have recorded it. So mail is never lost, and
// goes out twice only if the wire was ambiguous or the process died between the server's reply and the record of it.
//
// # Schedule
//
// [Retry] is RFC 5321 §4.5.4.1: half an hour after the first attempt, then longer and longer up to four hours, for five
// days, with one last attempt at the end. A Transport may say when instead, in Outcome.RetryAt. When the time is up, or a server
// refused for good, the sender gets a report by package dsn (RFC 3461 to 3464), which goes into the queue in the same
// transaction in which the recipient leaves it. A report that cannot be made defers the failure; one that fails itself
// ends there (RFC 5321 §6.1).
//
// # Concurrency
//
// A Queue may be used by many goroutines, a Transport is. A Runner runs once; several may run on one queue.
//
// # Errors
//
// Those of a Queue are temporary unless they are one of the variables below. An outcome whose Status nobody
// classified defers.
//
// # Limits
//
// A Runner has 50 attempts under way and 10 to one hop, unless told otherwise, and nothing else in memory. See MaxData,
// MaxStatusText and MaxCause for what is kept of a recipient.
//
// # Standards
//
// RFC 5321 §4.5.4.1 and §6.1; RFC 3461, RFC 3464 and RFC 6533 for reports; RFC 8689 §5.
//
// # Bugs
//
// No report tells of a delay yet, and DELIVERBY is left to the next server.
package queue
