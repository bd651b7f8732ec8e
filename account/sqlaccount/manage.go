package sqlaccount

import (
	"context"
	"database/sql"
	"errors"
	"iter"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
)

// change runs f in a transaction of its own.
func (d *Directory) change(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := d.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// changeOne runs a statement that changes the one row of an account.
func (d *Directory) changeOne(ctx context.Context, statement string, args ...any) error {
	return d.change(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil && n == 0 {
			return account.ErrNotExist
		}
		return err
	})
}

// Add implements account.Manager.
func (d *Directory) Add(ctx context.Context, e account.Entry) error {
	keys, err := e.Keys()
	if err != nil {
		return err
	}
	hash, err := e.StoredHash(ctx, d.hasher())
	if err != nil {
		return err
	}
	return d.change(ctx, func(tx *sql.Tx) error {
		taken, err := exists(ctx, tx, `SELECT 1 FROM accounts WHERE name = ?`, e.Name)
		if err != nil {
			return err
		}
		if taken {
			return account.ErrExist
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO accounts (name, hash, disabled) VALUES (?, ?, ?)`, e.Name, hash, e.Disabled)
		if err != nil {
			return err
		}
		return insertLogins(ctx, tx, e.Name, keys)
	})
}

func exists(ctx context.Context, tx *sql.Tx, query string, args ...any) (bool, error) {
	var one int
	err := tx.QueryRowContext(ctx, query, args...).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// insertLogins gives the keys to an account that has none.
func insertLogins(ctx context.Context, tx *sql.Tx, name string, keys []account.Key) error {
	for i, k := range keys {
		taken, err := exists(ctx, tx, `SELECT 1 FROM logins WHERE login = ?`, k.Login)
		if err != nil {
			return err
		}
		if taken {
			return account.ErrExist
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO logins (login, account, address, position) VALUES (?, ?, ?, ?)`,
			k.Login, name, k.Address.String(), i)
		if err != nil {
			return err
		}
	}
	return nil
}

// SetPassword implements account.Manager.
func (d *Directory) SetPassword(ctx context.Context, name, password string) error {
	hash, err := account.Entry{Password: password}.StoredHash(ctx, d.hasher())
	if err != nil {
		return err
	}
	return d.changeOne(ctx, `UPDATE accounts SET hash = ? WHERE name = ?`, hash, name)
}

// SetDisabled implements account.Manager.
func (d *Directory) SetDisabled(ctx context.Context, name string, disabled bool) error {
	return d.changeOne(ctx, `UPDATE accounts SET disabled = ? WHERE name = ?`, disabled, name)
}

// Delete implements account.Manager.
func (d *Directory) Delete(ctx context.Context, name string) error {
	return d.changeOne(ctx, `DELETE FROM accounts WHERE name = ?`, name) // logins follow
}

// SetAddresses implements account.Manager.
func (d *Directory) SetAddresses(ctx context.Context, name string, addresses ...postrider.Address) error {
	return d.change(ctx, func(tx *sql.Tx) error {
		found, err := exists(ctx, tx, `SELECT 1 FROM accounts WHERE name = ?`, name)
		if err != nil {
			return err
		}
		if !found {
			return account.ErrNotExist
		}
		keys, err := account.Entry{Name: name, Addresses: addresses}.Keys()
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM logins WHERE account = ?`, name); err != nil {
			return err
		}
		return insertLogins(ctx, tx, name, keys)
	})
}

// List implements account.Manager. It lists the accounts of one moment, and holds one of the
// readers' connections until it ends.
func (d *Directory) List(ctx context.Context) iter.Seq2[account.Entry, error] {
	return func(yield func(account.Entry, error) bool) {
		rows, err := d.reader.QueryContext(ctx, `SELECT name, hash, disabled, coalesce(address, '')
			FROM accounts LEFT JOIN logins ON account = name AND address <> '' ORDER BY name, position`)
		if err != nil {
			yield(account.Entry{}, err)
			return
		}
		defer rows.Close()
		var last account.Entry // to be yielded when its last address has come
		for rows.Next() {
			e, err := scanEntry(rows)
			switch {
			case err != nil:
				yield(account.Entry{}, err)
				return
			case e.Name == last.Name:
				last.Addresses = append(last.Addresses, e.Addresses...)
				continue
			case last.Name != "" && !yield(last, nil):
				return
			}
			last = e
		}
		if err := rows.Err(); err != nil {
			yield(account.Entry{}, err)
			return
		}
		if last.Name != "" {
			yield(last, nil)
		}
	}
}

// scanEntry returns an account with one of its addresses.
func scanEntry(rows *sql.Rows) (account.Entry, error) {
	var e account.Entry
	var address string
	if err := rows.Scan(&e.Name, &e.Hash, &e.Disabled, &address); err != nil || address == "" {
		return e, err
	}
	var a postrider.Address
	err := a.UnmarshalText([]byte(address))
	e.Addresses = []postrider.Address{a}
	return e, err
}
