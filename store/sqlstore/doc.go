// Package sqlstore keeps mail in a SQLite database and, what is large, in files: a
// store.Store for one machine, with no server to install.
//
//	s, err := sqlstore.Open(ctx, "/var/lib/postrider/store")
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	err = s.CreateAccount(ctx, "ann", store.DefaultMailboxes()...)
//
// # How it is kept
//
// A message is a row that never changes; what changes is a log. Setting a flag on a
// hundred thousand messages is one row of the log and one sync, and so is expunging
// them. Which messages a mailbox has, and with which flags, is a table in memory, once
// for all who have the mailbox open. It follows each change as it commits. A snapshot of
// the table is written every 2,000 changes, or when the mailbox is closed, and only
// what differs of it; opening the mailbox reads the snapshot, the rows that arrived
// after it, and the log since. A snapshot that is damaged is made anew from rows and
// log.
//
// The sums that a Status tells are columns of the mailbox's row, so a delivery to
// a mailbox that nobody has open touches five rows, whatever is in the mailbox.
//
// A message's summary is computed once, before its transaction, and shared by all
// copies in the account. So are its octets: up to Config.Inline in the database,
// beyond in a file named by its hash, which all accounts share. A message's ID is that
// hash. There are no thread IDs yet.
//
// # Durability
//
// The body's file is synced, and its name; then the rows are committed, and synced;
// then the method returns nil. Concurrent operations share a commit: a lone client
// waits for one sync, sixty-four of them wait for the same. A process that is killed, or
// a machine that loses power, loses nothing that a method promised, and leaves no half
// of what it did not: a body without a row at worst, which the next Open sweeps. The
// tests kill processes and cut the power of a simulated disk, at any write.
//
// # Joining the tables
//
// The file mail.db has the schema that schema.sql documents. Other programs may read
// it while the store is open, with SQLite in read-only mode and short
// transactions, and join it with tables of their own in another file. They must write
// nothing. The flags that a message has today are in no table: ask the store. The
// schema has a version, in the table schema_migration; Open migrates an older one and
// refuses a newer.
//
// # Concurrency
//
// A Store, its Accounts and Mailboxes may be used by many goroutines at once. One
// process at a time has the folder; a second Open fails. Functions given to
// Watch run on the goroutine that all changes wait for.
//
// # Errors
//
// Those of package store. A full disk is a postrider.Status of 4.3.1, and temporary like
// every other fault of the disk; the store works on as soon as the disk does.
// What fails outside of any call goes to Config.Logger.
//
// # Limits
//
// The log has at least the last Config.History changes of each account; from before,
// Changes answers store.ErrForgotten. A mailbox has UIDs for 4,294,967,295
// messages. A message is at most 2^63 octets where it goes to a file. A mailbox in memory
// takes 32 octets a message.
//
// Removing rows of many messages, as after an expunge of a full mailbox, is done later
// and in small steps. Copying many is one transaction, for which others wait: some 3
// microseconds a message.
//
// # Bugs
//
// A snapshot that is damaged loses changes of flags that are older than the log. There
// are no quotas: nothing is ever store.ErrOverQuota.
package sqlstore
