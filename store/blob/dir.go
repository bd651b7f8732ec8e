package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/internal/durable"
)

// Dir is a Store in a folder of the file system: the body of key abcdef... is the file
// a/bc/abcdef.... So a million bodies are 4,096 folders of some 250 files. The folders are
// made when they are needed, and stay.
type Dir struct {
	root string
	held holds
	sync folders
}

var _ Store = (*Dir)(nil)

// temporary is the folder of bodies that are not yet complete.
const temporary = "tmp"

// OpenDir opens the folder, makes it if it is not there, and removes what unfinished
// Puts of an earlier process left.
func OpenDir(root string) (*Dir, error) {
	tmp := filepath.Join(root, temporary)
	if err := os.RemoveAll(tmp); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return nil, err
	}
	if err := durable.SyncFolder(filepath.Dir(root)); err != nil {
		return nil, err
	}
	d := &Dir{root: root}
	return d, d.sync.learn(root)
}

func (d *Dir) path(key Key) string {
	name := key.String()
	return filepath.Join(d.root, name[:1], name[1:3], name)
}

// Put is the method of Store.
func (d *Dir) Put(ctx context.Context, key Key, c postrider.Content) (release func(), err error) {
	h, err := d.held.lock(ctx, key)
	if err != nil {
		return nil, err
	}
	defer h.unlock()
	if !h.held() { // else another Put has made it durable
		if err := d.put(ctx, key, c); err != nil {
			return nil, fmt.Errorf("keep body %v: %w", key, err)
		}
	}
	return h.hold(), nil
}

// put writes the body unless it is there, and makes its name durable in any case: a
// process that was killed may have put it there and come no further.
func (d *Dir) put(ctx context.Context, key Key, c postrider.Content) error {
	path := d.path(key)
	folder := filepath.Dir(path)
	if err := d.sync.make(d.root, folder); err != nil {
		return err
	}
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.Size() == c.Size():
	case err == nil, errors.Is(err, fs.ErrNotExist):
		if err := d.write(ctx, c, path); err != nil {
			return err
		}
	default:
		return err
	}
	return d.sync.sync(folder)
}

// write writes the body under another name, syncs it, and gives it its own: so a body
// of that name is always whole.
func (d *Dir) write(ctx context.Context, c postrider.Content, path string) error {
	f, err := os.CreateTemp(filepath.Join(d.root, temporary), "")
	if err != nil {
		return err
	}
	n, err := io.Copy(f, &reader{ctx: ctx, r: postrider.NewReader(c)})
	if err == nil && n != c.Size() {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// reader fails once its context is done.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// Open is the method of Store.
func (d *Dir) Open(ctx context.Context, key Key) (postrider.Content, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(d.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open body %v: %w", key, ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	c, err := postrider.FileContent(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return c, nil
}

// Delete is the method of Store.
func (d *Dir) Delete(ctx context.Context, key Key, inUse func(context.Context) (bool, error)) (bool, error) {
	h, err := d.held.lock(ctx, key)
	if err != nil {
		return false, err
	}
	defer h.unlock()
	if h.held() {
		return false, nil
	}
	if used, err := inUse(ctx); used || err != nil {
		return false, err
	}
	err = os.Remove(d.path(key))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, nil
}

// Keys is the method of Store. Files whose name is no key are passed over.
func (d *Dir) Keys(ctx context.Context) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		err := filepath.WalkDir(d.root, func(path string, e fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil // it went meanwhile
			case err != nil:
				return err
			case ctx.Err() != nil:
				return ctx.Err()
			case e.IsDir():
				return nil
			}
			if key, err := ParseKey(e.Name()); err == nil && d.path(key) == path && !yield(key, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(Key{}, err)
		}
	}
}
