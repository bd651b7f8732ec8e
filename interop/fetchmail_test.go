package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fetchmail fetches all mail of bob, with options for where it goes.
func fetchmail(t *testing.T, s *server, listener, options string) command {
	t.Helper()
	dir := t.TempDir()
	protocol, ssl := strings.ToUpper(strings.TrimSuffix(listener, "s")), "sslproto TLS1.2+"
	if strings.HasSuffix(listener, "s") {
		ssl = "ssl"
	}
	rc := filepath.Join(dir, "fetchmailrc")
	writeFile(t, rc, fmt.Sprintf(`set no bouncemail
set invisible
poll localhost protocol %s port %s timeout 20 auth password
	user "%s" password "%s" is postmaster here
	%s sslcertck sslcertfile "%s"
	fetchall no rewrite no mimedecode pass8bits
	%s
`, strings.ReplaceAll(protocol, "POP3S", "POP3"), s.port(listener), bob, password, ssl, s.ca, options))
	return command{path: program(t, "fetchmail"), args: []string{"--fetchmailrc", rc, "--pidfile", filepath.Join(dir, "pid"), "--nodetach", "--nosyslog", "-v"},
		env: []string{"HOME=" + dir, "FETCHMAILHOME=" + dir}}
}

func TestFetchmailFetchesToAFile(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	for _, listener := range []string{"pop3", "pop3s", "imap", "imaps"} {
		t.Run(listener, func(t *testing.T) {
			s.delivered()
			dir := t.TempDir()
			fetchmail(t, s, listener, `mda "cat >`+dir+`/$$" no keep`).must(t)
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, name := range files {
				text, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, strings.ReplaceAll(string(text), "\n", "\r\n"))
			}
			got := bySubject(t, texts)
			for _, name := range sampleNames() {
				if err := sameBytes(got[name], samples[name]); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if left := s.mustInbox(bob); len(left) > 0 {
				t.Errorf("%d messages are left", len(left))
			}
		})
	}
}

func TestFetchmailHandsOnBySMTP(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.delivered()
	for _, listener := range []string{"pop3s", "imap"} { // the first keeps, the second takes all
		t.Run(listener, func(t *testing.T) {
			keep := map[bool]string{true: "keep", false: "no keep"}[listener == "pop3s"]
			fetchmail(t, s, listener, `smtphost "localhost/`+s.port("smtp")+`" smtpname "`+ann+`" `+keep).must(t)
		})
	}
	got := map[string]int{}
	for _, text := range s.mustInbox(ann) {
		name := subject(text)
		got[name]++
		if !strings.HasSuffix(text, samples[name]) {
			t.Errorf("%s came out as %q, want %q", name, text, samples[name])
		}
	}
	for _, name := range sampleNames() {
		if got[name] != 2 {
			t.Errorf("ann has %q %d times, want 2", name, got[name])
		}
	}
	if left := s.mustInbox(bob); len(left) > 0 {
		t.Errorf("%d messages are left", len(left))
	}
}
