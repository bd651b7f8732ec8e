package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

var concurrencyPromises = []promise{
	{
		name:  "many may do everything at once",
		text:  "Its methods may be called by many goroutines at once, and so may those of the Accounts and Mailboxes it hands out. A method that changes something does all of it or nothing; when it returns nil, every later call sees it.",
		check: checkConcurrent,
	}, {
		name:  "an account is made once, whoever asks",
		text:  "OpenAccount: any number of goroutines may ask for the same account at once.",
		check: checkOpenAccount,
	}, {
		name:  "a named delivery happens once, whoever tries",
		text:  "Where a message was delivered under the same name in the last 30 days, nothing new is kept and the earlier Placed is returned.",
		check: checkConcurrentOnce,
	},
}

// storm runs n workers at once and returns their errors.
func storm(n int, work func(worker int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = work(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func checkConcurrent(k *kit) {
	const workers, rounds = 8, 25
	a := k.account("ann", "a", "b")
	k.account("bob")
	var delivered sync.Map // bodies that must be somewhere, or were expunged
	var gone sync.Map      // bodies of messages that were expunged
	done := make(chan struct{})
	followed := make(chan error, 1)
	go func() { followed <- follow(k, a, done) }()
	err := storm(workers, func(w int) error {
		random := rand.New(rand.NewPCG(uint64(w), 1))
		for r := range rounds {
			if err := oneOf(k, a, random, fmt.Sprintf("%d-%d", w, r), &delivered, &gone); err != nil {
				return fmt.Errorf("worker %d, round %d: %w", w, r, err)
			}
		}
		return nil
	})
	close(done)
	if err := errors.Join(err, <-followed); err != nil {
		k.broken("%v", err)
	}
	there := map[string]int{}
	for _, name := range k.names(a) {
		m := k.open(a, name)
		k.recount(m)
		for uid := range k.uids(m).All() {
			there[k.content(m, uid)]++
		}
	}
	delivered.Range(func(body, _ any) bool {
		_, expunged := gone.Load(body)
		if there[body.(string)] == 0 && !expunged {
			k.broken("a message is lost: %q", body)
		}
		return true
	})
}

// oneOf does one random thing.
func oneOf(k *kit, a store.Account, random *rand.Rand, id string, delivered, gone *sync.Map) error {
	names := []string{"INBOX", "a", "b"}
	name, other := names[random.IntN(3)], names[random.IntN(3)]
	m, err := a.Open(k.ctx, name)
	if errors.Is(err, store.ErrNotExist) {
		return nil // renamed at the moment
	} else if err != nil {
		return err
	}
	defer m.Close()
	first := store.UID(random.IntN(60) + 1)
	uids := store.RangeOfUIDs(first, first+5)
	body := "Subject: " + id + "\r\n\r\n" + id + "\r\n"
	switch random.IntN(9) {
	case 0, 1, 2:
		placed, err := k.s.Deliver(k.ctx, postrider.String(body), []store.Target{{Account: "ann"}, {Account: "bob"}})
		if err != nil || len(placed) != 2 {
			return fmt.Errorf("deliver: %d, %w", len(placed), err)
		}
		delivered.Store(body, true)
	case 3:
		if _, err := m.Append(k.ctx, []store.NewMessage{{Content: postrider.String(body)}, {Content: postrider.String(body)}}); err != nil {
			return err
		}
		delivered.Store(body, true)
	case 4:
		_, err = m.SetFlags(k.ctx, store.FlagChange{UIDs: uids, Op: store.FlagsAdd, Flags: []store.Flag{store.FlagSeen}})
	case 5:
		_, err = m.Copy(k.ctx, uids, other)
	case 6:
		_, err = m.Move(k.ctx, uids, other)
	case 7:
		return expungeOne(k, m, first, gone)
	case 8:
		if err = a.Rename(k.ctx, "a", "c"); err == nil {
			err = a.Rename(k.ctx, "c", "a")
		}
	}
	if errors.Is(err, store.ErrNotExist) {
		return nil // the target is renamed at the moment
	}
	return err
}

// expungeOne expunges the message of that UID and notes its body.
func expungeOne(k *kit, m store.Mailbox, uid store.UID, gone *sync.Map) error {
	c, err := m.Content(k.ctx, uid)
	if errors.Is(err, store.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer c.Close()
	body, err := postrider.ReadAll(c)
	if err != nil {
		return err
	}
	gone.Store(string(body), true)
	_, err = m.Expunge(k.ctx, store.UIDs(uid))
	return err
}

// follow reads INBOX's log again and again until done, and compares what it leads to
// with what is there at the end. Meanwhile it looks whether a Scan ascends.
func follow(k *kit, a store.Account, done <-chan struct{}) error {
	m, err := a.Open(k.ctx, "INBOX")
	if err != nil {
		return err
	}
	defer m.Close()
	var uids store.UIDSet
	var seq store.ModSeq
	for last := false; !last; {
		select {
		case <-done:
			last = true
		default:
		}
		for c, err := range a.Changes(k.ctx, seq, m.ID()) {
			switch {
			case err != nil:
				return err
			case c.ModSeq <= seq:
				return fmt.Errorf("the log went from ModSeq %d to %d", seq, c.ModSeq)
			case c.Kind == store.MessagesArrived && c.UIDs.Min() <= uids.Max():
				return fmt.Errorf("UIDs %s arrived after %d", c.UIDs, uids.Max())
			case c.Kind == store.MessagesArrived:
				uids.AddSet(c.UIDs)
			case c.Kind == store.MessagesVanished && !slices.Equal(uids.Intersect(c.UIDs), c.UIDs):
				return fmt.Errorf("%s vanished, but there were %s only", c.UIDs, uids)
			case c.Kind == store.MessagesVanished:
				uids = uids.Subtract(c.UIDs)
			}
			seq = c.ModSeq
		}
		prev := store.UID(0)
		for msg, err := range m.Scan(k.ctx, store.ScanQuery{}) {
			if err != nil {
				return err
			}
			if msg.UID <= prev {
				return fmt.Errorf("Scan yielded UID %d after %d", msg.UID, prev)
			}
			prev = msg.UID
		}
	}
	now, err := store.ListUIDs(k.ctx, m)
	if err == nil && !slices.Equal(now, uids) {
		err = fmt.Errorf("the log leads to %s, but there are %s", uids, now)
	}
	return err
}

func checkOpenAccount(k *kit) {
	err := storm(8, func(int) error {
		a, err := store.OpenAccount(k.ctx, k.s, "ann", store.DefaultMailboxes()...)
		if err != nil {
			return err
		}
		list, err := a.Mailboxes(k.ctx)
		if err == nil && len(list) != 6 {
			err = fmt.Errorf("%d mailboxes", len(list))
		}
		return err
	})
	if err != nil {
		k.broken("%v", err)
	}
}

func checkConcurrentOnce(k *kit) {
	_, m := k.inbox()
	placed := make([]store.Placed, 8)
	err := storm(len(placed), func(w int) error {
		p, err := k.s.Deliver(k.ctx, postrider.String(text(1)), []store.Target{{Account: "ann", Once: "x"}})
		if err == nil {
			placed[w] = p[0]
		}
		return err
	})
	k.must(err)
	for _, p := range placed {
		if p != placed[0] {
			k.broken("placed at %+v and at %+v", placed[0], p)
		}
	}
	k.wantUIDs(m, "1")
}
