package relay_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/queue/relay"
	"github.com/postrider/postrider/resolve/resolvetest"
	"github.com/postrider/postrider/smtp"
)

// A world is an internet in memory with one Transport in it.
type world struct {
	t         *testing.T
	net       mailtest.Network
	zone      *resolvetest.Zone
	transport *relay.Transport
	tls       *tls.Config // of scripted servers
	down      atomic.Bool // the network is

	mu    sync.Mutex
	dials []string // addresses in the order in which connections were tried
	got   []string // what servers of ours took: "host from>to,to"
	heard []string // commands to scripted servers
}

// newWorld must be called in a bubble.
func newWorld(t *testing.T, zone string) *world {
	w := &world{t: t, zone: resolvetest.MustZone(zone)}
	w.transport = &relay.Transport{
		Hostname:    "mail.example.net",
		Resolver:    w.zone,
		DialContext: w.dial,
		Shuffle:     func(int, func(i, j int)) {}, // as given
		Logger:      slog.New(slog.DiscardHandler),
	}
	t.Cleanup(func() {
		if err := w.transport.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return w
}

func (w *world) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	w.dials = append(w.dials, strings.TrimSuffix(addr, ":25"))
	w.mu.Unlock()
	if w.down.Load() {
		return nil, syscall.ENETUNREACH
	}
	return w.net.DialContext(ctx, network, addr)
}

// dialled returns the addresses of the connections tried since the last call.
func (w *world) dialled() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := strings.Join(w.dials, " ")
	w.dials = nil
	return s
}

// taken returns what the servers took since the last call.
func (w *world) taken() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.got)
	s := strings.Join(w.got, "; ")
	w.got = nil
	return s
}

// listen has serve called for each connection to addr, at port 25 if it names none.
func (w *world) listen(addr string, serve func(net.Conn)) {
	w.t.Helper()
	if !strings.Contains(addr, "]") && strings.Count(addr, ":") != 1 {
		addr = net.JoinHostPort(addr, "25")
	}
	l, err := w.net.Listen("tcp", addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
}

// serve starts a real server, which notes what it takes.
func (w *world) serve(addr string, change func(*smtp.Server)) {
	w.t.Helper()
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host, addr = addr, net.JoinHostPort(addr, "25")
	}
	l, err := w.net.Listen("tcp", addr)
	if err != nil {
		w.t.Fatal(err)
	}
	srv := &smtp.Server{
		Hostname: "mx.example.org",
		Logger:   slog.New(slog.DiscardHandler),
		Handler: smtp.HandlerFunc(func(_ context.Context, tx *smtp.Transaction, c postrider.Content) error {
			var to []string
			for _, r := range tx.Envelope.Recipients {
				to = append(to, r.ForwardPath.Local)
			}
			w.note(fmt.Sprintf("%s took %s", host, strings.Join(to, ",")))
			return &postrider.Status{Code: "2.0.0", Text: "queued as 4711"}
		}),
	}
	if change != nil {
		change(srv)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(context.Background(), l)
	}()
	w.t.Cleanup(func() { srv.Close(); <-done })
}

func (w *world) note(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, s)
}

// attempt is a message from ann@example.net to the local-parts at the domain of the next hop.
func attempt(nextHop string, to ...string) *queue.Attempt {
	domain := strings.Trim(nextHop, "[].")
	if net.ParseIP(domain) != nil || strings.Contains(domain, ":") {
		domain = "example.org"
	}
	a := &queue.Attempt{
		Message: queue.Message{ID: "m1", Envelope: postrider.Envelope{ReversePath: postrider.Address{Local: "ann", Domain: "example.net"}}},
		Content: postrider.String("Subject: hello\r\n\r\nhello\r\n"),
		NextHop: nextHop,
	}
	for i, local := range to {
		e := queue.Entry{Index: 10 + i}
		e.ForwardPath = postrider.Address{Local: local, Domain: domain}
		a.Recipients = append(a.Recipients, e)
	}
	return a
}

// tell writes outcomes as one line.
func tell(outcomes []queue.Outcome) string {
	var parts []string
	for _, o := range outcomes {
		s := map[queue.Result]string{queue.Delivered: "delivered", queue.Deferred: "deferred", queue.Failed: "failed"}[o.Result]
		if s == "" {
			s = "nothing"
		}
		if o.Status != nil {
			s += fmt.Sprintf(" %d %s", o.Status.ReplyCode(), o.Status.EnhancedCode())
		}
		if o.Remote != "" {
			s += " by " + o.Remote
		}
		if o.Ambiguous {
			s += " ambiguous"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ")
}

// deliver delivers and compares the outcomes with want.
func (w *world) deliver(a *queue.Attempt, want string) []queue.Outcome {
	w.t.Helper()
	outcomes := w.transport.Deliver(w.t.Context(), a)
	if len(outcomes) != len(a.Recipients) {
		w.t.Fatalf("%d outcomes for %d recipients", len(outcomes), len(a.Recipients))
	}
	for i, o := range outcomes {
		if o.Index != a.Recipients[i].Index {
			w.t.Errorf("outcome %d is of recipient %d", i, o.Index)
		}
	}
	if got := tell(outcomes); got != want {
		w.t.Errorf("outcomes: %s\nwant:     %s", got, want)
	}
	return outcomes
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// bubble runs test in a bubble of synctest with a world of that zone.
func bubble(t *testing.T, zone string, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newWorld(t, zone)) })
}

const twoServers = `
	example.org.      MX 10 mx1.example.org.
	example.org.      MX 20 mx2.example.org.
	mx1.example.org.  A  192.0.2.1
	mx2.example.org.  A  192.0.2.2
`

// Q2, Q3: a message for several recipients at one host goes there once, and to the best host.
func TestAMessageForSeveralRecipientsGoesOnceToTheBestHost(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.serve("192.0.2.1", nil)
		w.serve("192.0.2.2", nil)
		out := w.deliver(attempt("example.org", "bob", "cat"), "delivered 250 2.0.0 by mx1.example.org; delivered 250 2.0.0 by mx1.example.org")
		expect(t, "taken", w.taken(), "192.0.2.1 took bob,cat")
		if !out[0].Relayed || out[0].NotifiesSuccess || out[0].Status.Text != "queued as 4711" {
			t.Errorf("outcome: %+v", out[0])
		}
	})
}

// contents is a handler that notes the contents of messages.
func contents(w *world) smtp.Handler {
	return smtp.HandlerFunc(func(_ context.Context, _ *smtp.Transaction, c postrider.Content) error {
		b, err := postrider.ReadAll(c)
		w.note(string(b))
		return err
	})
}

func newTransport() *relay.Transport { return new(relay.Transport) }

// watch collects the log from level Info on, without times, and the transcript.
func (w *world) watch() (log, transcript func() string) {
	var mu sync.Mutex
	var lines, talk strings.Builder
	w.transport.Logger = slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	w.transport.Transcript = func(server netip.AddrPort, line string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&talk, "%s %s\n", server, line)
	}
	return lines.String, func() string {
		mu.Lock()
		defer mu.Unlock()
		return talk.String()
	}
}
