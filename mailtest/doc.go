// Package mailtest tests mail servers and clients: an internet in memory, and dialogues written as the RFCs write them.
//
//	func TestScripts(t *testing.T) {
//		mailtest.RunScripts(t, "testdata/script", mailtest.Script{
//			Start: func(t *testing.T, n *mailtest.Network) {
//				l, err := n.Listen("tcp", "192.0.2.1:25")
//				if err != nil {
//					t.Fatal(err)
//				}
//				srv := &smtp.Server{Hostname: "mx.example.org"}
//				go srv.Serve(t.Context(), l)
//				t.Cleanup(func() { srv.Close() })
//			},
//		})
//	}
//
// # Dialogues
//
// A file testdata/script/*.txt holds one dialogue, and is a subtest:
//
//	# RFC 5321 §4.1.4: RCPT before MAIL is out of order, and the session goes on.
//	S: 220 mx.example.org ...
//	C: EHLO client.example.net
//	S: 250-...
//	C: RCPT TO:<ann@example.org>
//	S: 503 5.5.1 ...
//	wait 5m
//	S: 421 4.4.2 ...
//	S: (closed)
//
// Lines that begin with # and empty ones are remarks. C: is what the client says, S: the server; one space follows. C2: and S2:, C3: and
// S3: ... are further connections, made when first mentioned. Script.Play says which side the file plays: its lines are sent,
// those of the other side, which is under test, are expected in just that order. What the file does not expect fails it, also at its end.
//
// Both kinds of line end with CRLF, and only CRLF ends one. Octets:
//
//	\r \n \t \0 \xHH      CR, LF, TAB, NUL, any octet
//	\\ \$ \. \(           the character itself, where it would mean more
//	\Seen \" \*           a backslash before anything but a digit or a lower-case letter is a backslash
//	\                     at the end of a line: no CRLF follows
//	(repeat 1000 "ab")    anywhere in a line: that often these octets, with the same escapes
//
// In expected lines:
//
//	...                   within a line: any octets, also none
//	S: ...                any number of lines, until one matches the next S: line
//	S: 250-...            any number of lines that begin with 250-, likewise; before anything but an S: line, the whole rest of
//	                      the reply with its last line
//	$name                 takes a word, which the name means from then on, in lines of both kinds; a name
//	                      begins with a lower-case letter, so $Forwarded is a keyword of IMAP
//	S: (closed)           the connection ends
//	S: (reset)            the connection is reset
//	S: (nothing)          nothing has been said, and nothing will be before something else happens
//
// In lines that are sent:
//
//	C: (close)            closes the connection, C: (closewrite) only our direction, and C: (reset) resets it
//	C: (connect)          makes a new connection, before or after the end of another: (connect from 198.51.100.7),
//	                      (connect to 192.0.2.1:143), (connect tls), and all of these together
//	C: (starttls)         does a TLS handshake with Script.TLS; (starttls fails) expects it to fail
//
// Other lines:
//
//	wait 5m               turns the clock (time.ParseDuration)
//	do ...                is handed to Script.Do, for what happens beside the dialogue
//	-- name --            begins a section, up to the next or the end of the file, which Script.Check must reproduce
//
// Sent lines that follow each other on one connection travel in one piece, as a pipelining client's do; to send them
// apart, put "wait 0s" between. Before anything is sent all goroutines have come to rest, so a dialogue runs the same each time.
//
// # Time
//
// A dialogue runs in a bubble of testing/synctest: the clock stands still while anybody computes, and "wait 5m" takes no time. An
// expected line must come within Script.Timeout of that clock, a second. So a server that never answers fails the
// script, and one that answers later by intention needs a "wait".
//
// # Updates
//
// With Script.Update, the environment variable MAILTEST_UPDATE=1 or the flag -update (see UpdateFlag) the expected lines
// and the sections are rewritten by what happens. Lines that match stay as they are. A file with only sent lines gets all the others. Review
// the result as prose: it says what the server does, not what it should.
//
// # Faults
//
// A hostile peer is a dialogue: endless replies are (repeat), a stall is wait, an early end is (close) or (reset), text injected before TLS is
// one more line before (starttls). Where the network itself fails, or hands octets over one by one, set Network.Faults in Start.
//
// # Concurrency
//
// Tests may run in parallel; nothing is shared between them. The package has no global state.
//
// # Bugs
//
// A goroutine that outlives a dialogue makes testing/synctest panic, which stops the whole test binary. Conn lets the news of a Close
// or a Reset through to the peer's Write even if Fault has cut off its Read.
package mailtest
