package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// ErrNoRows is what Row.Scan returns where the query had no row.
var ErrNoRows = errors.New("no row")

// maxStatements is how many prepared statements a connection keeps.
const maxStatements = 256

// A Conn is a connection for reading.
type Conn struct {
	raw        driver.Conn
	preparer   driver.ConnPrepareContext
	statements map[string]*statement
	ctx        context.Context // of the call it serves
	broken     bool
}

// statement is a prepared statement and room for its arguments.
type statement struct {
	raw  driver.Stmt
	exec driver.StmtExecContext
	read driver.StmtQueryContext
	args []driver.NamedValue
	busy bool // a query of it is not read to its end
}

func newConn(raw driver.Conn) (*Conn, error) {
	preparer, ok := raw.(driver.ConnPrepareContext)
	if !ok {
		return nil, errors.Join(errors.New("sqlite driver lacks PrepareContext"), raw.Close())
	}
	return &Conn{raw: raw, preparer: preparer, statements: map[string]*statement{}, ctx: context.Background()}, nil
}

// close finalizes the statements and closes the connection.
func (c *Conn) close() error {
	c.forget()
	return c.raw.Close()
}

// forget finalizes all statements that are not in use.
func (c *Conn) forget() {
	for text, s := range c.statements {
		if !s.busy {
			s.raw.Close() // only reports the last run's error again
			delete(c.statements, text)
		}
	}
}

// prepare returns the statement of the text, not busy.
func (c *Conn) prepare(text string) (*statement, error) {
	if s := c.statements[text]; s != nil && !s.busy {
		return s, nil
	}
	raw, err := c.preparer.PrepareContext(context.Background(), text)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", text, err)
	}
	s := &statement{raw: raw}
	var can [2]bool
	s.exec, can[0] = raw.(driver.StmtExecContext)
	s.read, can[1] = raw.(driver.StmtQueryContext)
	if can != [2]bool{true, true} {
		return nil, errors.Join(errors.New("sqlite driver lacks contexts"), raw.Close())
	}
	if len(c.statements) >= maxStatements {
		c.forget()
	}
	if old := c.statements[text]; old == nil {
		c.statements[text] = s
	}
	return s, nil
}

// release gives back a statement after use; one that is not in the cache ends.
func (c *Conn) release(text string, s *statement) {
	s.busy = false
	clear(s.args)
	if c.statements[text] != s {
		s.raw.Close()
	}
}

// bind sets the arguments.
func (s *statement) bind(args []any) error {
	s.args = s.args[:0]
	for i, arg := range args {
		v, err := value(arg)
		if err != nil {
			return fmt.Errorf("argument %d: %w", i+1, err)
		}
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return nil
}

// value turns a Go value into one the driver takes.
func value(arg any) (driver.Value, error) {
	switch v := arg.(type) {
	case nil, int64, float64, bool, []byte, string:
		return v, nil
	case int:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case uint32:
		return int64(v), nil
	}
	return nil, fmt.Errorf("%T is not for SQL", arg)
}

// exec runs a statement without arguments and results.
func (c *Conn) exec(text string) error {
	_, err := c.run(text, nil)
	return err
}

// run executes a statement.
func (c *Conn) run(text string, args []any) (driver.Result, error) {
	s, err := c.prepare(text)
	if err != nil {
		return nil, err
	}
	defer c.release(text, s)
	if err := s.bind(args); err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	return s.exec.ExecContext(context.Background(), s.args)
}

// Query runs a query. Arguments are nil, bool, int, int32, int64, uint32, float64,
// string or []byte. An error shows in Rows.Err, so that there is one place to
// look.
func (c *Conn) Query(text string, args ...any) *Rows {
	r := &Rows{conn: c, text: text}
	s, err := c.prepare(text)
	if err != nil {
		r.err = err
		return r
	}
	if err := s.bind(args); err != nil {
		r.err = fmt.Errorf("%q: %w", text, err)
		c.release(text, s)
		return r
	}
	rows, err := s.read.QueryContext(context.Background(), s.args)
	if err != nil {
		r.err = err
		c.release(text, s)
		return r
	}
	s.busy = true
	r.statement, r.raw = s, rows
	r.values = make([]driver.Value, len(rows.Columns()))
	return r
}

// QueryRow runs a query of which one row is wanted.
func (c *Conn) QueryRow(text string, args ...any) *Row {
	return &Row{rows: c.Query(text, args...)}
}

// Rows is a query's result, read row by row.
//
//	rows := c.Query("SELECT name, size FROM item")
//	defer rows.Close()
//	for rows.Next() {
//		if err := rows.Scan(&name, &size); err != nil {
//			return err
//		}
//	}
//	return rows.Err()
type Rows struct {
	conn      *Conn
	text      string
	statement *statement // nil when closed
	raw       driver.Rows
	values    []driver.Value
	err       error
}

// Next goes to the next row and reports whether there is one. After the last, or
// an error, the rows are closed.
func (r *Rows) Next() bool {
	if r.statement == nil || r.err != nil {
		return false
	}
	err := r.conn.ctx.Err()
	if err == nil {
		err = r.raw.Next(r.values)
	}
	if err != nil {
		if err != io.EOF {
			r.err = err
		}
		r.Close()
		return false
	}
	return true
}

// Scan copies the row into dest: pointers to bool, int, int64, uint32, string or
// []byte, which the caller then owns. NULL becomes the zero value.
func (r *Rows) Scan(dest ...any) error {
	if len(dest) != len(r.values) {
		return fmt.Errorf("%q: %d columns for %d places", r.text, len(r.values), len(dest))
	}
	for i, d := range dest {
		if err := assign(d, r.values[i]); err != nil {
			return fmt.Errorf("%q: column %d: %w", r.text, i+1, err)
		}
	}
	return nil
}

// Err returns the error that ended the rows, nil if there was none.
func (r *Rows) Err() error { return r.err }

// Close ends the query. It may be called again.
func (r *Rows) Close() {
	if r.statement == nil {
		return
	}
	if err := r.raw.Close(); err != nil && r.err == nil {
		r.err = err
	}
	r.conn.release(r.text, r.statement)
	r.statement = nil
}

// Row is the first row of a query.
type Row struct{ rows *Rows }

// Scan is Rows.Scan on the first row; ErrNoRows if there is none.
func (r *Row) Scan(dest ...any) error {
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return ErrNoRows
	}
	return r.rows.Scan(dest...)
}

// assign stores a value of the driver.
func assign(dest any, v driver.Value) error {
	n, isInt := v.(int64)
	if !isInt && v != nil {
		switch d := dest.(type) {
		case *string:
			switch v := v.(type) {
			case string:
				*d = v
				return nil
			case []byte:
				*d = string(v)
				return nil
			}
		case *[]byte:
			switch v := v.(type) {
			case string:
				*d = []byte(v)
				return nil
			case []byte:
				*d = v
				return nil
			}
		}
		return fmt.Errorf("%T into %T", v, dest)
	}
	switch d := dest.(type) {
	case *int64:
		*d = n
	case *int:
		*d = int(n)
	case *uint32:
		*d = uint32(n)
	case *bool:
		*d = n != 0
	case *string:
		if isInt {
			return fmt.Errorf("number into string")
		}
		*d = ""
	case *[]byte:
		if isInt {
			return fmt.Errorf("number into []byte")
		}
		*d = nil
	default:
		return fmt.Errorf("cannot scan into %T", dest)
	}
	return nil
}
