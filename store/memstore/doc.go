// Package memstore is a store.Store in memory: for tests, for servers whose mail need
// not outlive them, and as the reference for whoever writes a store. It is the
// shortest one there is; read it first.
//
//	s := memstore.New()
//	defer s.Close()
//	err := s.CreateAccount(ctx, "ann")
//
// All state hangs off one Store and is guarded by one mutex. Every change is
// checked to its end before its first step, so that it happens whole or not at all.
//
// # Limits
//
// Nothing is on stable storage: all is gone when the process ends. Memory is bounded
// only by what is put in; the change log of each account by Store.History.
package memstore
