package interop

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/queue/sqlqueue"
	"github.com/postrider/postrider/resolve/resolvetest"
	"github.com/postrider/postrider/smtp"
)

// The load of the test: so many connections send to accounts, and so many to an alias that leads to an account and to another server.
const (
	directSenders = 6
	aliasSenders  = 2
	killUsers     = 4
	outside       = "carl@sink.test"
)

func killUser(i int) string { return fmt.Sprintf("user%d@%s", i%killUsers, domain) }

// kills returns how often to kill.
func kills(t *testing.T) int {
	if v := os.Getenv("POSTRIDER_KILLS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			t.Fatalf("POSTRIDER_KILLS=%s is no number of kills", v)
		}
		return n
	}
	if testing.Short() {
		return 5
	}
	return 100
}

// TestKilledUnderLoadNothingIsLost kills the server at random moments while messages come in, go out and are delivered, and starts it again on
// what is then on disk. In the end each message that got its 250 is in all mailboxes it was for, or in the queue, whole; and none is twice where
// no wire was cut between the final dot and its reply.
func TestKilledUnderLoadNothingIsLost(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	dns := resolvetest.Start(t, resolvetest.MustZone(n.zoneText(t)))
	to := startSink(t, n.smtp(hostSink))
	flags := []string{"-dns", dns.Addr(), "-smtp-port", strconv.Itoa(n.port), "-retry", "1s", "-log-level", "error", "-alias", "all@ours.test=" + killUser(0) + "," + outside}
	for i := range killUsers {
		flags = append(flags, "-account", killUser(i)+":"+password)
	}
	s := startServer(t, flags...)
	l := &killLoad{t: t}
	times := kills(t)
	for i := range times {
		if i%10 == 9 {
			// At times while it is still getting up.
			s.launch()
			time.Sleep(rand.N(300 * time.Millisecond))
			s.kill()
		}
		if !s.running() {
			s.start()
		}
		ctx, cancel := context.WithCancel(t.Context())
		l.start(ctx, s.at["smtp"])
		time.Sleep(20*time.Millisecond + rand.N(600*time.Millisecond))
		s.kill()
		cancel()
		l.senders.Wait()
	}
	t.Logf("killed %d times while %d messages were sent, %d of them acknowledged", times, len(l.sent), l.acknowledged())
	s.start()
	l.drain(to)
	s.stop()
	waiting := l.queued(filepath.Join(s.data, "queue"))
	s.start()
	l.check(s, to, waiting)
}

// A killLoad is all messages that were sent.
type killLoad struct {
	t       *testing.T
	next    atomic.Int64
	senders sync.WaitGroup

	mu   sync.Mutex
	sent map[int]*killMessage // guarded by mu
}

// A killMessage is one of them.
type killMessage struct {
	to    string // the account
	alias bool   // and outside
	acked bool   // it got its 250
}

// start starts the senders. They end with the server, and say so to senders.
func (l *killLoad) start(ctx context.Context, addr string) {
	for i := range directSenders + aliasSenders {
		l.senders.Go(func() {
			d := smtp.Dialer{Hostname: "client.ours.test", TLS: smtp.NoTLS}
			c, err := d.Connect(ctx, addr)
			if err != nil {
				return
			}
			defer c.Close()
			for l.send(ctx, c, i >= directSenders) {
			}
		})
	}
}

// send sends one message and reports whether the session goes on. What is refused, and not merely lost, fails the test.
func (l *killLoad) send(ctx context.Context, c *smtp.Client, alias bool) bool {
	id := int(l.next.Add(1))
	m := &killMessage{to: killUser(id), alias: alias}
	rcpt := m.to
	if alias {
		m.to, rcpt = killUser(0), "all@"+domain
	}
	l.mu.Lock()
	if l.sent == nil {
		l.sent = map[int]*killMessage{}
	}
	l.sent[id] = m
	l.mu.Unlock()
	env := postrider.Envelope{
		ReversePath: postrider.Address{Local: "load", Domain: "client.test"},
		Recipients:  []postrider.Recipient{{ForwardPath: address(l.t, rcpt)}},
	}
	outcomes, err := c.Send(ctx, &env, postrider.String(numbered(id)))
	if err == nil {
		l.mu.Lock()
		m.acked = true
		l.mu.Unlock()
		return true
	}
	if reply := outcomes[0].Reply; reply != "" && ctx.Err() == nil {
		l.t.Errorf("message %d: the server says %q: %v", id, reply, err)
	}
	return false
}

func (l *killLoad) acknowledged() int {
	n := 0
	for _, m := range l.sent {
		if m.acked {
			n++
		}
	}
	return n
}

// killSizes are the sizes of the bodies: in a row of the database, and in files of the queue and of the store.
var killSizes = []int{100, 2_000, 4_000, 15_000, 100_000}

// numbered returns message id, whose last line is the checksum of all lines before.
func numbered(id int) string {
	size := killSizes[0]
	for i, of := range []int{1, 2, 5, 50} { // every second, fifth and fiftieth is larger
		if id%of == 0 {
			size = killSizes[i+1]
		}
	}
	text := message(strconv.Itoa(id), strings.Repeat(fmt.Sprintf("%078d\r\n", id), size/80+1))
	return text + checksum(text) + "\r\n"
}

func checksum(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// number returns the id of a message that came out, which must be as it went in.
func (l *killLoad) number(text string) int {
	id, err := strconv.Atoi(subject(text))
	if err != nil {
		l.t.Errorf("a message without a number: %q", text[:min(len(text), 500)])
		return 0
	}
	if !strings.HasSuffix(text, numbered(id)) {
		l.t.Errorf("message %d is not as it was sent: %d octets, of which the last are %q", id, len(text), text[max(0, len(text)-200):])
	}
	return id
}

// drain waits a while for the queue. What was under way at the last kill stays longer, until its lease ends.
func (l *killLoad) drain(to *sink) {
	want := 0
	for _, m := range l.sent {
		if m.acked && m.alias {
			want++
		}
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && len(to.messages()) < want; {
		time.Sleep(100 * time.Millisecond)
	}
}

// queued returns what is left in the queue of a server that is not running: by id, the recipients.
func (l *killLoad) queued(dir string) map[int][]string {
	l.t.Helper()
	ctx := l.t.Context()
	q, err := sqlqueue.Open(ctx, dir)
	if err != nil {
		l.t.Fatal(err)
	}
	defer q.Close()
	waiting := map[int][]string{}
	for e, err := range q.Entries(ctx, queue.Filter{}) {
		if err != nil {
			l.t.Fatal(err)
		}
		c, err := q.Content(ctx, e.Message.ID)
		if err != nil {
			l.t.Fatal(err)
		}
		text, err := postrider.ReadAll(c)
		if err != nil {
			l.t.Fatal(err)
		}
		c.Close()
		id := l.number(string(text))
		waiting[id] = append(waiting[id], e.ForwardPath.String())
	}
	l.t.Logf("%d messages are left in the queue", len(waiting))
	return waiting
}

// check looks for every message.
func (l *killLoad) check(s *server, to *sink, waiting map[int][]string) {
	l.t.Helper()
	arrived := map[int]map[string]int{}
	count := func(text, where string) {
		id := l.number(text)
		if arrived[id] == nil {
			arrived[id] = map[string]int{}
		}
		arrived[id][where]++
	}
	for i := range killUsers {
		for _, text := range s.mustInbox(killUser(i)) {
			count(text, killUser(i))
		}
	}
	for _, m := range to.messages() {
		count(m.text, outside)
	}
	lost, twice := 0, 0
	for id, m := range l.sent {
		places := []string{m.to}
		if m.alias {
			places = append(places, outside)
		}
		for _, place := range places {
			n := arrived[id][place]
			if n == 0 && m.acked && !slices.Contains(waiting[id], place) {
				lost++
				l.t.Errorf("message %d for %s got its 250 and is lost", id, place)
			}
			// To a mailbox each message goes once. On the way to another server, a kill may have cut off a reply.
			if n > 1 && place != outside {
				l.t.Errorf("message %d is %d times in the mailbox of %s", id, n, place)
			}
			if n > 1 {
				twice++
			}
			delete(arrived[id], place)
		}
		if len(arrived[id]) > 0 {
			l.t.Errorf("message %d was for %s, and is also at %v", id, places, arrived[id])
		}
	}
	l.t.Logf("%d lost, %d twice at the other server", lost, twice)
}
