package resolve

import (
	"container/list"
	"time"

	"github.com/miekg/dns"
)

// A result is the outcome of one lookup. It never changes once made, and is
// shared by the cache and all who asked.
type result struct {
	name      string // canonical name that the records, or their absence, belong to
	records   []dns.RR
	authentic bool
	err       *Error // Kind and Err only
	expires   time.Time
}

// failure returns the error of r as of now, for the caller to complete, or nil.
func (r *result) failure() error {
	if r.err == nil {
		return nil
	}
	e := *r.err
	e.Authentic, e.TTL = r.authentic, r.remaining()
	return &e
}

func (r *result) remaining() time.Duration {
	return max(time.Until(r.expires), 0)
}

// size is about the memory that r takes: the records as package dns holds them
// are some three times their wire form.
func (r *result) size() int {
	n := 512 + 2*len(r.name)
	for _, rr := range r.records {
		n += 64 + 3*dns.Len(rr)
	}
	return n
}

// A cache keeps results until they expire, the least recently used ones go first
// when there are too many. A nil cache keeps nothing.
type cache struct {
	limit   int // of size
	size    int
	entries map[question]*list.Element
	recent  list.List // of *entry, the most recently used in front
}

type entry struct {
	question question
	result   *result
	size     int
}

func newCache(limit int) *cache {
	return &cache{limit: limit, entries: make(map[question]*list.Element)}
}

// get returns the result for q, or for all types of its name, or nil.
func (c *cache) get(q question) *result {
	if c == nil {
		return nil
	}
	if r := c.one(q); r != nil {
		return r
	}
	return c.one(question{q.name, dns.TypeANY})
}

func (c *cache) one(q question) *result {
	el := c.entries[q]
	if el == nil {
		return nil
	}
	e := el.Value.(*entry)
	if e.result.remaining() == 0 {
		c.remove(el)
		return nil
	}
	c.recent.MoveToFront(el)
	return e.result
}

// put keeps r, unless it has expired already or is larger than the whole cache.
func (c *cache) put(q question, r *result) {
	if c == nil || r.remaining() == 0 {
		return
	}
	e := &entry{question: q, result: r, size: r.size()}
	if e.size > c.limit {
		return
	}
	if old := c.entries[q]; old != nil {
		c.remove(old)
	}
	c.entries[q] = c.recent.PushFront(e)
	c.size += e.size
	for c.size > c.limit {
		c.remove(c.recent.Back())
	}
}

func (c *cache) remove(el *list.Element) {
	e := c.recent.Remove(el).(*entry)
	delete(c.entries, e.question)
	c.size -= e.size
}
