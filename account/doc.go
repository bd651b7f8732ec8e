// Package account knows who has an account and how they prove it, once for all
// protocols.
//
// An application says who its users are by a [Directory]: one method resolves an
// address to the account that owns it, one checks a password. [Memory] is a
// Directory in memory, package sqlaccount has one in SQLite, and [Funcs] makes one of
// two functions. Servers do not ask the Directory themselves: they ask the
// [Authenticator] in front of it, which runs the SASL mechanisms, insists on TLS
// where a password would be seen, bounds guessing and writes the log.
//
// # Names
//
// An account has a name, which is its key in the store, in verdicts and in logs; a
// login, which is what somebody types; and addresses, whose mail it gets. What is typed
// is compared by RFC 8265, upper case as lower, and the domain of an address as DNS
// compares it: see [PrepareLogin], [PrepareAddress] and [PreparePassword]. The name itself
// is compared octet for octet and never shown to strangers.
//
// # Guessing
//
// [Limits] says how failed logins are counted and what they cost. In short: five wrong
// passwords for one login from one address, then a wait of ten seconds that doubles with each
// further one; the same per address and per network with more patience. Nobody is locked
// out by what strangers do elsewhere. An answer takes as long for an unknown login as for
// a wrong password, and says the same.
//
// # Concurrency
//
// An Authenticator, a Directory, a [Hasher] may be used by any number of goroutines at
// once. An [Exchange] belongs to one.
//
// # Errors
//
// The answers to a login are [ErrCredentials], [ErrDisabled], [ErrTooMany],
// [ErrMechanism], [ErrEncryption] and [ErrExchange]; servers turn each into a reply of
// their protocol. Every other error is temporary: it is the server's fault, costs the client
// no failed login, and must never be told as a wrong password.
//
// # Limits
//
// A login has at most [MaxLoginLen] octets, a password [MaxPasswordLen]. A Hasher computes
// as many hashes at once as there are processors, of 19 MiB each. The counts of failed
// logins take at most some 15 MB.
//
// # Standards
//
// RFC 4422 (SASL), with PLAIN (RFC 4616) and LOGIN (a draft that never became an
// RFC; for old clients). RFC 8265 (PRECIS) prepares logins and passwords, in the place of the
// SASLprep (RFC 4013) that RFC 4616 §2 recommends and RFC 8265 replaces. RFC 9106
// (Argon2). The authorization identity of RFC 4422 §3.4.1 may be empty, the login, or
// the name of the account; nobody acts for somebody else.
//
// # Bugs
//
// Somebody who guesses at one account from thousands of networks gets five guesses in each:
// a limit across all networks would let strangers lock the owner out.
//
// A password that a client sends in another charset than UTF-8 is wrong.
//
// Who types the password where the login belongs finds it in the log, as a login.
package account
