package sqlite

import "database/sql/driver"

// A Tx is the transaction of one operation. It sees what the operations before it
// changed, committed or not.
type Tx struct {
	batch *batch
	conn  *Conn

	changed bool  // a statement may have changed something
	saved   bool  // behind a savepoint of its own
	ended   bool  // the function has returned
	failure error // the first failure of a statement
	fatal   bool  // failure may have ended the transaction

	onCommit, onRollback []func()
}

// Result tells what a statement did.
type Result struct{ raw driver.Result }

// Changed returns how many rows were inserted, updated or deleted.
func (r Result) Changed() int {
	n, err := r.raw.RowsAffected()
	if err != nil {
		return 0 // the driver never fails here
	}
	return int(n)
}

// LastID returns the rowid of the row inserted last.
func (r Result) LastID() int64 {
	id, err := r.raw.LastInsertId()
	if err != nil {
		return 0 // the driver never fails here
	}
	return id
}

// Exec runs a statement that changes something. Once one has failed, the whole
// operation fails, whatever its function returns. A statement that may well find
// its row taken says ON CONFLICT. Arguments are as for [Conn.Query].
func (t *Tx) Exec(text string, args ...any) (Result, error) {
	if err := t.hold(); err != nil {
		return Result{}, err
	}
	r, err := t.conn.run(text, args)
	if err != nil {
		return Result{}, t.fail(err)
	}
	return Result{r}, nil
}

// Query is [Conn.Query] in the transaction, for statements that only read.
func (t *Tx) Query(text string, args ...any) *Rows { return t.conn.Query(text, args...) }

// QueryRow is [Conn.QueryRow] in the transaction, for statements that only read.
func (t *Tx) QueryRow(text string, args ...any) *Row { return t.conn.QueryRow(text, args...) }

// Returning runs a statement that changes one row at most and scans what its
// RETURNING clause yields, as [Row.Scan] does; ErrNoRows, which does not fail the
// operation, if there was none.
func (t *Tx) Returning(text string, args []any, dest ...any) error {
	if err := t.hold(); err != nil {
		return err
	}
	err := t.conn.QueryRow(text, args...).Scan(dest...)
	if err != nil && err != ErrNoRows {
		return t.fail(err)
	}
	return err
}

// OnCommit has f called on the writer's goroutine once the transaction is on disk
// and before Write returns. f must not block nor call the DB.
func (t *Tx) OnCommit(f func()) { t.onCommit = append(t.onCommit, f) }

// OnRollback has f called on the writer's goroutine if the operation fails, or its
// commit: the newest first, also those of several operations that fail together.
func (t *Tx) OnRollback(f func()) { t.onRollback = append(t.onRollback, f) }

// hold puts a savepoint before the first change, unless the transaction holds
// nothing else: then all of it can be rolled back.
func (t *Tx) hold() error {
	if t.ended {
		panic("sqlite: Tx used after its function returned")
	}
	if t.failure != nil {
		return t.failure
	}
	if t.changed {
		return nil
	}
	t.changed = true
	if t.batch.held == 0 {
		return nil
	}
	if err := t.conn.exec("SAVEPOINT operation"); err != nil {
		return t.fail(err)
	}
	t.saved = true
	return nil
}

func (t *Tx) fail(err error) error {
	t.failure = err
	t.fatal = !harmless(err)
	return err
}

func (t *Tx) committed() {
	for _, f := range t.onCommit {
		f()
	}
}

func (t *Tx) rollBack() {
	for i := len(t.onRollback) - 1; i >= 0; i-- {
		t.onRollback[i]()
	}
	t.onRollback = nil
}
