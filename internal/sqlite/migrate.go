package sqlite

import (
	"errors"
	"fmt"
	"time"
)

const createMigrations = `CREATE TABLE IF NOT EXISTS schema_migration (
	name    TEXT    NOT NULL,
	version INTEGER NOT NULL,
	applied TEXT    NOT NULL,
	PRIMARY KEY (name, version)
) WITHOUT ROWID`

// migrate brings the schema of that name up to date, each version in a transaction
// of its own together with the note that it was applied.
func (c *Conn) migrate(name string, migrations []string) error {
	if err := c.exec(createMigrations); err != nil {
		return err
	}
	var version int
	err := c.QueryRow("SELECT max(version) FROM schema_migration WHERE name = ?", name).Scan(&version)
	if err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("schema %q has version %d, known are versions up to %d: %w", name, version, len(migrations), ErrNewer)
	}
	for ; version < len(migrations); version++ {
		if err := c.apply(name, version+1, migrations[version]); err != nil {
			return fmt.Errorf("migrate schema %q to version %d: %w", name, version+1, err)
		}
	}
	return nil
}

func (c *Conn) apply(name string, version int, script string) error {
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := c.script(script)
	if err == nil {
		_, err = c.run("INSERT INTO schema_migration (name, version, applied) VALUES (?, ?, ?)",
			[]any{name, version, time.Now().UTC().Format(time.RFC3339)})
	}
	if err != nil {
		return errors.Join(err, c.exec("ROLLBACK"))
	}
	return c.exec("COMMIT")
}

// script runs several statements, which are not kept prepared.
func (c *Conn) script(text string) error {
	err := c.exec(text)
	c.forget()
	return err
}
