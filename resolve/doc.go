// Package resolve asks the DNS what mail needs to know, and finds the hosts that
// take mail for a domain.
//
// [Resolver] is the interface: one method per record type. [DNS] implements it by
// asking recursive servers; its zero value asks those of the system. Tests use
// package resolvetest, which has a Resolver made of a zone's text, a server to
// misbehave, and the kit that every Resolver passes.
//
//	var dns resolve.DNS
//	defer dns.Close()
//	targets, err := resolve.Hosts(ctx, &dns, "example.org", resolve.HostsOptions{
//		SelfNames: []string{"mail.example.net"},
//	})
//
// [Hosts] is RFC 5321 §5.1: hosts by preference with their addresses, the null MX, the
// implicit MX, and no loops. [Addrs] joins both address families. [Confirmed] finds
// the names of an address that lead back to it.
//
// # Answers
//
// Each [Answer] tells whether DNSSEC vouches for it and how long it holds. DNS
// does not validate signatures itself: it believes the AD bit of servers that it
// was told to trust, and of no others. "On this machine" is no reason to trust:
// there are forwarders that pass on whatever bit they receive.
//
// # Errors
//
// An [*Error] has a [Kind]. What it means for a message on its way out, with the
// codes that RFC 3463, RFC 7504 and RFC 7505 have for it:
//
//	Temporary, Bogus   try later                     451 4.4.3
//	NXDomain, NoData   no such domain for mail       550 5.1.2
//	Invalid            no such domain possible       550 5.1.2
//	NullMX             domain takes no mail          556 5.1.10
//	Unusable           its MX records lead nowhere   550 5.4.4
//	Loop               it leads to ourselves         554 5.4.6
//
// [IsTemporary], [IsBogus] and [IsNotFound] ask for what callers most often need. An
// error of any other type is temporary. The causes name servers: they are for
// the log.
//
// # Concurrency
//
// A Resolver may be used by any number of goroutines. DNS asks each question once
// however many wait for it, and a caller that gives up disturbs no other. Its
// goroutines end with the lookups; after Close there are none.
//
// # Limits
//
// All of DNS's limits are fields: time per try and per lookup, lookups at once,
// memory of the cache, TTLs. Chains of aliases end after 12 links. Of a reply at
// most 65535 octets are read; after 32 replies that are not ours the question is asked over
// TCP. Hosts looks up 16 hosts and keeps 16 addresses each, unless told otherwise.
//
// # Standards
//
// RFC 1035 and RFC 2181 (messages, TTL), RFC 2308 (negative answers), RFC 3596
// (IPv6), RFC 6698 (TLSA), RFC 6840 §5.7 (AD in questions), RFC 6891 (EDNS0), RFC
// 7766 (TCP as fall-back, one question per connection), RFC 8914 (to tell bogus
// answers), RFC 5321 §5.1, RFC 7505, RFC 7672 §2.1 and §2.2.
//
// # Bugs
//
// A trusted server that sends no extended errors makes a bogus answer look like
// any server failure: Temporary instead of Bogus. The mail waits either way.
// The absence of a name is not extended to the names below it (RFC 8020 §2).
package resolve
