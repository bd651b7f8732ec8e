package pop3

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/mailtest"
)

// FuzzSession sends whatever it likes after the greeting. Every line of an answer must be a response, the
// session must end, messages go by QUIT only, and nothing stays open.
func FuzzSession(f *testing.F) {
	login := "USER ann\r\nPASS secret\r\n"
	for _, seed := range []string{
		"CAPA\r\nQUIT\r\n",
		login + "STAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 2 1\r\nDELE 1\r\nRSET\r\nNOOP\r\nQUIT\r\n",
		login + "DELE 1\r\nDELE 2\r\n",
		login + "DELE 1\r\nDELE 2\r\nQUIT\r\n",
		"AUTH PLAIN\r\nAGFubgBzZWNyZXQ=\r\nLIST 1\r\nUIDL 2\r\nRETR 99999999999999999999\r\n",
		"AUTH LOGIN\r\nYW5u\r\nc2VjcmV0\r\nTOP 1 0\r\n",
		"AUTH PLAIN =\r\nAUTH PLAIN\r\n*\r\nSTLS\r\n",
		"USER ann\nPASS secret\r\n\r\r\n\x00\xff\r\n",
		strings.Repeat("X", 20000) + "\r\nQUIT\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		store := new(fakeStore)
		store.deliver("ann", "Subject: one\r\n\r\n.\r\nhello\r\n")
		store.deliver("ann", "Subject: two\n\n.\n")
		s := newServer(store)
		var n mailtest.Network
		ln, err := n.Listen("tcp", "192.0.2.1:110")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error)
		go func() { served <- s.Serve(context.Background(), ln) }()
		conn, err := n.DialContext(context.Background(), "tcp", "192.0.2.1:110")
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		go func() {
			conn.Write(input) // fails where the session ended early
			conn.(*mailtest.Conn).CloseWrite()
		}()
		output, err := io.ReadAll(conn)
		if err != nil {
			t.Fatalf("%v after %q", err, output)
		}
		s.Close()
		<-served
		checkOutput(t, output)
		if store.open != 0 || store.contents != 0 || len(s.locks.held) != 0 {
			t.Fatalf("left open: %d maildrops, %d contents, %v", store.open, store.contents, s.locks.held)
		}
		quit := bytes.Contains(bytes.ToUpper(input), []byte("QUIT"))
		if left := strings.Count(store.left("ann"), "\n"); left < 2 && !quit {
			t.Fatalf("%d messages are left, and nobody said QUIT", left)
		}
	})
}

// checkOutput holds the server's side to the grammar of RFC 2449 §3.
func checkOutput(t *testing.T, output []byte) {
	lines := strings.SplitAfter(string(output), "\r\n")
	if lines[len(lines)-1] != "" {
		t.Fatalf("no CRLF at the end of %q", output)
	}
	text := false
	for _, line := range lines[:len(lines)-1] {
		switch {
		case text:
			text = line != ".\r\n"
		case strings.HasPrefix(line, "+OK") || strings.HasPrefix(line, "-ERR ") || strings.HasPrefix(line, "+ "):
			if len(line) > 512 && !strings.HasPrefix(line, "+ ") || strings.ContainsAny(strings.TrimSuffix(line, "\r\n"), "\r\n\x00") {
				t.Fatalf("malformed response %q", line)
			}
			text = multiLine(line)
		default:
			t.Fatalf("%q is no response, in %q", line, output)
		}
	}
	if text {
		t.Fatalf("a text has no end: %q", output)
	}
}

// multiLine reports whether a text follows the response.
func multiLine(line string) bool {
	return strings.HasSuffix(line, " follow\r\n") || strings.HasSuffix(line, " follows\r\n") || strings.HasSuffix(line, " octets\r\n")
}
