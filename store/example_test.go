package store_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
)

func Example() {
	ctx := context.Background()
	s := memstore.New()
	defer s.Close()

	ann, err := store.OpenAccount(ctx, s, "ann", store.DefaultMailboxes()...)
	if err != nil {
		log.Fatal(err)
	}
	msg := postrider.String("From: bob@example.net\r\nSubject: lunch?\r\n\r\nAt noon?\r\n")
	if _, err := s.Deliver(ctx, msg, []store.Target{{Account: "ann"}}); err != nil {
		log.Fatal(err)
	}

	inbox, err := ann.Open(ctx, "INBOX")
	if err != nil {
		log.Fatal(err)
	}
	defer inbox.Close()
	for m, err := range inbox.Scan(ctx, store.ScanQuery{Fields: store.FieldSummary}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.UID, m.Size, m.Summary.Envelope.Subject)
	}
	// Output: 1 52 lunch?
}

// A delivery is all or nothing, and says which target is to blame.
func ExampleTargetError() {
	ctx := context.Background()
	s := memstore.New()
	if err := s.CreateAccount(ctx, "ann"); err != nil {
		log.Fatal(err)
	}
	_, err := s.Deliver(ctx, postrider.String("\r\n"), []store.Target{{Account: "ann"}, {Account: "bob"}})
	var target *store.TargetError
	if errors.As(err, &target) {
		fmt.Println(target.Index, errors.Is(err, store.ErrNotExist))
	}
	// Output: 1 true
}

func ExampleSearch() {
	ctx := context.Background()
	s := memstore.New()
	ann, err := store.OpenAccount(ctx, s, "ann")
	if err != nil {
		log.Fatal(err)
	}
	inbox, err := ann.Open(ctx, "INBOX")
	if err != nil {
		log.Fatal(err)
	}
	_, err = inbox.Append(ctx, []store.NewMessage{
		{Content: postrider.String("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nhello\r\n")},
		{Content: postrider.String("Subject: hello\r\n\r\nGR\xc3\x9cSSE\r\n"), Flags: []store.Flag{store.FlagSeen}},
	})
	if err != nil {
		log.Fatal(err)
	}
	// SEARCH UNSEEN SUBJECT "GRÜ"
	q := store.And(
		store.Not(store.Query{Key: store.KeyFlag, Flag: store.FlagSeen}),
		store.Query{Key: store.KeyHeader, Field: "Subject", Text: "GRÜ"},
	)
	uids, err := store.Search(ctx, inbox, &q)
	fmt.Println(uids, err)
	// Output: 1 <nil>
}

// A session sees a mailbox through a View: another session's changes reach it when
// it asks, and sequence numbers move when it says so.
func ExampleView() {
	ctx := context.Background()
	s := memstore.New()
	ann, err := store.OpenAccount(ctx, s, "ann")
	if err != nil {
		log.Fatal(err)
	}
	inbox, err := ann.Open(ctx, "INBOX")
	if err != nil {
		log.Fatal(err)
	}
	msg := store.NewMessage{Content: postrider.String("\r\n")}
	if _, err := inbox.Append(ctx, []store.NewMessage{msg, msg, msg}); err != nil {
		log.Fatal(err)
	}
	view, err := store.NewView(ctx, ann, inbox)
	if err != nil {
		log.Fatal(err)
	}

	if _, err := inbox.Expunge(ctx, store.UIDs(1)); err != nil { // by whomever
		log.Fatal(err)
	}
	update, err := view.Sync(ctx)
	fmt.Println("gone:", update.Vanished, err, "UID 3 is number", view.Seq(3))
	seqs, _ := view.Expunge()
	fmt.Println("* EXPUNGE", seqs, "UID 3 is number", view.Seq(3))
	// Output:
	// gone: 1 <nil> UID 3 is number 3
	// * EXPUNGE [1] UID 3 is number 2
}

func ExampleUIDSet() {
	set := store.UIDs(1, 2, 3, 7)
	set.AddRange(5, 6)
	fmt.Println(set, set.Len(), set.Contains(4))
	fmt.Println(set.Intersect(store.RangeOfUIDs(3, 5)), set.Subtract(store.UIDs(2)))
	// Output:
	// 1:3,5:7 6 false
	// 3,5 1,3,5:7
}
