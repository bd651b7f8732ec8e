package relay_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/queue/relay"
	"github.com/postrider/postrider/resolve/resolvetest"
	"github.com/postrider/postrider/smtp"
)

// A message for example.org goes to the server that its MX record names. Here both the DNS and the network are in memory; a mail
// server leaves DialContext nil and has a resolve.DNS.
func Example() {
	var network mailtest.Network
	l, err := network.Listen("tcp", "192.0.2.25:25")
	if err != nil {
		fmt.Println(err)
		return
	}
	quiet := slog.New(slog.DiscardHandler)
	mx := &smtp.Server{
		Hostname: "mx.example.org",
		Logger:   quiet,
		Handler: smtp.HandlerFunc(func(_ context.Context, tx *smtp.Transaction, _ postrider.Content) error {
			fmt.Println("message from", tx.Envelope.ReversePath)
			return &postrider.Status{Code: "2.0.0", Text: "queued as 4711"}
		}),
	}
	go mx.Serve(context.Background(), l)
	defer mx.Close()

	out := &relay.Transport{
		Hostname: "mail.example.net",
		Resolver: resolvetest.MustZone(`
			example.org.     MX 10 mx.example.org.
			mx.example.org.  A  192.0.2.25
		`),
		DialContext: network.DialContext,
		Logger:      quiet,
	}
	defer out.Close()

	bob := queue.Entry{}
	bob.ForwardPath = postrider.Address{Local: "bob", Domain: "example.org"}
	outcomes := out.Deliver(context.Background(), &queue.Attempt{
		Message:    queue.Message{Envelope: postrider.Envelope{ReversePath: postrider.Address{Local: "ann", Domain: "example.net"}}},
		Content:    postrider.String("Subject: hello\r\n\r\nHello Bob\r\n"),
		NextHop:    "example.org",
		Recipients: []queue.Entry{bob},
	})
	for _, o := range outcomes {
		fmt.Println(o.Result == queue.Delivered, o.Remote, o.Status)
	}
	// Output:
	// message from ann@example.net
	// true mx.example.org 250 2.0.0 queued as 4711
}
