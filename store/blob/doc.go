// Package blob keeps message bodies that are too large for a database: immutable
// bytes under the name of their content, written once and shared by all who name
// them.
//
//	dir, err := blob.OpenDir(path)
//	key, err := blob.KeyOf(content)
//	release, err := dir.Put(ctx, key, content)
//	... write the row that names key ...
//	release()
//
// # Order
//
// The body first, then the row: when Put returns, the bytes and their name are on
// stable storage, and nothing removes them until release is called, so a row that
// commits in between names a body that is there. What a crash leaves is a body that
// no row names; a sweep over [Store].Keys removes it with [Store].Delete, which asks,
// under the key's lock, whether it is in use after all.
//
// # Concurrency
//
// A Store may be used by many goroutines, but by one process at a time: what is
// held is known in memory only.
//
// # Bugs
//
// On Windows a body that somebody reads cannot be removed; Delete fails and is to be
// repeated.
package blob
