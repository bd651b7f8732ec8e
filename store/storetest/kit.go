package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

// Options says more of a store than Run needs to know.
type Options struct {
	// Reopen returns a store with what closed kept, as after a restart of the process.
	// closed comes from newStore and is closed. Nil means that the store does not
	// outlive its Close, and the promises about that are left out.
	Reopen func(t testing.TB, closed store.Store) store.Store
}

// Run runs the kit without options.
func Run(t *testing.T, newStore func(t testing.TB) store.Store) {
	t.Helper()
	Options{}.Run(t, newStore)
}

// Run holds the stores that newStore returns to every promise, in subtests. newStore
// returns an empty store, a new one at each call; the kit closes it.
func (o Options) Run(t *testing.T, newStore func(t testing.TB) store.Store) {
	for _, p := range promises() {
		if p.durable && o.Reopen == nil {
			continue
		}
		t.Run(p.name, func(t *testing.T) { p.check(newKit(t, p, o, newStore)) })
	}
}

// A promise is one thing that a store must do.
type promise struct {
	name string // a subtest's
	text string // what is quoted
	// durable says that it is about stores that outlive their Close.
	durable bool
	check   func(k *kit)
}

// promises returns all of them.
func promises() []promise {
	return slices.Concat(
		accountPromises, mailboxPromises, namePromises, messagePromises, contentPromises, flagPromises, copyPromises,
		expungePromises, deliverPromises, logPromises, contextPromises, concurrencyPromises, durabilityPromises,
	)
}

// kit is what a check has at hand: a new store, and short forms of everyday calls.
type kit struct {
	tb
	t        testing.TB
	promise  promise
	options  Options
	newStore func(testing.TB) store.Store
	ctx      context.Context
	s        store.Store
	// patience is how long a hint of a Watcher may take.
	patience time.Duration
}

// The fall-back of store.Watch asks every two seconds.
const defaultPatience = 20 * time.Second

// tb is what a kit needs of a testing.TB or a rapid.T.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

func newKit(t testing.TB, p promise, o Options, newStore func(testing.TB) store.Store) *kit {
	k := &kit{tb: t, t: t, promise: p, options: o, newStore: newStore, ctx: context.Background(), patience: defaultPatience}
	k.s = newStore(t)
	t.Cleanup(func() {
		if err := k.s.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			k.broken("close the store: %v", err)
		}
	})
	return k
}

// broken ends the test and quotes the promise.
func (k *kit) broken(format string, args ...any) {
	k.Helper()
	k.Fatalf("broken promise: %s\n\t%s", k.promise.text, fmt.Sprintf(format, args...))
}

// must ends the test if err is not nil.
func (k *kit) must(err error) {
	k.Helper()
	if err != nil {
		k.broken("unexpected error: %v", err)
	}
}

// want ends the test unless err is target.
func (k *kit) want(err, target error, doing string, args ...any) {
	k.Helper()
	if !errors.Is(err, target) {
		k.broken("%s: got %v, want %v", fmt.Sprintf(doing, args...), err, target)
	}
}

// account makes an account and returns it.
func (k *kit) account(name string, mailboxes ...string) store.Account {
	k.Helper()
	var list []store.NewMailbox
	for _, m := range mailboxes {
		list = append(list, store.NewMailbox{Name: m})
	}
	k.must(k.s.CreateAccount(k.ctx, name, list...))
	return k.reaccount(name)
}

// reaccount returns an account that is there.
func (k *kit) reaccount(name string) store.Account {
	k.Helper()
	a, err := k.s.Account(k.ctx, name)
	k.must(err)
	return a
}

// open opens a mailbox until the end of the test.
func (k *kit) open(a store.Account, name string) store.Mailbox {
	k.Helper()
	m, err := a.Open(k.ctx, name)
	k.must(err)
	k.Cleanup(func() { m.Close() })
	return m
}

// inbox makes the account ann with some other mailboxes and opens her INBOX.
func (k *kit) inbox(mailboxes ...string) (store.Account, store.Mailbox) {
	k.Helper()
	a := k.account("ann", mailboxes...)
	return a, k.open(a, "INBOX")
}

// text returns a message that is unlike others.
func text(n int) string {
	return fmt.Sprintf("From: ann@example.org\r\nSubject: message %d\r\n\r\nThis is number %d.\r\n", n, n)
}

// add appends messages, one per call, with the given flags, and returns their UIDs.
func (k *kit) add(m store.Mailbox, n int, flags ...store.Flag) store.UIDSet {
	k.Helper()
	var uids store.UIDSet
	for i := range n {
		placed, err := m.Append(k.ctx, []store.NewMessage{{Content: postrider.String(text(i)), Flags: flags}})
		k.must(err)
		if len(placed) != 1 {
			k.broken("Append of one message returned %d places", len(placed))
		}
		uids.Add(placed[0].UID)
	}
	return uids
}

// scan returns the messages that q asks for.
func (k *kit) scan(m store.Mailbox, q store.ScanQuery) []store.Message {
	k.Helper()
	var list []store.Message
	for msg, err := range m.Scan(k.ctx, q) {
		k.must(err)
		list = append(list, msg)
	}
	return list
}

// one returns the message of that UID.
func (k *kit) one(m store.Mailbox, uid store.UID) store.Message {
	k.Helper()
	list := k.scan(m, store.ScanQuery{UIDs: store.UIDs(uid), Fields: store.FieldIDs | store.FieldSummary})
	if len(list) != 1 || list[0].UID != uid {
		k.broken("Scan for UID %d yielded %d messages", uid, len(list))
	}
	return list[0]
}

// uids returns the UIDs of the mailbox.
func (k *kit) uids(m store.Mailbox) store.UIDSet {
	k.Helper()
	var uids store.UIDSet
	for _, msg := range k.scan(m, store.ScanQuery{}) {
		uids.Add(msg.UID)
	}
	return uids
}

// wantUIDs ends the test unless the mailbox has just these messages.
func (k *kit) wantUIDs(m store.Mailbox, want string) {
	k.Helper()
	if got := k.uids(m).String(); got != want {
		k.broken("messages are %q, want %q", got, want)
	}
}

func (k *kit) status(m store.Mailbox) store.Status {
	k.Helper()
	st, err := m.Status(k.ctx)
	k.must(err)
	return st
}

// content returns the bytes of a message.
func (k *kit) content(m store.Mailbox, uid store.UID) string {
	k.Helper()
	c, err := m.Content(k.ctx, uid)
	k.must(err)
	defer c.Close()
	b, err := postrider.ReadAll(c)
	k.must(err)
	return string(b)
}

// setFlags changes flags and must succeed.
func (k *kit) setFlags(m store.Mailbox, op store.FlagOp, uids store.UIDSet, flags ...store.Flag) store.FlagResult {
	k.Helper()
	res, err := m.SetFlags(k.ctx, store.FlagChange{UIDs: uids, Op: op, Flags: flags})
	k.must(err)
	return res
}

// wantFlags ends the test unless the message has just these flags.
func (k *kit) wantFlags(m store.Mailbox, uid store.UID, want ...store.Flag) {
	k.Helper()
	got := k.one(m, uid).Flags
	if !store.FlagsEqual(got, want) || len(got) != len(want) {
		k.broken("flags of UID %d are %q, want %q", uid, got, want)
	}
}

// names returns the names of the mailboxes.
func (k *kit) names(a store.Account) []string {
	k.Helper()
	var names []string
	for _, info := range k.mailboxes(a) {
		names = append(names, info.Name)
	}
	return names
}

func (k *kit) mailboxes(a store.Account) []store.MailboxInfo {
	k.Helper()
	list, err := a.Mailboxes(k.ctx)
	k.must(err)
	return list
}

// changes reads the log.
func (k *kit) changes(a store.Account, since store.ModSeq, mailboxID string) []store.Change {
	k.Helper()
	var list []store.Change
	for c, err := range a.Changes(k.ctx, since, mailboxID) {
		k.must(err)
		list = append(list, c)
	}
	return list
}

func (k *kit) modSeq(a store.Account) store.ModSeq {
	k.Helper()
	seq, err := a.ModSeq(k.ctx)
	k.must(err)
	return seq
}

// snapshot returns all that can be seen of an account, as text.
func (k *kit) snapshot(a store.Account) string {
	k.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "account %s, ModSeq %d\n", a.Name(), k.modSeq(a))
	subscriptions, err := a.Subscriptions(k.ctx)
	k.must(err)
	fmt.Fprintf(&b, "subscriptions %q\n", subscriptions)
	for _, info := range k.mailboxes(a) {
		m, err := a.Open(k.ctx, info.Name)
		k.must(err)
		info.Status.Recent = 0 // need not be kept
		fmt.Fprintf(&b, "%+v\n", info)
		for _, msg := range k.scan(m, store.ScanQuery{Fields: store.FieldIDs | store.FieldSummary}) {
			fmt.Fprintf(&b, "\t%d modseq %d %q %s size %d id %s thread %s saved %d subject %q: %s\n",
				msg.UID, msg.ModSeq, slices.Sorted(slices.Values(msg.Flags)), msg.InternalDate.Format(time.RFC3339), msg.Size, msg.ID,
				msg.ThreadID, msg.SaveDate.Unix(), msg.Summary.Envelope.Subject, brief(k.content(m, msg.UID)))
		}
		k.must(m.Close())
	}
	return b.String()
}

// brief returns s quoted, or a hash of it if it is long.
func brief(s string) string {
	if len(s) > 100 {
		return fmt.Sprintf("sha256 %x", sha256.Sum256([]byte(s)))
	}
	return strconv.Quote(s)
}

// unchanged ends the test if the account is not as it was in the snapshot before.
func (k *kit) unchanged(a store.Account, before, doing string) {
	k.Helper()
	if after := k.snapshot(a); after != before {
		k.broken("%s changed something.\nbefore: %s\nafter: %s", doing, before, after)
	}
}
