package sqlqueue_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
)

// victim names the folder of the queue in the environment of a process that is to be killed.
const victim = "SQLQUEUE_TEST_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victim); dir != "" {
		work(dir)
	}
	os.Exit(m.Run())
}

// text is a message that can be recognised whole, of a size that puts some in the database and some in files.
func text(seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, r.IntN(6000))
	if seed%5 == 0 {
		b = make([]byte, 70_000+r.IntN(20_000))
	}
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return fmt.Sprintf("Subject: %d\r\n\r\n%s", seed, b)
}

// work puts, claims and settles until it is killed, and says so on standard output: "put" after a message was taken,
// "try" before one is settled and "done" after.
func work(dir string) {
	ctx := context.Background()
	q := open(new(testing.T), dir)
	say := func(what string, id queue.ID, seed uint64) {
		if _, err := fmt.Fprintf(os.Stdout, "%s %s %d\n", what, id, seed); err != nil {
			os.Exit(1)
		}
	}
	for range 8 {
		go func() {
			for {
				seed := rand.Uint64() >> 1
				s := submission(0, 5)
				s.Recipients = append(s.Recipients, submission(0, 5).Recipients[0], s.Recipients[0])
				s.Content = postrider.String(text(seed))
				ids, err := q.Put(ctx, s)
				if err != nil {
					os.Exit(1)
				}
				say("put", ids[0], seed)
			}
		}()
	}
	for {
		claims, err := q.Claim(ctx, queue.ClaimQuery{Max: 5, Lease: time.Millisecond})
		if err != nil {
			os.Exit(1)
		}
		for _, c := range claims {
			say("try", c.Message.ID, 0)
			var outcomes []queue.Outcome
			for _, e := range c.Recipients {
				outcomes = append(outcomes, queue.Outcome{Index: e.Index, Result: queue.Delivered})
			}
			if err := q.Settle(ctx, c.Token, outcomes); err != nil {
				os.Exit(1)
			}
			say(fmt.Sprintf("done%d", len(outcomes)), c.Message.ID, 0)
		}
	}
}

// told is what a victim said of a message.
type told struct {
	seed  uint64
	tried bool
	done  int // recipients
}

// live runs a victim for a while, kills it, and returns what it said.
func live(t *testing.T, dir string, d time.Duration) map[queue.ID]*told {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victim+"="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := map[queue.ID]*told{}
	var wg sync.WaitGroup
	begun := make(chan bool, 1)
	wg.Go(func() { read(t, out, said, begun) })
	select {
	case <-begun:
		time.Sleep(d)
	case <-time.After(time.Minute):
		t.Error("the victim never began")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the victim ended by itself: %v\n%s", err, stderr.Bytes())
	}
	return said
}

func read(t *testing.T, r io.Reader, said map[queue.ID]*told, begun chan bool) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		select {
		case begun <- true:
		default:
		}
		var what string
		var id queue.ID
		var seed uint64
		if _, err := fmt.Sscan(lines.Text(), &what, &id, &seed); err != nil {
			continue // the line that it died in
		}
		if said[id] == nil {
			said[id] = &told{}
		}
		switch m := said[id]; what {
		case "put":
			m.seed = seed
		case "try":
			m.tried = true
		default:
			var n int
			if _, err := fmt.Sscanf(what, "done%d", &n); err != nil {
				t.Errorf("victim said %q", lines.Text())
			}
			m.done += n
		}
	}
}

func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	dir := t.TempDir()
	all := map[queue.ID]*told{}
	puts := 0
	for range rounds {
		for id, m := range live(t, dir, time.Duration(50+rand.IntN(250))*time.Millisecond) {
			if old := all[id]; old != nil {
				old.tried = old.tried || m.tried
				old.done += m.done
				continue
			}
			all[id] = m
		}
		puts = len(all)
		inspect(t, dir, all)
	}
	t.Logf("%d messages over %d kills", puts, rounds)
}

// inspect compares a queue with what was said of it.
func inspect(t *testing.T, dir string, said map[queue.ID]*told) {
	t.Helper()
	ctx := context.Background()
	q := open(t, dir)
	defer q.Close()
	here := map[queue.ID]int{}
	for e, err := range q.Entries(ctx, queue.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if here[e.Message.ID]++; here[e.Message.ID] > 1 {
			continue
		}
		c, err := q.Content(ctx, e.Message.ID)
		if err != nil {
			t.Fatalf("message %s has no content: %v", e.Message.ID, err)
		}
		b, err := postrider.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		var seed uint64
		if _, err := fmt.Sscanf(string(b), "Subject: %d", &seed); err != nil || text(seed) != string(b) {
			t.Errorf("message %s is not whole: %v", e.Message.ID, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	for id, n := range here {
		if m := said[id]; n != 3 && (m == nil || !m.tried) {
			t.Errorf("message %s has %d of 3 recipients, and nobody settled any", id, n)
		}
	}
	for id, m := range said {
		switch {
		case m.seed != 0 && !m.tried && here[id] != 3:
			t.Errorf("message %s was acknowledged, and has %d recipients left", id, here[id])
		case here[id]+m.done > 3:
			t.Errorf("message %s has %d recipients, though %d were settled", id, here[id], m.done)
		}
	}
}
