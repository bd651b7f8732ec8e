// Package resolvetest tests what asks the DNS, without the DNS.
//
// A [Zone] is a whole DNS as text, and a resolve.Resolver:
//
//	z := resolvetest.MustZone(`
//		example.org.     MX 10 mx.example.org.
//		mx.example.org.  A  192.0.2.25
//	`)
//	z.SetAuthentic("example.org", true)
//	z.Fail("mx.example.org", "AAAA", resolvetest.ServFail)
//	targets, err := resolve.Hosts(ctx, z, "example.org", resolve.HostsOptions{})
//
// A [Server] serves a Zone as a real DNS server, on loopback or in memory, and
// misbehaves on request: by a [Fault] of the Zone, by [Server.Partial], or by
// [Server.Tamper], which may send anything. It tells what it was asked.
//
// [Run] is the kit that every resolve.Resolver passes.
//
// # Concurrency
//
// Zones may be changed while they are in use. The fields of a Server may not.
//
// # Errors
//
// A Must function and a method that takes a name panic when a test gives them
// what cannot be; so a test's mistake does not look like an absent record.
//
// # Bugs
//
// Zones are not signed: authenticity is what SetAuthentic says. Delegations and
// DNAME have no effect.
package resolvetest
