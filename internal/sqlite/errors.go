package sqlite

import (
	"errors"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// code returns the primary result code of an error of SQLite, -1 of others.
func code(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return -1
}

// IsFull reports whether there was no room: on the disk, or in the database where
// a limit is set.
func IsFull(err error) bool { return code(err) == lib.SQLITE_FULL }

// IsCorrupt reports whether the file is damaged, or is no database.
func IsCorrupt(err error) bool {
	c := code(err)
	return c == lib.SQLITE_CORRUPT || c == lib.SQLITE_NOTADB
}

// harmless reports whether a statement that failed so has left the transaction as it
// was before it. After others, such as a full disk, SQLite may have rolled back.
func harmless(err error) bool {
	switch code(err) {
	case lib.SQLITE_CONSTRAINT, lib.SQLITE_ERROR, lib.SQLITE_MISMATCH, lib.SQLITE_TOOBIG, -1:
		return true
	}
	return false
}

// noTransaction reports whether a ROLLBACK failed for want of a transaction:
// SQLite reports it by its most general code.
func noTransaction(err error) bool { return code(err) == lib.SQLITE_ERROR }
