package smtp_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	netsmtp "net/smtp"
	"strings"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/smtp"
)

// Receive mail: a server that prints what it is sent.
func Example() {
	srv := &smtp.Server{
		Hostname: "mx.example.org",
		Handler: smtp.HandlerFunc(func(ctx context.Context, tx *smtp.Transaction, content postrider.Content) error {
			for _, r := range tx.Envelope.Recipients {
				fmt.Printf("%d octets from %s to %s\n", content.Size(), tx.Envelope.ReversePath, r.ForwardPath)
			}
			return nil
		}),
		Logger: slog.New(slog.DiscardHandler), // leave it out to get a log
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") // ":25" in earnest
	if err != nil {
		log.Fatal(err)
	}
	go srv.Serve(context.Background(), ln)
	defer srv.Close()

	message := "Subject: hello\r\n\r\nHello Ann\r\n"
	if err := netsmtp.SendMail(ln.Addr().String(), nil, "bob@example.net", []string{"ann@example.org"}, []byte(message)); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 29 octets from bob@example.net to ann@example.org
}

// mailroom is a Handler that knows its recipients and refuses the others at once, so that their senders, and not we, tell them.
type mailroom map[string]bool

func (m mailroom) Rcpt(ctx context.Context, tx *smtp.Transaction, r *postrider.Recipient) error {
	if m[r.ForwardPath.Canonical().String()] {
		return nil
	}
	return &postrider.Status{Code: "5.1.1", Text: "no such mailbox here"}
}

func (m mailroom) Data(ctx context.Context, tx *smtp.Transaction, content postrider.Content) error {
	// Here the message is put where it outlives a power cut; only then:
	return &postrider.Status{Code: "2.0.0", Text: "queued as 4711"}
}

// A Handler of two methods decides about recipients and messages, and its errors are the replies.
func ExampleHandler() {
	srv := &smtp.Server{
		Hostname: "mx.example.org",
		Handler:  mailroom{"ann@example.org": true},
		Rand:     strings.NewReader("the same session ID in each run"),
		Logger:   slog.New(slog.DiscardHandler),
	}
	say(srv, "EHLO client.example.net", "MAIL FROM:<bob@example.net>", "RCPT TO:<nobody@example.org>", "RCPT TO:<ann@Example.ORG>",
		"DATA", "hello\r\n.", "QUIT")
	// Output:
	// 550 5.1.1 no such mailbox here
	// 250 2.1.5 recipient ok
	// 354 end data with <CRLF>.<CRLF>
	// 250 2.0.0 queued as 4711
	// 221 2.0.0 mx.example.org closing the connection
}

// A server for submission: nobody sends without logging in, and only from their own address. On port 465 use ServeTLS; on port 587 a TLSConfig
// lets clients begin with STARTTLS, and without TLS no password is asked for.
func ExampleServer_submission() {
	users := account.Funcs{VerifyFunc: func(ctx context.Context, login, password string) (string, error) {
		if login == "ann@example.org" && password == "tanstaaf" {
			return "ann", nil
		}
		return "", account.ErrCredentials
	}}
	quiet := slog.New(slog.DiscardHandler)
	srv := &smtp.Server{
		Hostname:           "mail.example.org",
		Handler:            smtp.HandlerFunc(func(context.Context, *smtp.Transaction, postrider.Content) error { return nil }),
		Submission:         true,
		Auth:               &account.Authenticator{Directory: users, Logger: quiet},
		AllowPlaintextAuth: true, // only because this example has no certificate
		Hooks: []smtp.Hooks{{
			Mail: func(ctx context.Context, tx *smtp.Transaction) error {
				if tx.Envelope.ReversePath.String() != tx.Session.Identity.Login {
					return &postrider.Status{Code: "5.7.1", Text: "send from your own address"}
				}
				return nil
			},
		}},
		Logger: quiet,
	}
	say(srv, "EHLO laptop.example.org", "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwB0YW5zdGFhZg==", "MAIL FROM:<bob@example.org>", "MAIL FROM:<ann@example.org>",
		"RCPT TO:<carl@example.net>", "QUIT")
	// Output:
	// 550 5.7.1 send from your own address
	// 250 2.1.0 sender ok
	// 250 2.1.5 recipient ok
	// 221 2.0.0 mail.example.org closing the connection
}

// say serves one session over a network in memory and prints the replies after the first three.
func say(srv *smtp.Server, commands ...string) {
	n := new(mailtest.Network)
	ln, err := n.Listen("tcp", "192.0.2.1:25")
	if err != nil {
		log.Fatal(err)
	}
	go srv.Serve(context.Background(), ln)
	defer srv.Close()
	conn, err := n.DialContext(context.Background(), "tcp", "192.0.2.1:25")
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	for _, reply := range talk(nil, conn, commands...)[3:] {
		fmt.Println(reply)
	}
}
