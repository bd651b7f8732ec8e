package sqlqueue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/queue/sqlqueue"
)

func submission(size, hops int) queue.Submission {
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(rand.Uint32())
	}
	domain := fmt.Sprintf("d%d.example", rand.IntN(hops))
	return queue.Submission{
		Envelope: postrider.Envelope{ReversePath: postrider.Address{Local: "ann", Domain: "example.org"}},
		Recipients: []queue.Recipient{{
			Recipient: postrider.Recipient{ForwardPath: postrider.Address{Local: "bob", Domain: domain}},
			Transport: "relay",
			NextHop:   domain,
			Data:      []byte(`{"kind":"relay"}`),
		}},
		Content: postrider.Bytes(body),
	}
}

// spread runs f b.N times on that many goroutines.
func spread(b *testing.B, workers int, f func() error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	for range workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{4 << 10, 16 << 10, 64 << 10, 256 << 10} {
		for _, inline := range []int{0, -1, 1 << 20} {
			if inline == 0 && size != 4<<10 {
				continue
			}
			for _, workers := range []int{1, 16, 64} {
				name := map[int]string{0: "default", -1: "file", 1 << 20: "inline"}[inline]
				b.Run(fmt.Sprintf("%dKiB/%s/%d", size>>10, name, workers), func(b *testing.B) {
					q, err := sqlqueue.OpenConfig(context.Background(), sqlqueue.Config{Dir: b.TempDir(), Inline: inline})
					if err != nil {
						b.Fatal(err)
					}
					defer q.Close()
					spread(b, workers, func() error {
						_, err := q.Put(context.Background(), submission(size, 1000))
						return err
					})
				})
			}
		}
	}
}

// BenchmarkThrough puts, claims and settles each message, while others wait: for tomorrow, or for a dead hop.
func BenchmarkThrough(b *testing.B) {
	for _, waiting := range []string{"nothing", "tomorrow", "dead"} {
		for _, workers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/%d", waiting, workers), func(b *testing.B) {
				q := open(b, b.TempDir())
				defer q.Close()
				if waiting != "nothing" {
					fill(b, q, 20_000, waiting)
				}
				through(b, q, workers)
			})
		}
	}
}

var dead = queue.Hop{Transport: "relay", NextHop: "dead"}

// fill puts messages that are not to be claimed.
func fill(b *testing.B, q queue.Queue, n int, waiting string) {
	subs := make([]queue.Submission, 100)
	for range n / len(subs) {
		for i := range subs {
			subs[i] = submission(100, 1000)
			if waiting == "dead" {
				subs[i].Recipients[0].NextHop = dead.NextHop
			} else {
				subs[i].NotBefore = time.Now().Add(24 * time.Hour)
			}
		}
		if _, err := q.Put(context.Background(), subs...); err != nil {
			b.Fatal(err)
		}
	}
}

func through(b *testing.B, q queue.Queue, workers int) {
	ctx := context.Background()
	query := queue.ClaimQuery{Max: workers, Lease: time.Hour, PerHop: 100, Busy: map[queue.Hop]int{dead: 100}}
	claims := make(chan queue.Claim, 1000)
	var mu sync.Mutex // of those who fill claims
	spread(b, workers, func() error {
		if _, err := q.Put(ctx, submission(4<<10, 1000)); err != nil {
			return err
		}
		for {
			select {
			case c := <-claims:
				return q.Settle(ctx, c.Token, []queue.Outcome{{Index: 0, Result: queue.Delivered}})
			default:
			}
			mu.Lock()
			list, err := q.Claim(ctx, query)
			for _, c := range list {
				claims <- c
			}
			mu.Unlock()
			if err != nil {
				return err
			}
		}
	})
}
