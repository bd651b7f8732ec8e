package pop3_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/pop3"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
)

// A mailbox of a store is a maildrop as it stands.
func Example() {
	ctx := context.Background()
	mail := memstore.New()
	defer mail.Close()
	if err := mail.CreateAccount(ctx, "ann@example.org"); err != nil {
		fmt.Println(err)
	}
	greeting := postrider.String("Subject: hello\r\n\r\nWelcome.\r\n")
	if _, err := mail.Deliver(ctx, greeting, []store.Target{{Account: "ann@example.org"}}); err != nil {
		fmt.Println(err)
	}
	var accounts account.Memory
	if err := accounts.Add(ctx, account.Entry{Name: "ann@example.org", Password: "secret"}); err != nil {
		fmt.Println(err)
	}

	server := &pop3.Server{
		Hostname: "mail.example.org",
		Auth:     &account.Authenticator{Directory: &accounts, Logger: slog.New(slog.DiscardHandler)},
		Open: func(ctx context.Context, who account.Identity) (pop3.Maildrop, error) {
			a, err := mail.Account(ctx, who.Account)
			if err != nil {
				return nil, err
			}
			return a.Open(ctx, store.Inbox)
		},
		AllowPlaintextAuth: true, // the example has no TLS; a server has
		Logger:             slog.New(slog.DiscardHandler),
	}
	var network mailtest.Network
	listener, err := network.Listen("tcp", "192.0.2.1:110")
	if err != nil {
		fmt.Println(err)
	}
	served := make(chan error)
	go func() { served <- server.Serve(ctx, listener) }()

	conn, err := network.DialContext(ctx, "tcp", "192.0.2.1:110")
	if err != nil {
		fmt.Println(err)
	}
	fmt.Fprint(conn, "USER ann@example.org\r\nPASS secret\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n")
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		fmt.Println(lines.Text())
	}
	if err := server.Shutdown(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(<-served)
	// Output:
	// +OK mail.example.org POP3 server ready
	// +OK now the password
	// +OK maildrop has 1 messages (28 octets)
	// +OK 28 octets
	// Subject: hello
	//
	// Welcome.
	// .
	// +OK message 1 marked as deleted
	// +OK mail.example.org signing off (0 messages left)
	// pop3: server closed
}
