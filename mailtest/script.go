package mailtest

import (
	"crypto/tls"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Role is the side of a dialogue that a script plays.
type Role int

// The roles of Script.Play.
const (
	Client Role = iota // the C: lines are sent and the S: lines expected: the server is under test
	Server             // the S: lines are sent and the C: lines expected: the client is under test
)

// Script says how to run dialogue files; the package comment describes their language. The zero value of each field but Start is of use.
type Script struct {
	// Play is the side that the file plays.
	Play Role

	// Start brings up what is under test, and is called once for each file, inside its testing/synctest bubble.
	//
	// A server (Play: Client) listens on n, at Addr, serves in goroutines, and is shut down by t.Cleanup: a goroutine that
	// outlives the dialogue makes the bubble panic. A client (Play: Server) does its work, dialling by n, before Start returns.
	Start func(t *testing.T, n *Network)

	// Do runs what a line "do deliver greeting.eml" says; line is what follows "do ". Other goroutines have come to rest
	// before and after it. An error fails the script. With Do nil no file may have such a line.
	Do func(t *testing.T, line string) error

	// Check returns what is there at the end, to be compared with the section "-- section --" of the file: of a server's store, of
	// a client's results. It is called for each section in order, after the last line, while the connections are still open.
	Check func(t *testing.T, section string) string

	// Addr is the server's address. Empty means "192.0.2.1:25".
	Addr string

	// TLS is the configuration for (starttls), for (connect tls) and for ImplicitTLS, of the side that the script plays; see TLS.
	TLS *tls.Config

	// ImplicitTLS begins each connection with a TLS handshake (RFC 8314 §3).
	ImplicitTLS bool

	// Timeout is how long, by the fake clock, an expected line may take to come. Zero or less means a second: time spent in
	// computing does not count, and what answers later by intention needs a "wait" in the script.
	Timeout time.Duration

	// Update rewrites the expected lines and the sections of the files by what happens, instead of failing. It is also on if
	// the environment has MAILTEST_UPDATE=1, or if the test binary has a flag -update, which UpdateFlag defines, and it is set.
	Update bool
}

// UpdateFlag defines the flag -update for test binaries, unless there is one. A package's tests call it once, where flags are defined:
//
//	var _ = mailtest.UpdateFlag()
func UpdateFlag() bool {
	if flag.Lookup("update") == nil {
		flag.Bool("update", false, "rewrite the expected lines of testdata/script")
	}
	return true
}

// RunScripts runs each file *.txt of dir as a subtest, named after the file.
func RunScripts(t *testing.T, dir string, s Script) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in %s (%v)", dir, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { RunScript(t, file, s) })
	}
}

// RunScript runs one file in a bubble of its own. t must not be in a bubble.
func RunScript(t *testing.T, file string, s Script) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := parse(file, string(text), s.Play)
	if err != nil {
		t.Fatal(err)
	}
	s.setDefaults()
	synctest.Test(t, func(t *testing.T) {
		p := newPlayer(t, d, s)
		defer p.report() // even if Start calls t.Fatal
		if s.Play == Server {
			p.playServer()
		} else {
			p.playClient()
		}
	})
	if s.Update && !t.Failed() && d.String() != string(text) {
		if err := os.WriteFile(file, []byte(d.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s rewritten; review it", file)
	}
}

func (s *Script) setDefaults() {
	if s.Addr == "" {
		s.Addr = "192.0.2.1:25"
	}
	if s.Timeout <= 0 {
		s.Timeout = time.Second
	}
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		s.Update = true
	}
	if os.Getenv("MAILTEST_UPDATE") == "1" {
		s.Update = true
	}
}
