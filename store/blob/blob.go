package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"iter"

	"github.com/postrider/postrider"
)

// ErrNotExist means that there is no body of that key.
var ErrNotExist = errors.New("no such body")

// A Key names a body: its SHA-256.
type Key [sha256.Size]byte

// String returns the key in hexadecimal digits.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// ParseKey reads what String wrote.
func ParseKey(s string) (Key, error) {
	var k Key
	if len(s) != 2*len(k) {
		return Key{}, errors.New("not a body's key")
	}
	if _, err := hex.Decode(k[:], []byte(s)); err != nil || k.String() != s {
		return Key{}, errors.New("not a body's key")
	}
	return k, nil
}

// KeyOf reads all of c and returns its key.
func KeyOf(c postrider.Content) (Key, error) {
	h := sha256.New()
	if _, err := io.Copy(h, postrider.NewReader(c)); err != nil {
		return Key{}, err
	}
	return Key(h.Sum(nil)), nil
}

// A Store keeps bodies.
type Store interface {
	// Put keeps c, whose key it is, and returns when it is on stable storage. Until
	// release is called, the body will not be deleted. A body that is there already is
	// not written again. The content is borrowed. An error means that nothing is
	// held.
	Put(ctx context.Context, key Key, c postrider.Content) (release func(), err error)

	// Open returns the body, or ErrNotExist. The caller closes it; until then it can
	// be read even if the body is deleted meanwhile.
	Open(ctx context.Context, key Key) (postrider.Content, error)

	// Delete removes the body unless it is held or inUse says that it is in use; it
	// reports whether it is gone. inUse is called when no Put of the key can run, so
	// that its answer stays true until the body is removed. No such body is no error.
	Delete(ctx context.Context, key Key, inUse func(context.Context) (bool, error)) (bool, error)

	// Keys yields the keys of all bodies, in no particular order; of those that come
	// or go meanwhile, some. An error ends it.
	Keys(ctx context.Context) iter.Seq2[Key, error]
}
