package interop

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// off turns all listeners off.
var off = []string{"-smtp", "", "-submission", "", "-submissions", "", "-lmtp", "", "-imap", "", "-imaps", "", "-pop3", "", "-pop3s", ""}

func TestWhatCannotBeIsOneLineAndAStatus(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { busy.Close() })
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, cert, key, "localhost")
	running := startServer(t)
	tests := []struct {
		name   string
		flags  []string
		status int
		line   string // what the one line says
	}{
		{"unknown flag", []string{"-smtps", "127.0.0.1:0"}, 2, "-smtps"},
		{"argument", []string{"start"}, 2, `"start"`},
		{"no duration", []string{"-retry", "soon"}, 2, "-retry"},
		{"retry at once", []string{"-retry", "0s"}, 2, "-retry"},
		{"no level", []string{"-log-level", "loud"}, 2, "-log-level"},
		{"no port", []string{"-smtp-port", "65536"}, 2, "-smtp-port"},
		{"no domain", []string{"-domain", "ours..test"}, 2, "-domain"},
		{"no address", []string{"-account", "ann:secret"}, 2, "-account"},
		{"no password", []string{"-account", ann}, 2, "-account"},
		{"account elsewhere", []string{"-domain", domain, "-account", "ann@elsewhere.test:secret"}, 2, "elsewhere.test"},
		{"alias elsewhere", []string{"-domain", domain, "-alias", "ann@elsewhere.test=" + ann}, 2, "elsewhere.test"},
		{"alias for nobody", []string{"-domain", domain, "-alias", "all@ours.test="}, 2, "-alias"},
		{"catch-all elsewhere", []string{"-domain", domain, "-catchall", "elsewhere.test=" + ann}, 2, "elsewhere.test"},
		{"DNS without a port", []string{"-dns", "127.0.0.1"}, 2, "-dns"},
		{"known passwords in public", []string{"-imap", "0.0.0.0:0"}, 2, "-account"},
		{"certificate without key", []string{"-tls-cert", cert}, 2, "-tls-key"},
		{"no such certificate", []string{"-tls-cert", filepath.Join(dir, "none.pem"), "-tls-key", key}, 1, "none.pem"},
		{"key for a certificate", []string{"-tls-cert", key, "-tls-key", key}, 1, "tls"},
		{"port in use", []string{"-pop3", busy.Addr().String()}, 1, "-pop3: listen tcp " + busy.Addr().String()},
		{"no such host", []string{"-imap", "host.invalid:0", "-account", "ann@example.org:secret"}, 1, "-imap"},
		{"folder is a file", []string{"-data", cert, "-smtp", "127.0.0.1:0"}, 1, "cert.pem"},
		{"folder in use", []string{"-data", running.data, "-smtp", "127.0.0.1:0"}, 1, running.data},
		{"nothing to serve", nil, 1, "all listeners are turned off"},
	}
	path, err := mailserver()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			args := slices.Concat([]string{"-data", filepath.Join(t.TempDir(), "data")}, off, test.flags)
			r := command{path: path, args: args}.run(t)
			if r.status != test.status || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "mailserver: ") ||
				!strings.Contains(r.stderr, test.line) || strings.Contains(r.stdout, "ready") {
				t.Errorf("want status %d and one line with %q:\n%v", test.status, test.line, r)
			}
		})
	}
}

func TestAnEmptyFlagTurnsAListenerOff(t *testing.T) {
	t.Parallel()
	s := startServer(t, append(off, "-imaps", "127.0.0.1:0")...)
	for _, name := range []string{"smtp", "submission", "submissions", "lmtp", "imap", "pop3", "pop3s"} {
		if at := s.at[name]; at != "" {
			t.Errorf("%s listens at %s", name, at)
		}
	}
	curl(t, s, ann, s.url("imaps", "imaps", "INBOX")).must(t)
}

func TestWithoutFlagsTheServerSaysWhatToTry(t *testing.T) {
	t.Parallel()
	s := &server{t: t}
	t.Cleanup(s.cleanUp)
	s.args = []string{"-data", t.TempDir()}
	for _, name := range []string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"} {
		s.args = append(s.args, "-"+name, "127.0.0.1:0")
	}
	program(t, "curl")
	s.start()
	if len(s.trials) != 3 {
		t.Fatalf("the server offers %q, want three commands", s.trials)
	}
	for i, line := range s.trials {
		r := command{path: "sh", args: []string{"-c", line}}.must(t)
		if i > 0 && !strings.HasSuffix(r.stdout, "It works.\r\n") {
			t.Errorf("%s: got %q", line, r.stdout)
		}
	}
}

// A talk is a session of a protocol of lines, held by hand.
type talk struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
}

func (s *server) talk(listener string) *talk {
	s.t.Helper()
	c, err := net.DialTimeout("tcp", s.at[listener], patience)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &talk{s.t, c, bufio.NewReader(c)}
}

func (k *talk) say(format string, args ...any) {
	k.t.Helper()
	if _, err := fmt.Fprintf(k.c, format, args...); err != nil {
		k.t.Fatal(err)
	}
}

// hear reads lines up to one that begins so.
func (k *talk) hear(want string) {
	k.t.Helper()
	for {
		line, err := k.r.ReadString('\n')
		if err != nil {
			k.t.Fatalf("%v, waiting for %q", err, want)
		}
		if strings.HasPrefix(line, want) {
			return
		}
	}
}

func TestASignalLetsSessionsFinish(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			busy, idle, reader, dropped := s.talk("smtp"), s.talk("smtp"), s.talk("imap"), s.talk("pop3")
			for _, k := range []*talk{busy, idle} {
				k.hear("220 ")
				k.say("EHLO client.example\r\n")
				k.hear("250 ")
			}
			reader.hear("* OK")
			dropped.hear("+OK")
			busy.say("MAIL FROM:<carl@example>\r\nRCPT TO:<%s>\r\nDATA\r\n", bob)
			busy.hear("354 ")
			busy.say("%s", samples["plain"][:50])
			s.cmd.Process.Signal(sig)
			idle.hear("421 4.3.2 ")
			reader.hear("* BYE ")
			busy.say("%s.\r\n", samples["plain"][50:])
			busy.hear("250 2.")
			s.wait()
			s.start()
			bobHas(t, s, "plain")
		})
	}
}
