package interop

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// swaks is a session of swaks, with its transcript on standard output.
func swaks(t *testing.T, s *server, listener string, more ...string) command {
	t.Helper()
	args := []string{"--server", "localhost:" + s.port(listener), "--ehlo", "client.ours.test", "--timeout", "20s", "--from", ann, "--to", bob}
	return command{path: program(t, "swaks"), args: append(args, more...)}
}

// swaksData makes swaks send a sample as it is. Its own way of doubling dots would add an empty line, so that is done here.
func swaksData(t *testing.T, sample string) []string {
	t.Helper()
	var text strings.Builder
	for line := range strings.Lines(samples[sample]) {
		if line[0] == '.' {
			text.WriteByte('.')
		}
		text.WriteString(line)
	}
	text.WriteString(".") // and swaks ends the line
	name := filepath.Join(t.TempDir(), "data")
	writeFile(t, name, text.String())
	return []string{"--no-data-fixup", "--data", "@" + name}
}

// verified makes swaks look at the server's certificate.
func verified(s *server) []string { return []string{"--tls-verify", "--tls-ca-path", s.ca} }

func login(mechanism string) []string {
	return []string{"--auth", mechanism, "--auth-user", ann, "--auth-password", password}
}

func TestSwaksSubmits(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	ways := []struct {
		listener, tls, mechanism string
	}{
		{"submission", "--tls", "PLAIN"},
		{"submission", "--tls", "LOGIN"},
		{"submissions", "--tls-on-connect", "PLAIN"},
		{"submissions", "--tls-on-connect", "LOGIN"},
	}
	for i, name := range sampleNames() {
		way := ways[i%len(ways)]
		t.Run(name+" "+way.listener+" "+way.mechanism, func(t *testing.T) {
			args := slices.Concat(login(way.mechanism), []string{way.tls}, verified(s), swaksData(t, name))
			r := swaks(t, s, way.listener, args...).must(t)
			if !strings.Contains(r.stdout, "TLS started") {
				t.Errorf("swaks says nothing of TLS:\n%v", r)
			}
		})
	}
	bobHas(t, s, sampleNames()...)
}

func TestSwaksSendsFromOutside(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	swaks(t, s, "smtp", swaksData(t, "dots")...).must(t)
	swaks(t, s, "smtp", slices.Concat([]string{"--tls"}, verified(s), swaksData(t, "utf8"))...).must(t)
	swaks(t, s, "smtp", append(swaksData(t, "white"), "--pipeline", "--from", "<>")...).must(t)
	bobHas(t, s, "dots", "utf8", "white")
}

// The exit statuses of swaks by which one tells where the session ended.
const (
	swaksMail = 23
	swaksRcpt = 24
	swaksAuth = 28
)

func TestSwaksIsRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	tests := []struct {
		name     string
		listener string
		args     []string
		status   int
		reply    string
	}{
		{"submission without a login", "submission", []string{"--tls"}, swaksMail, "<~* 530 5.7.0 "},
		{"submission without TLS or a login", "submission", nil, swaksMail, "<** 530 5.7.0 "},
		{"implicit TLS without a login", "submissions", []string{"--tls-on-connect"}, swaksMail, "<~* 530 5.7.0 "},
		{"wrong password by PLAIN", "submission", []string{"--tls", "--auth", "PLAIN", "--auth-user", ann, "--auth-password", "wrong"}, swaksAuth, "535 5.7.8 "},
		{"wrong password by LOGIN", "submissions", []string{"--tls-on-connect", "--auth", "LOGIN", "--auth-user", bob, "--auth-password", "wrong"}, swaksAuth, "535 5.7.8 "},
		{"no login before TLS", "submission", login("PLAIN"), swaksAuth, "Host did not advertise authentication"},
		{"no login for other servers", "smtp", append(login("PLAIN"), "--tls"), swaksAuth, "Host did not advertise authentication"},
		{"unknown recipient", "smtp", []string{"--to", "nobody@" + domain}, swaksRcpt, "550 5.1.1 "},
		{"relaying", "smtp", []string{"--to", "someone@elsewhere.test"}, swaksRcpt, "550 5.7.1 "},
		{"relaying for a local sender in TLS", "smtp", []string{"--tls", "--from", bob, "--to", "someone@elsewhere.test"}, swaksRcpt, "550 5.7.1 "},
		{"another's address", "submission", append(login("PLAIN"), "--tls", "--from", bob), swaksMail, "550 5.7.1 "},
		{"unknown recipient of a submission", "submission", append(login("LOGIN"), "--tls", "--to", "nobody@"+domain), swaksRcpt, "550 5.1.1 "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := swaks(t, s, test.listener, test.args...).run(t)
			if r.status != test.status || !strings.Contains(r.stdout+r.stderr, test.reply) {
				t.Errorf("want status %d and %q:\n%v", test.status, test.reply, r)
			}
		})
	}
	for _, who := range []string{ann, bob} {
		if got := s.mustInbox(who); len(got) > 0 {
			t.Errorf("%s got %q", who, got)
		}
	}
}

func TestSwaksFindsAuthOnlyUnderTLS(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	plain := swaks(t, s, "submission", "--quit-after", "EHLO").must(t)
	if strings.Contains(plain.stdout, "AUTH") || !strings.Contains(plain.stdout, "STARTTLS") {
		t.Errorf("want STARTTLS and no AUTH:\n%v", plain)
	}
	secure := swaks(t, s, "submission", "--tls", "--quit-after", "EHLO").must(t)
	_, after, _ := strings.Cut(secure.stdout, " ~> EHLO")
	if !strings.Contains(after, "AUTH PLAIN LOGIN") && !strings.Contains(after, "AUTH LOGIN PLAIN") || strings.Contains(after, "STARTTLS") {
		t.Errorf("want AUTH and no STARTTLS:\n%v", secure)
	}
}
