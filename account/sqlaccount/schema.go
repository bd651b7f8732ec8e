package sqlaccount

import (
	"context"
	"database/sql"
	"fmt"
)

// applicationID marks the file as ours.
const applicationID = 0x70726163

// migrations bring a file from the version that is the index to the next. What was
// once released never changes here.
var migrations = []string{
	`
CREATE TABLE accounts (
	name     TEXT PRIMARY KEY,            -- octet for octet; never changes
	hash     TEXT NOT NULL DEFAULT '',    -- PHC string; '' means that nobody can log in
	disabled INTEGER NOT NULL DEFAULT 0   -- 1: may not log in now
) STRICT, WITHOUT ROWID;

-- By what an account is found: its name, and each of its addresses.
CREATE TABLE logins (
	login    TEXT PRIMARY KEY,            -- as account.PrepareLogin makes it
	account  TEXT NOT NULL REFERENCES accounts (name) ON DELETE CASCADE,
	address  TEXT NOT NULL DEFAULT '',    -- as given; '' for a name that is no address of the account
	position INTEGER NOT NULL DEFAULT 0   -- order of the addresses within the account
) STRICT, WITHOUT ROWID;

CREATE INDEX logins_of_account ON logins (account, position);
`,
}

// migrate brings the schema up to date.
func migrate(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var id, version int
	if err := tx.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch {
	case id != applicationID && (id != 0 || version != 0):
		return fmt.Errorf("not a file of accounts: application_id %#x, user_version %d", id, version)
	case version > len(migrations):
		return fmt.Errorf("schema version %d is newer than this program's %d", version, len(migrations))
	case version == len(migrations):
		return nil
	}
	for _, statements := range migrations[version:] {
		if _, err := tx.ExecContext(ctx, statements); err != nil {
			return err
		}
	}
	// Pragmas take no parameters.
	mark := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(migrations))
	if _, err := tx.ExecContext(ctx, mark); err != nil {
		return err
	}
	return tx.Commit()
}
