// Package interop holds no code: its tests run examples/mailserver against the programs that people use with a mail server, as Debian
// packages them.
//
//	submit   swaks, curl, Python's smtplib, mutt, and fetchmail handing on what it fetched
//	read     curl, Python's imaplib and poplib, mutt, mbsync, fetchmail
//	relay    Postfix in both directions, found by MX records that knot serves
//
// Beside them are tests that need no other program: refusals and bounces, a queue that outlives its server, a server killed a hundred
// times under load, and the flags.
//
//	go test ./interop                              skips what is not installed, and says so
//	POSTRIDER_PEERS=required go test ./interop     fails instead: for CI
//	POSTRIDER_KILLS=20 go test -run Kill ./interop kills that often; 100 times by default, 10 with -short
//
// Everything happens on loopback, at ports that are free, in folders that go away with the test. Postfix starts as root only.
package interop
