package account

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"runtime"
	"sync"
	"time"
)

// A Hasher turns passwords into hashes fit for keeping, by Argon2id (RFC 9106), and
// compares them. The zero Hasher is ready; share one among the directories of a
// process, so that its bounds hold for all of them. It must not be copied or changed
// once in use.
//
// A hash is a PHC string, such as $argon2id$v=19$m=19456,t=2,p=1$salt$hash. It
// carries its own parameters: those of the Hasher are for new ones.
//
// A mail program logs in every few minutes, and a hash costs some 30 ms. So the
// Hasher remembers for a while which passwords were right: not the passwords, but
// an HMAC of password and stored hash under a key that was made with the process
// and is never written. A changed password has another stored hash, so that nothing
// outlives it. Whoever can read the memory of the process could try passwords against
// those HMACs faster than against the hashes; set Remember to a negative number
// if that matters more than the processor's time.
type Hasher struct {
	// Memory is the memory of one hash in KiB. Zero means 19456 (19 MiB).
	Memory uint32
	// Time is the number of passes. Zero means 2.
	Time uint32
	// Threads is the parallelism of one hash. Zero means 1.
	Threads uint8
	// Concurrency is how many hashes may be computed at once; the others wait. So
	// Concurrency times Memory is what logins can take. Zero or less means
	// runtime.GOMAXPROCS.
	Concurrency int
	// Remember is how many right passwords are remembered. Zero means 10,000, some 1.5
	// MB; negative means none.
	Remember int
	// RememberFor is how long. Zero or less means 10 minutes.
	RememberFor time.Duration

	once  sync.Once
	turns chan struct{} // full when Concurrency hashes are under way
	key   []byte        // of the HMACs
	dummy argonHash     // compared where there is no account

	mu    sync.Mutex // guards right
	right map[[sha256.Size]byte]time.Time
}

const hashLen = 32

func (h *Hasher) init() {
	n := h.Concurrency
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	h.turns = make(chan struct{}, n)
	h.key = random(sha256.Size)
	h.dummy = h.params()
	h.dummy.salt, h.dummy.hash = random(16), random(hashLen)
	h.right = make(map[[sha256.Size]byte]time.Time)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// params returns an argonHash with the parameters for new hashes only.
func (h *Hasher) params() argonHash {
	p := argonHash{memory: h.Memory, time: h.Time, threads: h.Threads}
	if p.memory == 0 {
		p.memory = 19456
	}
	if p.time == 0 {
		p.time = 2
	}
	if p.threads == 0 {
		p.threads = 1
	}
	return p
}

// Hash returns a new hash of password, which it prepares by [PreparePassword]. The
// error is that of the preparation, of parameters out of bounds, or ctx's.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	h.once.Do(h.init)
	password, err := PreparePassword(password)
	if err != nil {
		return "", err
	}
	p := h.params()
	if err := p.checkParams(); err != nil {
		return "", err
	}
	p.salt = random(16)
	p.hash, err = h.sum(ctx, p, password, hashLen)
	if err != nil {
		return "", err
	}
	return p.String(), nil
}

// CheckHash returns an error if hash is none that [Hasher.Verify] can compare with.
func CheckHash(hash string) error {
	_, err := parsePHC(hash)
	return err
}

// Verify returns nil if hash was made of password, which it prepares by
// [PreparePassword], and ErrCredentials if not. The empty hash is of no password:
// it costs what a wrong password costs, so that a Directory without such an account
// can ask all the same. Other errors say that the hash cannot be read, or are ctx's.
func (h *Hasher) Verify(ctx context.Context, hash, password string) error {
	h.once.Do(h.init)
	password, errPassword := PreparePassword(password)
	if hash != "" && errPassword == nil && h.remembers(hash, password) {
		return nil
	}
	want := h.dummy // random octets, the hash of no password
	if hash != "" {
		var err error
		if want, err = parsePHC(hash); err != nil {
			return err
		}
	}
	got, err := h.sum(ctx, want, password, len(want.hash))
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(got, want.hash) == 0 || errPassword != nil {
		return ErrCredentials
	}
	h.remember(hash, password)
	return nil
}

// sum computes a hash when its turn has come.
func (h *Hasher) sum(ctx context.Context, p argonHash, password string, n int) ([]byte, error) {
	select {
	case h.turns <- struct{}{}:
		defer func() { <-h.turns }()
		return p.sum(password, n), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// token is the HMAC under which a right password is remembered. A PHC string holds no
// NUL, so that no two pairs are one.
func (h *Hasher) token(hash, password string) (t [sha256.Size]byte) {
	mac := hmac.New(sha256.New, h.key)
	mac.Write([]byte(hash))
	mac.Write([]byte{0})
	mac.Write([]byte(password))
	mac.Sum(t[:0])
	return t
}

func (h *Hasher) remembers(hash, password string) bool {
	if h.Remember < 0 {
		return false
	}
	t := h.token(hash, password)
	h.mu.Lock()
	defer h.mu.Unlock()
	until, ok := h.right[t]
	return ok && time.Now().Before(until)
}

// remember notes a right password, in the place of others if there are too many.
func (h *Hasher) remember(hash, password string) {
	most, last := h.Remember, h.RememberFor
	switch {
	case most < 0:
		return
	case most == 0:
		most = 10_000
	}
	if last <= 0 {
		last = 10 * time.Minute
	}
	t := h.token(hash, password)
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.right[t]; !ok && len(h.right) >= most {
		h.forgetSome(now)
	}
	h.right[t] = now.Add(last)
}

// forgetSome makes room: of a few entries it drops one, and those that have
// expired, at a cost that does not grow with their number. h.mu is held.
func (h *Hasher) forgetSome(now time.Time) {
	look := min(8, len(h.right))
	for t, until := range h.right { // in random order
		if look--; look == 0 || now.After(until) {
			delete(h.right, t)
		}
		if look == 0 {
			return
		}
	}
}
