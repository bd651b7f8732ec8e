package interop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/smtp"
)

// samples are messages that tell who touched them, by a name for each.
var samples = map[string]string{
	"plain": message("plain", "Just a line.\r\n"),
	"dots":  message("dots", ".\r\n..\r\n.dot\r\n...\r\n \r\n.\r\n\r\n.\r\n"),
	"long":  message("long", strings.Repeat("x", 998)+"\r\n"+strings.Repeat("y ", 450)+"z\r\n"),
	"white": message("white", "trailing space \r\nand tab\t\r\n\r\n\r\n  \r\n\t\r\n-- \r\n"),
	"from":  message("from", "From here an mbox would begin.\r\n>From is another matter.\r\n"),
	"utf8": message("utf8", "Grüße aus Zürich: zwölf Boxkämpfer, 猫, \U0001f4ee\r\n",
		"MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"),
	"latin1": message("latin1", "Gr\xfc\xdfe, \xa0\xff\xfe\r\n",
		"MIME-Version: 1.0", "Content-Type: text/plain; charset=iso-8859-1", "Content-Transfer-Encoding: 8bit"),
	"mime": message("mime", strings.Join([]string{"preamble", "--=_b", "", "text", "--=_b", "Content-Type: application/octet-stream",
		"Content-Transfer-Encoding: base64", "", "3q2+7w==", "--=_b--", "epilogue", ""}, "\r\n"),
		"MIME-Version: 1.0", `Content-Type: multipart/mixed; boundary="=_b"`),
	"folded": message("folded", "The header is the matter here.\r\n", "X-Folded: one\r\n\ttwo\r\n  three ", "x-case:kept", "X-Empty:"),
}

// message makes a message from ann to bob, with the subject and more header fields.
func message(subject, body string, fields ...string) string {
	header := append([]string{
		"From: Ann <" + ann + ">",
		"To: Bob <" + bob + ">",
		"Subject: " + subject,
		"Date: Sun, 22 Nov 2026 12:00:00 +0000",
		"Message-ID: <" + subject + "@client.ours.test>",
	}, fields...)
	return strings.Join(header, "\r\n") + "\r\n\r\n" + body
}

// writeSamples writes each sample to a file of its own and returns the files by name.
func writeSamples(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{}
	for name, text := range samples {
		files[name] = dir + "/" + name + ".eml"
		writeFile(t, files[name], text)
	}
	return files
}

// sampleNames returns the names of the samples in order.
func sampleNames() []string { return slices.Sorted(maps.Keys(samples)) }

// trace is what the server may put on top of a message that is delivered to a mailbox, and nothing else.
var trace = []string{"Return-Path", "Received"}

// sameBytes returns an error unless got is want below fields that the server prepended.
func sameBytes(got, want string) error {
	top, ok := strings.CutSuffix(got, want)
	if !ok {
		return fmt.Errorf("the message came out other than it went in:\n got %q\nwant %q", got, want)
	}
	var names []string
	for line := range strings.Lines(top) {
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := strings.Cut(line, ":")
			names = append(names, name)
		}
	}
	if !slices.Equal(names, trace) {
		return fmt.Errorf("the fields above the message are %q, want %q", names, trace)
	}
	return nil
}

// subject returns the subject of a message, which names the samples.
func subject(text string) string {
	header, _, _ := strings.Cut(text, "\r\n\r\n")
	for line := range strings.Lines(header) {
		if s, ok := strings.CutPrefix(line, "Subject: "); ok {
			return strings.TrimSpace(s)
		}
	}
	return ""
}

// bySubject returns messages by their subjects, of which each must be there once.
func bySubject(t *testing.T, texts []string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, text := range texts {
		if s := subject(text); all[s] != "" {
			t.Errorf("message %q is there twice", s)
		} else {
			all[s] = text
		}
	}
	return all
}

// bobHas fails the test unless bob has each of the samples once, as it was sent.
func bobHas(t *testing.T, s *server, names ...string) {
	t.Helper()
	got := bySubject(t, s.mustInbox(bob))
	if len(got) != len(names) {
		t.Errorf("bob has %d messages, want %d", len(got), len(names))
	}
	for _, name := range names {
		if err := sameBytes(got[name], samples[name]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// trust returns a TLS configuration that trusts the certificate in the file.
func trust(t *testing.T, file string) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in %s", file)
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

// submit sends a message as one of the people, and fails the test unless the server takes it for all recipients.
func (s *server) submit(from, text string, to ...string) {
	s.t.Helper()
	if err := s.trySubmit(from, text, to...); err != nil {
		s.t.Fatalf("submit: %v", err)
	}
}

func (s *server) trySubmit(from, text string, to ...string) error {
	d := smtp.Dialer{Hostname: "client.ours.test", TLS: smtp.RequireTLS, TLSConfig: trust(s.t, s.ca), Auth: smtp.PasswordAuth(from, password)}
	return send(s.t, d, s.at["submission"], from, text, to...)
}

// send sends a message from an address, null if empty, by a session of its own.
func send(t *testing.T, d smtp.Dialer, addr, from, text string, to ...string) error {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := d.Connect(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Quit(ctx)
	var env postrider.Envelope
	if from != "" {
		env.ReversePath = address(t, from)
	}
	for _, a := range to {
		env.Recipients = append(env.Recipients, postrider.Recipient{ForwardPath: address(t, a)})
	}
	_, err = c.Send(ctx, &env, postrider.String(text))
	return err
}

func address(t *testing.T, s string) postrider.Address {
	t.Helper()
	a, err := postrider.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// inbox returns the messages in somebody's INBOX, octet for octet, oldest first, by POP3.
func (s *server) inbox(who string) ([]string, error) {
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: trust(s.t, s.ca)}
	conn, err := dialer.DialContext(s.t.Context(), "tcp", s.at["pop3s"])
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	p := &popClient{conn: conn, r: bufio.NewReader(conn)}
	var count, size int
	if _, err := p.line(); err != nil {
		return nil, err
	}
	for _, c := range []string{"USER " + who, "PASS " + password, "STAT"} {
		reply, err := p.command(c)
		if err != nil {
			return nil, err
		}
		fmt.Sscanf(reply, "+OK %d %d", &count, &size)
	}
	var all []string
	for n := 1; n <= count; n++ {
		text, err := p.retrieve(n)
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	_, err = p.command("QUIT")
	return all, err
}

// A popClient is as much of a POP3 client as a test needs that trusts none of the code under test.
type popClient struct {
	conn net.Conn
	r    *bufio.Reader
}

func (p *popClient) line() (string, error) {
	line, err := p.r.ReadString('\n')
	if err == nil && !strings.HasSuffix(line, "\r\n") {
		err = errors.New("a line ends in a bare LF")
	}
	return line, err
}

func (p *popClient) command(c string) (string, error) {
	if _, err := fmt.Fprintf(p.conn, "%s\r\n", c); err != nil {
		return "", err
	}
	reply, err := p.line()
	if err == nil && !strings.HasPrefix(reply, "+OK") {
		err = fmt.Errorf("%s: %q", c, reply)
	}
	return reply, err
}

func (p *popClient) retrieve(n int) (string, error) {
	if _, err := p.command(fmt.Sprintf("RETR %d", n)); err != nil {
		return "", err
	}
	var text bytes.Buffer
	for {
		line, err := p.line()
		if err != nil {
			return "", err
		}
		if line == ".\r\n" {
			return text.String(), nil
		}
		text.WriteString(strings.TrimPrefix(line, "."))
	}
}

// mustInbox is inbox for tests that cannot go on without it.
func (s *server) mustInbox(who string) []string {
	s.t.Helper()
	all, err := s.inbox(who)
	if err != nil {
		s.t.Fatalf("read the mail of %s: %v", who, err)
	}
	return all
}

// expect waits until somebody's INBOX holds a message of that subject, and returns it.
func (s *server) expect(who, wanted string) string {
	s.t.Helper()
	var found string
	eventually(s.t, patience, func() error {
		all, err := s.inbox(who)
		if err != nil {
			return err
		}
		for _, text := range all {
			if strings.Contains(subject(text), wanted) {
				found = text
				return nil
			}
		}
		return fmt.Errorf("%s has %d messages, none with the subject %q", who, len(all), wanted)
	})
	return found
}
