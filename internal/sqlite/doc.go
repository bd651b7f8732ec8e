// Package sqlite is a SQLite database as a mail server needs it: durable at every
// commit, one writer that combines what many goroutines want into one commit, and
// a bounded pool of readers. The packages store/sqlstore and queue/sqlqueue stand on
// it.
//
//	db, err := sqlite.Open(ctx, sqlite.Config{Path: path, Schema: "queue", Migrations: migrations})
//	err = db.Write(ctx, func(tx *sqlite.Tx) error {
//		_, err := tx.Exec("INSERT INTO item (id, due) VALUES (?, ?)", id, due)
//		return err
//	})
//	err = db.Read(ctx, func(c *sqlite.Conn) error {
//		return c.QueryRow("SELECT due FROM item WHERE id = ?", id).Scan(&due)
//	})
//
// # Group commit
//
// A sync of the disk takes about as long as a hundred small changes. So one goroutine
// runs the operations given to [DB.Write] one after the other and commits all that
// gathered while it was busy with the commit before. There is no timer: a lone
// writer waits for its own sync and no longer. Each operation runs in a
// savepoint: one that fails leaves no trace and harms no other. When Write returns
// nil, the commit has been synced.
//
// # Statements
//
// Every connection keeps the statements it has prepared, by their text. So the text
// should be constant; values go in as arguments. There may be only so many texts: the
// cache starts anew beyond 256.
//
// # Schema
//
// [Config.Migrations] takes a schema from each version to the next. What was applied is
// noted in the table schema_migration. Open refuses a database that a newer program has
// migrated beyond what this one knows, with [ErrNewer].
//
// # Concurrency
//
// A DB may be used by many goroutines at once. A Conn, a Tx and their Rows belong to
// the function they were handed to, and end with it. A database belongs to one
// process: Open locks it, and fails with [ErrLocked] while another has it.
//
// # Errors
//
// An operation's own error comes back as it is. [IsFull] and [IsCorrupt] tell those
// apart that an operator must act on. A failed commit fails all its operations; the
// next begins on a fresh footing, if need be on a new connection.
//
// # Standards
//
// The database is in WAL mode with synchronous=FULL, which SQLite documents as
// durable over power loss; both are read back at Open, not just set.
package sqlite
