package imap

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
)

var _ = mailtest.UpdateFlag()

// people are ann, bob, who has two words for a password, off, who is disabled, and down, whose directory is.
var people = account.Funcs{VerifyFunc: func(ctx context.Context, login, password string) (string, error) {
	switch {
	case login == "ann" && password == "secret", login == "bob" && password == `two "words"`, login == "eve" && password == "secret":
		return login, nil
	case login == "off" && password == "secret":
		return "", account.ErrDisabled
	case login == "down":
		return "", errFake
	}
	return "", account.ErrCredentials
}}

// dialogues runs the scripts of a folder against a server at 192.0.2.1:143, and one with TLS from the start at
// port 993. Everybody has INBOX and Sent. Lines "do" mean:
//
//	do deliver INBOX "Subject: x\r\n"   to ann, in Go's notation; "x" * 100 repeats
//	do delete Sent                      a mailbox of ann's, by another program
//	do fail scan damaged                makes a method of the store fail, see failure
//	do when scan deliver INBOX "x"      does something as soon as a method of the store is called
//	do repair                           ends both
//	do shutdown                         begins a Shutdown
//
// The section "-- INBOX --", or of another mailbox of ann's, lists UID, flags, date and text of its messages.
type dialogues struct {
	store  *memstore.Store
	fake   fake
	server *Server
}

func runDialogues(t *testing.T, dir string, configure func(*Server)) {
	serverTLS, clientTLS := mailtest.TLS(t, "mail.example.org")
	var d *dialogues
	mailtest.RunScripts(t, dir, mailtest.Script{
		Addr: "192.0.2.1:143",
		TLS:  clientTLS,
		Start: func(t *testing.T, n *mailtest.Network) {
			d = &dialogues{store: memstore.New()}
			d.server = &Server{
				Auth:      &account.Authenticator{Directory: people, Logger: slog.New(slog.DiscardHandler)},
				Open:      d.open,
				TLSConfig: serverTLS,
				Logger:    slog.New(slog.DiscardHandler),
			}
			configure(d.server)
			d.start(t, n)
		},
		Do:    func(t *testing.T, line string) error { return d.do(line) },
		Check: func(t *testing.T, section string) string { return d.list(t, section) },
	})
}

func (d *dialogues) open(ctx context.Context, who account.Identity) (store.Account, error) {
	if who.Account == "eve" {
		return nil, errFake
	}
	if err := d.fake.call("login"); err != nil {
		return nil, err
	}
	a, err := d.account(ctx, who.Account)
	return &fakeAccount{a, &d.fake}, err
}

func (d *dialogues) account(ctx context.Context, name string) (store.Account, error) {
	return store.OpenAccount(ctx, d.store, name, store.NewMailbox{Name: "Sent", SpecialUse: []string{store.UseSent}, Subscribed: true})
}

func (d *dialogues) start(t *testing.T, n *mailtest.Network) {
	plain, err := n.Listen("tcp", "192.0.2.1:143")
	if err != nil {
		t.Fatal(err)
	}
	implicit, err := n.Listen("tcp", "192.0.2.1:993")
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
		if d.fake.open != 0 || d.fake.contents != 0 || d.fake.watchers != 0 {
			t.Errorf("left open: %d mailboxes, %d contents, %d watchers", d.fake.open, d.fake.contents, d.fake.watchers)
		}
	})
}

func (d *dialogues) do(line string) error {
	ctx := context.Background()
	verb, arg, _ := strings.Cut(line, " ")
	switch verb {
	case "deliver":
		mailbox, text, _ := strings.Cut(arg, " ")
		content, err := unquote(text)
		if err != nil {
			return err
		}
		if _, err := d.account(ctx, "ann"); err != nil {
			return err
		}
		_, err = d.store.Deliver(ctx, postrider.String(content), []store.Target{{Account: "ann", Mailbox: mailbox, Create: true}})
		return err
	case "delete":
		a, err := d.account(ctx, "ann")
		if err != nil {
			return err
		}
		return a.Delete(ctx, arg)
	case "fail":
		method, how, _ := strings.Cut(arg, " ")
		f, err := failure(how)
		d.fake.fail(method, f)
		return err
	case "when":
		method, what, _ := strings.Cut(arg, " ")
		d.fake.fail(method, func() error {
			d.fake.repair()
			return d.do(what)
		})
		return nil
	case "repair":
		d.fake.repair()
		return nil
	case "shutdown":
		go d.server.Shutdown(ctx)
		return nil
	}
	return fmt.Errorf("do what?")
}

// unquote reads a string in Go's notation, perhaps with a number of times to repeat it.
func unquote(arg string) (string, error) {
	text, times, repeated := strings.Cut(arg, " * ")
	text, err := strconv.Unquote(text)
	if err != nil || !repeated {
		return text, err
	}
	n, err := strconv.Atoi(times)
	return strings.Repeat(text, n), err
}

// list returns the messages of a mailbox of ann's as text.
func (d *dialogues) list(t *testing.T, mailbox string) string {
	ctx := context.Background()
	a, err := d.account(ctx, "ann")
	if err != nil {
		t.Fatal(err)
	}
	m, err := a.Open(ctx, mailbox)
	if err != nil {
		return err.Error() + "\n"
	}
	defer m.Close()
	var b strings.Builder
	for msg, err := range m.Scan(ctx, store.ScanQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		c, err := m.Content(ctx, msg.UID)
		if err != nil {
			t.Fatal(err)
		}
		text, err := postrider.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		fmt.Fprintf(&b, "%d %s %s %q\n", msg.UID, appendFlags(nil, msg.Flags), msg.InternalDate.Format("2006-01-02 15:04 -0700"), text)
	}
	return b.String()
}

func TestDialogues(t *testing.T) {
	runDialogues(t, "testdata/script", func(s *Server) { s.AllowPlaintextAuth = true })
}

func TestDialoguesWhereTLSIsRequired(t *testing.T) {
	runDialogues(t, "testdata/tls", func(*Server) {})
}

func TestDialoguesWithoutLimits(t *testing.T) {
	runDialogues(t, "testdata/unlimited", func(s *Server) {
		s.AllowPlaintextAuth = true
		s.IdleTimeout, s.WriteTimeout, s.MaxMessageSize, s.MaxErrors, s.MaxAuthFailures = -1, -1, -1, -1, -1
	})
}

func TestDialoguesWithSmallLimits(t *testing.T) {
	runDialogues(t, "testdata/limits", func(s *Server) {
		s.AllowPlaintextAuth = true
		s.MaxLine = 8192
		s.MaxLiteral = 10
		s.MaxMessageSize = 20
		s.MaxErrors = 2
		s.MaxAuthFailures = 2
		s.MaxSessions = 2
	})
}
