package sqlstore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/sqlstore"
)

func Example() {
	if err := example(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// UID 1 in INBOX
	// 1: hello, 30 octets
}

func example() error {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "sqlstore")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)

	s, err := sqlstore.Open(ctx, filepath.Join(folder, "store"))
	if err != nil {
		return err
	}
	defer s.Close()
	ann, err := store.OpenAccount(ctx, s, "ann", store.DefaultMailboxes()...)
	if err != nil {
		return err
	}
	message := postrider.String("Subject: hello\r\n\r\nHello, Ann\r\n")
	placed, err := s.Deliver(ctx, message, []store.Target{{Account: "ann"}})
	if err != nil {
		return err
	}
	fmt.Println("UID", placed[0].UID, "in INBOX")

	inbox, err := ann.Open(ctx, store.Inbox)
	if err != nil {
		return err
	}
	defer inbox.Close()
	for msg, err := range inbox.Scan(ctx, store.ScanQuery{Fields: store.FieldSummary}) {
		if err != nil {
			return err
		}
		fmt.Printf("%d: %s, %d octets\n", msg.UID, msg.Summary.Envelope.Subject, msg.Size)
	}
	return nil
}
