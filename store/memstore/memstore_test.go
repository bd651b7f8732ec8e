package memstore_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
	"github.com/postrider/postrider/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(testing.TB) store.Store { return memstore.New() })
}

func TestOnlySomeHistoryIsRemembered(t *testing.T) {
	ctx := context.Background()
	s := memstore.New()
	s.History = 3
	a, err := store.OpenAccount(ctx, s, "ann")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		if err := a.Subscribe(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	// INBOX was made by change 1, the subscriptions are 2 to 5.
	for since, want := range map[store.ModSeq]int{0: -1, 1: -1, 2: 3, 4: 1, 5: 0} {
		n := 0
		for c, err := range a.Changes(ctx, since, "") {
			if errors.Is(err, store.ErrForgotten) && want < 0 {
				n = -1
				break
			}
			if err != nil || c.ModSeq <= since {
				t.Errorf("since %d: %+v, %v", since, c, err)
			}
			n++
		}
		if n != want {
			t.Errorf("since %d: %d changes, want %d", since, n, want)
		}
	}
}

func TestANamedDeliveryIsForgottenAfterAMonth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		s := memstore.New()
		if err := s.CreateAccount(ctx, "ann"); err != nil {
			t.Fatal(err)
		}
		deliver := func() store.UID {
			placed, err := s.Deliver(ctx, postrider.String("\r\n"), []store.Target{{Account: "ann", Once: "x"}})
			if err != nil {
				t.Fatal(err)
			}
			return placed[0].UID
		}
		first := deliver()
		time.Sleep(30 * 24 * time.Hour)
		if again := deliver(); again != first {
			t.Errorf("delivered twice within 30 days: UIDs %d and %d", first, again)
		}
		time.Sleep(time.Second)
		if again := deliver(); again == first {
			t.Error("the name is remembered for longer than 30 days")
		}
	})
}

// A test clock starts in the past; the numbers of an earlier process were larger.
func TestNumbersAreNotThoseOfAnEarlierProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		create := func() store.MailboxInfo {
			a, err := store.OpenAccount(context.Background(), memstore.New(), "ann")
			if err != nil {
				t.Fatal(err)
			}
			list, err := a.Mailboxes(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return list[0]
		}
		before := create()
		time.Sleep(2 * time.Second)
		after := create()
		if after.ID == before.ID || after.Status.UIDValidity <= before.Status.UIDValidity {
			t.Errorf("INBOX was %+v and is %+v", before, after)
		}
	})
}
