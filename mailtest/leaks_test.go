package mailtest

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// recorder is a testing.TB that keeps its errors and runs its cleanup when told.
type recorder struct {
	testing.TB
	failure string
	cleanup func()
}

func (r *recorder) Errorf(format string, args ...any) { r.failure += fmt.Sprintf(format, args...) }
func (r *recorder) Cleanup(f func())                  { r.cleanup = f }

func linger(until <-chan bool) { <-until }

func TestLeaksFindsGoroutinesOfTheTestOnly(t *testing.T) {
	t.Parallel()
	stop := make(chan bool)
	defer close(stop)
	go func() { <-stop }() // before Leaks: not of the test
	r := &recorder{TB: t}
	Leaks(r)
	started := make(chan bool)
	go func() {
		go func() { // a grandchild
			close(started)
			linger(stop)
		}()
	}()
	<-started
	r.cleanup()
	if n := strings.Count(r.failure, "labels:"); n != 1 || !strings.Contains(r.failure, "mailtest.linger") {
		t.Errorf("one goroutine leaks, found %d:\n%s", n, r.failure)
	}
}

func TestLeaksWaitsForGoroutinesThatEnd(t *testing.T) {
	t.Parallel()
	r := &recorder{TB: t}
	Leaks(r)
	for range 10 {
		go time.Sleep(20 * time.Millisecond)
	}
	if r.cleanup(); r.failure != "" {
		t.Error(r.failure)
	}
}

func TestLeaksWorksInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{TB: t}
		Leaks(r)
		stop := make(chan bool)
		go linger(stop)
		r.cleanup()
		close(stop)
		if !strings.Contains(r.failure, "mailtest.linger") {
			t.Errorf("found only %q", r.failure)
		}
	})
}

func TestTLSIsTrustedByItsClientOnly(t *testing.T) {
	for _, bubble := range []func(*testing.T, func(*testing.T)){synctest.Test, func(t *testing.T, f func(*testing.T)) { f(t) }} {
		bubble(t, func(t *testing.T) {
			server, client := TLS(t, "mx.example.org", "192.0.2.1")
			_, stranger := TLS(t, "mx.example.org")
			byAddress, byOther := client.Clone(), client.Clone()
			byAddress.ServerName, byOther.ServerName = "192.0.2.1", "mx.example.net"
			for config, want := range map[*tls.Config]bool{client: true, byAddress: true, byOther: false, stranger: false} {
				c, s := Pipe()
				done := make(chan bool)
				go func() {
					defer close(done)
					tls.Server(s, server).Handshake()
				}()
				if err := tls.Client(c, config).Handshake(); (err == nil) != want {
					t.Errorf("server name %s: %v", config.ServerName, err)
				}
				c.Close()
				<-done
				s.Close()
			}
		})
	}
}
