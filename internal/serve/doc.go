// Package serve is what the servers of smtp, pop3 and imap have in common:
// listeners, sessions, and how they end.
//
// A Group has the sessions of one server. Group.Serve accepts connections and
// runs a Session for each in a goroutine that Shutdown and Close wait for.
//
// # Concurrency
//
// All methods of a Group may be called by many goroutines at once.
package serve
