package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/blob"
)

// Check reads the whole store and compares what is kept twice: the database's own
// structure, the sums of each mailbox with its messages, snapshots with rows and log, messages
// with their contents, contents with their files. It returns nil if all agree, else an
// error that lists what does not and wraps store.ErrCorrupt. It changes nothing and may
// run beside everything else.
func (s *Store) Check(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	c := checker{s: s}
	err := s.read(ctx, func(conn *sqlite.Conn) error {
		return errors.Join(c.integrity(conn), c.mailboxes(conn), c.contents(conn))
	})
	if err == nil {
		err = c.files(ctx)
	}
	return errors.Join(append(c.found, err)...)
}

// maxFound is how many faults Check lists.
const maxFound = 100

type checker struct {
	s     *Store
	found []error
	keys  map[blob.Key]int64 // the files that should be there, by their size
}

func (c *checker) report(format string, args ...any) {
	if len(c.found) < maxFound {
		c.found = append(c.found, fmt.Errorf("%w: %s", store.ErrCorrupt, fmt.Sprintf(format, args...)))
	}
}

// integrity has SQLite check itself.
func (c *checker) integrity(conn *sqlite.Conn) error {
	rows := conn.Query(`PRAGMA integrity_check`)
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		if text != "ok" {
			c.report("database: %s", text)
		}
	}
	return rows.Err()
}

// mailboxes loads every mailbox with and without its snapshot.
func (c *checker) mailboxes(conn *sqlite.Conn) error {
	var all []mailboxRow
	rows := conn.Query(`SELECT ` + mailboxColumns + ` FROM mailbox`)
	defer rows.Close()
	for rows.Next() {
		var m mailboxRow
		if err := m.scan(rows.Scan); err != nil {
			return err
		}
		all = append(all, m)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, m := range all {
		if err := c.mailbox(conn, m); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) mailbox(conn *sqlite.Conn, m mailboxRow) error {
	l := newLoader(conn, m)
	if err := l.load(true); err != nil {
		return err
	}
	if !l.agrees() {
		c.report("mailbox %d of account %d: sums are %+v, messages have %+v", m.mailbox, m.account, m.Status, l.table.sums())
	}
	for first, seq := range l.saved {
		if seq == 0 {
			c.report("mailbox %d of account %d: snapshot from UID %d on is damaged", m.mailbox, m.account, first)
		}
	}
	rows := newLoader(conn, m)
	if err := rows.load(false); err != nil {
		return err
	}
	var forgotten int64
	if err := conn.QueryRow(`SELECT forgotten FROM account WHERE account = ?`, m.account).Scan(&forgotten); err != nil {
		return err
	}
	c.compare(m, l.table, rows.table, forgotten == 0)
	return nil
}

// compare holds a table made with the snapshot against one made of rows and log: flags
// only if the log is whole.
func (c *checker) compare(m mailboxRow, t, rows *table, flags bool) {
	var a, b store.UIDSet
	for e := range t.every() {
		a.Add(e.uid)
		r := rows.find(e.uid)
		if r == nil {
			continue
		}
		same := r.size == e.size && r.date == e.date
		if flags {
			same = same && r.modSeq == e.modSeq && store.FlagsEqual(t.sets[e.flags].flags, rows.sets[r.flags].flags)
		}
		if !same {
			c.report("mailbox %d of account %d: message %d is not what row and log say", m.mailbox, m.account, e.uid)
		}
	}
	for e := range rows.every() {
		b.Add(e.uid)
	}
	if lost, extra := b.Subtract(a), a.Subtract(b); !lost.IsEmpty() || !extra.IsEmpty() {
		c.report("mailbox %d of account %d: messages %q are not in the snapshot, %q have no row", m.mailbox, m.account, lost, extra)
	}
}

// contents looks for messages without content, contents without octets, and either
// that nothing names.
func (c *checker) contents(conn *sqlite.Conn) error {
	c.keys = map[blob.Key]int64{}
	for what, query := range map[string]string{
		"message %d of mailbox %d of account %d has no content": `SELECT m.uid, m.mailbox, m.account FROM message m
			LEFT JOIN content c ON c.content = m.content AND c.account = m.account AND c.size = m.size WHERE c.content IS NULL`,
		"content %d of account %d has no octets (in file: %d)": `SELECT c.content, c.account, c.in_file FROM content c
			LEFT JOIN body b ON b.content = c.content WHERE c.in_file = 0 AND (b.octets IS NULL OR length(b.octets) <> c.size)`,
		"content %d of account %d has no message (in file: %d)": `SELECT c.content, c.account, c.in_file FROM content c
			WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.account = c.account AND m.content = c.content)`,
		"octets %d have no content (%d, %d)": `SELECT b.content, 0, 0 FROM body b
			LEFT JOIN content c ON c.content = b.content AND c.in_file = 0 WHERE c.content IS NULL`,
	} {
		if err := c.list(conn.Query(query), what); err != nil {
			return err
		}
	}
	rows := conn.Query(`SELECT hash, size FROM content WHERE in_file = 1`)
	defer rows.Close()
	for rows.Next() {
		var hash []byte
		var size int64
		if err := rows.Scan(&hash, &size); err != nil {
			return err
		}
		c.keys[blob.Key(hash)] = size
	}
	return rows.Err()
}

func (c *checker) list(rows *sqlite.Rows, what string) error {
	defer rows.Close()
	for rows.Next() {
		var a, b, d int64
		if err := rows.Scan(&a, &b, &d); err != nil {
			return err
		}
		c.report(what, a, b, d)
	}
	return rows.Err()
}

// files opens every file that should be there. A message may have gone since.
func (c *checker) files(ctx context.Context) error {
	for key, size := range c.keys {
		f, err := c.s.blobs.Open(ctx, key)
		if errors.Is(err, blob.ErrNotExist) {
			if used, err := c.s.fileInUse(key)(ctx); err != nil {
				return err
			} else if used {
				c.report("body %v is missing", key)
			}
			continue
		}
		if err != nil {
			return err
		}
		if f.Size() != size {
			c.report("body %v has %d octets, not %d", key, f.Size(), size)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
