package sqlqueue

import (
	"context"
	"errors"
	"fmt"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/store/blob"
)

// body is a content made ready to be named by a row. All that takes time is done before the writer has it.
type body struct {
	size    int64
	octets  []byte // if it is small
	file    []byte // the key of its file if it is not
	release func() // lets go of the file
}

// keep reads a small content, and puts a large one on disk. The body is released once its row is there.
func (q *Queue) keep(ctx context.Context, c postrider.Content) (*body, error) {
	b := &body{size: c.Size(), release: func() {}}
	if b.size <= int64(q.cfg.Inline) {
		octets, err := postrider.ReadAll(c)
		b.octets = octets
		return b, err
	}
	key, err := blob.KeyOf(c)
	if err != nil {
		return nil, err
	}
	release, err := q.blobs.Put(ctx, key, c)
	if err != nil {
		return nil, err
	}
	b.file, b.release = key[:], release
	return b, nil
}

// Content implements queue.Queue.
func (q *Queue) Content(ctx context.Context, id queue.ID) (postrider.Content, error) {
	if err := q.begin(ctx); err != nil {
		return nil, err
	}
	defer q.end()
	number, ok := q.number(id)
	if !ok {
		return nil, queue.ErrNotExist
	}
	octets, file, err := q.bodyOf(ctx, number)
	if err != nil {
		return nil, err
	}
	if file == nil {
		return postrider.Bytes(octets), nil
	}
	c, err := q.blobs.Open(ctx, blob.Key(file))
	if !errors.Is(err, blob.ErrNotExist) {
		return c, err
	}
	// Either the message left just now, or its body is lost.
	if _, _, err := q.bodyOf(ctx, number); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("message %s: %w", id, err)
}

// bodyOf returns the octets of a message's body, or the key of its file.
func (q *Queue) bodyOf(ctx context.Context, number int64) (octets, file []byte, err error) {
	err = q.read(ctx, func(c *sqlite.Conn) error {
		return c.QueryRow("SELECT m.file, b.octets FROM message m LEFT JOIN body b ON b.message = m.id WHERE m.id = ?", number).Scan(&file, &octets)
	})
	if err == sqlite.ErrNoRows {
		err = queue.ErrNotExist
	}
	return octets, file, err
}

// forget removes the files of bodies that no message has any more. What fails is left to the next sweep.
func (q *Queue) forget(ctx context.Context, files [][]byte) {
	ctx = context.WithoutCancel(ctx)
	for _, file := range files {
		if _, err := q.blobs.Delete(ctx, blob.Key(file), q.inUse(file)); err != nil {
			q.cfg.Logger.WarnContext(ctx, "remove body", "key", blob.Key(file), "err", err)
		}
	}
}

func (q *Queue) inUse(file []byte) func(context.Context) (bool, error) {
	return func(ctx context.Context) (used bool, err error) {
		err = q.read(ctx, func(c *sqlite.Conn) error {
			return c.QueryRow("SELECT EXISTS (SELECT 1 FROM message WHERE file = ?)", file).Scan(&used)
		})
		return used, err
	}
}

// sweep removes the files that a process left which died between writing a body and its row, or between
// removing the row and the body.
func (q *Queue) sweep(ctx context.Context) {
	for key, err := range q.blobs.Keys(ctx) {
		if err == nil {
			_, err = q.blobs.Delete(ctx, key, q.inUse(key[:]))
		}
		if err != nil && ctx.Err() == nil {
			q.cfg.Logger.WarnContext(ctx, "sweep bodies", "err", err)
		}
	}
}
