package sqlstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/message"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/blob"
)

// body is a message's content made ready to be named by rows: all that takes time is
// done before the writer has it.
type body struct {
	key     blob.Key
	size    int64
	octets  []byte // nil if the body is a file
	summary []byte
	release func() // lets go of the file
	named   bool   // by rows that have been committed
}

// maxCopies bounds the octets that a small body may take in the database when it is
// delivered to many accounts, each of which needs its own copy there.
const maxCopies = 64 << 10

// newBody reads a content, sums it up, and puts it on disk if it is too large for the
// database, where it would be kept by that many accounts.
func (s *Store) newBody(ctx context.Context, c postrider.Content, accounts int) (*body, error) {
	inline := int64(s.cfg.Inline)
	if accounts > 1 {
		inline = min(inline, maxCopies/int64(accounts))
	}
	b := &body{size: c.Size(), release: func() {}}
	if b.size <= inline {
		return b, b.read(c)
	}
	if err := b.scan(c); err != nil {
		return nil, err
	}
	release, err := s.blobs.Put(ctx, b.key, c)
	if err != nil {
		return nil, classified(err)
	}
	b.release = release
	return b, nil
}

// done lets go of a body. What no row names is removed.
func (s *Store) done(b *body) {
	b.release()
	if b.octets == nil && !b.named {
		s.janitor.removeFiles([]blob.Key{b.key})
	}
}

// read takes a small content into memory.
func (b *body) read(c postrider.Content) error {
	octets, err := postrider.ReadAll(c)
	if err != nil {
		return err
	}
	b.octets, b.key = octets, sha256.Sum256(octets)
	sum, err := message.Summarize(postrider.Bytes(octets), b.size)
	if err != nil {
		return err
	}
	b.summary, err = sum.AppendBinary(nil)
	return err
}

// scan reads a large content once for its hash and its summary.
func (b *body) scan(c postrider.Content) error {
	hash, scanner := sha256.New(), new(message.Scanner)
	n, err := io.Copy(io.MultiWriter(hash, scanner), postrider.NewReader(c))
	if err != nil {
		return err
	}
	if n != b.size {
		return io.ErrUnexpectedEOF
	}
	b.key = blob.Key(hash.Sum(nil))
	b.summary, err = scanner.Finish().AppendBinary(nil)
	return err
}

// messageID returns the ID of a content by its hash: 43 characters of base64url.
func messageID(hash []byte) string { return base64.RawURLEncoding.EncodeToString(hash) }

// insertContent makes the rows of a body for one account and returns the content's
// number.
func (t *tx) insertContent(account int64, b *body) (int64, error) {
	r, err := t.Exec(`INSERT INTO content (account, hash, size, in_file, summary) VALUES (?, ?, ?, ?, ?)`,
		account, b.key[:], b.size, b.octets == nil, b.summary)
	if err != nil {
		return 0, err
	}
	content := r.LastID()
	t.OnCommit(func() { b.named = true })
	if b.octets != nil {
		_, err = t.Exec(`INSERT INTO body (content, octets) VALUES (?, ?)`, content, b.octets)
	}
	return content, err
}

// readContent opens the body of a message.
func (s *Store) readContent(ctx context.Context, key boxKey, uid store.UID) (postrider.Content, error) {
	hash, octets, err := s.bodyOf(ctx, key, uid)
	if err != nil {
		return nil, err
	}
	if octets != nil {
		return postrider.Bytes(octets), nil
	}
	c, err := s.blobs.Open(ctx, blob.Key(hash))
	if !errors.Is(err, blob.ErrNotExist) {
		return c, err
	}
	// Either the message went just now, or its body is lost.
	if _, _, err := s.bodyOf(ctx, key, uid); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
}

// date is when a message was received: t, or now.
func date(t time.Time) packedTime {
	if t.IsZero() {
		t = time.Now()
	}
	return packTime(t)
}
