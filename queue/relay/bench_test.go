package relay_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/queue/relay"
	"github.com/postrider/postrider/resolve/resolvetest"
	"github.com/postrider/postrider/smtp"
)

// sink serves on loopback and counts what it takes.
func sink(t testing.TB) (addr *net.TCPAddr, taken *atomic.Int64) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken = new(atomic.Int64)
	srv := &smtp.Server{
		Hostname: "mx.example.org",
		Logger:   slog.New(slog.DiscardHandler),
		Handler: smtp.HandlerFunc(func(context.Context, *smtp.Transaction, postrider.Content) error {
			taken.Add(1)
			return nil
		}),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(context.Background(), l)
	}()
	t.Cleanup(func() { srv.Close(); <-done })
	return l.Addr().(*net.TCPAddr), taken
}

func loopback(t testing.TB, addr *net.TCPAddr) *relay.Transport {
	out := &relay.Transport{
		Hostname: "mail.example.net",
		Port:     addr.Port,
		Resolver: resolvetest.MustZone("example.org. MX 10 mx.example.org.\nmx.example.org. A 127.0.0.1"),
		Logger:   slog.New(slog.DiscardHandler),
	}
	t.Cleanup(func() { out.Close() })
	return out
}

// Over real connections, too, everything arrives and nothing is left behind.
func TestOverLoopbackNothingOutlivesClose(t *testing.T) {
	mailtest.Leaks(t)
	addr, taken := sink(t)
	out := loopback(t, addr)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 20 {
				if o := out.Deliver(t.Context(), attempt("example.org", "bob"))[0]; o.Result != queue.Delivered {
					t.Errorf("outcome: %+v", o)
				}
			}
		})
	}
	wg.Wait()
	if err := out.Close(); err != nil {
		t.Error(err)
	}
	if n := taken.Load(); n != 16*20 {
		t.Errorf("%d messages taken", n)
	}
}

// BenchmarkDeliver relays messages of 4 KiB over loopback to a server of ours that keeps nothing.
func BenchmarkDeliver(b *testing.B) {
	for _, test := range []struct {
		goroutines int
		kept       bool
	}{{1, true}, {16, true}, {1, false}, {16, false}} {
		b.Run(fmt.Sprintf("goroutines=%d/kept=%v", test.goroutines, test.kept), func(b *testing.B) {
			benchmarkDeliver(b, test.goroutines, test.kept)
		})
	}
}

func benchmarkDeliver(b *testing.B, goroutines int, kept bool) {
	addr, taken := sink(b)
	out := loopback(b, addr)
	out.MaxIdlePerServer = goroutines
	if !kept {
		out.IdleTimeout = -1
	}
	a := attempt("example.org", "bob")
	a.Content = postrider.String(strings.Repeat(strings.Repeat("x", 62)+"\r\n", 64))
	b.ReportAllocs()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if o := out.Deliver(b.Context(), a)[0]; o.Result != queue.Delivered {
					b.Errorf("outcome: %+v", o)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	if n := taken.Load(); n != int64(b.N) {
		b.Errorf("%d messages taken of %d", n, b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
