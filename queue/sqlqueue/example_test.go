package sqlqueue_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/queue/sqlqueue"
)

// A message stays in the queue over a restart of the program.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	folder := filepath.Join(dir, "queue")

	q, err := sqlqueue.Open(context.Background(), folder)
	if err != nil {
		log.Fatal(err)
	}
	_, err = q.Put(context.Background(), queue.Submission{
		Envelope: postrider.Envelope{ReversePath: postrider.Address{Local: "ann", Domain: "example.org"}},
		Recipients: []queue.Recipient{{
			Recipient: postrider.Recipient{ForwardPath: postrider.Address{Local: "bob", Domain: "example.net"}},
			Transport: "relay",
			NextHop:   "example.net",
		}},
		Content: postrider.String("Subject: hello\r\n\r\nHow are you?\r\n"),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := q.Close(); err != nil {
		log.Fatal(err)
	}

	q, err = sqlqueue.Open(context.Background(), folder)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	for e, err := range q.Entries(context.Background(), queue.Filter{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("from %s to %s, %d octets\n", e.Message.Envelope.ReversePath, e.ForwardPath, e.Message.Size)
	}
	// Output: from ann@example.org to bob@example.net, 32 octets
}
