package sqlaccount

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"

	_ "modernc.org/sqlite" // registers the driver "sqlite" with database/sql

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
)

// A Directory is an account.Manager whose accounts are in an SQLite file.
type Directory struct {
	// Passwords hashes and compares. Nil means a Hasher of its own. Set it before the
	// first use.
	Passwords *account.Hasher

	own     account.Hasher // where Passwords is nil
	writer  *sql.DB        // one connection
	reader  *sql.DB
	resolve *sql.Stmt
	verify  *sql.Stmt
}

// readers is how many questions may be asked at once. One takes some 50 µs.
const readers = 4

// Open opens the file of that name, and makes it if it is not there, readable by its
// owner only. The caller closes the Directory.
func Open(ctx context.Context, path string) (*Directory, error) {
	d, err := open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open accounts in %s: %w", path, err)
	}
	return d, nil
}

func open(ctx context.Context, path string) (*Directory, error) {
	// SQLite would make it readable by all; its other files take this one's mode.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	d := new(Directory)
	if err := d.connect(ctx, path); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Directory) connect(ctx context.Context, path string) (err error) {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(ON)"
	if d.writer, err = sql.Open("sqlite", dsn+"&_txlock=immediate"); err != nil {
		return err
	}
	d.writer.SetMaxOpenConns(1)
	if err := migrate(ctx, d.writer); err != nil {
		return err
	}
	if d.reader, err = sql.Open("sqlite", dsn+"&_pragma=query_only(ON)"); err != nil {
		return err
	}
	d.reader.SetMaxOpenConns(readers)
	d.reader.SetMaxIdleConns(readers)
	if d.resolve, err = d.reader.PrepareContext(ctx,
		`SELECT account FROM logins WHERE login = ? AND address <> ''`); err != nil {
		return err
	}
	d.verify, err = d.reader.PrepareContext(ctx,
		`SELECT name, hash, disabled FROM logins JOIN accounts ON name = account WHERE login = ?`)
	return err
}

// Close closes the file. No other method may be called afterwards.
func (d *Directory) Close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{d.resolve, d.verify} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	for _, db := range []*sql.DB{d.reader, d.writer} { // the writer last: it folds the WAL into the file
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

func (d *Directory) hasher() *account.Hasher {
	if d.Passwords != nil {
		return d.Passwords
	}
	return &d.own
}

// Resolve implements account.Directory.
func (d *Directory) Resolve(ctx context.Context, addr postrider.Address) (string, error) {
	var name string
	err := d.resolve.QueryRowContext(ctx, account.PrepareAddress(addr)).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return "", account.ErrNotExist
	}
	return name, err
}

// Verify implements account.Directory.
func (d *Directory) Verify(ctx context.Context, login, password string) (string, error) {
	e, err := d.find(ctx, login)
	if err != nil {
		return "", err
	}
	if err := d.hasher().Verify(ctx, e.Hash, password); err != nil {
		return "", err
	}
	if e.Disabled {
		return "", account.ErrDisabled
	}
	return e.Name, nil
}

// find returns the account of a login, and one without a password if there is
// none.
func (d *Directory) find(ctx context.Context, login string) (account.Entry, error) {
	var e account.Entry
	login, err := account.PrepareLogin(login)
	if err != nil {
		return e, nil
	}
	err = d.verify.QueryRowContext(ctx, login).Scan(&e.Name, &e.Hash, &e.Disabled)
	if errors.Is(err, sql.ErrNoRows) {
		return e, nil
	}
	return e, err
}
