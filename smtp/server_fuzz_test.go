package smtp_test

import (
	"bytes"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mailtest"
)

var (
	replyLine    = regexp.MustCompile(`^[2-5][0-5][0-9][ -][\t -~]*$`)
	enhancedCode = regexp.MustCompile(`^([245])[0-9][0-9][ -]([245])\.[0-9]{1,3}\.[0-9]{1,3} `)
)

// FuzzServerSession says anything to a server: it must not panic, nor hang, and must answer in well-formed lines.
func FuzzServerSession(f *testing.F) {
	transaction := "EHLO a.example\r\nMAIL FROM:<b@example.net> SIZE=10 RET=FULL ENVID=x\r\nRCPT TO:<c@example.org> NOTIFY=NEVER ORCPT=rfc822;c\r\nDATA\r\nhello\r\n.\r\n"
	for _, seed := range []string{
		transaction, transaction + transaction + "QUIT\r\n", "HELO a\r\nNOOP\nNOOP\rNOOP\r\n", "EHLO a\r\nAUTH PLAIN\r\n*\r\nAUTH LOGIN =\r\n\r\n",
		"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a>\r\nDATA\r\n.\r\n\r\n", "EHLO a\r\nSTARTTLS\r\nEHLO b\r\n", "HELP\r\nVRFY \xc3\xbc SMTPUTF8\r\nEXPN x\r\n\x00\r\n",
		"EHLO a\r\nMAIL FROM:<@x:\"\\\"\"@[IPv6:::1]> AUTH=+3D@x SMTPUTF8\r\nRSET\r\nLHLO x\r\n", strings.Repeat("x", 3000) + "\r\n",
		"EHLO a\r\nMAIL FROM:<b@c>\r\nRCPT TO:<talkative@example.org>\r\nRCPT TO:<moved@example.org>\r\nDATA\r\n\n.\n\r\n.\r\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(strings.ReplaceAll(seed, "EHLO", "LHLO")), true)
	}
	serverTLS, _ := mailtest.TLS(f)
	f.Fuzz(func(t *testing.T, input []byte, lmtp bool) {
		n := new(mailtest.Network)
		srv := newTestServer(dsnOffice{new(postOffice)})
		srv.TLSConfig, srv.LMTP, srv.Hooks = serverTLS, lmtp, testHooks
		var log logBuffer
		srv.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
		withAuth(srv)
		srv.AllowPlaintextAuth = true
		srv.HandlerTimeout = time.Second
		serveTest(t, n, srv, false)
		conn := dialTest(t, n).(*mailtest.Conn)
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		go func() {
			conn.Write(input)
			conn.CloseWrite()
		}()
		output, err := io.ReadAll(conn)
		if err != nil && len(output) == 0 {
			t.Fatalf("no answer: %v", err)
		}
		checkReplies(t, output)
		for _, p := range log.events("panic") {
			if !strings.HasPrefix(p["err"].(string), "a bug in ") {
				t.Error("panic", p)
			}
		}
	})
}

// checkReplies holds each line to the grammar (RFC 5321 §4.2), and its enhanced code to the class of the other (RFC 2034 §4).
func checkReplies(t *testing.T, output []byte) {
	output, tlsAlert, _ := bytes.Cut(output, []byte("\r\n220 2.0.0 ready to start TLS\r\n"))
	if tlsAlert == nil && !bytes.HasSuffix(output, []byte("\r\n")) {
		t.Errorf("the last line has no end: %q", output)
	}
	for i, line := range strings.Split(strings.TrimSuffix(string(output), "\r\n"), "\r\n") {
		ascii := strings.Map(func(r rune) rune {
			if r > '~' {
				return 'x' // permitted after SMTPUTF8
			}
			return r
		}, line)
		if !replyLine.MatchString(ascii) || len(line) > 510 {
			t.Errorf("malformed line %d: %q", i, line)
		}
		if m := enhancedCode.FindStringSubmatch(line); m != nil && m[1] != m[2] {
			t.Errorf("line %d has a code of another class: %q", i, line)
		}
	}
}
