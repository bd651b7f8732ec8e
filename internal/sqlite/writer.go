package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// writer is the goroutine that changes the database.
type writer struct {
	cfg   *Config
	queue chan *operation
	done  chan struct{} // closed when run has returned

	// conn is nil after a failure that it may not have survived. Only run uses it.
	conn     *Conn
	closeErr error

	operations, commits atomic.Int64
}

// operation is one call of Write on its way.
type operation struct {
	ctx   context.Context
	f     func(*Tx) error
	state atomic.Int32
	done  chan struct{} // closed when err is the outcome

	err      error
	panicked any
	tx       *Tx
}

// States of an operation. From queued it becomes either of the others, once.
const (
	queued int32 = iota
	begun
	withdrawn
)

func newWriter(cfg *Config, conn *Conn) *writer {
	return &writer{
		cfg:   cfg,
		queue: make(chan *operation, cfg.Queue),
		done:  make(chan struct{}),
		conn:  conn,
	}
}

// do queues f and waits for its outcome.
func (w *writer) do(ctx context.Context, f func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	op := &operation{ctx: ctx, f: f, done: make(chan struct{})}
	select {
	case w.queue <- op:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-op.done:
	case <-ctx.Done():
		if op.state.CompareAndSwap(queued, withdrawn) {
			return ctx.Err()
		}
		<-op.done
	}
	if op.panicked != nil {
		panic(op.panicked)
	}
	return op.err
}

// close ends run once the queue is empty. Nobody may call do any more.
func (w *writer) close() error {
	close(w.queue)
	<-w.done
	return w.closeErr
}

// run serves the queue until it is closed.
func (w *writer) run() {
	defer close(w.done)
	for first := range w.queue {
		w.batch(first)
	}
	if w.conn != nil {
		w.closeErr = w.conn.close()
	}
}

// batch runs first and what else is queued in one transaction.
func (w *writer) batch(first *operation) {
	b := &batch{w: w}
	start := time.Now()
	for op := first; op != nil; op = w.next(len(b.ops), start) {
		if op.state.CompareAndSwap(queued, begun) {
			b.ops = append(b.ops, op)
			b.run(op)
		}
	}
	b.commit()
	for _, op := range b.ops {
		close(op.done)
	}
}

// next returns an operation that is queued already, nil if there is none or the
// batch is large enough.
func (w *writer) next(n int, start time.Time) *operation {
	if n >= w.cfg.Batch || time.Since(start) > slow {
		return nil
	}
	select {
	case op := <-w.queue: // nil once closed and empty
		return op
	default:
		return nil
	}
}

// batch is a transaction and those who share it.
type batch struct {
	w    *writer
	ops  []*operation
	open bool  // BEGIN has run
	held int   // operations that have changed something and stand
	err  error // what spoilt the transaction for all
}

// run runs one operation. Its outcome is preliminary until commit.
func (b *batch) run(op *operation) {
	if b.err == nil {
		b.err = b.begin()
	}
	if op.err = b.err; op.err != nil {
		return
	}
	op.tx = &Tx{batch: b, conn: b.w.conn}
	b.w.conn.ctx = context.Background()
	if op.err = op.call(); op.err == nil {
		op.err = op.tx.failure
	}
	op.tx.ended = true
	switch {
	case op.err != nil:
		b.undo(op)
	case op.tx.changed:
		b.keep(op)
	}
}

// call runs the operation's function and catches its panic, which belongs to the
// goroutine that called Write.
func (op *operation) call() (err error) {
	defer func() {
		if p := recover(); p != nil {
			op.panicked = p
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return op.f(op.tx)
}

// begin connects if need be and starts the transaction.
func (b *batch) begin() (err error) {
	if b.open {
		return nil
	}
	if b.w.conn == nil {
		if b.w.conn, err = connect(context.Background(), b.w.cfg, true); err != nil {
			return fmt.Errorf("reconnect: %w", err)
		}
	}
	if err := b.w.conn.exec("BEGIN IMMEDIATE"); err != nil {
		b.w.disconnect()
		return fmt.Errorf("begin: %w", err)
	}
	b.open = true
	return nil
}

// keep ends the savepoint of an operation that stands.
func (b *batch) keep(op *operation) {
	if op.tx.saved {
		if err := b.w.conn.exec("RELEASE operation"); err != nil {
			b.spoil(err)
			return
		}
	}
	b.held++
}

// undo takes back what a failed operation did.
func (b *batch) undo(op *operation) {
	op.tx.rollBack()
	switch {
	case !op.tx.changed:
	case op.tx.fatal:
		// SQLite may have ended the transaction on its own account.
		b.spoil(op.err)
	case op.tx.saved:
		if err := errors.Join(b.w.conn.exec("ROLLBACK TO operation"), b.w.conn.exec("RELEASE operation")); err != nil {
			b.spoil(err)
		}
	default: // the first to change something: nothing else is in the transaction
		b.end()
	}
}

// spoil gives the transaction up: all its operations fail.
func (b *batch) spoil(err error) {
	b.err = fmt.Errorf("transaction failed: %w", err)
	b.end()
}

// end rolls the transaction back. If even that fails, the connection is given up,
// which rolls back as well.
func (b *batch) end() {
	if !b.open {
		return
	}
	b.open = false
	if err := b.w.conn.exec("ROLLBACK"); err != nil && !noTransaction(err) {
		b.w.disconnect()
	}
}

// commit makes the batch durable and settles the outcome of its operations.
func (b *batch) commit() {
	if b.open && b.err == nil {
		if b.held == 0 {
			b.end()
		} else if err := b.w.conn.exec("COMMIT"); err != nil {
			b.spoil(fmt.Errorf("commit: %w", err))
		} else {
			b.open = false
			b.w.commits.Add(1)
		}
	}
	if b.err != nil {
		b.fail()
		return
	}
	for _, op := range b.ops {
		if op.err == nil {
			b.w.operations.Add(1)
			op.tx.committed()
		}
	}
}

// fail gives every operation the error of the batch, and takes back, newest first,
// what those that stood have noted in memory.
func (b *batch) fail() {
	for i := len(b.ops) - 1; i >= 0; i-- {
		if op := b.ops[i]; op.err == nil {
			op.tx.rollBack()
			op.err = b.err
		}
	}
}

// disconnect gives the connection up. The next batch makes a new one.
func (w *writer) disconnect() {
	w.conn.close() // an error here is a consequence of the one reported
	w.conn = nil
}
