package imap_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/imap"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
)

// A server needs accounts, and the mail that belongs to them.
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

	server := &imap.Server{
		Auth: &account.Authenticator{Directory: &accounts, Logger: slog.New(slog.DiscardHandler)},
		Open: func(ctx context.Context, who account.Identity) (store.Account, error) {
			return mail.Account(ctx, who.Account)
		},
		AllowPlaintextAuth: true, // the example has no TLS; a server has
		Logger:             slog.New(slog.DiscardHandler),
	}
	var network mailtest.Network
	listener, err := network.Listen("tcp", "192.0.2.1:143")
	if err != nil {
		fmt.Println(err)
	}
	served := make(chan error)
	go func() { served <- server.Serve(ctx, listener) }()

	conn, err := network.DialContext(ctx, "tcp", "192.0.2.1:143")
	if err != nil {
		fmt.Println(err)
	}
	fmt.Fprint(conn, "a LOGIN ann@example.org secret\r\nb EXAMINE INBOX\r\nc FETCH 1 (FLAGS BODY[])\r\nd LOGOUT\r\n")
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if !strings.Contains(lines.Text(), " OK [") { // codes that change from day to day
			fmt.Println(lines.Text())
		}
	}
	if err := server.Shutdown(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(<-served)
	// Output:
	// * FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
	// * 1 EXISTS
	// * 1 RECENT
	// * 1 FETCH (FLAGS (\Recent) BODY[] {28}
	// Subject: hello
	//
	// Welcome.
	// )
	// c OK FETCH completed
	// * BYE logging out
	// d OK LOGOUT completed
	// imap: server closed
}
