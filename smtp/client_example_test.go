package smtp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/smtp"
)

// Submit a message to a smart host, on port 587 with a login.
func ExampleDialer() {
	ctx := context.Background()
	d := smtp.Dialer{
		Hostname: "client.example.net",
		TLS:      smtp.RequireTLS,
		Auth:     smtp.PasswordAuth("ann", os.Getenv("SMTP_PASSWORD")),
	}
	c, err := d.Connect(ctx, "smtp.example.org:587")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	message := postrider.String("From: ann@example.org\r\nTo: bob@example.com\r\nSubject: Hello\r\n\r\nHello, Bob.\r\n")
	_, err = c.Send(ctx, &postrider.Envelope{
		ReversePath: postrider.Address{Local: "ann", Domain: "example.org"},
		Recipients:  []postrider.Recipient{{ForwardPath: postrider.Address{Local: "bob", Domain: "example.com"}}},
	}, message)
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Quit(ctx); err != nil {
		log.Print(err) // the message is safe all the same
	}
}

// Each recipient has an outcome of its own.
func ExampleClient_Send() {
	ctx := context.Background()
	d := smtp.Dialer{Hostname: "client.example.net", DialContext: exampleServer}
	c, err := d.Connect(ctx, "192.0.2.1:25")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	env := &postrider.Envelope{ReversePath: postrider.Address{Local: "ann", Domain: "example.net"}}
	for _, name := range []string{"bob", "nobody", "cat"} {
		env.Recipients = append(env.Recipients, postrider.Recipient{ForwardPath: postrider.Address{Local: name, Domain: "example.org"}})
	}
	outcomes, err := c.Send(ctx, env, postrider.String("Subject: Hello\r\n\r\nHello.\r\n"))
	for _, o := range outcomes {
		switch {
		case o.Err == nil:
			fmt.Println(o.Recipient, "accepted:", o.Reply)
		case o.Err.Status.Permanent():
			fmt.Println(o.Recipient, "bounces:", o.Err.Reply)
		case o.Err.Ambiguous:
			fmt.Println(o.Recipient, "may have it; tried again later, which may make a duplicate")
		default:
			fmt.Println(o.Recipient, "is tried again later:", o.Err)
		}
	}
	fmt.Println(err)

	var e *smtp.ClientError
	fmt.Println(errors.As(err, &e), e.Stage)
	// Output:
	// bob@example.org accepted: 250 2.0.0 kept
	// nobody@example.org bounces: 550 5.1.1 no such user
	// cat@example.org accepted: 250 2.0.0 kept
	// 1 of 3 recipients not accepted: smtp: RCPT: 550 5.1.1 no such user
	// true RCPT
}

// exampleServer stands for a network with one server, which knows no nobody.
func exampleServer(context.Context, string, string) (net.Conn, error) {
	near, far := mailtest.Pipe()
	go clientSays(far, "220 mx.example.org", "C: ", "250-mx.example.org", "250 PIPELINING",
		"C: ", "250 ok\r\n250 ok\r\n550 5.1.1 no such user\r\n250 ok\r\n354 go ahead", "C: ", "250 2.0.0 kept")
	return near, nil
}
