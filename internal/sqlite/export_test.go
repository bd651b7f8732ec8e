package sqlite

// Queued returns how many operations wait for the writer.
func (db *DB) Queued() int { return len(db.writer.queue) }
