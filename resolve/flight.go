package resolve

import (
	"context"

	"github.com/miekg/dns"
)

// A flight is one lookup under way and those who wait for it. It belongs to
// none of them: it ends early only when the last one has left.
type flight struct {
	cancel  context.CancelFunc
	waiters int // guarded by DNS.mu

	done   chan struct{} // closed when result is set
	result *result
}

// ask returns what the cache has, or joins the flight for q, or begins it.
func (d *DNS) ask(ctx context.Context, q question) (*result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil, ErrClosed
	}
	up := d.upstream()
	if r := up.cache.get(q); r != nil {
		d.mu.Unlock()
		return r, nil
	}
	f := d.flights[q]
	if f == nil {
		f = d.launch(up, q)
	}
	f.waiters++
	d.mu.Unlock()

	select {
	case <-f.done:
		return f.result, nil
	case <-ctx.Done():
		d.leave(q, f)
		return nil, ctx.Err()
	}
}

// launch begins a flight. The caller holds d.mu.
func (d *DNS) launch(up *upstream, q question) *flight {
	if d.base == nil {
		d.base, d.cancel = context.WithCancel(context.Background())
		d.slots = make(chan struct{}, d.maxLookups())
		d.flights = make(map[question]*flight)
	}
	ctx, cancel := withLimit(d.base, orDefault(d.Timeout, defaultTimeout))
	f := &flight{cancel: cancel, done: make(chan struct{})}
	d.flights[q] = f
	d.lookups.Go(func() {
		defer cancel()
		d.fly(ctx, up, q, f)
	})
	return f
}

// fly looks q up and leaves the result in the cache and with those who wait.
func (d *DNS) fly(ctx context.Context, up *upstream, q question, f *flight) {
	var r *result
	select {
	case d.slots <- struct{}{}:
		r = d.resolve(ctx, up, q)
		<-d.slots
	case <-ctx.Done():
		r = d.failed(ctx.Err())
	}

	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		r = d.failed(ErrClosed)
	}
	if f.waiters > 0 { // else it was cancelled, which says nothing about q
		delete(d.flights, q)
		d.keep(up, q, r)
	}
	f.result = r
	close(f.done)
}

// keep puts r in the cache. The absence of a name is that of all its types
// (RFC 2308 §5); the absence of an alias's target says nothing about the alias
// itself. The caller holds d.mu.
func (d *DNS) keep(up *upstream, q question, r *result) {
	if r.err != nil && r.err.Kind == NXDomain && r.name == q.name {
		q.qtype = dns.TypeANY
	}
	up.cache.put(q, r)
}

// leave takes one waiter from f, and ends f when it was the last.
func (d *DNS) leave(q question, f *flight) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.waiters--
	if f.waiters == 0 && d.flights[q] == f {
		delete(d.flights, q)
		f.cancel()
	}
}

func (d *DNS) maxLookups() int {
	if d.MaxLookups <= 0 {
		return defaultMaxLookups
	}
	return d.MaxLookups
}
