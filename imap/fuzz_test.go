package imap

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
)

// FuzzSession sends whatever it likes after the greeting. What comes back must be responses, the session must end, and
// nothing stays open.
func FuzzSession(f *testing.F) {
	login := "a LOGIN ann secret\r\nb SELECT INBOX\r\n"
	for _, seed := range []string{
		"a CAPABILITY\r\nb NOOP\r\nc ID (\"a\" NIL)\r\nd LOGOUT\r\n",
		"a AUTHENTICATE PLAIN\r\nAGFubgBzZWNyZXQ=\r\nb LIST \"\" *\r\nc STARTTLS\r\n",
		"a AUTHENTICATE LOGIN\r\n*\r\nb LOGIN {3}\r\nann {6+}\r\nsecret\r\nc ENABLE X\r\n",
		login + "c FETCH 1:* (FLAGS UID ENVELOPE BODYSTRUCTURE BODY[] BODY[1.MIME]<0.5> RFC822.HEADER)\r\nd FETCH 2 FULL\r\n",
		login + "c STORE 1 +FLAGS (\\Deleted x)\r\nd EXPUNGE\r\ne UID EXPUNGE 1:*\r\nf SEARCH RETURN (ALL COUNT) OR SEEN NOT (TEXT x)\r\n",
		login + "c COPY 1:* Sent\r\nd UID MOVE 1 Sent\r\ne MOVE * INBOX\r\nf CLOSE\r\ng EXAMINE INBOX\r\nh UNSELECT\r\n",
		login + "c IDLE\r\nDONE\r\nd APPEND INBOX (\\Seen) \" 5-Jul-2020 12:34:56 +0200\" {3}\r\nabc\r\ne APPEND x {3+}\r\nabc\r\n",
		login + "c CREATE a/b/\r\nd RENAME a \"&APw-\"\r\ne DELETE INBOX\r\nf SUBSCRIBE x\r\ng LSUB \"\" %\r\nh UNSUBSCRIBE x\r\ni NAMESPACE\r\nj CHECK\r\n",
		login + "c LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (% *) RETURN (STATUS (SIZE UNSEEN))\r\nd STATUS INBOX (MESSAGES)\r\ne DELETE Sent\r\n",
		"a NOOP\nb\r\n\x00\xff\r\nc LOGIN \"\\\r\nd {99999999999+}\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		st := memstore.New()
		deliver(t, st, "Subject: one\r\n\r\nhello\r\n")
		deliver(t, st, "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\na\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nFrom: a\r\n\r\nb\r\n--x--\r\n")
		var fake fake
		s := newServer(st)
		s.Open = func(ctx context.Context, who account.Identity) (store.Account, error) {
			a, err := store.OpenAccount(ctx, st, who.Account, store.NewMailbox{Name: "Sent"})
			return &fakeAccount{a, &fake}, err
		}
		s.MaxMessageSize = 1 << 20
		var n mailtest.Network
		ln, err := n.Listen("tcp", "192.0.2.1:143")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error)
		go func() { served <- s.Serve(context.Background(), ln) }()
		conn, err := n.DialContext(context.Background(), "tcp", "192.0.2.1:143")
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
		if fake.open != 0 || fake.contents != 0 {
			t.Fatalf("left open: %d mailboxes, %d contents", fake.open, fake.contents)
		}
	})
}

// checkOutput holds the server's side to the outlines of RFC 3501 §9, response.
func checkOutput(t *testing.T, output []byte) {
	for rest := output; len(rest) > 0; {
		line, after, ok := nextResponse(rest)
		if !ok {
			t.Fatalf("no end of %q", rest)
		}
		rest = after
		tag, text, _ := strings.Cut(line, " ")
		switch {
		case tag == "+":
		case tag == "*" && text != "":
		case strings.HasPrefix(text, "OK "), strings.HasPrefix(text, "NO "), strings.HasPrefix(text, "BAD "):
		default:
			t.Fatalf("%q is no response, in %q", line, output)
		}
	}
}

// nextResponse returns the first response without its literals, and what is behind it.
func nextResponse(b []byte) (line string, rest []byte, ok bool) {
	for {
		part, after, found := bytes.Cut(b, []byte("\r\n"))
		if !found || bytes.ContainsAny(part, "\r\n\x00") {
			return "", nil, false
		}
		line += string(part)
		open := bytes.LastIndexByte(part, '{')
		if open < 0 || !bytes.HasSuffix(part, []byte("}")) {
			return line, after, true
		}
		n, err := strconv.Atoi(string(part[open+1 : len(part)-1]))
		if err != nil {
			return line, after, true
		}
		if n > len(after) {
			return "", nil, false
		}
		b = after[n:]
	}
}
