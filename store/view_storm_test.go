package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
)

// I1, I3: while others do what they like, what the client is told always adds up, also where
// the log is so short that whole mailboxes must be compared in the middle of it all.
func TestViewKeepsAClientInStepInAStorm(t *testing.T) {
	for _, history := range []int{8, 100_000} {
		t.Run(fmt.Sprint("history ", history), func(t *testing.T) {
			s := memstore.New()
			s.History = history
			a, m := open(t, s, 20)
			v := view(t, a, m)
			c := &client{}
			c.arrive(v.UIDs())
			var others errgroup.Group
			var running atomic.Int64
			for w := range 4 {
				running.Add(1)
				others.Go(func() error {
					defer running.Add(-1)
					return disturb(m, rand.New(rand.NewPCG(uint64(w), 2)))
				})
			}
			for last := false; !last; {
				last = running.Load() == 0
				follow(t, v, c, last)
			}
			if err := others.Wait(); err != nil {
				t.Fatal(err)
			}
			now, err := store.ListUIDs(context.Background(), m)
			if err != nil {
				t.Fatal(err)
			}
			if got := v.UIDs(); !slices.Equal(got, now) || !slices.Equal(c.uids, slices.Collect(now.All())) {
				t.Errorf("the view ends at %s, the client at %d messages, the mailbox at %s", got, len(c.uids), now)
			}
		})
	}
}

// disturb changes the mailbox at random.
func disturb(m store.Mailbox, random *rand.Rand) error {
	ctx := context.Background()
	for range 250 {
		first := store.UID(random.IntN(500) + 1)
		uids := store.RangeOfUIDs(first, first+3)
		var err error
		switch random.IntN(5) {
		case 0, 1:
			_, err = m.Append(ctx, slices.Repeat([]store.NewMessage{{Content: postrider.String("\r\n")}}, 3))
		case 2:
			_, err = m.Expunge(ctx, uids)
		case 3:
			_, err = m.Move(ctx, uids, "INBOX")
		case 4:
			_, err = m.SetFlags(ctx, store.FlagChange{UIDs: uids, Op: store.FlagsAdd, Flags: []store.Flag{store.FlagSeen}})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// follow brings the view up to date, tells the client, and looks whether both agree.
func follow(t *testing.T, v *store.View, c *client, mustSucceed bool) {
	t.Helper()
	before := v.UIDs().Max()
	u, err := v.Sync(context.Background())
	if errors.Is(err, store.ErrForgotten) && !mustSucceed {
		return // too much happens for so short a log; the view is as it was
	}
	if err != nil {
		t.Fatal(err)
	}
	if !u.Arrived.IsEmpty() && u.Arrived.Min() <= before {
		t.Fatalf("UID %d got a number after %d", u.Arrived.Min(), before)
	}
	if gone := u.Flagged.Intersect(v.Pending()); !gone.IsEmpty() {
		t.Fatalf("flags of %s, which are gone", gone)
	}
	c.arrive(u.Arrived)
	seqs, _ := v.Expunge()
	c.expunge(seqs)
	if v.Len() != len(c.uids) {
		t.Fatalf("the client knows of %d messages, the view of %d", len(c.uids), v.Len())
	}
	for i, uid := range c.uids {
		if v.UID(uint32(i+1)) != uid {
			t.Fatalf("number %d is UID %d to the client, %d in the view", i+1, uid, v.UID(uint32(i+1)))
		}
	}
}
