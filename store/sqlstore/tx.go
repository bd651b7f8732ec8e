package sqlstore

import (
	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/store"
)

// tx is the transaction of one operation. It runs on the writer's goroutine, which is
// the only one to change the database and the tables of open mailboxes.
type tx struct {
	*sqlite.Tx
	s *Store
}

func (t *tx) accountNamed(name string) (accountRow, error) { return accountNamed(t, name) }

// notify tells those who watch the account once the change is on disk.
func (t *tx) notify(account int64) {
	t.OnCommit(func() { t.s.watch.notify(account) })
}

// logged notes a change in the log and returns its ModSeq. The mailbox is 0 for the
// subscriptions. store.ErrNotExist if the account is gone.
func (t *tx) logged(key boxKey, c logEntry) (store.ModSeq, error) {
	seq, err := t.nextModSeq(key.account)
	if err != nil {
		return 0, err
	}
	return seq, t.append(key, seq, c)
}

// nextModSeq takes a ModSeq, for one entry of the log.
func (t *tx) nextModSeq(account int64) (store.ModSeq, error) {
	var seq, forgotten int64
	err := t.Returning(`UPDATE account SET mod_seq = mod_seq + 1 WHERE account = ? RETURNING mod_seq, forgotten`,
		[]any{account}, &seq, &forgotten)
	if err == sqlite.ErrNoRows {
		return 0, store.ErrNotExist
	}
	if err != nil {
		return 0, err
	}
	if t.s.tooLong(seq - forgotten) {
		t.OnCommit(func() { t.s.janitor.trim(account) })
	}
	t.notify(account)
	return store.ModSeq(seq), nil
}

// logEntry is what a row of the table change says beside its key.
type logEntry struct {
	kind  store.ChangeKind
	uids  store.UIDSet
	op    store.FlagOp
	flags []store.Flag
}

// append writes an entry of the log.
func (t *tx) append(key boxKey, seq store.ModSeq, c logEntry) error {
	_, err := t.Exec(`INSERT INTO change (account, mod_seq, mailbox, kind, uids, op, flags) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		key.account, int64(seq), key.mailbox, int(c.kind), c.uids.String(), int(c.op), joinFlags(c.flags))
	return err
}

// set gives an open mailbox its next table: at once for operations to come, once
// the transaction has committed for everybody.
func (t *tx) set(b *box, next *table) {
	old := b.head
	b.head = next
	t.OnRollback(func() { b.head = old })
	t.OnCommit(func() { b.published.Store(next) })
}

// open returns the mailbox if its table is in memory, with what this transaction and those
// it shares its commit with have changed.
func (t *tx) open(key boxKey) *box { return t.s.boxes.attached(key) }

// deleteBoxes marks the open mailboxes of an account as deleted.
func (t *tx) deleteBoxes(account int64) {
	for _, b := range t.s.boxes.ofAccount(account) {
		t.deleteBox(b)
	}
}

func (t *tx) deleteBox(b *box) {
	next := *b.head
	next.deletedMailbox = true
	t.set(b, &next)
}
