package sqlitetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// Kind is what SQLite wants to do with a file.
type Kind int

// The kinds that a Layer sees: those that change a file or make changes last.
const (
	Write Kind = iota + 1
	Sync
	Truncate
	Delete
)

// Results that OnOp may return: 0 lets the operation happen.
const (
	// IOError is a failing disk.
	IOError = lib.SQLITE_IOERR
	// Full is a disk without room.
	Full = lib.SQLITE_FULL
)

// An Op is one operation on a file.
type Op struct {
	Kind Kind
	// File is the file's name without its folder.
	File string
	// Size is the number of octets of a Write, or the length after a Truncate.
	Size int64
}

// A Layer is a file layer. It must outlive the databases that use it.
type Layer struct {
	name string
	tls  *libc.TLS

	mu      sync.Mutex // guards what follows
	onOp    func(Op) int
	methods map[uintptr]uintptr // ours, by the system's
	open    map[uintptr]*handle // by SQLite's address of it
	files   map[string]*file    // by name
}

// handle is an open file.
type handle struct {
	*file
	system *lib.Tsqlite3_io_methods // what ours fall back on
}

// file is a file as the disk would have it.
type file struct {
	name    string
	synced  []byte
	pending []write
}

// write is a change that was not synced.
type write struct {
	off      int64
	data     []byte
	truncate bool // to off
}

// layers finds the Layer of a SQLite handle: SQLite calls functions, not methods.
var layers struct {
	mu     sync.Mutex // guards what follows
	byFile map[uintptr]*Layer
	byVFS  map[uintptr]*Layer
}

var lastLayer atomic.Int64

// NewLayer registers a file layer until the end of the test.
func NewLayer(t testing.TB) *Layer {
	t.Helper()
	tls := libc.NewTLS()
	l := &Layer{
		name: fmt.Sprintf("test%d", lastLayer.Add(1)), tls: tls,
		methods: map[uintptr]uintptr{}, open: map[uintptr]*handle{}, files: map[string]*file{},
	}
	name, err := libc.CString(l.name)
	if err != nil {
		t.Fatal(err)
	}
	// SQLite keeps a pointer to it, so it is in SQLite's memory.
	vfs := libc.Xcalloc(tls, 1, lib.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_vfs{})))
	v := (*lib.Tsqlite3_vfs)(pointer(vfs))
	*v = *(*lib.Tsqlite3_vfs)(pointer(lib.Xsqlite3_vfs_find(tls, 0)))
	v.FzName, v.FxOpen, v.FxDelete = name, function(xOpen), function(xDelete)

	layers.mu.Lock()
	if layers.byVFS == nil {
		layers.byVFS, layers.byFile = map[uintptr]*Layer{}, map[uintptr]*Layer{}
	}
	layers.byVFS[vfs] = l
	layers.mu.Unlock()
	if rc := lib.Xsqlite3_vfs_register(tls, vfs, 0); rc != lib.SQLITE_OK {
		t.Fatalf("register file layer: %d", rc)
	}
	t.Cleanup(func() {
		lib.Xsqlite3_vfs_unregister(tls, vfs)
		layers.mu.Lock()
		delete(layers.byVFS, vfs)
		layers.mu.Unlock()
		for _, ours := range l.methods {
			libc.Xfree(tls, ours)
		}
		libc.Xfree(tls, vfs)
		libc.Xfree(tls, name)
		tls.Close()
	})
	return l
}

// Name returns what sqlite.Config.VFS is to be.
func (l *Layer) Name() string { return l.name }

// OnOp has f asked before each operation, by whichever goroutine. The operation fails
// with the result of f, unless that is 0. f may call Image. Nil lets everything
// happen.
func (l *Layer) OnOp(f func(Op) int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onOp = f
}

// ask returns what OnOp's function says.
func (l *Layer) ask(op Op) int32 {
	l.mu.Lock()
	f := l.onOp
	l.mu.Unlock()
	if f == nil {
		return lib.SQLITE_OK
	}
	return int32(f(op))
}

// Image returns the files, by name, as a power cut at this moment may leave them.
func (l *Layer) Image(r *rand.Rand) map[string][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	image := map[string][]byte{}
	for name, f := range l.files {
		image[name] = f.afterPowerCut(r)
	}
	return image
}

// Synced returns the files as a power cut leaves them that loses all it can.
func (l *Layer) Synced() map[string][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	image := map[string][]byte{}
	for name, f := range l.files {
		image[name] = append([]byte(nil), f.synced...)
	}
	return maps.Clone(image)
}

const sector = 512

// afterPowerCut decides over each write that was not synced.
func (f *file) afterPowerCut(r *rand.Rand) []byte {
	out := append([]byte(nil), f.synced...)
	mode := r.IntN(4)
	upTo := len(f.pending)
	if mode == 1 {
		upTo = r.IntN(upTo + 1) // in order up to some write
	}
	for i, w := range f.pending[:upTo] {
		switch {
		case mode == 0, mode == 2 && r.IntN(2) == 0:
			continue // lost
		case !w.truncate && (mode == 3 && r.IntN(3) == 0 || mode == 1 && i == upTo-1):
			out = w.torn(r).apply(out)
		default:
			out = w.apply(out)
		}
	}
	return out
}

// torn returns a part of a write that ends, or begins, between two sectors.
func (w write) torn(r *rand.Rand) write {
	at := min(r.IntN(len(w.data)/sector+2)*sector, len(w.data))
	if r.IntN(2) == 0 {
		return write{off: w.off, data: w.data[:at]}
	}
	return write{off: w.off + int64(at), data: w.data[at:]}
}

func (w write) apply(b []byte) []byte {
	if w.truncate {
		if w.off < int64(len(b)) {
			b = b[:w.off]
		}
		return b
	}
	if end := w.off + int64(len(w.data)); end > int64(len(b)) && len(w.data) > 0 {
		b = append(b, make([]byte, end-int64(len(b)))...)
	}
	copy(b[min(w.off, int64(len(b))):], w.data)
	return b
}

// opened returns the layer and the open file of a handle of SQLite's.
func opened(p uintptr) (*Layer, *handle) {
	layers.mu.Lock()
	l := layers.byFile[p]
	layers.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l, l.open[p]
}

func (l *Layer) note(h *handle, w write) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h.pending = append(h.pending, w)
}

// lasting are the files that are there after a restart.
const lasting = lib.SQLITE_OPEN_MAIN_DB | lib.SQLITE_OPEN_WAL | lib.SQLITE_OPEN_MAIN_JOURNAL

func xOpen(tls *libc.TLS, vfs, name, p uintptr, flags int32, out uintptr) int32 {
	layers.mu.Lock()
	l := layers.byVFS[vfs]
	layers.mu.Unlock()
	system := (*lib.Tsqlite3_vfs)(pointer(lib.Xsqlite3_vfs_find(tls, 0)))
	rc := (*(*func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32)(call(&system.FxOpen)))(tls, vfs, name, p, flags, out)
	if rc != lib.SQLITE_OK || flags&lasting == 0 {
		return rc
	}
	l.take(p, filepath.Base(libc.GoString(name)))
	return rc
}

// take puts our functions in place of the system's.
func (l *Layer) take(p uintptr, name string) {
	methods := &(*lib.Tsqlite3_file)(pointer(p)).FpMethods
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.files[name]
	if f == nil {
		f = &file{name: name}
		l.files[name] = f
	}
	l.open[p] = &handle{f, (*lib.Tsqlite3_io_methods)(pointer(*methods))}
	*methods = l.instead(*methods)
	layers.mu.Lock()
	defer layers.mu.Unlock()
	layers.byFile[p] = l
}

// instead returns a table like the system's, but with functions of ours. The system has
// several.
func (l *Layer) instead(system uintptr) uintptr {
	ours, ok := l.methods[system]
	if ok {
		return ours
	}
	ours = libc.Xcalloc(l.tls, 1, lib.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_io_methods{})))
	m := (*lib.Tsqlite3_io_methods)(pointer(ours))
	*m = *(*lib.Tsqlite3_io_methods)(pointer(system))
	m.FxWrite, m.FxSync, m.FxTruncate = function(xWrite), function(xSync), function(xTruncate)
	m.FxClose, m.FxFetch = function(xClose), function(xFetch)
	l.methods[system] = ours
	return ours
}

func xClose(tls *libc.TLS, p uintptr) int32 {
	l, h := opened(p)
	l.mu.Lock()
	delete(l.open, p)
	l.mu.Unlock()
	layers.mu.Lock()
	delete(layers.byFile, p)
	layers.mu.Unlock()
	return (*(*func(*libc.TLS, uintptr) int32)(call(&h.system.FxClose)))(tls, p)
}

func xWrite(tls *libc.TLS, p, data uintptr, n int32, off int64) int32 {
	l, h := opened(p)
	if rc := l.ask(Op{Kind: Write, File: h.name, Size: int64(n)}); rc != lib.SQLITE_OK {
		return rc
	}
	rc := (*(*func(*libc.TLS, uintptr, uintptr, int32, int64) int32)(call(&h.system.FxWrite)))(tls, p, data, n, off)
	if rc == lib.SQLITE_OK {
		l.note(h, write{off: off, data: append([]byte(nil), unsafe.Slice((*byte)(pointer(data)), n)...)})
	}
	return rc
}

func xTruncate(tls *libc.TLS, p uintptr, size int64) int32 {
	l, h := opened(p)
	if rc := l.ask(Op{Kind: Truncate, File: h.name, Size: size}); rc != lib.SQLITE_OK {
		return rc
	}
	rc := (*(*func(*libc.TLS, uintptr, int64) int32)(call(&h.system.FxTruncate)))(tls, p, size)
	if rc == lib.SQLITE_OK {
		l.note(h, write{off: size, truncate: true})
	}
	return rc
}

// xSync needs not call the system's: these files are for this test only.
func xSync(_ *libc.TLS, p uintptr, _ int32) int32 {
	l, h := opened(p)
	if rc := l.ask(Op{Kind: Sync, File: h.name}); rc != lib.SQLITE_OK {
		return rc
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range h.pending {
		h.synced = w.apply(h.synced)
	}
	h.pending = nil
	return lib.SQLITE_OK
}

// xFetch tells SQLite that files cannot be mapped, so that all goes through xWrite.
func xFetch(_ *libc.TLS, _ uintptr, _ int64, _ int32, out uintptr) int32 {
	*(*uintptr)(pointer(out)) = 0
	return lib.SQLITE_OK
}

func xDelete(tls *libc.TLS, vfs, name uintptr, syncFolder int32) int32 {
	layers.mu.Lock()
	l := layers.byVFS[vfs]
	layers.mu.Unlock()
	file := filepath.Base(libc.GoString(name))
	if rc := l.ask(Op{Kind: Delete, File: file}); rc != lib.SQLITE_OK {
		return rc
	}
	system := (*lib.Tsqlite3_vfs)(pointer(lib.Xsqlite3_vfs_find(tls, 0)))
	rc := (*(*func(*libc.TLS, uintptr, uintptr, int32) int32)(call(&system.FxDelete)))(tls, vfs, name, syncFolder)
	if rc == lib.SQLITE_OK {
		l.mu.Lock()
		delete(l.files, file)
		l.mu.Unlock()
	}
	return rc
}

// function returns what SQLite, transpiled to Go, takes for a pointer to f.
func function[T any](f T) uintptr { return *(*uintptr)(unsafe.Pointer(&struct{ f T }{f})) }

// call returns a pointer to the function that a pointer of SQLite's means.
func call(f *uintptr) unsafe.Pointer { return unsafe.Pointer(&struct{ f uintptr }{*f}) }

// pointer turns an address in SQLite's memory, which the collector does not know, into
// a pointer.
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }
