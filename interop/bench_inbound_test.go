package interop

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// The benchmarks put examples/mailserver beside the mail servers that everybody knows, on the same machine, disk and load, by turns:
//
//	go test -run '^$' -bench Inbound -benchtime 2000x ./interop
//
// sends 2,000 messages of 4 KiB to each server at 1, 16 and 64 connections, looks for every one of them in the mailboxes, does all that
// three times over, and prints a table of medians, ranges and ratios. POSTRIDER_ROUNDS is another number of rounds. The peers are as
// Debian ships them but for paths, users and limits, and start as root only; a peer that is missing is left out, and named.
//
// A server starts anew before each figure, and gets one message for each mailbox. The clock starts when all connections are open and stops when the last message
// is in its mailbox: at its reply for those that deliver before they answer, and when the queue is empty for Postfix.

// BenchmarkInbound measures the durable delivery of messages that come in, of the size that most mail has.
func BenchmarkInbound(b *testing.B) { compare(b, 4<<10, 1, 16, 64) }

// BenchmarkLarge is BenchmarkInbound with messages of 1 MiB: -benchtime 200x is plenty.
func BenchmarkLarge(b *testing.B) { compare(b, 1<<20, 8) }

// contenders are ours and then its peers, in the order of their turns.
var contenders = []struct {
	name  string
	start func(*peer, *testing.B)
}{
	{"postrider", (*peer).startPostrider},
	{"postfix-maildir", (*peer).startPostfix},
	{"dovecot-lmtp-sdbox", (*peer).startDovecot},
}

// compare sends messages of the size to all contenders, by turns, and prints a table at the end.
func compare(b *testing.B, size int, connections ...int) {
	var all table
	for round := range rounds(b) {
		for _, c := range connections {
			for _, contender := range contenders {
				p := &peer{}
				var f *figures
				b.Run(fmt.Sprintf("%s/c=%d/round=%d", contender.name, c, round+1), func(b *testing.B) {
					f = nil
					if p.addr == "" { // package testing calls more than once
						contender.start(p, b)
						p.measure(b, newLoad(benchUsers, size), 1) // one message for each, to make the mailboxes
					}
					f = p.measure(b, newLoad(b.N, size), c)
				})
				p.stop(b)
				if f != nil {
					f.server, f.connections, f.round = contender.name, c, round
					all = append(all, f)
				}
			}
		}
	}
	all.write(os.Stdout)
}

// rounds returns how often each contender has its turn.
func rounds(b *testing.B) int {
	v := os.Getenv("POSTRIDER_ROUNDS")
	if v == "" {
		return 3
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		b.Fatalf("POSTRIDER_ROUNDS=%s: want a number above 0", v)
	}
	return n
}

// measure sends a load over c connections, waits until it is delivered, and looks for each message.
func (p *peer) measure(b *testing.B, l *load, c int) *figures {
	conns := make([]*loadConn, c)
	for i := range conns {
		conn, err := dialLoad(p.addr, p.hello)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.close()
		conns[i] = conn
	}
	before := readCPU(p.cmd.Process.Pid)
	b.ResetTimer()
	took, err := l.send(conns)
	for end := time.Now().Add(patience); err == nil; time.Sleep(2 * time.Millisecond) {
		var idle bool
		if idle, err = p.idle(); idle {
			break
		}
		if time.Now().After(end) {
			err = fmt.Errorf("messages are still on their way %v after the last was accepted", patience)
		}
	}
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	f := newFigures(b, took, before, readCPU(p.cmd.Process.Pid))
	if err := l.check(p.mail); err != nil {
		b.Fatal(err)
	}
	return f
}
