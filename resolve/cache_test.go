package resolve_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/resolve"
	"github.com/postrider/postrider/resolve/resolvetest"
)

const cacheZone = `
	$TTL 300
	soa.test.        SOA ns.soa.test. hostmaster.soa.test. 1 7200 3600 604800 60
	soa.test.        A   192.0.2.1
	alias.soa.test.  100 CNAME soa.test.
	to.soa.test.     CNAME nowhere.soa.test.
	zero.soa.test.   0 A 192.0.2.2
	old.soa.test.    4294967295 A 192.0.2.3
	week.soa.test.   604800 A 192.0.2.4
	mixed.soa.test.  50 A 192.0.2.5
	mixed.soa.test.  70 A 192.0.2.6
	bare.test.       A   192.0.2.7
	long.test.       604800 SOA ns.long.test. hostmaster.long.test. 1 7200 3600 604800 604800
	long.test.       TXT "x"
	*.many.test.     A   192.0.2.8
`

// A cacheTest is a world with questions that count.
type cacheTest struct {
	*testing.T
	*world
}

func inCache(t *testing.T, d *resolve.DNS, f func(c *cacheTest)) {
	synctest.Test(t, func(t *testing.T) {
		large := ""
		for i := range 100 {
			large += fmt.Sprintf("\tlarge.test. A 10.0.0.%d\n", i)
		}
		z := resolvetest.MustZone(cacheZone + large)
		s := resolvetest.NewServer(z)
		f(&cacheTest{t, &world{z, s, overMemory(t, s, d)}})
	})
}

// asks runs f and checks how many questions it cost, and what it returned.
func (c *cacheTest) asks(questions int, f func() (time.Duration, error), ttl time.Duration, kind string) {
	c.Helper()
	before := len(c.server.Queries())
	got, err := f()
	if n := len(c.server.Queries()) - before; n != questions {
		c.Errorf("%d questions, want %d", n, questions)
	}
	text := "answer"
	if err != nil {
		text = resolve.KindOf(err).String()
		if e, ok := errors.AsType[*resolve.Error](err); ok {
			got = e.TTL
		}
	}
	if got != ttl || text != kind {
		c.Errorf("%s with TTL %v (error %v), want %s with %v", text, got, err, kind, ttl)
	}
}

func (c *cacheTest) a(name string) func() (time.Duration, error) {
	return func() (time.Duration, error) {
		a, err := c.dns.A(c.Context(), name)
		return a.TTL, err
	}
}

func (c *cacheTest) mx(name string) func() (time.Duration, error) {
	return func() (time.Duration, error) {
		a, err := c.dns.MX(c.Context(), name)
		return a.TTL, err
	}
}

func TestAnswersAreKeptForTheirTTL(t *testing.T) {
	inCache(t, new(resolve.DNS), func(c *cacheTest) {
		c.asks(1, c.a("soa.test"), 300*time.Second, "answer")
		time.Sleep(299 * time.Second)
		c.asks(0, c.a("SOA.test."), time.Second, "answer")
		time.Sleep(time.Second)
		c.asks(1, c.a("soa.test"), 300*time.Second, "answer")
	})
}

func TestTheLeastTTLOfRecordsAndAliasesCounts(t *testing.T) {
	inCache(t, new(resolve.DNS), func(c *cacheTest) {
		c.asks(1, c.a("alias.soa.test"), 100*time.Second, "answer")
		c.asks(1, c.a("mixed.soa.test"), 50*time.Second, "answer")
		time.Sleep(50 * time.Second)
		c.asks(0, c.a("alias.soa.test"), 50*time.Second, "answer")
		c.asks(1, c.a("mixed.soa.test"), 50*time.Second, "answer")
	})
}

func TestZeroAndImpossibleTTLsAreNotKept(t *testing.T) {
	inCache(t, new(resolve.DNS), func(c *cacheTest) {
		for range 2 {
			c.asks(1, c.a("zero.soa.test"), 0, "answer")
			c.asks(1, c.a("old.soa.test"), 0, "answer") // RFC 2181 §8
		}
	})
}

func TestTTLsAreCapped(t *testing.T) {
	inCache(t, new(resolve.DNS), func(c *cacheTest) {
		c.asks(1, c.a("week.soa.test"), 24*time.Hour, "answer")
		c.asks(1, c.mx("long.test"), time.Hour, "no such record")
	})
	inCache(t, &resolve.DNS{MaxTTL: 10 * time.Second, MaxNegativeTTL: 20 * time.Second}, func(c *cacheTest) {
		c.asks(1, c.a("week.soa.test"), 10*time.Second, "answer")
		c.asks(1, c.mx("long.test"), 10*time.Second, "no such record")
	})
	inCache(t, &resolve.DNS{MaxNegativeTTL: 20 * time.Second}, func(c *cacheTest) {
		c.asks(1, c.mx("long.test"), 20*time.Second, "no such record")
	})
}

// RFC 2308 §5: NXDOMAIN is kept by name, the absence of records by name and type.
func TestAbsenceIsKeptAsTheSOASays(t *testing.T) {
	inCache(t, new(resolve.DNS), func(c *cacheTest) {
		c.asks(1, c.mx("nowhere.soa.test"), 60*time.Second, "no such name")
		c.asks(0, c.a("nowhere.soa.test"), 60*time.Second, "no such name")
		c.asks(1, c.mx("soa.test"), 60*time.Second, "no such record")
		c.asks(1, c.a("soa.test"), 300*time.Second, "answer")
		time.Sleep(59 * time.Second)
		c.asks(0, c.mx("soa.test"), time.Second, "no such record")
		c.asks(0, c.a("nowhere.soa.test"), time.Second, "no such name")
		time.Sleep(time.Second)
		c.asks(1, c.mx("soa.test"), 60*time.Second, "no such record")
		c.asks(1, c.a("nowhere.soa.test"), 60*time.Second, "no such name")
	})
}

func TestAnAliasOfANameWithoutRecordsCostsOneQuestion(t *testing.T) {
	inCache(t, new(resolve.DNS), func(c *cacheTest) {
		c.asks(1, c.mx("alias.soa.test"), 60*time.Second, "no such record")
	})
}

// RFC 2308 §5: negative replies without SOA are not kept.
func TestAbsenceWithoutSOAIsNotKept(t *testing.T) {
	inCache(t, new(resolve.DNS), func(c *cacheTest) {
		for range 2 {
			c.asks(1, c.mx("bare.test"), 0, "no such record")
			c.asks(1, c.mx("nowhere.bare.test"), 0, "no such name")
		}
	})
}

// The target does not exist, but the alias does.
func TestTheAbsenceOfAnAliasTargetIsNotThatOfTheAlias(t *testing.T) {
	inCache(t, new(resolve.DNS), func(c *cacheTest) {
		c.asks(1, c.mx("to.soa.test"), 60*time.Second, "no such name")
		cname := func() (time.Duration, error) {
			a, err := c.dns.CNAME(c.Context(), "to.soa.test")
			return a.TTL, err
		}
		c.asks(1, cname, 300*time.Second, "answer")
	})
}

func TestFailuresAreKeptBriefly(t *testing.T) {
	for _, tt := range []struct{ set, want time.Duration }{
		{0, 5 * time.Second}, {time.Minute, time.Minute}, {time.Hour, 5 * time.Minute},
	} {
		inCache(t, &resolve.DNS{FailureTTL: tt.set}, func(c *cacheTest) {
			c.zone.Fail("soa.test", "", resolvetest.ServFail)
			c.asks(1, c.a("soa.test"), tt.want, "temporary failure")
			c.zone.Fail("soa.test", "", 0)
			time.Sleep(tt.want - time.Second)
			c.asks(0, c.a("soa.test"), time.Second, "temporary failure")
			time.Sleep(time.Second)
			c.asks(1, c.a("soa.test"), 300*time.Second, "answer")
		})
	}
	inCache(t, &resolve.DNS{FailureTTL: -1}, func(c *cacheTest) {
		c.zone.Fail("soa.test", "", resolvetest.ServFail)
		c.asks(1, c.a("soa.test"), 0, "temporary failure")
		c.asks(1, c.a("soa.test"), 0, "temporary failure")
	})
}

func TestWithoutACacheEachQuestionIsAsked(t *testing.T) {
	inCache(t, &resolve.DNS{CacheSize: -1}, func(c *cacheTest) {
		for range 2 {
			c.asks(1, c.a("soa.test"), 300*time.Second, "answer")
			c.asks(1, c.mx("soa.test"), 60*time.Second, "no such record")
		}
	})
}

// The bound holds, and what is in use stays.
func TestTheCacheIsBoundedAndForgetsTheLeastUsed(t *testing.T) {
	inCache(t, &resolve.DNS{CacheSize: 64 << 10}, func(c *cacheTest) {
		for i := range 500 {
			c.asks(1, c.a(fmt.Sprintf("n%d.many.test", i)), 300*time.Second, "answer")
			if i > 0 {
				c.asks(0, c.a("n0.many.test"), 300*time.Second, "answer")
			}
		}
		c.asks(0, c.a("n499.many.test"), 300*time.Second, "answer")
		c.asks(1, c.a("n1.many.test"), 300*time.Second, "answer")
	})
	inCache(t, &resolve.DNS{CacheSize: 8 << 10}, func(c *cacheTest) {
		c.asks(1, c.a("soa.test"), 300*time.Second, "answer")
		c.asks(2, c.a("large.test"), 300*time.Second, "answer") // too large to keep, or to push others out
		c.asks(2, c.a("large.test"), 300*time.Second, "answer")
		c.asks(0, c.a("soa.test"), 300*time.Second, "answer")
	})
	inCache(t, &resolve.DNS{CacheSize: 1}, func(c *cacheTest) {
		for range 2 {
			c.asks(1, c.a("soa.test"), 300*time.Second, "answer")
		}
	})
}

func TestEqualQuestionsAreAskedOnce(t *testing.T) {
	inCache(t, &resolve.DNS{CacheSize: -1}, func(c *cacheTest) {
		c.zone.Delay("soa.test", time.Second)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := c.dns.A(c.Context(), "soa.test"); err != nil {
					c.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(c.server.Queries()); n != 1 {
			c.Errorf("asked %d times", n)
		}
	})
}

func TestACallerWhoLeavesDisturbsNoOther(t *testing.T) {
	inCache(t, new(resolve.DNS), func(c *cacheTest) {
		c.zone.Delay("soa.test", 2*time.Second)
		hasty, cancel := context.WithTimeout(c.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.dns.A(hasty, "soa.test"); !errors.Is(err, context.DeadlineExceeded) {
				c.Errorf("the hasty caller got %v", err)
			}
		})
		synctest.Wait() // the hasty caller has begun the lookup
		a, err := c.dns.A(c.Context(), "soa.test")
		if err != nil || a.Records[0] != netip.MustParseAddr("192.0.2.1") {
			c.Errorf("the patient caller got %v, %v", a.Records, err)
		}
		wg.Wait()
		if n := len(c.server.Queries()); n != 1 {
			c.Errorf("asked %d times", n)
		}
	})
}

// A lookup that nobody waits for ends, says nothing about its name, and a
// later caller begins anew.
func TestALookupEndsWhenTheLastCallerHasLeft(t *testing.T) {
	for _, settled := range []bool{false, true} {
		inCache(t, &resolve.DNS{MaxLookups: 1}, func(c *cacheTest) {
			c.zone.Fail("soa.test", "A", resolvetest.Drop)
			hasty, cancel := context.WithTimeout(c.Context(), time.Second)
			defer cancel()
			if _, err := c.dns.A(hasty, "soa.test"); !errors.Is(err, context.DeadlineExceeded) {
				c.Fatal(err)
			}
			if settled {
				synctest.Wait()
			}
			c.zone.Fail("soa.test", "A", 0)
			begun := time.Now()
			c.asks(1, c.a("soa.test"), 300*time.Second, "answer")
			if took := time.Since(begun); took != 0 {
				c.Errorf("waited %v for the lookup that nobody wants", took)
			}
		})
	}
}

func TestLookupsAtOnceAreBounded(t *testing.T) {
	inCache(t, &resolve.DNS{MaxLookups: 2}, func(c *cacheTest) {
		var wg sync.WaitGroup
		for i := range 6 {
			name := fmt.Sprintf("n%d.many.test", i)
			c.zone.Delay(name, time.Second)
			wg.Go(func() {
				if _, err := c.dns.A(c.Context(), name); err != nil {
					c.Error(err)
				}
			})
		}
		synctest.Wait()
		if n := len(c.server.Queries()); n != 2 {
			c.Errorf("%d lookups at once", n)
		}
		wg.Wait()
	})
}

// The wait for a turn counts against the timeout.
func TestAWaitForATurnEndsWithTheTimeout(t *testing.T) {
	inCache(t, &resolve.DNS{MaxLookups: 1, TryTimeout: -1, Timeout: 3 * time.Second}, func(c *cacheTest) {
		c.zone.Fail("n1.many.test", "", resolvetest.Drop)
		go c.dns.A(c.Context(), "n1.many.test")
		synctest.Wait()
		begun := time.Now()
		_, err := c.dns.A(c.Context(), "n2.many.test")
		if !resolve.IsTemporary(err) || time.Since(begun) != 3*time.Second {
			c.Errorf("error %v after %v", err, time.Since(begun))
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	inCache(t, new(resolve.DNS), func(c *cacheTest) {
		c.zone.Fail("n1.many.test", "", resolvetest.Drop)
		done := make(chan error)
		go func() {
			_, err := c.dns.A(c.Context(), "n1.many.test")
			done <- err
		}()
		synctest.Wait()
		begun := time.Now()
		c.dns.Close()
		if err := <-done; !errors.Is(err, resolve.ErrClosed) || !resolve.IsTemporary(err) || time.Since(begun) != 0 {
			c.Errorf("error %v after %v", err, time.Since(begun))
		}
		if _, err := c.dns.A(c.Context(), "soa.test"); !errors.Is(err, resolve.ErrClosed) || !strings.Contains(err.Error(), "A of soa.test") {
			c.Errorf("after Close: %v", err)
		}
		if err := c.dns.Close(); err != nil {
			c.Error(err)
		}
	})
}

// A slowConn takes its time to close.
type slowConn struct {
	net.Conn
	closed *atomic.Bool
}

func (c slowConn) Close() error {
	time.Sleep(time.Second)
	c.closed.Store(true)
	return c.Conn.Close()
}

func TestCloseWaitsForTheLastConnection(t *testing.T) {
	inCache(t, new(resolve.DNS), func(c *cacheTest) {
		var closed atomic.Bool
		c.dns.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := c.server.Dial(ctx, network, address)
			return slowConn{conn, &closed}, err
		}
		c.zone.Fail("soa.test", "", resolvetest.Drop)
		go c.dns.A(c.Context(), "soa.test")
		synctest.Wait()
		c.dns.Close()
		if !closed.Load() {
			c.Error("a connection is left")
		}
	})
}

func TestCloseOfTheZeroValue(t *testing.T) {
	if err := new(resolve.DNS).Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkCachedLookup(b *testing.B) {
	s := resolvetest.NewServer(resolvetest.MustZone(cacheZone))
	d := overMemory(b, s, new(resolve.DNS))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := d.A(b.Context(), "soa.test"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCachedHosts(b *testing.B) {
	d := overMemory(b, resolvetest.NewServer(hostsResolver()), new(resolve.DNS))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := resolve.Hosts(b.Context(), d, "two.test", us); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUncachedLookup(b *testing.B) {
	s := resolvetest.Start(b, resolvetest.MustZone(cacheZone))
	d := closing(b, &resolve.DNS{Servers: []string{s.Addr()}, CacheSize: -1})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.A(b.Context(), "soa.test"); err != nil {
			b.Fatal(err)
		}
	}
}
