// The sink is a test inbox: it takes every message for anybody, keeps it in memory, and shows it
// over IMAP and POP3 to whoever logs in, with any name and password.
//
//	go run ./examples/sink
//
// Point the program under test at port 2525, and a mail client at 2143 or 2110. It shows how little an
// application needs to receive mail and to let people read it.
package main

import (
	"context"
	"fmt"
	"log"
	"net"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/imap"
	"github.com/postrider/postrider/pop3"
	"github.com/postrider/postrider/smtp"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
)

func main() {
	mail := memstore.New()
	if err := mail.CreateAccount(context.Background(), "inbox"); err != nil {
		log.Fatal(err)
	}
	anybody := &account.Authenticator{Directory: account.Funcs{
		VerifyFunc: func(context.Context, string, string) (string, error) { return "inbox", nil },
	}}

	receive := &smtp.Server{Hostname: "sink.localhost", Handler: smtp.HandlerFunc(
		func(ctx context.Context, tx *smtp.Transaction, c postrider.Content) error {
			_, err := mail.Deliver(ctx, c, []store.Target{{Account: "inbox"}})
			return err
		})}
	show := &imap.Server{Auth: anybody, AllowPlaintextAuth: true,
		Open: func(ctx context.Context, who account.Identity) (store.Account, error) {
			return mail.Account(ctx, who.Account)
		}}
	collect := &pop3.Server{Hostname: "sink.localhost", Auth: anybody, AllowPlaintextAuth: true,
		Open: func(ctx context.Context, who account.Identity) (pop3.Maildrop, error) {
			a, err := mail.Account(ctx, who.Account)
			if err != nil {
				return nil, err
			}
			return a.Open(ctx, "INBOX")
		}}

	go serve("smtp", "127.0.0.1:2525", receive.Serve)
	go serve("imap", "127.0.0.1:2143", show.Serve)
	serve("pop3", "127.0.0.1:2110", collect.Serve)
}

// serve listens and serves until something fails.
func serve(name, address string, serve func(context.Context, net.Listener) error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(name, "on", l.Addr())
	log.Fatal(serve(context.Background(), l))
}
