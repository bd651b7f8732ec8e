package blob

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/postrider/postrider/internal/durable"
)

// folders makes folders and syncs them, one sync for all who wait for the same. It
// begins with learn.
type folders struct {
	mu      sync.Mutex // guards what follows
	made    map[string]bool
	running map[string]*syncing // being synced; what is changed now may come too late for it
	next    map[string]*syncing // to be synced after that
}

// syncing is one sync of a folder.
type syncing struct {
	done chan struct{} // closed when err is the outcome
	err  error
}

// learn makes durable the folders that are there, two levels deep, and remembers
// them.
func (f *folders) learn(root string) error {
	f.made = map[string]bool{}
	outer, err := f.list(root)
	for _, folder := range outer {
		_, innerErr := f.list(folder)
		err = errors.Join(err, innerErr)
	}
	return err
}

// list syncs a folder and remembers the folders in it.
func (f *folders) list(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var inner []string
	for _, e := range entries {
		if e.IsDir() {
			path := filepath.Join(folder, e.Name())
			inner = append(inner, path)
			f.made[path] = true
		}
	}
	return inner, durable.SyncFolder(folder)
}

// make makes folder, two levels below root, durably.
func (f *folders) make(root, folder string) error {
	for _, dir := range []string{filepath.Dir(folder), folder} {
		f.mu.Lock()
		made := f.made[dir]
		f.mu.Unlock()
		if made {
			continue
		}
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		// Whoever made it, perhaps just now, may not have synced it yet.
		if err := f.sync(filepath.Dir(dir)); err != nil {
			return err
		}
		f.mu.Lock()
		f.made[dir] = true
		f.mu.Unlock()
	}
	return nil
}

// sync makes the names in folder durable that are there now. A sync that runs
// already may miss them, so all who come while one runs share the next.
func (f *folders) sync(folder string) error {
	f.mu.Lock()
	if f.running == nil {
		f.running, f.next = map[string]*syncing{}, map[string]*syncing{}
	}
	if s := f.next[folder]; s != nil {
		f.mu.Unlock()
		<-s.done
		return s.err
	}
	s := &syncing{done: make(chan struct{})}
	before := f.running[folder]
	if before != nil {
		f.next[folder] = s
		f.mu.Unlock()
		<-before.done
		f.mu.Lock()
		delete(f.next, folder)
	}
	f.running[folder] = s
	f.mu.Unlock()

	s.err = durable.SyncFolder(folder)

	f.mu.Lock()
	if f.running[folder] == s {
		delete(f.running, folder)
	}
	f.mu.Unlock()
	close(s.done)
	return s.err
}
