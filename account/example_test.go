package account_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
)

func Example() {
	ctx := context.Background()
	var accounts account.Memory
	err := accounts.Add(ctx, account.Entry{
		Name:     "ann@example.org",
		Password: "correct horse battery staple",
	})
	if err != nil {
		fmt.Println(err)
	}
	auth := &account.Authenticator{Directory: &accounts, Logger: slog.New(slog.DiscardHandler)}

	// A server does this for each client that logs in.
	peer := account.Peer{Addr: netip.MustParseAddr("192.0.2.1"), AllowPlaintext: true, Protocol: "imap"}
	who, err := auth.Password(ctx, peer, "Ann@Example.org", "correct horse battery staple")
	fmt.Println(who.Account, err)
	_, err = auth.Password(ctx, peer, "ann@example.org", "tr0ub4dor&3")
	fmt.Println(err)
	// Output:
	// ann@example.org <nil>
	// wrong name or password
}

// A SASL exchange, as a server runs it: responses in, challenges out.
func ExampleAuthenticator_Start() {
	ctx := context.Background()
	auth := &account.Authenticator{
		Directory: account.Funcs{VerifyFunc: func(ctx context.Context, login, password string) (string, error) {
			if login == "ann" && password == "secret" {
				return "ann", nil
			}
			return "", account.ErrCredentials
		}},
		Logger: slog.New(slog.DiscardHandler),
	}
	peer := account.Peer{Addr: netip.MustParseAddr("192.0.2.1"), AllowPlaintext: true, Protocol: "smtp"}

	x, err := auth.Start(ctx, "LOGIN", peer)
	if err != nil {
		fmt.Println(err)
	}
	for _, response := range [][]byte{nil, []byte("ann"), []byte("secret")} {
		challenge, done, err := x.Next(response)
		fmt.Printf("%q %v %v\n", challenge, done, err)
	}
	fmt.Println(x.Identity().Account)
	// Output:
	// "Username:" false <nil>
	// "Password:" false <nil>
	// "" true <nil>
	// ann
}

// An application whose users live in a table of its own needs two functions.
func ExampleFuncs() {
	errDown := errors.New("database is down")
	directory := account.Funcs{
		ResolveFunc: func(ctx context.Context, addr postrider.Address) (string, error) {
			if account.PrepareAddress(addr) == "tickets@example.org" {
				return "tickets", nil
			}
			return "", account.ErrNotExist
		},
		VerifyFunc: func(ctx context.Context, login, password string) (string, error) {
			return "", errDown // temporary: nobody's password is called wrong
		},
	}
	name, err := directory.Resolve(context.Background(), postrider.Address{Local: "Tickets", Domain: "EXAMPLE.org"})
	fmt.Println(name, err)
	// Output: tickets <nil>
}
