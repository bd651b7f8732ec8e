package interop

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/postrider/postrider/smtp"
)

// A postfix is a Postfix that serves peer.test, finds others by the DNS of the test, and encrypts where it can.
type postfix struct {
	t   *testing.T
	dir string
	at  string // where it takes mail
}

// startPostfix starts Postfix on an internet with a DNS server at hostDNS, port 53. Mail for lmtp.test goes to the LMTP server at lmtp.
func (n *internet) startPostfix(t *testing.T, lmtp string) *postfix {
	t.Helper()
	path := program(t, "postfix")
	needRoot(t, "Postfix")
	p := &postfix{t, shortDir(t), n.smtp(hostPeer)}
	for _, dir := range []string{"etc", "queue/etc", "data", "mail"} {
		if err := os.MkdirAll(filepath.Join(p.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeCertificate(t, filepath.Join(p.dir, "cert.pem"), filepath.Join(p.dir, "key.pem"), "mx.peer.test")
	settings := map[string]string{"Dir": p.dir, "Addr": n.Host(hostPeer), "Port": fmt.Sprint(n.port), "LMTP": lmtp}
	for _, name := range []string{"main.cf", "master.cf"} {
		p.configure(name, settings)
	}
	resolv := filepath.Join(p.dir, "queue/etc/resolv.conf")
	writeFile(t, resolv, "nameserver "+n.Host(hostDNS)+"\noptions timeout:2\n")
	for name, mode := range map[string]os.FileMode{resolv: 0o644, filepath.Join(p.dir, "mail"): 0o777} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	command{path: "chown", args: []string{"postfix", filepath.Join(p.dir, "data")}}.must(t)
	t.Cleanup(p.showLog)
	command{path: path, args: []string{"-c", filepath.Join(p.dir, "etc"), "check"}}.must(t) // makes the folders of the queue
	// What "postfix start" starts, but in our process group.
	startDaemon(t, "/usr/lib/postfix/sbin/master", "-c", filepath.Join(p.dir, "etc"), "-d")
	eventually(t, patience, func() error {
		conn, err := net.Dial("tcp", p.at)
		if err == nil {
			conn.Close()
		}
		return err
	})
	return p
}

// configure writes a configuration file from its template.
func (p *postfix) configure(name string, settings map[string]string) {
	p.t.Helper()
	text, err := template.ParseFiles(filepath.Join("testdata/postfix", name))
	if err != nil {
		p.t.Fatal(err)
	}
	var b strings.Builder
	if err := text.Execute(&b, settings); err != nil {
		p.t.Fatal(err)
	}
	writeFile(p.t, filepath.Join(p.dir, "etc", name), b.String())
}

func (p *postfix) showLog() {
	if log, err := os.ReadFile(filepath.Join(p.dir, "log")); p.t.Failed() {
		p.t.Logf("log of Postfix (%v):\n%s", err, log)
	}
}

// needRoot skips tests of programs that change their user.
func needRoot(t *testing.T, what string) {
	t.Helper()
	if os.Geteuid() != 0 {
		unavailable(t, what+" starts as root only")
	}
}

// mail returns the messages that Postfix delivered to a user, with CRLF.
func (p *postfix) mail(user string) []string {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "mail", user, "new", "*"))
	if err != nil {
		p.t.Fatal(err)
	}
	var all []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			p.t.Fatal(err)
		}
		all = append(all, strings.ReplaceAll(string(text), "\n", "\r\n"))
	}
	return all
}

// A world is the server under test and Postfix, who find each other by MX records.
type world struct {
	*internet
	ours    *server
	postfix *postfix
}

// newWorld starts a DNS server, our server, and Postfix.
func newWorld(t *testing.T) *world {
	t.Helper()
	program(t, "postfix")
	needRoot(t, "Postfix")
	w := &world{internet: newInternet(t)}
	dns := w.startDNS(t, w.Host(hostDNS)+"@53")
	w.ours = startServer(t, "-dns", dns, "-smtp", w.smtp(hostOurs), "-smtp-port", fmt.Sprint(w.port), "-retry", "1s",
		"-lmtp", w.Host(hostOurs)+":0", "-domain", "lmtp.test", "-account", "eve@lmtp.test:"+password)
	w.postfix = w.startPostfix(t, w.ours.at["lmtp"])
	return w
}

// toPostfix sends a message as a program beside Postfix does.
func (w *world) toPostfix(t *testing.T, from, text string, to ...string) {
	t.Helper()
	if err := send(t, smtp.Dialer{Hostname: "client.peer.test", TLS: smtp.NoTLS}, w.postfix.at, from, text, to...); err != nil {
		t.Fatalf("send to Postfix: %v", err)
	}
}

func TestPostfixRelaysToUs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range sampleNames() {
		w.toPostfix(t, "carl@peer.test", samples[name], bob)
	}
	for _, name := range sampleNames() {
		got := w.ours.expect(bob, name)
		top, ok := strings.CutSuffix(got, samples[name])
		if !ok {
			t.Errorf("%s came out other than it went in:\n got %q\nwant %q", name, got, samples[name])
		}
		// Ours, above Postfix's own.
		if !strings.HasPrefix(top, "Return-Path: <carl@peer.test>\r\nReceived: from mx.peer.test (["+w.Host(hostPeer)+"])\r\n\tby mx.ours.test with ESMTPS id ") ||
			strings.Count(top, "Received:") != 2 {
			t.Errorf("%s: the fields on top are\n%s", name, top)
		}
	}
	if n := len(w.ours.mustInbox(bob)); n != len(samples) {
		t.Errorf("bob has %d messages, want %d", n, len(samples))
	}
}

func TestWeRelayToPostfix(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range sampleNames() {
		w.ours.submit(ann, samples[name], "carl@peer.test", "dora@peer.test")
	}
	for _, user := range []string{"carl", "dora"} {
		eventually(t, patience, func() error {
			if n := len(w.postfix.mail(user)); n < len(samples) {
				return fmt.Errorf("%s has %d messages, want %d", user, n, len(samples))
			}
			return nil
		})
		got := bySubject(t, w.postfix.mail(user))
		for _, name := range sampleNames() {
			top, ok := strings.CutSuffix(got[name], samples[name])
			if !ok {
				t.Errorf("%s came out other than it went in:\n got %q\nwant %q", name, got[name], samples[name])
			}
			if !strings.Contains(top, "Received: from mx.ours.test ") || !strings.Contains(top, "(using TLSv1.3 ") {
				t.Errorf("%s: Postfix did not get it from us by TLS:\n%s", name, top)
			}
		}
	}
}

func TestPostfixDeliversByLMTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.toPostfix(t, "carl@peer.test", samples["dots"], "eve@lmtp.test", "nobody@lmtp.test")
	got := w.ours.expect("eve@lmtp.test", "dots")
	if !strings.HasSuffix(got, samples["dots"]) || !strings.Contains(got, " with LMTPS id ") {
		t.Errorf("eve got %q", got)
	}
	eventually(t, patience, func() error {
		for _, text := range w.postfix.mail("carl") {
			if strings.Contains(text, "<nobody@lmtp.test>") && strings.Contains(text, "Status: 5.1.1") {
				return nil
			}
		}
		return fmt.Errorf("no bounce among %q", w.postfix.mail("carl"))
	})
}

func TestPostfixBouncesToUs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.toPostfix(t, ann, samples["plain"], "nobody@"+domain)
	r := parseReport(t, w.ours.expect(ann, "Undelivered Mail Returned to Sender"))
	if r.header.Get("Return-Path") != "<>" || len(r.recipients) != 1 || r.recipients[0].Get("Status") != "5.1.1" || r.recipients[0].Get("Remote-MTA") != "dns; mx.ours.test" {
		t.Errorf("Postfix says %+v", r)
	}
}

func TestWeBounceWhatPostfixRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ours.submit(ann, samples["utf8"], "carl@peer.test", "nobody@peer.test")
	r := parseReport(t, w.ours.expect(ann, "could not be delivered"))
	r.wantFailure(t, "nobody@peer.test", "5.1.1", "mx.peer.test", samples["utf8"])
	eventually(t, patience, func() error {
		if n := len(w.postfix.mail("carl")); n != 1 {
			return fmt.Errorf("carl has %d messages, want 1", n)
		}
		return nil
	})
}
