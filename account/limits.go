package account

import (
	"container/list"
	"context"
	"fmt"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Limits bounds how fast passwords can be guessed. Failed logins are counted
// thrice: per login and address, per address, and per network. An address is one
// IPv4 address, or the 64 bits of an IPv6 address that a site hands to one customer;
// a network is an IPv4 /24 or an IPv6 /48.
//
// A count that reaches its limit makes all logins that it covers wait, unasked:
// first for Wait, then twice as long with each further failure, at most MaxWait. An
// attempt during a wait costs nothing and is answered by [ErrTooMany] before the
// Directory hears of it. A successful login forgives the failures of that login at
// that address, in all three counts, and no others: who owns one account buys no
// guesses at the rest with it.
//
// No count spans the world per account: strangers elsewhere cannot lock the owner
// out. Nor can a forgotten telephone with last year's password: the same wrong
// password again is no new guess, and within five seconds not even asked about.
type Limits struct {
	// PerLogin is how many failures of one login from one address bring the first
	// wait. Zero means 5; negative means no limit, and then nothing is forgiven.
	PerLogin int
	// PerAddress is how many failures from one address, of any logins, bring the
	// first wait. Zero means 30, for a whole office may share an address; negative
	// means no limit.
	PerAddress int
	// PerNetwork is how many failures from one network bring the first wait. Zero
	// means 300; negative means no limit.
	PerNetwork int
	// Wait is the first wait. Zero or less means 10 seconds.
	Wait time.Duration
	// MaxWait is the longest. Zero or less means 1 hour.
	MaxWait time.Duration
	// Forget is how long after the last failure, or the end of its wait, a count
	// returns to nothing. Zero or less means 1 hour.
	Forget time.Duration
	// Counts is how many counts are kept; beyond it, the one whose last failure is
	// longest ago is forgotten. A count takes about 300 octets. Zero or less means
	// 50,000.
	Counts int
	// Trusted lists networks without limits, such as that of a web mail program
	// which logs in for everybody and counts failures itself.
	Trusted []netip.Prefix
}

// repeatPause is how long a wrong password is refused unasked when it comes again.
const repeatPause = 5 * time.Second

// withDefaults returns l with its zero fields set.
func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{{&l.PerLogin, 5}, {&l.PerAddress, 30}, {&l.PerNetwork, 300}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{{&l.Wait, 10 * time.Second}, {&l.MaxWait, time.Hour}, {&l.Forget, time.Hour}} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	if l.Counts <= 0 {
		l.Counts = 50_000
	}
	return l
}

// A guard keeps the counts of one Authenticator.
type guard struct {
	limits Limits
	levels []level
	seed   maphash.Seed // so that nobody outside can choose colliding logins

	mu     sync.Mutex // guards what follows, and every count
	counts map[countKey]*count
	recent list.List // of *count, the latest failure first
}

// A level is one of the ways to count. The one per login is the first.
type level struct {
	limit    int
	perLogin bool
	// v4 and v6 are how many bits of an address name the peer.
	v4, v6 int
	// parallel is how many attempts may be under way at once. The others wait
	// their turn, so that a thousand guesses sent at the same moment do not all
	// pass before the first of them has failed. Zero means any number.
	parallel int
}

type countKey struct {
	level   int // index in guard.levels
	network netip.Prefix
	login   uint64 // hash of the login; 0 for all logins
}

// A count is the failures under one key.
type count struct {
	key      countKey
	level    level
	failures int
	last     time.Time     // when the last failure was
	until    time.Time     // until when attempts are refused
	wrong    uint64        // hash of the last wrong password, per login only
	using    int           // attempts that hold the count
	turns    chan struct{} // full when level.parallel attempts are under way
	element  *list.Element // in guard.recent, nil before the first failure
}

func newGuard(limits Limits) *guard {
	limits = limits.withDefaults()
	g := &guard{limits: limits, seed: maphash.MakeSeed(), counts: make(map[countKey]*count)}
	for _, l := range []level{
		{limit: limits.PerLogin, perLogin: true, v4: 32, v6: 64, parallel: 4},
		{limit: limits.PerAddress, v4: 32, v6: 64, parallel: 16},
		{limit: limits.PerNetwork, v4: 24, v6: 48},
	} {
		if l.limit > 0 {
			g.levels = append(g.levels, l)
		}
	}
	return g
}

// hash returns a hash of s that is never 0 and the same for one guard only.
func (g *guard) hash(s string) uint64 { return maphash.String(g.seed, s) | 1 }

// key returns the key of an attempt at one level. An address that is invalid, of
// a Unix socket for instance, is a network of its own.
func (g *guard) key(i int, addr netip.Addr, login string) countKey {
	l, k := g.levels[i], countKey{level: i}
	addr = addr.Unmap().WithZone("")
	bits := l.v6
	if addr.Is4() {
		bits = l.v4
	}
	if addr.IsValid() {
		k.network, _ = addr.Prefix(bits) // bits fit the family
	}
	if l.perLogin {
		k.login = g.hash(login)
	}
	return k
}

func (g *guard) trusted(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, p := range g.limits.Trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// allow returns ErrTooMany if addr must wait, whatever its login.
func (g *guard) allow(addr netip.Addr) error {
	if g.trusted(addr) {
		return nil
	}
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, l := range g.levels {
		if l.perLogin {
			continue
		}
		if c := g.counts[g.key(i, addr, "")]; c != nil {
			if err := g.check(c, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// check returns ErrTooMany while c makes its attempts wait. g.mu is held.
func (g *guard) check(c *count, now time.Time) error {
	if wait := c.until.Sub(now); wait > 0 {
		return fmt.Errorf("%w: wait for %s", ErrTooMany, wait.Round(time.Second))
	}
	if c.failures > 0 && now.Sub(latest(c.last, c.until)) >= g.limits.Forget {
		g.forgive(c, c.failures)
	}
	return nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// An attempt is one login under way. Its methods are for one goroutine.
type attempt struct {
	guard    *guard
	counts   []*count // one per level
	turns    int      // how many of counts gave their turn
	password uint64   // hash of the password
}

// begin opens an attempt by login, as prepared or empty, from addr. It returns
// ErrTooMany if that must wait, ErrCredentials if the password was wrong a moment
// ago, or ctx's error. The caller ends the attempt.
func (g *guard) begin(ctx context.Context, addr netip.Addr, login, password string) (*attempt, error) {
	a := &attempt{guard: g}
	if g.trusted(addr) {
		return a, nil
	}
	a.password = g.hash(password)
	if err := a.open(addr, login); err != nil {
		return nil, err
	}
	for _, c := range a.counts {
		if err := a.takeTurn(ctx, c); err != nil {
			a.end()
			return nil, err
		}
	}
	// Who had to wait for a turn finds the counts changed.
	g.mu.Lock()
	err := a.check()
	g.mu.Unlock()
	if err != nil {
		a.end()
		return nil, err
	}
	return a, nil
}

// open takes hold of the counts, unless one of them forbids the attempt.
func (a *attempt) open(addr netip.Addr, login string) error {
	g := a.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.levels {
		a.counts = append(a.counts, g.hold(g.key(i, addr, login)))
	}
	err := a.check()
	if err != nil {
		a.release()
	}
	return err
}

// check asks all counts. g.mu is held.
func (a *attempt) check() error {
	now := time.Now()
	for _, c := range a.counts {
		if err := a.guard.check(c, now); err != nil {
			return err
		}
		if c.level.perLogin && c.wrong == a.password && now.Sub(c.last) < repeatPause {
			return ErrCredentials
		}
	}
	return nil
}

func (a *attempt) takeTurn(ctx context.Context, c *count) error {
	if c.turns != nil {
		select {
		case c.turns <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	a.turns++
	return nil
}

// fail counts a failure: a wrong password, or one that could not be right.
func (a *attempt) fail() {
	g := a.guard
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range a.counts {
		if c.level.perLogin {
			if c.wrong == a.password {
				g.touch(c, now) // no new guess, so no other count hears of it
				return
			}
			c.wrong = a.password
		}
		g.fail(c, now)
	}
}

// succeed forgives the failures of this login at this address.
func (a *attempt) succeed() {
	g := a.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	forgiven := 0
	for _, c := range a.counts {
		if c.level.perLogin {
			forgiven, c.wrong = c.failures, 0
		}
		g.forgive(c, forgiven)
	}
}

// end gives back turns and counts.
func (a *attempt) end() {
	for _, c := range a.counts[:a.turns] {
		if c.turns != nil {
			<-c.turns
		}
	}
	a.turns = 0
	a.guard.mu.Lock()
	defer a.guard.mu.Unlock()
	a.release()
}

// release lets go of the counts. g.mu is held.
func (a *attempt) release() {
	for _, c := range a.counts {
		c.using--
		a.guard.dropIfIdle(c)
	}
	a.counts = nil
}

// hold returns the count of key for one more attempt. g.mu is held.
func (g *guard) hold(key countKey) *count {
	c := g.counts[key]
	if c == nil {
		c = &count{key: key, level: g.levels[key.level]}
		if n := c.level.parallel; n > 0 {
			c.turns = make(chan struct{}, n)
		}
		g.counts[key] = c
	}
	c.using++
	return c
}

// fail adds a failure to c, and a wait if it is one too many. g.mu is held.
func (g *guard) fail(c *count, now time.Time) {
	c.failures++
	if over := c.failures - c.level.limit; over >= 0 {
		wait := g.limits.MaxWait
		if over < 30 && g.limits.Wait < wait>>over {
			wait = g.limits.Wait << over
		}
		c.until = now.Add(wait)
	}
	g.touch(c, now)
}

// touch makes c the latest, and forgets the oldest where there are too many.
// g.mu is held.
func (g *guard) touch(c *count, now time.Time) {
	c.last = now
	if c.element == nil {
		c.element = g.recent.PushFront(c)
	} else {
		g.recent.MoveToFront(c.element)
	}
	for g.recent.Len() > g.limits.Counts {
		oldest := g.recent.Back().Value.(*count)
		g.forgive(oldest, oldest.failures)
		g.dropIfIdle(oldest)
	}
}

// forgive takes n failures from c, and all trace of them if none is left. g.mu is held.
func (g *guard) forgive(c *count, n int) {
	c.failures = max(0, c.failures-n)
	if c.failures > 0 {
		return
	}
	c.until, c.wrong = time.Time{}, 0
	if c.element != nil {
		g.recent.Remove(c.element)
		c.element = nil
	}
}

// dropIfIdle forgets a count that says nothing and serves nobody. g.mu is held.
func (g *guard) dropIfIdle(c *count) {
	if c.using == 0 && c.element == nil {
		delete(g.counts, c.key)
	}
}
