package interop

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// curl is one transfer, with the server's certificate checked and the password of who at hand.
func curl(t *testing.T, s *server, who string, more ...string) command {
	t.Helper()
	args := []string{"--silent", "--show-error", "--verbose", "--max-time", "30", "--cacert", s.ca, "--user", who + ":" + password}
	return command{path: program(t, "curl"), args: append(args, more...)}
}

// url returns the URL of a listener; its scheme tells curl of TLS from the start.
func (s *server) url(scheme, listener, path string) string {
	return scheme + "://localhost:" + s.port(listener) + "/" + path
}

func TestCurlSubmits(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	files := writeSamples(t)
	ways := []struct{ scheme, listener, mechanism string }{
		{"smtp", "submission", "PLAIN"},
		{"smtps", "submissions", "LOGIN"},
		{"smtp", "submission", "LOGIN"},
		{"smtps", "submissions", "PLAIN"},
	}
	for i, name := range sampleNames() {
		way := ways[i%len(ways)]
		t.Run(name+" "+way.scheme+" "+way.mechanism, func(t *testing.T) {
			r := curl(t, s, ann, "--ssl-reqd", "--login-options", "AUTH="+way.mechanism, "--mail-from", ann, "--mail-rcpt", bob,
				"--upload-file", files[name], s.url(way.scheme, way.listener, "client.ours.test")).must(t)
			if !strings.Contains(r.stderr, "> AUTH "+way.mechanism) {
				t.Errorf("curl logged in otherwise:\n%v", r)
			}
		})
	}
	bobHas(t, s, sampleNames()...)
}

// Exit statuses of curl.
const (
	curlSendFailed  = 55
	curlTLSFailed   = 60
	curlLoginDenied = 67
)

func TestCurlIsRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	file := writeSamples(t)["plain"]
	submission := s.url("smtp", "submission", "")
	tests := []struct {
		name   string
		args   []string
		status int
		reply  string
	}{
		{"wrong password", []string{"--user", ann + ":wrong", "--ssl-reqd", submission}, curlLoginDenied, "< 535 5.7.8 "},
		{"no TLS, so no AUTH, so no mail", []string{submission}, curlSendFailed, "< 530 5.7.0 "},
		{"a certificate of somebody else", []string{"--ssl-reqd", "--cacert", otherCertificate(t), submission}, curlTLSFailed, "certificate problem"},
		{"relaying", []string{"--mail-rcpt", "someone@elsewhere.test", s.url("smtp", "smtp", "")}, curlSendFailed, "< 550 5.7.1 "},
		{"wrong password by IMAP", []string{"--user", ann + ":wrong", "--ssl-reqd", s.url("imap", "imap", "INBOX")}, curlLoginDenied, " NO [AUTHENTICATIONFAILED] "},
		{"no TLS, so no login by IMAP", []string{s.url("imap", "imap", "INBOX")}, curlLoginDenied, " LOGINDISABLED"},
		{"wrong password by POP3", []string{"--user", ann + ":wrong", "--ssl-reqd", s.url("pop3", "pop3", "")}, curlLoginDenied, "< -ERR [AUTH] "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"--mail-from", ann, "--mail-rcpt", bob, "--upload-file", file}, test.args...)
			if !strings.HasPrefix(args[len(args)-1], "smtp") {
				args = test.args
			}
			r := curl(t, s, ann, args...).run(t)
			if r.status != test.status || !strings.Contains(r.stderr, test.reply) {
				t.Errorf("want status %d and %q:\n%v", test.status, test.reply, r)
			}
		})
	}
}

// otherCertificate returns the file with a certificate that is not the server's.
func otherCertificate(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeCertificate(t, dir+"/cert.pem", dir+"/key.pem", "localhost")
	return dir + "/cert.pem"
}

// delivered submits all samples to bob, in the order of their names.
func (s *server) delivered() {
	s.t.Helper()
	for _, name := range sampleNames() {
		s.submit(ann, samples[name], bob)
	}
}

func TestCurlReadsWhatWasSent(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.delivered()
	for _, listener := range []string{"imap", "imaps", "pop3", "pop3s"} {
		for i, name := range sampleNames() {
			t.Run(listener+" "+name, func(t *testing.T) {
				path := strconv.Itoa(i + 1)
				if strings.HasPrefix(listener, "imap") {
					path = "INBOX;MAILINDEX=" + path
				}
				r := curl(t, s, bob, "--ssl-reqd", s.url(listener, listener, path)).must(t)
				if err := sameBytes(r.stdout, samples[name]); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestCurlAppendsAndSearches(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	files := writeSamples(t)
	for i, name := range sampleNames() {
		curl(t, s, bob, "--upload-file", files[name], s.url("imaps", "imaps", "Drafts")).must(t)
		r := curl(t, s, bob, s.url("imaps", "imaps", "Drafts;MAILINDEX="+strconv.Itoa(i+1))).must(t)
		if r.stdout != samples[name] {
			t.Errorf("%s: got %q, want %q", name, r.stdout, samples[name])
		}
	}
	if got, want := s.search(bob, "Drafts", "SUBJECT dots"), " "+strconv.Itoa(1+slices.Index(sampleNames(), "dots")); got != want {
		t.Errorf("search finds%s, want%s", got, want)
	}
	r := curl(t, s, bob, s.url("imaps", "imaps", "")).must(t)
	for _, mailbox := range []string{"INBOX", "Drafts", "Sent", "Trash"} {
		if !strings.Contains(r.stdout, mailbox) {
			t.Errorf("no %s in the list:\n%s", mailbox, r.stdout)
		}
	}
	if all := s.mustInbox(bob); len(all) > 0 {
		t.Errorf("INBOX is not empty: %q", all)
	}
}

// search returns the numbers of the messages that an IMAP search in a mailbox finds, such as " 1 4". It changes no flags.
func (s *server) search(who, mailbox, criteria string) string {
	s.t.Helper()
	r := curl(s.t, s, who, s.url("imaps", "imaps", mailbox+"?"+strings.ReplaceAll(criteria, " ", "%20"))).must(s.t)
	return strings.TrimPrefix(strings.TrimSpace(r.stdout), "* SEARCH")
}

// holds fails the test unless a search finds just the message with the subject, or none if that is empty.
func (s *server) holds(who, mailbox, criteria, subject string) {
	s.t.Helper()
	got, want := s.search(who, mailbox, criteria), ""
	if subject != "" {
		want = s.search(who, mailbox, "SUBJECT "+subject)
	}
	if got != want || subject != "" && got == "" {
		s.t.Errorf("%s in %s finds%s, want%s, which is %q", criteria, mailbox, got, want, subject)
	}
}
