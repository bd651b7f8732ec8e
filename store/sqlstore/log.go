package sqlstore

import (
	"context"
	"iter"

	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/store"
)

// logPage is how many changes are read at once.
const logPage = 500

// Changes is the method of store.Account.
func (a *account) Changes(ctx context.Context, since store.ModSeq, mailboxID string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		for more := true; more; {
			page, err := a.changes(ctx, since, mailboxID)
			if err != nil {
				yield(store.Change{}, err)
				return
			}
			for _, c := range page {
				if !yield(c, nil) {
					return
				}
				since = c.ModSeq
			}
			more = len(page) == logPage
		}
	}
}

// changes returns the next changes after since.
func (a *account) changes(ctx context.Context, since store.ModSeq, mailboxID string) (page []store.Change, err error) {
	err = a.read(ctx, "read the log", func(c *sqlite.Conn) error {
		var forgotten int64
		err := c.QueryRow(`SELECT forgotten FROM account WHERE account = ?`, a.id).Scan(&forgotten)
		if err != nil {
			return err
		}
		if int64(since) < forgotten {
			return store.ErrForgotten
		}
		page, err = a.readChanges(a.queryChanges(c, since, mailboxID))
		return err
	})
	return page, err
}

func (a *account) queryChanges(c *sqlite.Conn, since store.ModSeq, mailboxID string) *sqlite.Rows {
	if mailboxID == "" {
		return c.Query(`SELECT mod_seq, mailbox, kind, uids FROM change
			WHERE account = ? AND mod_seq > ? ORDER BY mod_seq LIMIT ?`, a.id, int64(since), logPage)
	}
	return c.Query(`SELECT mod_seq, mailbox, kind, uids FROM change
		WHERE account = ? AND mailbox = ? AND mod_seq > ? ORDER BY mod_seq LIMIT ?`,
		a.id, a.mailboxNumber(mailboxID), int64(since), logPage)
}

func (a *account) readChanges(rows *sqlite.Rows) ([]store.Change, error) {
	defer rows.Close()
	var page []store.Change
	for rows.Next() {
		var seq, number int64
		var kind int
		var text string
		if err := rows.Scan(&seq, &number, &kind, &text); err != nil {
			return nil, err
		}
		uids, err := parseUIDs(text)
		if err != nil {
			return nil, err
		}
		c := store.Change{ModSeq: store.ModSeq(seq), Kind: store.ChangeKind(kind), UIDs: uids}
		if number > 0 {
			c.MailboxID = a.mailboxID(number)
		}
		page = append(page, c)
	}
	return page, rows.Err()
}
