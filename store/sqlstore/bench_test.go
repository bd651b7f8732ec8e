package sqlstore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/sqlstore"
)

// mail returns a message of about that size, unlike all others by n.
func mail(n, size int) string {
	head := fmt.Sprintf("From: Ann Example <ann@example.org>\r\nTo: Ben Example <ben@example.net>, cem@example.com\r\n"+
		"Subject: message %d about nothing in particular\r\nDate: Sun, 22 Nov 2026 10:00:00 +0100\r\n"+
		"Message-ID: <%d@example.org>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", n, n)
	line := "All work and no play makes a dull message body in the end.\r\n"
	if room := size - len(head); room > 0 {
		head += strings.Repeat(line, room/len(line)+1)[:room-2] + "\r\n"
	}
	return head
}

func openBench(tb testing.TB, dir string) *sqlstore.Store {
	tb.Helper()
	s, err := sqlstore.OpenConfig(context.Background(), sqlstore.Config{Dir: dir, Logger: quiet(tb)})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func closeStore(tb testing.TB, s *sqlstore.Store) {
	tb.Helper()
	if err := s.Close(); err != nil {
		tb.Error(err)
	}
}

// parallel runs f n times on that many goroutines.
func parallel(b *testing.B, workers, n int, f func(worker, i int) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if err := f(w, int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkDeliver(b *testing.B) {
	ctx := context.Background()
	for _, size := range []int{4 << 10, 20 << 10, 1 << 20} {
		for _, workers := range []int{1, 16, 64} {
			if size == 1<<20 && workers == 64 {
				continue
			}
			b.Run(fmt.Sprintf("size=%dK/workers=%d", size>>10, workers), func(b *testing.B) {
				s := openBench(b, filepath.Join(b.TempDir(), "s"))
				defer closeStore(b, s)
				for a := range 16 {
					if err := s.CreateAccount(ctx, fmt.Sprint("user", a)); err != nil {
						b.Fatal(err)
					}
				}
				took := make([]time.Duration, b.N+1)
				b.SetBytes(int64(size))
				b.ResetTimer()
				parallel(b, workers, b.N, func(_, i int) error {
					start := time.Now()
					_, err := s.Deliver(ctx, postrider.String(mail(i, size)), []store.Target{{Account: fmt.Sprint("user", i%16)}})
					took[i] = time.Since(start)
					return err
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
				slices.Sort(took)
				b.ReportMetric(float64(took[b.N/2])/1e6, "p50-ms")
				b.ReportMetric(float64(took[b.N*99/100])/1e6, "p99-ms")
			})
		}
	}
}

// filled returns a store whose account big has n messages in INBOX, and nothing else.
// They are put there by copying, a hundred thousand in a second or two.
func filled(tb testing.TB, n int) string {
	ctx := context.Background()
	dir := filepath.Join(tb.TempDir(), "s")
	s := openBench(tb, dir)
	defer closeStore(tb, s)
	if err := s.CreateAccount(ctx, "big"); err != nil {
		tb.Fatal(err)
	}
	a, err := s.Account(ctx, "big")
	if err != nil {
		tb.Fatal(err)
	}
	m, err := a.Open(ctx, "INBOX")
	if err != nil {
		tb.Fatal(err)
	}
	defer m.Close()
	for i := 0; i < n; i += 100 {
		msgs := make([]store.NewMessage, 100)
		for k := range msgs {
			msgs[k] = store.NewMessage{Content: postrider.String(mail(i+k, 1500)), InternalDate: time.Unix(1700000000+int64(i+k)*60, 0)}
		}
		if _, err := m.Append(ctx, msgs); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

func openInbox(tb testing.TB, s *sqlstore.Store) store.Mailbox {
	tb.Helper()
	a, err := s.Account(context.Background(), "big")
	if err != nil {
		tb.Fatal(err)
	}
	m, err := a.Open(context.Background(), "INBOX")
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func BenchmarkLarge(b *testing.B) {
	const n = 100_000
	ctx := context.Background()
	dir := filled(b, n)

	b.Run("OpenCold", func(b *testing.B) {
		var open time.Duration
		for range b.N {
			s := openBench(b, dir)
			start := time.Now()
			m := openInbox(b, s)
			open += time.Since(start)
			m.Close()
			closeStore(b, s)
		}
		b.ReportMetric(float64(open.Microseconds())/1e3/float64(b.N), "open-ms")
	})

	s := openBench(b, dir)
	defer closeStore(b, s)
	m := openInbox(b, s)
	defer m.Close()
	b.Run("OpenWarm", func(b *testing.B) {
		for range b.N {
			openInbox(b, s).Close()
		}
	})
	scan := func(q store.ScanQuery) func(b *testing.B) {
		return func(b *testing.B) {
			for range b.N {
				got := 0
				for _, err := range m.Scan(ctx, q) {
					if err != nil {
						b.Fatal(err)
					}
					got++
				}
				if got != n {
					b.Fatalf("%d messages", got)
				}
			}
		}
	}
	b.Run("ScanFlags", scan(store.ScanQuery{}))
	b.Run("ScanSummaries", scan(store.ScanQuery{Fields: store.FieldSummary}))
	add := false
	b.Run("SetFlags", func(b *testing.B) {
		for range b.N {
			add = !add
			op := map[bool]store.FlagOp{true: store.FlagsAdd, false: store.FlagsRemove}[add]
			res, err := m.SetFlags(ctx, store.FlagChange{UIDs: store.AllUIDs(), Op: op, Flags: []store.Flag{store.FlagSeen}})
			if err != nil || res.Changed.Len() != n {
				b.Fatal(res.Changed.Len(), err)
			}
		}
	})
	b.Run("SetFlagsOnOne", func(b *testing.B) {
		for i := range b.N {
			op := []store.FlagOp{store.FlagsAdd, store.FlagsRemove}[i%2]
			_, err := m.SetFlags(ctx, store.FlagChange{UIDs: store.UIDs(store.UID(n / 2)), Op: op, Flags: []store.Flag{"$Label"}})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("CopyAndExpungeAll", func(b *testing.B) {
		for range b.N {
			c, err := m.Copy(ctx, store.RangeOfUIDs(1, n), "INBOX")
			if err != nil || c.Dest.Len() != n {
				b.Fatal(err)
			}
			if _, err := m.Expunge(ctx, c.Dest); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Status", func(b *testing.B) {
		for range b.N {
			if _, err := m.Status(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Content", func(b *testing.B) {
		for i := range b.N {
			c, err := m.Content(ctx, store.UID(i%n+1))
			if err != nil {
				b.Fatal(err)
			}
			c.Close()
		}
	})
}

func BenchmarkDeliverInto(b *testing.B) {
	ctx := context.Background()
	for _, n := range []int{100, 100_000} {
		dir := filled(b, n)
		for _, opened := range []bool{false, true} {
			b.Run(fmt.Sprintf("messages=%d/open=%v", n, opened), func(b *testing.B) {
				s := openBench(b, dir)
				defer closeStore(b, s)
				if opened {
					defer openInbox(b, s).Close()
				}
				b.ResetTimer()
				parallel(b, 16, b.N, func(_, i int) error {
					_, err := s.Deliver(ctx, postrider.String(mail(i, 4<<10)), []store.Target{{Account: "big"}})
					return err
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
			})
		}
		os.RemoveAll(dir)
	}
}

// BenchmarkInline shows up to which size a body is better kept in the database.
func BenchmarkInline(b *testing.B) {
	ctx := context.Background()
	for _, size := range []int{4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10} {
		for _, inline := range []int{-1, 1 << 20} {
			for _, workers := range []int{1, 16} {
				b.Run(fmt.Sprintf("size=%dK/inline=%v/workers=%d", size>>10, inline > 0, workers), func(b *testing.B) {
					s, err := sqlstore.OpenConfig(ctx, sqlstore.Config{Dir: filepath.Join(b.TempDir(), "s"), Inline: inline})
					if err != nil {
						b.Fatal(err)
					}
					defer closeStore(b, s)
					if err := s.CreateAccount(ctx, "user"); err != nil {
						b.Fatal(err)
					}
					b.ResetTimer()
					parallel(b, workers, b.N, func(_, i int) error {
						_, err := s.Deliver(ctx, postrider.String(mail(i, size)), []store.Target{{Account: "user"}})
						return err
					})
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
				})
			}
		}
	}
}
