// Package storetest proves that a store.Store keeps the promises of its interface.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t testing.TB) store.Store { return mystore.Open(t.TempDir()) })
//	}
//
// Each promise is a subtest of its own, named after it; a failure quotes it in full. A
// store that is kept on disk also says how to open it again, and everything must still be
// there:
//
//	storetest.Options{Reopen: reopen}.Run(t, newStore)
//
// The kit needs no particular time or network. It writes some dozens of MB.
package storetest
