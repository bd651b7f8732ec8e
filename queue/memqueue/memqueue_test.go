package memqueue_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/queue/memqueue"
	"github.com/postrider/postrider/queue/queuetest"
)

func TestPromises(t *testing.T) {
	queuetest.Run(t, func(testing.TB) queue.Queue { return memqueue.New() }, queuetest.Options{})
}

func Example() {
	ctx := context.Background()
	q := memqueue.New()
	defer q.Close()
	to := queue.Recipient{
		Recipient: postrider.Recipient{ForwardPath: postrider.Address{Local: "bob", Domain: "example.net"}},
		Transport: "relay",
		NextHop:   "example.net",
	}
	_, err := q.Put(ctx, queue.Submission{
		Recipients: []queue.Recipient{to},
		Content:    postrider.String("Subject: hello\r\n\r\nHow are you?\r\n"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	claims, err := q.Claim(ctx, queue.ClaimQuery{Max: 1, Lease: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range claims {
		fmt.Println(c.Hop.NextHop, c.Recipients[0].ForwardPath, c.Message.Size)
		err := q.Settle(ctx, c.Token, []queue.Outcome{{Index: 0, Result: queue.Delivered}})
		fmt.Println(err)
	}
	// Output:
	// example.net bob@example.net 32
	// <nil>
}
