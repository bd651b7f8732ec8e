package interop

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/resolve/resolvetest"
	"github.com/postrider/postrider/smtp"
)

// TestKill9LosesNothing kills the server at random moments under load, POSTRIDER_KILLS times (100). Every message that got its
// 250 must afterwards be where it was meant to be, whole; and in a mailbox never twice, for what the queue delivers there names
// itself to the store. The server elsewhere may get one twice: where the kill fell between its reply and the note of it.
func TestKill9LosesNothing(t *testing.T) {
	kills := 100
	if testing.Short() {
		kills = 10
	}
	if v := os.Getenv("POSTRIDER_KILLS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		kills = n
	}
	elsewhere := newElsewhere(t)
	zone := resolvetest.MustZone("$ORIGIN elsewhere.test.\n@ 60 IN SOA ns host 1 60 60 60 60\n@ 60 IN MX 10 mx\nmx 60 IN A 127.0.0.1\n")
	dns := resolvetest.Start(t, zone)
	at := freeOn(t, "127.0.0.1").String()
	s := startServer(t, "-smtp", at, "-insecure-auth", "-dns", dns.Addr(), "-smtp-port", elsewhere.port, "-retry", "1s", "-log-level", "error",
		"-alias", "both@ours.test="+ann+",eve@elsewhere.test")

	load := &killLoad{at: at}
	load.start(6)
	for range kills {
		time.Sleep(time.Duration(20+rand.IntN(230)) * time.Millisecond)
		s.kill()
		s.start()
	}
	time.Sleep(200 * time.Millisecond)
	load.stop()
	t.Logf("%d kills: %d messages acknowledged, %d in doubt, %d refused", kills, len(load.acked), load.doubtful, load.refused)
	if len(load.acked) < 5*kills {
		t.Fatalf("that is no load: %d messages", len(load.acked))
	}

	// A lease of a runner that was killed takes its time to run out.
	eventually(t, 2*time.Minute, func() error { return load.missing(elsewhere.counts(), "eve@elsewhere.test") })
	for _, who := range []string{ann, bob} {
		var box map[string]int
		eventually(t, patience, func() (err error) {
			if box, err = readMaildrop(s.at["pop3"], who); err != nil {
				t.Fatal(err)
			}
			return load.missing(box, who)
		})
		for id, n := range box {
			if n > 1 {
				t.Errorf("%s has message %s %d times", who, id, n)
			}
		}
	}
}

// A killLoad sends messages with numbers and checksums to a server that comes and goes.
type killLoad struct {
	at     string
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu                sync.Mutex // guards what follows
	next              int
	acked             map[string][]string // the recipients by the ID of each message that got its 250
	doubtful, refused int
}

// recipes are whom the messages are for, in turn: mailboxes at once, the queue, and both.
var recipes = [][]string{{bob}, {"both@ours.test"}, {ann, bob}, {bob, "both@ours.test"}}

// reaches says where mail for a recipient ends.
var reaches = map[string][]string{ann: {ann}, bob: {bob}, "both@ours.test": {ann, "eve@elsewhere.test"}}

func (l *killLoad) start(connections int) {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel, l.acked = cancel, map[string][]string{}
	for range connections {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				l.session(ctx)
				time.Sleep(5 * time.Millisecond) // the server may be away
			}
		})
	}
}

func (l *killLoad) stop() {
	l.cancel()
	l.wg.Wait()
}

// session sends messages until the connection breaks.
func (l *killLoad) session(ctx context.Context) {
	dialer := smtp.Dialer{Hostname: "client.test", TLS: smtp.NoTLS, Logger: slog.New(slog.DiscardHandler)}
	c, err := dialer.Connect(ctx, l.at)
	if err != nil {
		return
	}
	defer c.Close()
	for ctx.Err() == nil && c.Reusable() {
		l.send(c)
	}
}

// send sends one message, whatever the load's end, and notes what became of it.
func (l *killLoad) send(c *smtp.Client) {
	l.mu.Lock()
	l.next++
	id := fmt.Sprintf("m%d", l.next)
	rcpts := recipes[l.next%len(recipes)]
	l.mu.Unlock()

	env := &postrider.Envelope{}
	for _, r := range rcpts {
		a, _ := postrider.ParseAddress(r)
		env.Recipients = append(env.Recipients, postrider.Recipient{ForwardPath: a})
	}
	_, err := c.Send(context.Background(), env, postrider.String(numbered(id)))
	var failed *smtp.ClientError

	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.acked[id] = rcpts
	case errors.As(err, &failed) && failed.Ambiguous:
		l.doubtful++
	default:
		l.refused++
	}
}

// numbered makes a message that tells its number and, in a checksum, whether it is whole. Some are small, some larger than what a
// store keeps in its database.
func numbered(id string) string {
	size := []int{200, 4_000, 40_000, 150_000}[rand.IntN(4)]
	var body strings.Builder
	for body.Len() < size {
		fmt.Fprintf(&body, "%016x%016x%016x\r\n", rand.Uint64(), rand.Uint64(), rand.Uint64())
	}
	return fmt.Sprintf("X-Number: %s\r\nX-Sum: %s\r\n\r\n%s", id, checksum(body.String()), body.String())
}

func checksum(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// identify returns the number of a message, and an error if it is not whole.
func identify(text string) (string, error) {
	header, body, ok := strings.Cut(text, "\r\n\r\n")
	if !ok {
		return "", errors.New("message without a body")
	}
	m, err := textproto.NewReader(bufio.NewReader(strings.NewReader(header + "\r\n\r\n"))).ReadMIMEHeader()
	if err != nil {
		return "", err
	}
	id := m.Get("X-Number")
	if id == "" || checksum(body) != m.Get("X-Sum") {
		return "", fmt.Errorf("message %q of %d octets is not whole", id, len(text))
	}
	return id, nil
}

// missing returns an error that names acknowledged messages that should have come to who and are not in found.
func (l *killLoad) missing(found map[string]int, who string) error {
	var lost []string
	for _, id := range slices.Sorted(maps.Keys(l.acked)) {
		for _, rcpt := range l.acked[id] {
			if slices.Contains(reaches[rcpt], who) && found[id] == 0 {
				lost = append(lost, id)
				break
			}
		}
	}
	if len(lost) > 0 {
		return fmt.Errorf("%d acknowledged messages did not come to %s, such as %s", len(lost), who, lost[0])
	}
	return nil
}

// readMaildrop counts the messages of an account, each of which must be whole, by POP3.
func readMaildrop(at, who string) (map[string]int, error) {
	conn, err := net.Dial("tcp", at)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	c := textproto.NewConn(conn)
	ask := func(format string, args ...any) (string, error) {
		if err := c.PrintfLine(format, args...); err != nil {
			return "", err
		}
		line, err := c.ReadLine()
		if err == nil && !strings.HasPrefix(line, "+OK") {
			err = errors.New(line)
		}
		return line, err
	}
	if _, err := c.ReadLine(); err != nil { // the greeting
		return nil, err
	}
	for _, line := range []string{"USER " + who, "PASS " + password} {
		if _, err := ask("%s", line); err != nil {
			return nil, err
		}
	}
	stat, err := ask("STAT")
	if err != nil {
		return nil, err
	}
	var n, size int
	if _, err := fmt.Sscanf(stat, "+OK %d %d", &n, &size); err != nil {
		return nil, err
	}
	found := map[string]int{}
	for i := range n {
		if _, err := ask("RETR %d", i+1); err != nil {
			return nil, err
		}
		text, err := io.ReadAll(c.DotReader())
		if err != nil {
			return nil, err
		}
		id, err := identify(strings.ReplaceAll(string(text), "\n", "\r\n"))
		if err != nil {
			return nil, err
		}
		found[id]++
	}
	_, err = ask("QUIT")
	return found, err
}

// elsewhere is another server, which takes everything.
type elsewhere struct {
	port string
	t    *testing.T

	mu    sync.Mutex
	found map[string]int // guarded by mu
}

func newElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &elsewhere{t: t, found: map[string]int{}}
	_, e.port, _ = net.SplitHostPort(l.Addr().String())
	srv := &smtp.Server{Hostname: "mx.elsewhere.test", Handler: smtp.HandlerFunc(e.take), Logger: slog.New(slog.DiscardHandler)}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
	return e
}

func (e *elsewhere) take(_ context.Context, _ *smtp.Transaction, c postrider.Content) error {
	text, err := postrider.ReadAll(c)
	if err != nil {
		return err
	}
	id, err := identify(string(text))
	if err != nil {
		e.t.Errorf("relayed: %v", err)
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.found[id]++
	return nil
}

func (e *elsewhere) counts() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.found)
}
