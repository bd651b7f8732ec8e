package sqlstore

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/store"
)

// everything is the set of all UIDs as the database has it.
const everything = "1:4294967295"

// querier is what reads: a sqlite.Conn, or a sqlite.Tx, which sees its own changes.
type querier interface {
	Query(text string, args ...any) *sqlite.Rows
	QueryRow(text string, args ...any) *sqlite.Row
}

// accountRow is what never changes of an account.
type accountRow struct {
	id   int64
	name string
	tag  string
}

// newTag returns what makes the account's mailbox IDs unlike all others.
func newTag() string { return strings.ToLower(rand.Text()[:16]) }

// mailboxID returns the ID of a mailbox by its number.
func (a accountRow) mailboxID(number int64) string {
	return a.tag + "-" + strconv.FormatInt(number, 36)
}

// mailboxNumber returns the number of a mailbox by its ID, or -1 if no mailbox of the
// account can have it.
func (a accountRow) mailboxNumber(id string) int64 {
	digits, ok := strings.CutPrefix(id, a.tag+"-")
	n, err := strconv.ParseInt(digits, 36, 64)
	if !ok || err != nil || n < 1 || a.mailboxID(n) != id {
		return -1
	}
	return n
}

// accountNamed looks an account up, or returns store.ErrNotExist.
func accountNamed(q querier, name string) (accountRow, error) {
	a := accountRow{name: name}
	err := q.QueryRow(`SELECT account, tag FROM account WHERE name = ?`, name).Scan(&a.id, &a.tag)
	if err == sqlite.ErrNoRows {
		err = store.ErrNotExist
	}
	return a, err
}

// mailboxRow is a row of the table mailbox.
type mailboxRow struct {
	boxKey
	name       string
	specialUse string
	status
	snapshotUIDNext store.UID
}

const mailboxColumns = `account, mailbox, name, special_use, keywords, uid_validity, uid_next, mod_seq,
	messages, unseen, deleted, size, unclaimed, recent, snapshot_mod_seq, snapshot_uid_next, unsaved`

// scan reads mailboxColumns.
func (m *mailboxRow) scan(scan func(...any) error) error {
	var keywords string
	var uidNext, unclaimed, snapshotUIDNext uint32
	var modSeq, snapshotModSeq int64
	err := scan(&m.account, &m.mailbox, &m.name, &m.specialUse, &keywords, &m.UIDValidity, &uidNext, &modSeq,
		&m.Messages, &m.Unseen, &m.Deleted, &m.Size, &unclaimed, &m.Recent, &snapshotModSeq, &snapshotUIDNext, &m.unsaved)
	m.Keywords = splitFlags(keywords)
	m.UIDNext, m.unclaimed, m.snapshotUIDNext = store.UID(uidNext), store.UID(unclaimed), store.UID(snapshotUIDNext)
	m.HighestModSeq, m.snapshotModSeq = store.ModSeq(modSeq), store.ModSeq(snapshotModSeq)
	if err == sqlite.ErrNoRows {
		return store.ErrNotExist
	}
	return err
}

// mailboxNamed looks a mailbox up by its canonical name, or returns store.ErrNotExist.
func mailboxNamed(q querier, account int64, name string) (mailboxRow, error) {
	var m mailboxRow
	err := m.scan(q.QueryRow(`SELECT `+mailboxColumns+` FROM mailbox WHERE account = ? AND name = ?`, account, name).Scan)
	return m, err
}

// mailboxAt looks a mailbox up, or returns store.ErrNotExist.
func mailboxAt(q querier, key boxKey) (mailboxRow, error) {
	var m mailboxRow
	err := m.scan(q.QueryRow(`SELECT `+mailboxColumns+` FROM mailbox WHERE account = ? AND mailbox = ?`, key.account, key.mailbox).Scan)
	return m, err
}

// mailboxesOf returns all mailboxes of an account.
func mailboxesOf(q querier, account int64) ([]mailboxRow, error) {
	rows := q.Query(`SELECT `+mailboxColumns+` FROM mailbox WHERE account = ?`, account)
	defer rows.Close()
	var all []mailboxRow
	for rows.Next() {
		var m mailboxRow
		if err := m.scan(rows.Scan); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, rows.Err()
}

// accountThere returns store.ErrNotExist once the account is deleted.
func accountThere(q querier, id int64) error {
	var one int
	err := q.QueryRow(`SELECT 1 FROM account WHERE account = ?`, id).Scan(&one)
	if err == sqlite.ErrNoRows {
		return store.ErrNotExist
	}
	return err
}

// parseUIDs reads a set of UIDs from the database, where it may have more ranges than
// store.ParseUIDSet takes from a client.
func parseUIDs(text string) (store.UIDSet, error) {
	if text == "" {
		return nil, nil
	}
	set := make(store.UIDSet, 0, strings.Count(text, ",")+1)
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, ":")
		if !isRange {
			last = first
		}
		a, errA := strconv.ParseUint(first, 10, 32)
		b, errB := strconv.ParseUint(last, 10, 32)
		if errA != nil || errB != nil || a == 0 || b < a {
			return nil, fmt.Errorf("%w: %q is no set of UIDs", store.ErrCorrupt, part)
		}
		set.AddRange(store.UID(a), store.UID(b))
	}
	return set, nil
}
