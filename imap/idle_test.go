package imap

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/store/memstore"
)

// What happens while a session in IDLE tells what happened before is not lost, nor is what happens as it ends.
func TestIdleMissesNothing(t *testing.T) {
	const watchers, deliveries = 8, 200
	var n mailtest.Network
	st := memstore.New()
	deliver(t, st, "Subject: first\r\n\r\n")
	startServer(t, &n, newServer(st))
	var wg sync.WaitGroup
	for range watchers {
		c := dial(t, &n)
		c.login()
		c.send("a SELECT INBOX")
		c.expect("a OK")
		wg.Go(func() {
			seen := 1
			for round := 0; seen < 1+deliveries; round++ {
				c.send("i IDLE")
				for told := 0; told < 1+round%3 && seen < 1+deliveries; {
					line, err := c.ReadString('\n')
					if err != nil {
						t.Error(err)
						return
					}
					if strings.HasSuffix(line, " EXISTS\r\n") {
						fmt.Sscanf(line, "* %d", &seen)
						told++
					}
				}
				c.send("DONE")
				for line := ""; !strings.HasPrefix(line, "i OK"); {
					var err error
					if line, err = c.ReadString('\n'); err != nil {
						t.Error(err)
						return
					}
					if strings.HasSuffix(line, " EXISTS\r\n") {
						fmt.Sscanf(line, "* %d", &seen)
					}
				}
			}
		})
	}
	for i := range deliveries {
		deliver(t, st, fmt.Sprintf("Subject: %d\r\n\r\n", i))
	}
	wg.Wait()
}

// BenchmarkIdle tells how much memory a session in IDLE costs, its goroutine included, the network not.
func BenchmarkIdle(b *testing.B) {
	const sessions = 1000
	for b.Loop() {
		var n mailtest.Network
		st := memstore.New()
		deliver(b, st, "Subject: first\r\n\r\n")
		s := newServer(st)
		startServer(b, &n, s)
		conns := make([]*client, sessions)
		for i := range conns {
			conns[i] = dial(b, &n)
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&before)
		for _, c := range conns {
			c.login()
			c.send("a SELECT INBOX", "b IDLE")
			c.expect("+")
		}
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&after)
		grown := int(after.HeapInuse+after.StackInuse) - int(before.HeapInuse+before.StackInuse)
		b.ReportMetric(float64(grown)/sessions, "B/login")
		b.ReportMetric(float64(after.StackInuse)/sessions, "stack-B/session")
		b.ReportMetric(float64(after.HeapInuse)/sessions, "heap-B/session")
		for _, c := range conns {
			c.Close()
		}
		s.Close()
	}
}
