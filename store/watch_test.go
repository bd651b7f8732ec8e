package store_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
)

// mute is an account that cannot tell when something changed.
type mute struct{ store.Account }

// thin is a wrapper that may be looked through.
type thin struct{ store.Account }

func (t thin) Unwrap() store.Account { return t.Account }

func TestWatchAsksWhereAnAccountCannotTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		a, m := open(t, s, 0)
		var calls atomic.Int64
		stop := store.Watch(thin{mute{a}}, func() { calls.Add(1) })
		told := func(doing string, want bool) {
			t.Helper()
			calls.Store(0)
			time.Sleep(3 * time.Second)
			if got := calls.Load(); (got == 1) != want || got > 1 {
				t.Errorf("%s: told %d times", doing, got)
			}
		}
		time.Sleep(time.Second) // it may call for what was before
		told("nothing", false)
		add(t, m, 1)
		told("an append", true)
		told("nothing", false)
		add(t, m, 1)
		add(t, m, 1)
		told("two appends", true)
		if err := s.DeleteAccount(context.Background(), "ann"); err != nil {
			t.Fatal(err)
		}
		told("the end of the account", true)
		told("nothing", false)
		stop()
		stop()
		told("after stop", false)
	})
}

func TestWatchUsesAWatcherBehindAWrapper(t *testing.T) {
	a, m := open(t, memstore.New(), 0)
	calls := 0
	stop := store.Watch(thin{thin{a}}, func() { calls++ })
	add(t, m, 1)
	if calls != 1 { // memstore tells before the change returns
		t.Errorf("told %d times", calls)
	}
	stop()
	add(t, m, 1)
	if calls != 1 {
		t.Errorf("told %d times after stop", calls-1)
	}
}

func TestOpenAccountLeavesAnAccountAsItIs(t *testing.T) {
	ctx := context.Background()
	a, _ := open(t, memstore.New(), 0)
	list, err := a.Mailboxes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"}
	for i, info := range list {
		if info.Name != want[i] {
			t.Errorf("mailbox %d is %s, want %s", i, info.Name, want[i])
		}
		if i > 0 && (len(info.SpecialUse) != 1 || info.SpecialUse[0] != `\`+info.Name) {
			t.Errorf("%s has the uses %q", info.Name, info.SpecialUse)
		}
	}
	if subscribed, err := a.Subscriptions(ctx); err != nil || len(subscribed) != 5 {
		t.Errorf("subscriptions are %q, %v", subscribed, err)
	}
}

// flickering is a store whose account is deleted whenever it was made.
type flickering struct {
	store.Store
	made int
}

func (f *flickering) CreateAccount(context.Context, string, ...store.NewMailbox) error {
	f.made++
	return nil
}

func TestOpenAccountGivesUp(t *testing.T) {
	f := &flickering{Store: memstore.New()}
	if _, err := store.OpenAccount(context.Background(), f, "ann"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if f.made == 0 || f.made > 5 {
		t.Errorf("made %d times", f.made)
	}
	if _, err := store.OpenAccount(context.Background(), memstore.New(), "bad\nname"); !errors.Is(err, store.ErrName) {
		t.Errorf("got %v", err)
	}
}

func TestErrorsTellWhatAndWhere(t *testing.T) {
	for want, err := range map[string]error{
		"append to INBOX of ann: over quota":                &store.Error{Op: "append to", Mailbox: "INBOX", Account: "ann", Err: store.ErrOverQuota},
		"list of ann: store is closed":                      &store.Error{Op: "list", Account: "ann", Err: store.ErrClosed},
		"target 1: deliver to INBOX of bob: does not exist": &store.TargetError{Index: 1, Err: &store.Error{Op: "deliver to", Mailbox: "INBOX", Account: "bob", Err: store.ErrNotExist}},
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}
