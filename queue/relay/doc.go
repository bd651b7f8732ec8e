// Package relay takes mail out of a queue to the next server by SMTP: its [Transport] is a queue.Transport.
//
//	out := &relay.Transport{Hostname: "mail.example.net", Resolver: dns}
//	defer out.Close()
//	runner := &queue.Runner{Queue: q, Hostname: "mail.example.net", Transports: map[string]queue.Transport{"relay": out}}
//	err := runner.Run(ctx)
//
// # Next hops
//
// The next hop of a recipient is one of
//
//	example.org               the domain's servers, by its MX records (RFC 5321 §5.1)
//	[192.0.2.1]               a recipient's address literal (RFC 5321 §4.1.3), also [IPv6:2001:db8::1]
//	[mx.example.org]          this host, whatever MX records say: a smart host
//	[mx.example.org]:2525     the same at another port; also [192.0.2.1]:2525 and [2001:db8::1]:2525
//
// A message for several recipients of one next hop goes there once, in one transaction. Recipients that the server has
// no room for in it (452 to RCPT) follow in further ones over the same session, at most 20; what is left then comes again after
// a minute.
//
// # What is tried, and what decides
//
// The hosts of a domain are tried by preference, equal ones in random order, each at its addresses, the two families in turn. An open
// session is preferred to a new one with an equal host.
//
//	no connection, no greeting, no EHLO     next address
//	4yz or 5yz to them, 421 at any time     next address
//	connection lost before the final dot    next address
//	server lacks what the message needs     next host
//	4yz to MAIL, RCPT or DATA               next host
//	5yz to MAIL, RCPT or DATA               failed
//	2yz, 4yz, 5yz to the final dot          delivered, deferred, failed
//	connection lost after the final dot     deferred, ambiguous
//
// A 5yz before MAIL is about a server, or about ours, and another of the domain's may know better; so may one that offers the missing
// extension. Such a failure is permanent only if every server that was tried failed so: one that could not be asked might have
// taken the mail.
//
// A 5yz to MAIL, RCPT or DATA is about the mail and is the domain's word: the sender hears of it at once (RFC 5321 §4.2.1). A 4yz there is
// no word yet: RFC 5321 §5.1 has us try until an attempt succeeds, and a full or greylisting server may have a neighbour
// that is neither. But it protects the recipient: when a worse host refuses who a better one only asked to wait for, the mail waits.
//
// After the final dot no other server is asked. What it said was said of the content, and others of the same
// domain would say it again; where it said nothing it may have the message, and a second copy elsewhere would be certain, not merely
// possible (RFC 1047).
//
// A lost connection is as 451 (RFC 5321 §3.8). A session that was idle and turns out to be lost before the final dot is no failure at all:
// the same address is tried with a new one.
//
// # TLS
//
// Between servers TLS is opportunistic (RFC 7435): used where it is offered, whatever the certificate proves, and done without where the
// handshake fails, over a new connection. A server that answers more than it was asked before the handshake is left alone instead.
//
// A message with REQUIRETLS (RFC 8689) goes only to a server that has proved by its certificate to be the one that an MX
// record protected by DNSSEC names, and that offers the extension. A next hop in brackets and a domain without MX records name
// themselves. Where no server is like that the message fails, by 5.7.10 or 5.7.30. A bounce goes on all the same (§5).
//
// # Errors
//
// The status of an outcome is the server's reply, or one of these:
//
//	4.3.2    Transport is closed
//	4.3.5    next hop is malformed, or a host in brackets is not in the DNS: the operator's to mend
//	4.4.1    no connection
//	4.4.2    connection lost, or a server too slow
//	4.4.3    no answer from the DNS, or a bogus one
//	4.5.0    server broke the protocol
//	5.1.2    no such domain, or it has neither MX nor addresses
//	5.1.10   domain takes no mail (556, RFC 7505)
//	5.4.4    its MX records lead to no address
//	5.4.6    its best server is this one
//	5.6.0    message holds a bare CR or LF
//	5.6.3    it holds octets beyond ASCII and the server takes none (RFC 6152 §3)
//	5.6.7    address needs SMTPUTF8 and the server lacks it (RFC 6531 §3.2); 5.6.9 for the header
//	5.7.10   REQUIRETLS, and no verified TLS session
//	5.7.30   REQUIRETLS, and the server does not offer it
//
// Everything unforeseen is temporary. Outcome.Remote names the host, as the MX record does, where the status is in its words; the text of
// the others does where a host is concerned.
//
// # Concurrency
//
// Deliver may be called by many goroutines; each has sessions of its own while it works. Besides them there are only the timers of idle
// sessions and goodbyes under way, all of which Close waits for.
//
// # Limits
//
// MaxHosts and MaxAddrs bound what is tried, Timeouts each step of it. A domain whose servers all swallow packets takes
// 5 minutes by default. MaxIdle, MaxIdlePerServer, IdleTimeout and MaxMessages bound what is kept.
//
// # Standards
//
// RFC 5321 §3.8, §4.2, §4.5.3, §4.5.4.1 and §5; RFC 7505; RFC 8689 but for MTA-STS; what package smtp says of RFC 1870, 2920, 3207, 3461, 6152 and
// 6531.
//
// # Bugs
//
// DANE (RFC 7672) and MTA-STS (RFC 8461) are missing; without the latter REQUIRETLS needs DNSSEC. Nothing remembers which servers were
// down a moment ago. There is no login to smart hosts.
package relay
