package mailtest

import (
	"bufio"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// demo is a small SMTP-like server, good enough to be talked to by scripts. It closes a connection that is idle for five minutes.
type demo struct {
	tls   *tls.Config
	kept  []string // messages; one goroutine at a time touches it
	count int
}

func (s *demo) start(t *testing.T, n *Network) {
	l, err := n.Listen("tcp", "192.0.2.1:25")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(c) })
		}
	})
}

func (s *demo) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	fmt.Fprintf(c, "220 mx.example.org ESMTP demo\r\n")
	for {
		c.SetReadDeadline(time.Now().Add(5 * time.Minute))
		line, err := r.ReadString('\n')
		if err != nil {
			if isTimeout(err) {
				fmt.Fprintf(c, "421 4.4.2 timeout\r\n")
			}
			return
		}
		line = strings.TrimSuffix(line, "\r\n")
		verb, args, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			fmt.Fprintf(c, "250-mx.example.org greets %s\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 HELP\r\n", args)
		case "WHO":
			fmt.Fprintf(c, "250 you are %v\r\n", c.RemoteAddr().(*net.TCPAddr).IP)
		case "LEN":
			fmt.Fprintf(c, "250 %d\r\n", len(args))
		case "ECHO":
			fmt.Fprintf(c, "%s\r\n", args)
		case "RAW":
			fmt.Fprintf(c, "%s", args)
		case "ID":
			s.count++
			fmt.Fprintf(c, "250 id=<%d-%d> queued\r\n", s.count, 40+s.count)
		case "KEEP":
			s.kept = append(s.kept, args)
			fmt.Fprintf(c, "250 2.0.0 kept\r\n")
		case "STARTTLS":
			fmt.Fprintf(c, "220 go ahead\r\n")
			if s.tls != nil {
				c = tls.Server(c, s.tls)
				r.Reset(c)
			}
		case "MUTE":
		case "SLOW":
			time.Sleep(30 * time.Second)
			fmt.Fprintf(c, "250 at last\r\n")
		case "ABORT":
			c.(*Conn).Reset()
			return
		case "QUIT":
			fmt.Fprintf(c, "221 2.0.0 bye\r\n")
			return
		default:
			fmt.Fprintf(c, "500 5.5.1 what?\r\n")
		}
	}
}

func (s *demo) script(t *testing.T) Script {
	server, client := TLS(t)
	s.tls = server
	return Script{
		TLS: client,
		Start: func(t *testing.T, n *Network) {
			s.kept, s.count = nil, 0
			s.start(t, n)
		},
		Do:    func(t *testing.T, line string) error { s.kept = append(s.kept, "done: "+line); return nil },
		Check: func(t *testing.T, section string) string { return section + ": " + strings.Join(s.kept, "|") },
	}
}

func TestScriptsTalkToAServer(t *testing.T) { RunScripts(t, "testdata/script", new(demo).script(t)) }

// verdict runs a dialogue and returns what the player finds wrong with it, and the file after an update.
func verdict(t *testing.T, s Script, text string) (failure, after string) {
	t.Helper()
	d, err := parse("test.txt", text, s.Play)
	if err != nil {
		t.Fatal(err)
	}
	s.setDefaults()
	synctest.Test(t, func(t *testing.T) {
		p := newPlayer(t, d, s)
		if s.Play == Server {
			p.playServer()
		} else {
			p.playClient()
		}
		failure = p.failure
	})
	return failure, d.String()
}

func TestWrongScriptsFail(t *testing.T) {
	const greeting = "S: 220 ...\n"
	for _, test := range []struct{ name, text, want string }{
		{"another line", greeting + "C: NOOP\nS: 250 ...\nC: QUIT\n", "test.txt:3: got  S: 500 5.5.1 what?"},
		{"silence", greeting + "C: MUTE\nS: 250 ...\n", "test.txt:3: nothing came within 1s"},
		{"too late", greeting + "C: SLOW\nS: 250 at last\n", "nothing came within 1s"},
		{"a line left over", greeting + "C: EHLO x\nS: 250-mx...\n", "S: 250-PIPELINING\\r\\n250-SIZE"},
		{"greeting left over", "C: MUTE\n", "220 mx.example.org"},
		{"not closed", greeting + "C: NOOP\nS: 500 ...\nS: (closed)\n", "test.txt:4: nothing came"},
		{"closed", greeting + "C: QUIT\nS: 221 ...\nS: 250 ...\n", "the connection was closed"},
		{"not silent", greeting + "C: NOOP\nS: (nothing)\n", "got  S: 500"},
		{"not silent but closed", greeting + "C: QUIT\nS: 221 ...\nS: (nothing)\n", "connection ended: EOF"},
		{"bare LF", greeting + "C: RAW 250 ok\\n\\\nC: \nS: 250 ok\n", "test.txt:4"},
		{"no line end", greeting + "C: RAW 250 ok\nS: 250 ok\nC: QUIT\n", "no CRLF after it"},
		{"wrong variable", greeting + "C: ECHO $x\nS: 250\n", "no $x was captured yet"},
		{"variable changes", greeting + "C: ID\nS: 250 id=<$id> ...\nC: ID\nS: 250 id=<$id> ...\n", "test.txt:5"},
		{"skipping too far", greeting + "C: EHLO x\nS: 250-...\nS: 251 x\n", "got  S: 250 HELP"},
		{"no multi-line reply", greeting + "C: NOOP\nS: 250-...\nC: QUIT\nS: 221 ...", "got  S: 500"},
		{"skipping all", greeting + "C: EHLO x\nS: ...\nS: 251 x\n", "nothing came"},
		{"wrong octets", greeting + "C: ECHO abc\nS: abx\\\n", "got  S: abc"},
		{"section", greeting + "C: KEEP it\nS: 250 ...\n-- store --\nstore: that\n", "-- got --\nstore: it"},
		{"nobody there", "C: (connect to 192.0.2.1:26)\n", "connection refused"},
		{"bad source", "C: (connect from there)\n", "dial"},
		{"bad connect", "C: (connect as ann)\n", `not "as"`},
		{"TLS works", greeting + "C: STARTTLS\nS: 220 ...\nC: (starttls fails)\n", "the TLS handshake succeeded"},
		{"TLS with text before", greeting + "C: NOOP\nC: STARTTLS\nS: 500 ...\nC: (starttls)\n", "before TLS there is still"},
	} {
		t.Run(test.name, func(t *testing.T) {
			failure, _ := verdict(t, new(demo).script(t), test.text)
			if !strings.Contains(failure, test.want) {
				t.Errorf("got failure:\n%s\nwant one with %q", failure, test.want)
			}
		})
	}
}

func TestAFieldThatAFileNeedsMustBeSet(t *testing.T) {
	for text, want := range map[string]string{
		"S: 220 ...\ndo something\n":                           "Script.Do is nil",
		"S: 220 ...\n-- store --\n":                            "Script.Check is nil",
		"S: 220 ...\nC: STARTTLS\nS: 220 ...\nC: (starttls)\n": "Script.TLS is nil",
	} {
		if failure, _ := verdict(t, Script{Start: new(demo).start}, text); !strings.Contains(failure, want) {
			t.Errorf("%q: got %q, want %q", text, failure, want)
		}
	}
}

func TestUpdateFlagIsDefinedOnce(t *testing.T) {
	UpdateFlag()
	UpdateFlag()
	f := flag.Lookup("update")
	if f == nil {
		t.Fatal("no flag -update")
	}
	t.Setenv("MAILTEST_UPDATE", "1") // this test runs alone
	var s Script
	if s.setDefaults(); !s.Update {
		t.Error("MAILTEST_UPDATE=1 does not turn the update on")
	}
}

func TestAFailurePrintsTheDialogueWithAMark(t *testing.T) {
	failure, _ := verdict(t, new(demo).script(t), "# who cares\nS: 220 ...\nC: EHLO me\nS: 250-...\nC: (repeat 300 \"x\")\nS: 250 ...\n")
	want := `test.txt:6: got  S: 500 5.5.1 what?
    S: 220 mx.example.org ESMTP demo
    C: EHLO me
    S: 250-mx.example.org greets me
    S: 250-PIPELINING
    S: 250-SIZE 1000
    S: 250 HELP
    C: (repeat 300 "x")
  > S: 250 ...`
	if failure != want {
		t.Errorf("got\n%s\nwant\n%s", failure, want)
	}
}

func TestFaultyFilesAreRefused(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"S 220\n", "neither"},
		{"C1: NOOP\n", "neither"},
		{"wait 5\n", "missing unit"},
		{"wait -5m\n", "forward"},
		{"C: \\q\n", `unknown escape \q`},
		{"C: \\x4\n", `unknown escape \x`},
		{"C: (repeat 99999999 \"ab\")\n", "more than"},
		{"S: ...\nC: NOOP\n", "where the skipping ends"},
		{"S: ...\nS2: 250 ok\n", "where the skipping ends"},
		{"S: ...\n", "where the skipping ends"},
	} {
		if _, err := parse("test.txt", test.text, Client); err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "test.txt:1: ") {
			t.Errorf("%q: got %v, want an error with %q", test.text, err, test.want)
		}
	}
}

func TestAnUpdateWritesWhatWasSaid(t *testing.T) {
	for _, test := range []struct{ name, before, after string }{
		{
			"a new file", "# New.\nC: EHLO me\n\nC: QUIT\n",
			"# New.\nS: 220 mx.example.org ESMTP demo\nC: EHLO me\nS: 250-mx.example.org greets me\nS: 250-PIPELINING\nS: 250-SIZE 1000\nS: 250 HELP\n\nC: QUIT\nS: 221 2.0.0 bye\nS: (closed)\n",
		},
		{"what matches stays", "S: 220 ...\nC: ID\nS: 250 id=<$id> ...\n", "S: 220 ...\nC: ID\nS: 250 id=<$id> ...\n"},
		{"what does not is replaced", "S: 220 ...\nC: NOOP\nS: 250 ...\n", "S: 220 ...\nC: NOOP\nS: 500 5.5.1 what?\n"},
		{"what does not come goes", "S: 220 ...\nC: MUTE\nS: 250 ...\n", "S: 220 ...\nC: MUTE\n"},
		{"pipelined commands stay together", "S: 220 ...\nC: NOOP\nC: LEN abc\nS: 500 ...\n", "S: 220 ...\nC: NOOP\nC: LEN abc\nS: 500 ...\nS: 250 3\n"},
		{"sections too", "S: 220 ...\nC: KEEP it\nS: 250 ...\n-- store --\nnothing\n", "S: 220 ...\nC: KEEP it\nS: 250 ...\n-- store --\nstore: it\n"},
		{"silence is taken back", "S: 220 ...\nC: NOOP\nS: (nothing)\n", "S: 220 ...\nC: NOOP\nS: 500 5.5.1 what?\n"},
		{"half a line", "S: 220 ...\nC: RAW +\\\nC:\n", "S: 220 ...\nC: RAW +\\\nC:\nS: +\\\n"},
		{"closed instead", "S: 220 ...\nC: QUIT\nS: 221 ...\nS: 250 ...\n", "S: 220 ...\nC: QUIT\nS: 221 ...\nS: (closed)\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := new(demo).script(t)
			s.Update = true
			failure, after := verdict(t, s, test.before)
			if failure != "" || after != test.after {
				t.Errorf("failure %q, got\n%s\nwant\n%s", failure, after, test.after)
			}
			s.Update = false
			if failure, _ := verdict(t, s, after); failure != "" {
				t.Errorf("the updated file fails: %s", failure)
			}
		})
	}
}

func TestRunScriptRewritesTheFileOnUpdate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new.txt")
	if err := os.WriteFile(file, []byte("C: QUIT\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := new(demo).script(t)
	s.Update = true
	t.Run("update", func(t *testing.T) { RunScript(t, file, s) })
	s.Update = false
	t.Run("again", func(t *testing.T) { RunScript(t, file, s) })
	got, err := os.ReadFile(file)
	if want := "S: 220 mx.example.org ESMTP demo\nC: QUIT\nS: 221 2.0.0 bye\nS: (closed)\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
}
