package pop3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/store"
)

var _ = mailtest.UpdateFlag()

// people are ann, bob, who is fond of spaces, and off, who is disabled.
var people = account.Funcs{VerifyFunc: func(ctx context.Context, login, password string) (string, error) {
	switch {
	case login == "ann" && password == "secret", login == "bob" && password == " two  words ":
		return login, nil
	case login == "off" && password == "secret":
		return "", account.ErrDisabled
	case login == "down":
		return "", errFake
	case login == "slow":
		<-ctx.Done()
		return "", ctx.Err()
	}
	return "", account.ErrCredentials
}}

// dialogues runs the scripts of a folder against a server at 192.0.2.1:110, and one with TLS from the start at
// port 995. Lines "do" mean:
//
//	do deliver "Subject: x\r\n"   to ann, in Go's notation; "x" * 100 repeats
//	do remove 2                   the message with that UID, by another program
//	do fail expunge               makes a method fail, by an error or a Status 4yz or 5yz
//	do repair                     ends that
//	do locker                     gives maildrops a lock of their own
//	do shutdown                   begins a Shutdown
//
// The section "-- ann --" lists what is left of her messages.
type dialogues struct {
	store  *fakeStore
	server *Server
}

func runDialogues(t *testing.T, dir string, configure func(*Server)) {
	serverTLS, clientTLS := mailtest.TLS(t, "mail.example.org")
	var d *dialogues
	mailtest.RunScripts(t, dir, mailtest.Script{
		Addr: "192.0.2.1:110",
		TLS:  clientTLS,
		Start: func(t *testing.T, n *mailtest.Network) {
			d = &dialogues{store: new(fakeStore)}
			d.server = &Server{
				Hostname:  "mail.example.org",
				Auth:      &account.Authenticator{Directory: people, Logger: slog.New(slog.DiscardHandler)},
				Open:      d.store.Open,
				TLSConfig: serverTLS,
				Logger:    slog.New(slog.DiscardHandler),
			}
			configure(d.server)
			d.start(t, n)
		},
		Do:    func(t *testing.T, line string) error { return d.do(line) },
		Check: func(t *testing.T, section string) string { return d.store.left(section) },
	})
}

func (d *dialogues) start(t *testing.T, n *mailtest.Network) {
	plain, err := n.Listen("tcp", "192.0.2.1:110")
	if err != nil {
		t.Fatal(err)
	}
	implicit, err := n.Listen("tcp", "192.0.2.1:995")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 2)
	go func() { served <- d.server.Serve(context.Background(), plain) }()
	go func() { served <- d.server.ServeTLS(context.Background(), implicit) }()
	t.Cleanup(func() {
		if err := d.server.Close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-served; err != ErrServerClosed {
				t.Error(err)
			}
		}
		d.store.mu.Lock()
		defer d.store.mu.Unlock()
		if d.store.open != 0 || d.store.contents != 0 || d.store.locked || len(d.server.locks.held) != 0 {
			t.Errorf("left open: %d maildrops, %d contents, lock %v, locks %v", d.store.open, d.store.contents, d.store.locked, d.server.locks.held)
		}
	})
}

func (d *dialogues) do(line string) error {
	verb, arg, _ := strings.Cut(line, " ")
	switch verb {
	case "deliver":
		text, times, repeated := strings.Cut(arg, " * ")
		text, err := strconv.Unquote(text)
		if err != nil {
			return err
		}
		if repeated {
			n, err := strconv.Atoi(times)
			if err != nil {
				return err
			}
			text = strings.Repeat(text, n)
		}
		d.store.deliver("ann", text)
	case "remove":
		uid, err := strconv.Atoi(arg)
		if err != nil {
			return err
		}
		d.store.remove("ann", store.UID(uid))
	case "fail":
		d.store.fail(wanted(arg))
	case "repair":
		d.store.failing = nil
	case "locker":
		d.store.locking = true
	case "shutdown":
		go d.server.Shutdown(context.Background())
	default:
		return fmt.Errorf("do what?")
	}
	return nil
}

// wanted returns what is to fail and how.
func wanted(arg string) (string, error) {
	name, how, _ := strings.Cut(arg, " ")
	switch how {
	case "4yz":
		return name, fmt.Errorf("lock: %w", &postrider.Status{Code: "4.2.0", Text: "maildrop is being moved\r\nlater", Err: errFake})
	case "5yz":
		return name, &postrider.Status{Code: "5.2.1", Text: "maildrop is closed for good", Err: errFake}
	case "in use":
		return name, ErrInUse
	case "not there":
		return name, &store.Error{Op: "open", Err: store.ErrNotExist}
	case "damaged":
		return name, errors.Join(errFake, store.ErrCorrupt)
	}
	return name, errFake
}

func TestDialogues(t *testing.T) {
	runDialogues(t, "testdata/script", func(s *Server) { s.AllowPlaintextAuth = true })
}

func TestDialoguesWhereTLSIsRequired(t *testing.T) {
	runDialogues(t, "testdata/tls", func(*Server) {})
}
