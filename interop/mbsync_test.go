package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const mbsyncrc = `SyncState *

IMAPAccount ours
Host localhost
Port %s
User %s
Pass "%s"
SSLType %s
CertificateFile %s
SystemCertificates no
Timeout 20

IMAPStore far
Account ours

MaildirStore near
Path %[6]s/
Inbox %[6]s/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
`

// A maildirs is a folder of Maildirs that mbsync keeps like the mailboxes of bob.
type maildirs struct {
	t    *testing.T
	s    *server
	path string
	rc   string
}

func newMaildirs(t *testing.T, s *server, listener, tls string) *maildirs {
	dir := t.TempDir()
	m := &maildirs{t, s, filepath.Join(dir, "mail"), filepath.Join(dir, "mbsyncrc")}
	if err := os.Mkdir(m.path, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, m.rc, fmt.Sprintf(mbsyncrc, s.port(listener), bob, password, tls, s.ca, m.path))
	return m
}

// sync runs mbsync once.
func (m *maildirs) sync() {
	m.t.Helper()
	if r := (command{path: program(m.t, "mbsync"), args: []string{"--config", m.rc, "--all"}}).must(m.t); strings.Contains(r.stderr, "arning") {
		m.t.Errorf("mbsync is not happy:\n%v", r)
	}
}

// files returns the files of a mailbox by the subjects of their messages.
func (m *maildirs) files(mailbox string) map[string]string {
	m.t.Helper()
	names, err := filepath.Glob(filepath.Join(m.path, mailbox, "[cn][ue][rw]", "*"))
	if err != nil {
		m.t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range names {
		s := subject(m.read(name))
		if files[s] != "" {
			m.t.Errorf("%s is twice in %s", s, mailbox)
		}
		files[s] = name
	}
	return files
}

// read returns a message with CRLF.
func (m *maildirs) read(name string) string {
	m.t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\n", "\r\n")
}

// add puts a message in a mailbox.
func (m *maildirs) add(mailbox, text string) {
	m.t.Helper()
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(m.path, mailbox, sub), 0o700); err != nil {
			m.t.Fatal(err)
		}
	}
	writeFile(m.t, filepath.Join(m.path, mailbox, "new", subject(text)), strings.ReplaceAll(text, "\r\n", "\n"))
}

// flag gives the message flags, in the letters of Maildir.
func (m *maildirs) flag(mailbox, subject, flags string) {
	m.t.Helper()
	name := m.files(mailbox)[subject]
	base, _, _ := strings.Cut(filepath.Base(name), ":")
	if err := os.Rename(name, filepath.Join(m.path, mailbox, "cur", base+":2,"+flags)); err != nil {
		m.t.Fatal(err)
	}
}

// tuid is the field by which mbsync finds the copies that it makes.
var tuid = regexp.MustCompile(`(?m)^X-TUID: .*\r\n`)

// same fails the test unless INBOX and Maildir hold the same messages, octet for octet.
func (m *maildirs) same(want int) {
	m.t.Helper()
	far, near := bySubject(m.t, m.s.mustInbox(bob)), m.files("INBOX")
	if len(far) != want || len(near) != want {
		m.t.Errorf("the server has %d messages and the Maildir %d, want %d", len(far), len(near), want)
	}
	for s, text := range far {
		if near[s] == "" {
			m.t.Errorf("%q is not in the Maildir", s)
		} else if got := m.read(near[s]); tuid.ReplaceAllString(got, "") != tuid.ReplaceAllString(text, "") {
			m.t.Errorf("%q is on the server\n%q\nand in the Maildir\n%q", s, text, got)
		}
	}
}

func TestMbsyncSyncsBothWays(t *testing.T) {
	t.Parallel()
	for listener, tls := range map[string]string{"imap": "STARTTLS", "imaps": "IMAPS"} {
		t.Run(tls, func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			s.delivered()
			m := newMaildirs(t, s, listener, tls)
			m.sync()
			m.same(len(samples))

			// Here something changes, there something else.
			do := func(mailbox, request string) {
				curl(t, s, bob, "--request", request, s.url("imaps", "imaps", mailbox)).must(t)
			}
			number := strings.TrimSpace(s.search(bob, "INBOX", "SUBJECT plain"))
			do("INBOX", "STORE "+number+` +FLAGS.SILENT (\Deleted)`)
			do("INBOX", "EXPUNGE")
			do("INBOX", "STORE "+strings.TrimSpace(s.search(bob, "INBOX", "SUBJECT dots"))+` +FLAGS.SILENT (\Flagged \Answered)`)
			do("", "CREATE Far")
			s.submit(ann, message("late", "one more\r\n"), bob)
			m.flag("INBOX", "utf8", "S")
			m.flag("INBOX", "white", "ST") // and to be removed
			m.add("INBOX", message("local", "Grüße\r\n.\r\n"))
			m.add("Near", samples["latin1"])
			m.sync()
			m.same(len(samples) + 2 - 2)
			if !strings.HasSuffix(m.files("INBOX")["dots"], ":2,FR") {
				t.Errorf("dots is here %q, want it flagged and answered", m.files("INBOX")["dots"])
			}
			s.holds(bob, "INBOX", "SEEN", "utf8")
			s.holds(bob, "INBOX", "FLAGGED", "dots")
			s.holds(bob, "Near", "ALL", "latin1")
			if _, err := os.Stat(filepath.Join(m.path, "Far")); err != nil {
				t.Error(err)
			}

			// And back.
			m.flag("INBOX", "dots", "")
			m.flag("Near", "latin1", "FS")
			do("INBOX", "STORE "+strings.TrimSpace(s.search(bob, "INBOX", "SUBJECT utf8"))+` -FLAGS.SILENT (\Seen)`)
			m.sync()
			s.holds(bob, "INBOX", "OR SEEN FLAGGED", "")
			s.holds(bob, "Near", "FLAGGED SEEN", "latin1")
			m.sync()
			m.same(len(samples))
		})
	}
}
