// The mailserver is a whole mail server out of postrider's packages: it takes
// submissions and mail from other servers, keeps mailboxes, relays by DNS, and
// serves IMAP and POP3.
//
//	go run ./examples/mailserver
//
// starts it on loopback ports with a certificate of its own making and two
// demo accounts. Run it with -help for its flags.
//
// It shows one way to wire the packages together; read server.go first.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run serves until ctx is cancelled and returns the exit status: 0 after a graceful stop, 2 for
// wrong flags, 1 for everything else, with one line on stderr that says why.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "mailserver: %v\n", err)
		return 2
	}
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: s.logLevel}))
	if err := serve(ctx, s, stdout, logger); err != nil {
		fmt.Fprintf(stderr, "mailserver: %v\n", err)
		return 1
	}
	return 0
}
