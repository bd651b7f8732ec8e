package sqlstore

import (
	"context"

	"github.com/postrider/postrider/internal/sqlite"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/blob"
)

const (
	// removeAtOnce is how many messages lose their rows in the operation that
	// expunges them; more are left to the janitor.
	removeAtOnce = 64
	// rangesAtOnce is how many ranges of UIDs a row of the table removal has at
	// most.
	rangesAtOnce = 1000
)

// remove removes the rows of messages that have been expunged, now or soon.
func (t *tx) remove(key boxKey, uids store.UIDSet) error {
	if uids.Len() > removeAtOnce {
		return t.removeLater(key, uids)
	}
	_, err := t.removeRows(key, uids, removeAtOnce)
	return err
}

// removeLater notes that rows are to be removed.
func (t *tx) removeLater(key boxKey, uids store.UIDSet) error {
	for len(uids) > 0 {
		n := min(len(uids), rangesAtOnce)
		_, err := t.Exec(`INSERT INTO removal (account, mailbox, uids) VALUES (?, ?, ?)`, key.account, key.mailbox, uids[:n].String())
		if err != nil {
			return err
		}
		uids = uids[n:]
	}
	t.OnCommit(t.s.janitor.wake)
	return nil
}

// removeRows removes the rows of some messages, at most limit, and all that only they
// name. It returns which messages are left.
func (t *tx) removeRows(key boxKey, uids store.UIDSet, limit int) (store.UIDSet, error) {
	for ; len(uids) > 0 && limit > 0; uids = uids[1:] {
		r := uids[0]
		last, contents, err := t.contents(key, r, limit)
		if err != nil {
			return nil, err
		}
		limit -= len(contents)
		if _, err := t.Exec(`DELETE FROM message WHERE account = ? AND mailbox = ? AND uid BETWEEN ? AND ?`,
			key.account, key.mailbox, uint32(r.First), uint32(last)); err != nil {
			return nil, err
		}
		for _, content := range contents {
			if err := t.removeContent(key.account, content); err != nil {
				return nil, err
			}
		}
		if last < r.Last {
			rest := append(store.UIDSet{{First: last + 1, Last: r.Last}}, uids[1:]...)
			return rest, nil
		}
	}
	return uids, nil
}

// contents returns the contents of the first messages of a range, at most limit, and
// up to where these go.
func (t *tx) contents(key boxKey, r store.UIDRange, limit int) (last store.UID, contents []int64, err error) {
	rows := t.Query(`SELECT uid, content FROM message WHERE account = ? AND mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid LIMIT ?`,
		key.account, key.mailbox, uint32(r.First), uint32(r.Last), limit)
	defer rows.Close()
	last = r.Last
	for rows.Next() {
		var uid uint32
		var content int64
		if err := rows.Scan(&uid, &content); err != nil {
			return 0, nil, err
		}
		if contents = append(contents, content); len(contents) == limit {
			last = store.UID(uid)
		}
	}
	return last, contents, rows.Err()
}

// removeContent removes a content if no message has it any more.
func (t *tx) removeContent(account, content int64) error {
	var inFile bool
	var hash []byte
	err := t.Returning(`DELETE FROM content WHERE content = ?
		AND NOT EXISTS (SELECT 1 FROM message WHERE account = ? AND content = ?) RETURNING in_file, hash`,
		[]any{content, account, content}, &inFile, &hash)
	if err == sqlite.ErrNoRows {
		return nil
	}
	if err != nil {
		return err
	}
	if inFile {
		t.OnCommit(func() { t.s.janitor.removeFiles([]blob.Key{blob.Key(hash)}) })
		return nil
	}
	_, err = t.Exec(`DELETE FROM body WHERE content = ?`, content)
	return err
}

// removeAll removes the rows of all messages that are gone.
func (s *Store) removeAll(ctx context.Context) error {
	return s.repeat(ctx, (*tx).removeSome)
}

// removeSome does a step of it.
func (t *tx) removeSome() (more bool, err error) {
	var id int64
	var key boxKey
	var text string
	err = t.QueryRow(`SELECT removal, account, mailbox, uids FROM removal ORDER BY removal LIMIT 1`).Scan(&id, &key.account, &key.mailbox, &text)
	if err == sqlite.ErrNoRows {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	uids, err := parseUIDs(text)
	if err != nil {
		return false, err
	}
	if key.mailbox == 0 {
		return true, t.removeAccount(id, key.account)
	}
	left, err := t.removeRows(key, uids, step)
	if err != nil {
		return false, err
	}
	if !left.IsEmpty() {
		_, err = t.Exec(`UPDATE removal SET uids = ? WHERE removal = ?`, left.String(), id)
		return true, err
	}
	if text == everything || uids.Max() == store.AllUIDs().Max() {
		// No mailbox can have that many: it was deleted.
		if _, err := t.Exec(`DELETE FROM snapshot WHERE account = ? AND mailbox = ?`, key.account, key.mailbox); err != nil {
			return false, err
		}
	}
	_, err = t.Exec(`DELETE FROM removal WHERE removal = ?`, id)
	return true, err
}

// removeAccount does a step of removing what a deleted account leaves beside its
// mailboxes.
func (t *tx) removeAccount(removal, account int64) error {
	for _, change := range []string{
		`DELETE FROM change WHERE account = ? AND mod_seq IN (SELECT mod_seq FROM change WHERE account = ? LIMIT ?)`,
		`DELETE FROM once WHERE account = ? AND name IN (SELECT name FROM once WHERE account = ? LIMIT ?)`,
	} {
		r, err := t.Exec(change, account, account, step)
		if err != nil || r.Changed() > 0 {
			return err
		}
	}
	_, err := t.Exec(`DELETE FROM removal WHERE removal = ?`, removal)
	return err
}

// fileInUse returns a function that tells whether a row names a file.
func (s *Store) fileInUse(key blob.Key) func(context.Context) (bool, error) {
	return func(ctx context.Context) (used bool, err error) {
		err = s.read(ctx, func(c *sqlite.Conn) error {
			var one int
			err := c.QueryRow(`SELECT 1 FROM content WHERE hash = ? AND in_file = 1 LIMIT 1`, key[:]).Scan(&one)
			used = err == nil
			if err == sqlite.ErrNoRows {
				return nil
			}
			return err
		})
		return used, err
	}
}

// SweepBodies removes the files that no message has: a crash may leave some. It may run
// beside deliveries, and does so after each Open.
func (s *Store) SweepBodies(ctx context.Context) error {
	for key, err := range s.blobs.Keys(ctx) {
		if err != nil {
			return err
		}
		inUse := s.fileInUse(key)
		if used, err := inUse(ctx); err != nil {
			return err
		} else if used {
			continue // most are: no need to lock the key
		}
		if _, err := s.blobs.Delete(ctx, key, inUse); err != nil {
			return err
		}
	}
	return nil
}
