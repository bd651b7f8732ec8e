// Package queuetest holds a queue.Queue to the promises of the interface. The
// tests of an implementation need one call:
//
//	func TestPromises(t *testing.T) {
//		queuetest.Run(t, func(t testing.TB) queue.Queue { return memqueue.New() }, queuetest.Options{})
//	}
//
// Each promise is a subtest, and a failure quotes it.
//
// # Time
//
// Each subtest runs in a bubble of testing/synctest, where leases run out in no time. A queue may read
// and write files there, but must not wait for another process, for the bubble's clock stands
// still meanwhile.
//
// # Concurrency
//
// The subtests run one after the other. Run the kit with the race detector too.
package queuetest
