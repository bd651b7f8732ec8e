package queue_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/queue/memqueue"
)

// A program that sends mail in the background: a queue, a runner, and a way out, which is a function here and
// would be a relay.Transport. With sqlqueue in place of memqueue the mail survives a restart.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q := memqueue.New()
	defer q.Close()
	out := queue.TransportFunc(func(_ context.Context, a *queue.Attempt) (outcomes []queue.Outcome) {
		for _, r := range a.Recipients {
			fmt.Printf("%d octets to %s by %s\n", a.Content.Size(), r.ForwardPath, a.NextHop)
			outcomes = append(outcomes, queue.Outcome{Index: r.Index, Result: queue.Delivered})
		}
		cancel() // enough for an example
		return outcomes
	})
	runner := &queue.Runner{
		Queue:      q,
		Transports: map[string]queue.Transport{"out": out},
		Hostname:   "mail.example.org",
		Logger:     slog.New(slog.DiscardHandler),
	}

	to := postrider.Recipient{ForwardPath: postrider.Address{Local: "bob", Domain: "example.net"}}
	_, err := q.Put(ctx, queue.Submission{
		Recipients: []queue.Recipient{{Recipient: to, Transport: "out", NextHop: "example.net"}},
		Content:    postrider.String("Subject: hello\r\n\r\nHow are you?\r\n"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(runner.Run(ctx))
	// Output:
	// 32 octets to bob@example.net by example.net
	// context canceled
}
