// Package memqueue keeps a queue in memory. It is the reference for the authors
// of other queues, and good for tests and for mail that may be lost with the
// process: nothing of it is on stable storage.
//
//	q := memqueue.New()
//	ids, err := q.Put(ctx, queue.Submission{...})
//
// A Queue may be used by many goroutines at once. Its memory is that of the
// messages in it.
package memqueue
