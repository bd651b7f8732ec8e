package imap

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
)

// A tracker is a client that believes what it is told and remembers it: which UID and which flags each sequence number has.
type tracker struct {
	conn  net.Conn
	lines *bufio.Reader
	tag   int
	uids  []int // by sequence number - 1; 0 if not known
	flags []string
}

// A tracker's error is the server's fault.
func (c *tracker) do(command string) error {
	c.tag++
	tag := "t" + strconv.Itoa(c.tag)
	if _, err := c.conn.Write([]byte(tag + " " + command + "\r\n")); err != nil {
		return err
	}
	mayExpunge := !slices.Contains([]string{"FETCH", "STORE", "SEARCH"}, strings.Fields(command)[0])
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		line = strings.TrimSuffix(line, "\r\n")
		if rest, ok := strings.CutPrefix(line, tag+" "); ok {
			if strings.HasPrefix(rest, "OK") || strings.Contains(rest, "EXPUNGEISSUED") {
				return nil
			}
			return fmt.Errorf("%s: %s", command, rest)
		}
		if err := c.hear(line, mayExpunge); err != nil {
			return fmt.Errorf("%s: %q: %w", command, line, err)
		}
	}
}

// hear takes an untagged response.
func (c *tracker) hear(line string, mayExpunge bool) error {
	words := strings.Fields(line)
	if len(words) < 3 || words[0] != "*" {
		return nil
	}
	n, err := strconv.Atoi(words[1])
	if err != nil {
		return nil
	}
	switch words[2] {
	case "EXISTS":
		if n < len(c.uids) {
			return fmt.Errorf("there were %d", len(c.uids))
		}
		for len(c.uids) < n {
			c.uids, c.flags = append(c.uids, 0), append(c.flags, "")
		}
	case "EXPUNGE":
		if !mayExpunge || n < 1 || n > len(c.uids) {
			return fmt.Errorf("not now, of %d", len(c.uids))
		}
		c.uids, c.flags = slices.Delete(c.uids, n-1, n), slices.Delete(c.flags, n-1, n)
	case "FETCH":
		if n < 1 || n > len(c.uids) {
			return fmt.Errorf("there are only %d", len(c.uids))
		}
		return c.learn(n-1, line)
	}
	return nil
}

// learn takes a FETCH, which has the UID and perhaps flags.
func (c *tracker) learn(i int, line string) error {
	_, after, ok := strings.Cut(line, "UID ")
	if ok {
		uid := 0
		fmt.Sscan(after, &uid)
		if c.uids[i] != 0 && c.uids[i] != uid {
			return fmt.Errorf("it was %d", c.uids[i])
		}
		c.uids[i] = uid
	}
	if _, after, ok := strings.Cut(line, "FLAGS ("); ok {
		list, _, _ := strings.Cut(after, ")")
		flags := strings.Fields(strings.ReplaceAll(list, `\Recent`, ""))
		slices.Sort(flags)
		c.flags[i] = strings.Join(flags, " ")
	}
	return nil
}

// act does something at random.
func (c *tracker) act(r *rand.Rand) error {
	if len(c.uids) == 0 {
		return c.do("NOOP")
	}
	seq := func() int { return 1 + r.IntN(len(c.uids)) }
	set := fmt.Sprintf("%d:%d,%d", seq(), seq(), seq())
	flag := []string{`\Seen`, `\Flagged`, `\Answered`, "Work", `\Deleted`}[r.IntN(5)]
	sign := []string{"+", "-"}[r.IntN(2)]
	switch r.IntN(12) {
	case 0:
		return c.do("FETCH " + set + " (UID FLAGS)")
	case 1:
		return c.do("FETCH " + set + " (UID RFC822.SIZE)")
	case 2:
		return c.do("STORE " + set + " " + sign + "FLAGS (" + flag + ")")
	case 3:
		return c.do("UID STORE 1:* " + sign + "FLAGS (" + flag + ")")
	case 4:
		return c.do("SEARCH OR " + set + " KEYWORD Work")
	case 5:
		return c.do("COPY " + strconv.Itoa(seq()) + " INBOX")
	case 6:
		return c.do("MOVE " + strconv.Itoa(seq()) + " INBOX")
	case 7:
		if c.uids[0] != 0 {
			return c.do("UID EXPUNGE " + strconv.Itoa(c.uids[0]))
		}
		return c.do("EXPUNGE")
	case 8:
		return c.do("EXPUNGE")
	case 9:
		return c.do("UID FETCH 1:* FLAGS")
	case 10:
		return c.do("APPEND INBOX {1+}\r\nx")
	}
	return c.do("NOOP")
}

// Clients that change one mailbox at once, and what they are told never contradicts what they were told before: no message
// has another number than the client believes, and in the end all know the same (I3, RFC 3501 §7.4.1).
func TestClientsThatShareAMailboxStayInStep(t *testing.T) {
	const clients, actions = 6, 150
	ctx := context.Background()
	st := memstore.New()
	defer st.Close()
	srv := &Server{
		Auth: &account.Authenticator{Directory: people, Logger: slog.New(slog.DiscardHandler)},
		Open: func(ctx context.Context, who account.Identity) (store.Account, error) {
			return store.OpenAccount(ctx, st, who.Account)
		},
		AllowPlaintextAuth: true,
		Logger:             slog.New(slog.DiscardHandler),
	}
	var n mailtest.Network
	ln, err := n.Listen("tcp", "192.0.2.1:143")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- srv.Serve(ctx, ln) }()
	all := make([]*tracker, clients)
	for i := range all {
		conn, err := n.DialContext(ctx, "tcp", "192.0.2.1:143")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		all[i] = &tracker{conn: conn, lines: bufio.NewReader(conn)}
		if _, err := all[i].lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			err := c.do("LOGIN ann secret")
			for j := 0; j < 5 && err == nil; j++ {
				err = c.do("APPEND INBOX {1+}\r\nx")
			}
			if err == nil {
				err = c.do("SELECT INBOX")
			}
			for j := 0; j < actions && err == nil; j++ {
				err = c.act(r)
			}
			if err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		srv.Close()
		<-served
		return
	}
	for i, c := range all {
		if err := c.do("NOOP"); err != nil {
			t.Errorf("client %d: %v", i, err)
		}
		told := slices.Clone(c.flags)
		if err := c.do("UID FETCH 1:* FLAGS"); err != nil {
			t.Errorf("client %d: %v", i, err)
		}
		for j, flags := range told {
			if flags != "" && flags != c.flags[j] {
				t.Errorf("client %d was told that %d has the flags %q, and it has %q", i, c.uids[j], flags, c.flags[j])
			}
		}
		if !slices.Equal(c.uids, all[0].uids) || !slices.IsSorted(c.uids) {
			t.Errorf("client %d knows %v, client 0 %v", i, c.uids, all[0].uids)
		}
	}
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	<-served
}
