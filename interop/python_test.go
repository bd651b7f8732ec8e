package interop

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// python runs a class of testdata/clients.py, as bob or ann.
func python(t *testing.T, s *server, class, who string) {
	t.Helper()
	settings := map[string]string{"ca": s.ca, "user": who, "to": bob, "password": password, "samples": filepath.Dir(writeSamples(t)["plain"])}
	for _, name := range []string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"} {
		settings[name] = s.port(name)
	}
	env, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	c := command{path: program(t, "python3"), args: []string{"testdata/clients.py", class}, env: []string{"SERVER=" + string(env)}}
	r := c.must(t)
	t.Log(r)
	if !strings.Contains(r.stderr, "\nOK\n") {
		t.Errorf("the tests in Python did not all run")
	}
}

func TestPythonSubmits(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	python(t, s, "SMTP", ann)
	got := bySubject(t, s.mustInbox(bob))
	if len(got) != len(samples)+1 || got["after refusals"] == "" {
		t.Errorf("bob has %d messages, want the %d samples and the one after refusals", len(got), len(samples))
	}
	for name, text := range samples {
		if err := sameBytes(got[name], text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if all := s.mustInbox(ann); len(all) > 0 {
		t.Errorf("ann got %q", all)
	}
}

func TestPythonReadsByIMAP(t *testing.T) {
	t.Parallel()
	python(t, startServer(t), "IMAP", bob)
}

func TestPythonReadsByPOP3(t *testing.T) {
	t.Parallel()
	python(t, startServer(t), "POP3", bob)
}
