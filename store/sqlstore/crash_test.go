package sqlstore_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/sqlstore"
)

// Environment of the crash test: the store that a child works on, and how often to
// crash (POSTRIDER_CRASHES=500 for a long run).
const (
	crashDir   = "POSTRIDER_CRASH_DIR"
	crashCount = "POSTRIDER_CRASHES"
)

// TestMain makes this binary the child of the crash test if it is told so.
func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		crashChild(dir)
		return
	}
	// Every step of the kit's state machine syncs a disk, or many: fewer runs of it do.
	// The command line has the last word.
	if err := flag.Set("rapid.checks", "30"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// crashAccounts are who gets mail in the crash test.
var crashAccounts = []string{"ann", "ben"}

// crashMail is a message that names itself and carries its checksum.
func crashMail(id string, size int) string {
	text := strings.Repeat(id+" is the name of this message.\r\n", size/(len(id)+30)+1)
	return fmt.Sprintf("Message-ID: <%s>\r\nX-Sum: %08x\r\n\r\n%s", id, crc32.ChecksumIEEE([]byte(text)), text)
}

// crashChild delivers, copies, flags and expunges until it is killed. It prints a line
// for everything that a method has promised to keep.
func crashChild(dir string) {
	ctx := context.Background()
	s, err := sqlstore.Open(ctx, dir)
	if err != nil {
		fmt.Println("failed open:", err)
		return
	}
	run := time.Now().UnixNano()
	var out sync.Mutex
	say := func(format string, args ...any) {
		out.Lock()
		defer out.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	say("ready")
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			c := crashWorker{s: s, say: say, r: rand.New(rand.NewPCG(uint64(run), uint64(w))), large: true}
			for n := 0; ; n++ {
				if err := c.work(ctx, fmt.Sprintf("%d-%d-%d", run, w, n), n); err != nil {
					say("failed %v", err)
					return
				}
			}
		})
	}
	all.Wait()
}

type crashWorker struct {
	s     *sqlstore.Store
	say   func(string, ...any)
	r     *rand.Rand
	large bool // every third message is too large for the database
}

func (c *crashWorker) mail(id string, n int) postrider.Content {
	size := 600 + n%5*900
	if c.large && n%3 == 0 {
		size += sqlstore.DefaultInline
	}
	return postrider.String(crashMail(id, size))
}

// work does one thing. Messages that are promised go to INBOX and stay; what becomes of
// those in Work is only promised to be consistent.
func (c *crashWorker) work(ctx context.Context, id string, n int) error {
	account := crashAccounts[c.r.IntN(len(crashAccounts))]
	switch k := c.r.IntN(20); {
	case k < 10:
		c.say("trying %s", id)
		_, err := c.s.Deliver(ctx, c.mail(id, n), []store.Target{{Account: account, Once: id}})
		if err == nil {
			c.say("kept %s %s", account, id)
		}
		return err
	case k < 13:
		c.say("trying %s", id)
		_, err := c.s.Deliver(ctx, c.mail(id, n), []store.Target{
			{Account: "ann", Flags: []store.Flag{"$both"}}, {Account: "ben", Flags: []store.Flag{"$both"}},
			{Account: account, Mailbox: "Work"},
		})
		if err == nil {
			c.say("kept ann %s", id)
			c.say("kept ben %s", id)
		}
		return err
	}
	return c.change(ctx, account)
}

// change changes something in the mailbox Work, or flags in INBOX.
func (c *crashWorker) change(ctx context.Context, account string) error {
	a, err := c.s.Account(ctx, account)
	if err != nil {
		return err
	}
	m, err := a.Open(ctx, []string{"Work", "INBOX"}[c.r.IntN(2)])
	if err != nil {
		return err
	}
	defer m.Close()
	st, err := m.Status(ctx)
	if err != nil || st.UIDNext == 1 {
		return err
	}
	first := store.UID(1 + c.r.IntN(int(st.UIDNext)))
	uids := store.RangeOfUIDs(first, first+store.UID(c.r.IntN(30)))
	switch c.r.IntN(4) {
	case 0:
		op := []store.FlagOp{store.FlagsAdd, store.FlagsRemove}[c.r.IntN(2)]
		_, err = m.SetFlags(ctx, store.FlagChange{UIDs: uids, Op: op, Flags: []store.Flag{store.FlagSeen}})
	case 1:
		_, err = m.Copy(ctx, uids, "Work")
	default:
		work, err := a.Open(ctx, "Work")
		if err != nil {
			return err
		}
		defer work.Close()
		if _, err := work.Expunge(ctx, uids); err != nil {
			return err
		}
	}
	return err
}

func TestAKilledProcessLosesNothingItPromised(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for some seconds")
	}
	crashes := 20
	if n, err := strconv.Atoi(os.Getenv(crashCount)); err == nil {
		crashes = n
	}
	dir := filepath.Join(t.TempDir(), "store")
	prepareCrash(t, dir)
	kept := map[string]map[string]int{"ann": {}, "ben": {}}
	for i := range crashes {
		for _, line := range crash(t, dir) {
			if f := strings.Fields(line); f[0] == "kept" && len(f) == 3 {
				kept[f[1]][f[2]]++
			}
		}
		verifyCrash(t, dir, kept)
		if t.Failed() {
			t.Fatalf("after crash %d", i+1)
		}
	}
	t.Logf("%d messages kept over %d crashes", len(kept["ann"])+len(kept["ben"]), crashes)
}

func prepareCrash(t *testing.T, dir string) {
	t.Helper()
	s := openBench(t, dir)
	defer closeStore(t, s)
	for _, name := range crashAccounts {
		if err := s.CreateAccount(t.Context(), name, store.NewMailbox{Name: "Work"}); err != nil {
			t.Fatal(err)
		}
	}
}

// crash runs a child on the store, kills it at some moment, and returns what it said.
func crash(t *testing.T, dir string) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	first, err := r.ReadString('\n')
	if first != "ready\n" {
		cmd.Process.Kill()
		cmd.Wait()
		t.Fatalf("the child said %q (%v): %s", first, err, &stderr)
	}
	time.AfterFunc(time.Duration(rand.IntN(300))*time.Millisecond, func() { cmd.Process.Kill() })
	rest, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // killed
	lines := strings.Split(string(rest), "\n")
	lines = lines[:len(lines)-1] // the last line is not whole
	for _, line := range lines {
		if strings.HasPrefix(line, "failed") {
			t.Fatalf("the child %s: %s", line, &stderr)
		}
	}
	return lines
}

// verifyCrash looks for everything that was promised, and for anything half done.
func verifyCrash(t *testing.T, dir string, kept map[string]map[string]int) {
	t.Helper()
	s := openBench(t, dir)
	defer closeStore(t, s)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	for account, ids := range kept {
		found := readAll(t, s, account, "INBOX")
		readAll(t, s, account, "Work")
		for id := range ids {
			if found[id] != 1 {
				t.Errorf("%s has %d messages %s", account, found[id], id)
			}
		}
	}
	both := func(account string) int {
		m := open(t, s, account, "INBOX")
		defer m.Close()
		return withFlag(t, m, "$both").Len()
	}
	if a, b := both("ann"), both("ben"); a != b {
		t.Errorf("of deliveries to both, ann has %d and ben %d", a, b)
	}
}

// open opens a mailbox.
func open(tb testing.TB, s *sqlstore.Store, account, name string) store.Mailbox {
	tb.Helper()
	a, err := s.Account(context.Background(), account)
	if err != nil {
		tb.Fatal(err)
	}
	m, err := a.Open(context.Background(), name)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func withFlag(tb testing.TB, m store.Mailbox, f store.Flag) (uids store.UIDSet) {
	tb.Helper()
	for msg, err := range m.Scan(context.Background(), store.ScanQuery{}) {
		if err != nil {
			tb.Fatal(err)
		}
		if store.HasFlag(msg.Flags, f) {
			uids.Add(msg.UID)
		}
	}
	return uids
}

// readAll reads all messages of a mailbox, holds each against its checksum and the
// mailbox against its status, and counts the messages by their names.
func readAll(t *testing.T, s *sqlstore.Store, account, name string) map[string]int {
	t.Helper()
	m := open(t, s, account, name)
	defer m.Close()
	found := map[string]int{}
	var sum store.Status
	for msg, err := range m.Scan(t.Context(), store.ScanQuery{Fields: store.FieldSummary}) {
		if err != nil {
			t.Fatal(err)
		}
		sum.Messages++
		sum.Size += msg.Size
		if !store.HasFlag(msg.Flags, store.FlagSeen) {
			sum.Unseen++
		}
		c, err := m.Content(t.Context(), msg.UID)
		if err != nil {
			t.Fatalf("%s %s %d: %v", account, name, msg.UID, err)
		}
		b, err := postrider.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		head, text, _ := strings.Cut(string(b), "\r\n\r\n")
		id := strings.Trim(msg.Summary.Envelope.MessageID, "<>")
		if want := fmt.Sprintf("Message-ID: <%s>\r\nX-Sum: %08x", id, crc32.ChecksumIEEE([]byte(text))); head != want {
			t.Errorf("%s %s %d begins %q, want %q", account, name, msg.UID, head, want)
		}
		found[id]++
	}
	st, err := m.Status(t.Context())
	if err != nil || st.Messages != sum.Messages || st.Size != sum.Size || st.Unseen != sum.Unseen {
		t.Errorf("%s %s: status %+v, %v; messages %+v", account, name, st, err, sum)
	}
	return found
}
