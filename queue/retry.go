package queue

import "time"

// Retry says when to try again. The zero Retry waits half an hour, then longer
// and longer up to four hours, and gives up after five days (RFC 5321 §4.5.4.1).
type Retry struct {
	// First is the wait after the first attempt. Each further wait is twice the one
	// before. Zero means 30 minutes.
	First time.Duration
	// Max is the longest wait. Zero means 4 hours, or First if that is longer.
	Max time.Duration
	// Jitter is the part of a wait, from 0 to 1, by which it is made shorter or longer by chance, so
	// that what failed together does not come back together. Zero means 0.1; negative
	// means none.
	Jitter float64
	// Expire is how old a message gets before its recipients fail. There is a last attempt when the
	// time is up. Zero means 5 days; negative means never.
	Expire time.Duration
}

// Wait returns how long to wait after that many attempts, at least 1. The chance is a
// number from 0 to 1, of which one half means no jitter.
func (r Retry) Wait(attempts int, chance float64) time.Duration {
	first := r.First
	if first == 0 {
		first = 30 * time.Minute
	}
	longest := r.Max
	if longest == 0 {
		longest = 4 * time.Hour
	}
	wait := first
	for range attempts - 1 {
		if wait >= longest {
			break
		}
		wait *= 2
	}
	wait = max(min(wait, longest), first)
	jitter := r.Jitter
	if jitter == 0 {
		jitter = 0.1
	}
	if jitter > 0 {
		wait += time.Duration(float64(wait) * jitter * (2*chance - 1))
	}
	return wait
}

// expires returns when the message is given up, and whether it ever is. The time begins when the message could go out
// first: at its receipt, or when its sender released it (RFC 4865).
func (r Retry) expires(m Message) (time.Time, bool) {
	from := m.Created
	if m.Envelope.Hold.After(from) {
		from = m.Envelope.Hold
	}
	switch {
	case r.Expire < 0:
		return time.Time{}, false
	case r.Expire == 0:
		return from.Add(5 * 24 * time.Hour), true
	}
	return from.Add(r.Expire), true
}

// expired reports whether the message's time is up.
func (r Retry) expired(m Message, now time.Time) bool {
	end, ok := r.expires(m)
	return ok && !now.Before(end)
}
