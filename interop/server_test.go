package interop

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The people of most tests, and the domain that the server under test serves.
const (
	domain   = "ours.test"
	ann      = "ann@ours.test"
	bob      = "bob@ours.test"
	password = "correct horse"
)

// people are the flags for them.
var people = []string{"-hostname", "mx.ours.test", "-domain", domain, "-account", ann + ":" + password, "-account", bob + ":" + password}

// A server is one run of examples/mailserver.
type server struct {
	data string            // its data folder
	ca   string            // the file with the certificate that clients trust
	at   map[string]string // where it listens, host:port by the names of the flags: smtp, submission ...

	trials []string // the commands that it says to try

	t     *testing.T
	args  []string
	cmd   *exec.Cmd
	log   logBuffer
	ended chan struct{} // closed when the process has ended
}

// startServer starts a server with people and flags at free ports, and waits for its "ready". It is stopped with the test, and must then
// end well. Flags come last, so a test may give its own -smtp.
func startServer(t *testing.T, flags ...string) *server {
	t.Helper()
	s := &server{t: t, data: t.TempDir()}
	s.ca = filepath.Join(s.data, "cert.pem")
	key := filepath.Join(s.data, "key.pem")
	writeCertificate(t, s.ca, key, "localhost", "127.0.0.1", "mx.ours.test")
	args := append([]string{"-data", s.data, "-tls-cert", s.ca, "-tls-key", key}, people...)
	for _, name := range []string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"} {
		args = append(args, "-"+name, "127.0.0.1:0")
	}
	s.args = append(args, flags...)
	t.Cleanup(s.cleanUp)
	s.start()
	return s
}

// start starts the process, for the first time or again, and waits for its "ready": on the same folder, and at other ports unless a flag chose them.
func (s *server) start() {
	s.t.Helper()
	ready := s.launch()
	select {
	case ok := <-ready:
		if !ok {
			<-s.ended
			s.t.Fatalf("the server ended before it was ready: %v", s.cmd.ProcessState)
		}
	case <-time.After(patience):
		s.t.Fatalf("the server is not ready after %v", patience)
	}
}

// launch starts the process, and returns a channel that tells whether it got ready or ended before.
func (s *server) launch() <-chan bool {
	s.t.Helper()
	s.at, s.trials, s.ended = map[string]string{}, nil, make(chan struct{})
	path, err := mailserver()
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command(path, s.args...)
	isolate(s.cmd)
	s.cmd.Stderr = &s.log
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ready := make(chan bool, 1)
	go func() {
		defer close(s.ended)
		s.readAnnouncement(stdout, ready)
		s.cmd.Wait() // the status is in cmd.ProcessState
	}()
	return ready
}

// readAnnouncement reads standard output to its end, and reports whether there was a line "ready".
func (s *server) readAnnouncement(stdout io.Reader, ready chan<- bool) {
	lines := bufio.NewScanner(stdout)
	said := false
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); !said && len(words) == 2 {
			s.at[words[0]] = words[1]
		}
		if trial, ok := strings.CutPrefix(lines.Text(), "try "); ok {
			s.trials = append(s.trials, strings.TrimSpace(trial))
		}
		if lines.Text() == "ready" && !said {
			said = true
			ready <- true
		}
	}
	if !said {
		ready <- false
	}
}

// stop ends the server by SIGTERM, which must be gracious.
func (s *server) stop() {
	s.t.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.wait()
}

// wait waits for the end of a server that was told to stop.
func (s *server) wait() {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.kill()
		s.t.Fatalf("the server still runs %v after SIGTERM", patience)
	}
	if !s.cmd.ProcessState.Success() {
		s.t.Errorf("the server ended with %v after SIGTERM", s.cmd.ProcessState)
	}
}

// kill ends the server as a power cut would.
func (s *server) kill() {
	signal(s.cmd, syscall.SIGKILL)
	<-s.ended
}

// running reports whether the process has not ended.
func (s *server) running() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

func (s *server) cleanUp() {
	if s.cmd != nil && s.cmd.Process != nil && s.running() {
		s.stop()
	}
	if s.t.Failed() {
		s.t.Logf("log of the server:\n%s", s.log.String())
	}
}

// port returns the port of a listener, nothing if it is turned off.
func (s *server) port(name string) string {
	_, port, _ := net.SplitHostPort(s.at[name])
	return port
}

// A logBuffer keeps the end of what a process says.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

// logSize is how much of a log is kept at least.
const logSize = 64 << 10

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf.Len() > 2*logSize {
		b.buf.Next(b.buf.Len() - logSize)
	}
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// writeCertificate makes a certificate for the names, which may be addresses, and its key, and writes both in PEM.
func writeCertificate(t *testing.T, certFile, keyFile string, names ...string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: names[0]},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true,
		IsCA:                  true, // it is its own, and GnuTLS trusts no other
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	writeFile(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// writeFile writes a file that only its owner can read, for some programs insist on that.
func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
