// Package sqlaccount keeps accounts in SQLite.
//
//	accounts, err := sqlaccount.Open(ctx, "/var/lib/mail/accounts.db")
//	...
//	auth := &account.Authenticator{Directory: accounts}
//
// What a method changed is on stable storage when it returns nil (WAL,
// synchronous=FULL), and every process that has the file open sees it with its next
// question: accounts may be managed by one program while another serves.
//
// # Schema
//
// The tables are an interface of their own: others may read them, and write them
// where they keep the rules written in the schema (file schema.go). PRAGMA user_version is the
// schema's version; Open brings an older file up to date, in one transaction, and
// refuses a newer one. PRAGMA application_id is 0x70726163.
//
// # Concurrency
//
// All methods may be called by many goroutines at once. Writers take turns, also
// between processes; readers wait for nobody.
//
// # Errors
//
// Those of account.Directory and account.Manager. All others are SQLite's, and
// temporary.
package sqlaccount
