package interop

import (
	"bytes"
	"io"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// muttrc writes mutt's configuration for one of the people, with more lines at its end.
func muttrc(t *testing.T, s *server, who string, lines ...string) string {
	t.Helper()
	login := strings.ReplaceAll(who, "@", "%40") + "@localhost:"
	name := filepath.Join(t.TempDir(), "muttrc")
	writeFile(t, name, strings.Join(append([]string{
		`set from="` + who + `" realname="" hostname="client.ours.test" charset="utf-8" send_charset="utf-8"`,
		`set ssl_starttls ssl_force_tls ssl_ca_certificates_file="` + s.ca + `" certificate_file="" ssl_verify_host`,
		`set smtp_url="smtp://` + login + s.port("submission") + `/" smtp_pass="` + password + `"`,
		`set imap_pass="` + password + `" folder="imaps://` + login + s.port("imaps") + `/" spoolfile="+INBOX" record="+Sent"`,
		`set header_cache="" message_cachedir="" timeout=5 imap_keepalive=60 connect_timeout=20`,
		`set delete=yes quit=yes move=no mark_old=no confirmappend=no confirmcreate=no wait_key=no sleep_time=0 resolve=no`,
	}, lines...), "\n")+"\n")
	return name
}

func TestMuttSubmits(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	body := "Grüße!\n.\nFrom here a dot, and a line that is long: " + strings.Repeat("lang ", 250) + "\n"
	for _, setting := range []string{"set use_8bitmime", "unset use_8bitmime", `set smtp_authenticators="login"`} {
		c := command{path: program(t, "mutt"), args: []string{"-F", muttrc(t, s, ann, setting), "-s", setting, "--", bob}, stdin: body}
		c.must(t)
	}
	for subject, text := range bySubject(t, s.mustInbox(bob)) {
		m, err := mail.ReadMessage(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		var in io.Reader = m.Body
		if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
			in = quotedprintable.NewReader(in)
		}
		got, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, []byte(strings.ReplaceAll(body, "\n", "\r\n"))) {
			t.Errorf("%s: the text is %q, want %q", subject, got, body)
		}
		if !strings.Contains(text, "\r\nFrom: "+ann+"\r\n") {
			t.Errorf("%s: not from ann: %s", subject, text)
		}
	}
	// Mutt kept copies by IMAP.
	if got := s.search(ann, "Sent", "SEEN"); got != " 1 2 3" {
		t.Errorf("copies in Sent:%s, want 1 2 3", got)
	}
}

func TestMuttReadsAndFiles(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.delivered()
	copies := filepath.Join(t.TempDir(), "copies")
	rc := muttrc(t, s, bob, `set mbox_type=Maildir tmpdir="`+t.TempDir()+`"`,
		// No ^ here: ^p would be a control character.
		`push "<tag-pattern>~A<enter><tag-prefix><copy-message>`+copies+`<enter>`+ // reads all
			`<untag-pattern>~A<enter>`+
			`<search>~s plain<enter><delete-message>`+
			`<search>~s dots<enter><flag-message>`+
			`<search>~s mime<enter><display-message><exit>`+ // reads it
			`<search>~s latin1<enter><save-message>+Archive<enter>`+
			`<search>~s utf8<enter><copy-message>+Drafts<enter>`+
			`<sync-mailbox><quit>"`)
	mutt := program(t, "mutt") + " -F " + rc
	command{path: program(t, "script"), args: []string{"-qec", mutt, "/dev/null"}, env: []string{"TERM=vt100"}}.must(t)

	files, err := filepath.Glob(filepath.Join(copies, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// Mutt's own files have two fields more, and LF at the end of lines.
		clean := regexp.MustCompile(`(?m)^(Content-Length|Lines): \d+\n`).ReplaceAllString(string(text), "")
		texts = append(texts, strings.ReplaceAll(clean, "\n", "\r\n"))
	}
	got := bySubject(t, texts)
	for _, name := range sampleNames() {
		if err := sameBytes(got[name], samples[name]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	bobHas(t, s, slices.DeleteFunc(sampleNames(), func(name string) bool { return name == "latin1" || name == "plain" })...)
	s.holds(bob, "INBOX", "FLAGGED", "dots")
	s.holds(bob, "INBOX", "SEEN", "mime")
	s.holds(bob, "INBOX", "DELETED", "")
	s.holds(bob, "Archive", "ALL", "latin1")
	s.holds(bob, "Drafts", "ALL", "utf8")
}
