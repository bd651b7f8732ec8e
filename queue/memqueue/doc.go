// Package memqueue keeps a queue in memory. It is the reference for the authors
// of other queues, and good for tests and for mail that may be lost with the
// process: nothing of it is on stable storage.
//
// # Concurrency
//
// A Queue may be used by many goroutines at once.
//
// # Limits
//
// Its memory is that of the messages in it. Claim, NextDue, Entries and Update look at every
// recipient, so it is not for long queues.
package memqueue
