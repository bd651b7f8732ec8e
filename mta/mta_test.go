package mta_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/mta"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/queue/memqueue"
	"github.com/postrider/postrider/route"
	"github.com/postrider/postrider/smtp"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
)

var _ = mailtest.UpdateFlag()

func addr(s string) postrider.Address {
	a, err := postrider.ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return a
}

// directory knows ann and bob at example.org, whose password is "secret".
var directory = account.Funcs{
	ResolveFunc: func(_ context.Context, a postrider.Address) (string, error) {
		if d := postrider.CanonicalDomain(a.Domain); d == "example.org" && (a.Local == "ann" || a.Local == "bob") {
			return a.Local, nil
		}
		return "", account.ErrNotExist
	},
	VerifyFunc: func(_ context.Context, login, password string) (string, error) {
		if (login == "ann" || login == "bob") && password == "secret" {
			return login, nil
		}
		return "", account.ErrCredentials
	},
}

// full is a store in which bob has no room, and which is down while broken. While crowded, another delivery makes the account
// that one has just missed.
type full struct {
	store.Store
	broken, crowded bool
}

func (f *full) Deliver(ctx context.Context, c postrider.Content, to []store.Target) ([]store.Placed, error) {
	if f.broken {
		return nil, errors.New("secret disk is gone")
	}
	for i, t := range to {
		if t.Account == "bob" && t.Mailbox == "" && c.Size() > 2000 {
			return nil, &store.TargetError{Index: i, Err: store.ErrOverQuota}
		}
	}
	placed, err := f.Store.Deliver(ctx, c, to)
	if f.crowded && errors.Is(err, store.ErrNotExist) {
		err = errors.Join(f.Store.CreateAccount(ctx, to[0].Account), err)
	}
	return placed, err
}

// shut is a queue that is down while broken.
type shut struct {
	queue.Queue
	broken bool
}

func (s *shut) Put(ctx context.Context, subs ...queue.Submission) ([]queue.ID, error) {
	if s.broken {
		return nil, errors.New("secret disk is gone")
	}
	return s.Queue.Put(ctx, subs...)
}

// office is an MTA for example.org with all its parts in memory.
type office struct {
	mta     *mta.MTA
	store   *full
	shut    *shut // around queue
	queue   *memqueue.Queue
	handled []string
	key     string // of the first mail handled
}

func newOffice() *office {
	o := &office{store: &full{Store: memstore.New()}, queue: memqueue.New()}
	o.shut = &shut{Queue: o.queue}
	by := func(local string, v route.Verdict) route.Router {
		return route.Func(func(_ context.Context, m *route.Mail, r postrider.Recipient) (route.Verdict, error) {
			if r.ForwardPath.Local != local {
				return nil, nil
			}
			return v, nil
		})
	}
	o.mta = &mta.MTA{
		Hostname:   "mx.example.org",
		Postmaster: "example.org",
		Router: route.First(
			route.Domains([]string{"example.org"},
				route.Accounts(directory),
				by("both", route.Redirect(addr("ann@example.org"), addr("bob@example.org"))),
				by("away", route.Redirect(addr("ann@example.org"), addr("ann@example.net"))),
				by("half", route.Redirect(addr("ann@example.org"), addr("nobody@example.org"))),
				by("lists", route.DeliverTo("ann", "Lists/Go", `\Flagged`)),
				by("junk", route.Quarantine("ann")),
				by("hold", route.Hold()),
				by("void", route.Discard()),
				by("later", route.Defer("4.2.1", "not today")),
				by("ticket", route.Handle("ticket")),
				by("via", route.Relay("gate.example.net:2525")),
				route.Func(byContent),
				route.Postmaster(addr("ann@example.org")),
			),
			route.RelayAuthenticated(),
		),
		Store:     o.store,
		Mailboxes: []store.NewMailbox{{Name: "Sent"}},
		Queue:     o.shut,
		Directory: directory,
		Handlers:  map[string]mta.Handler{"ticket": o.handle},
		Logger:    slog.New(slog.DiscardHandler),
	}
	return o
}

func (o *office) handle(_ context.Context, m mta.Handled) error {
	text, err := postrider.ReadAll(m.Content)
	if err != nil {
		return err
	}
	// The keys of a mail are random but the same each time: only the first one is named.
	if o.key == "" {
		o.key = m.Key
	}
	o.handled = append(o.handled, fmt.Sprintf("try %d for %s, same key: %v", m.Attempt, m.Recipient.ForwardPath, m.Key == o.key))
	if strings.Contains(string(text), "Subject: fail") && m.Attempt < 3 {
		return errors.New("ticket system is down")
	}
	return nil
}

// byContent refuses, or defers, what says so, once the content is known.
func byContent(_ context.Context, m *route.Mail, r postrider.Recipient) (route.Verdict, error) {
	if r.ForwardPath.Local != "filtered" && r.ForwardPath.Local != "strict" {
		return nil, nil
	}
	if m.Content == nil {
		return route.Deliver("ann"), nil
	}
	text, err := postrider.ReadAll(m.Content)
	switch {
	case err != nil:
		return nil, err
	case strings.Contains(string(text), "Subject: spam"):
		return route.Reject("5.7.1", "no spam, please"), nil
	case strings.Contains(string(text), "Subject: odd"):
		return route.Defer("4.7.1", "let me think"), nil
	}
	return route.Deliver("ann"), nil
}

// server is the server of that kind.
func (o *office) server(t *testing.T, kind string) *smtp.Server {
	srv := &smtp.Server{
		Hostname: "mx.example.org",
		Handler:  o.mta,
		Hooks:    []smtp.Hooks{o.mta.Hooks()},
		Logger:   slog.New(slog.DiscardHandler),
		Rand:     strings.NewReader(strings.Repeat("\x00", 8) + strings.Repeat("\x01", 8) + strings.Repeat("\x02", 8)),
	}
	switch kind {
	case "mx":
	case "lmtp":
		srv.LMTP = true
	case "submission":
		srv.Submission = true
		srv.AllowPlaintextAuth = true
		srv.Auth = &account.Authenticator{Directory: directory, Logger: srv.Logger}
	default:
		t.Fatalf("no server of kind %q", kind)
	}
	return srv
}

// TestScripts plays the dialogues of testdata/script. The first word of a file's name is the kind of server.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			var o *office
			mailtest.RunScript(t, file, mailtest.Script{
				Start: func(t *testing.T, n *mailtest.Network) {
					o = newOffice()
					kind, _, _ := strings.Cut(filepath.Base(file), "-")
					serve(t, n, o.server(t, kind))
				},
				Do:    func(_ *testing.T, line string) error { return o.do(line) },
				Check: func(t *testing.T, section string) string { return o.list(t, section) },
			})
		})
	}
}

func serve(t *testing.T, n *mailtest.Network, srv *smtp.Server) {
	l, err := n.Listen("tcp", "192.0.2.1:25")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func(l net.Listener) { done <- srv.Serve(context.Background(), l) }(l)
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// do is what a script's "do" lines can do.
func (o *office) do(line string) error {
	switch line {
	case "break the store":
		o.store.broken = true
	case "crowd the store":
		o.store.crowded = true
	case "mend the store":
		o.store.broken = false
	case "break the queue":
		o.shut.broken = true
	case "run the queue once":
		return o.runOnce()
	default:
		return fmt.Errorf("cannot do %q", line)
	}
	return nil
}

// runOnce claims everything that is due, tries it once with a relay that takes everything, and settles.
func (o *office) runOnce() error {
	relay := queue.TransportFunc(func(_ context.Context, a *queue.Attempt) (outcomes []queue.Outcome) {
		for _, r := range a.Recipients {
			o.handled = append(o.handled, fmt.Sprintf("relay %s to %s", r.ForwardPath, a.NextHop))
			outcomes = append(outcomes, queue.Outcome{Index: r.Index, Result: queue.Delivered})
		}
		return outcomes
	})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watched := map[string]queue.Transport{}
	for name, t := range o.mta.Transports(relay) {
		watched[name] = t
	}
	runner := &queue.Runner{Queue: o.queue, Transports: watched, Hostname: "mx.example.org", Route: o.mta.RouteReport, Logger: slog.New(slog.DiscardHandler),
		Retry: queue.Retry{Jitter: -1}}
	done := make(chan error)
	go func() { done <- runner.Run(ctx) }()
	idle(o.queue)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// list prints what a section of a script is about.
func (o *office) list(t *testing.T, section string) string {
	var b strings.Builder
	switch section {
	case "store":
		o.listStore(t, &b)
	case "queue":
		o.listQueue(t, &b)
	case "handled":
		for _, line := range o.handled {
			fmt.Fprintln(&b, line)
		}
	default:
		t.Fatalf("no section %q", section)
	}
	return b.String()
}

func (o *office) listStore(t *testing.T, b *strings.Builder) {
	ctx := context.Background()
	for _, name := range []string{"ann", "bob"} {
		a, err := o.store.Account(ctx, name)
		if errors.Is(err, store.ErrNotExist) {
			continue
		}
		mailboxes, err := a.Mailboxes(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range mailboxes {
			m, err := a.Open(ctx, info.Name)
			if err != nil {
				t.Fatal(err)
			}
			for msg, err := range m.Scan(ctx, store.ScanQuery{}) {
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(b, "= %s %s %d %v\n", name, info.Name, msg.UID, msg.Flags)
				content, err := m.Content(ctx, msg.UID)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(postrider.NewReader(content))
				if err != nil {
					t.Fatal(err)
				}
				b.WriteString(shorten(string(text)))
			}
			m.Close()
		}
	}
}

func (o *office) listQueue(t *testing.T, b *strings.Builder) {
	ctx := context.Background()
	for e, err := range o.queue.Entries(ctx, queue.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(b, "= <%s> to <%s> %s %q", e.Message.Envelope.ReversePath, e.ForwardPath, e.Transport, e.NextHop)
		if e.Held {
			b.WriteString(" held")
		}
		if e.LastStatus != nil {
			fmt.Fprintf(b, " tried %d: %d %s %s", e.Attempts, e.LastStatus.ReplyCode(), e.LastStatus.EnhancedCode(), e.LastStatus.Text)
		}
		b.WriteString("\n")
	}
}

// shorten makes long runs of padding short and lines end in LF.
func shorten(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	for strings.Contains(s, "xxxxxxxxxxxx") {
		s = strings.ReplaceAll(s, "xxxxxxxxxxxx", "xxx")
	}
	return s
}

// idle returns when nothing in the queue is due now. It runs in the bubble of a script, where a wait
// of a nanosecond lets everybody else come to rest.
func idle(q *memqueue.Queue) {
	for range 1000 {
		synctest.Wait()
		next, err := q.NextDue(context.Background())
		if err != nil || next.IsZero() || next.After(time.Now()) {
			return
		}
		time.Sleep(time.Nanosecond)
	}
}
