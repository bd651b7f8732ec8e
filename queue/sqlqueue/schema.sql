-- A queue of messages on their way out. Times are microseconds since 1970, texts that
-- may be joined with other tables are columns, and all else is in records (record.go).

-- The name begins every ID that this queue gives out, so that no other queue gives the same.
CREATE TABLE queue (name TEXT NOT NULL);
INSERT INTO queue VALUES (lower(hex(randomblob(5))));

-- AUTOINCREMENT keeps a number from being given out twice.
CREATE TABLE message (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	created  INTEGER NOT NULL,
	sender   TEXT    NOT NULL, -- the reverse-path in its canonical form, empty for the null path
	size     INTEGER NOT NULL,
	file     BLOB,             -- the key of the body if that is a file
	envelope BLOB    NOT NULL
);
CREATE INDEX message_file ON message (file) WHERE file IS NOT NULL;

-- Small bodies.
CREATE TABLE body (
	message INTEGER PRIMARY KEY,
	octets  BLOB NOT NULL
);

-- The hops of the recipients in the queue, each with the least ready of its recipients: the
-- order in which claims are given out.
CREATE TABLE hop (
	id        INTEGER PRIMARY KEY,
	transport TEXT NOT NULL,
	next_hop  TEXT NOT NULL,
	ready     INTEGER,
	UNIQUE (transport, next_hop)
);
CREATE INDEX hop_ready ON hop (ready) WHERE ready IS NOT NULL;

CREATE TABLE recipient (
	message  INTEGER NOT NULL,
	hop      INTEGER NOT NULL,
	place    INTEGER NOT NULL, -- in the submission, from 0
	domain   TEXT    NOT NULL, -- in its canonical form
	due      INTEGER NOT NULL,
	held     INTEGER NOT NULL,
	lease    INTEGER NOT NULL DEFAULT 0, -- when the last lease ends or ended, 0 for none
	token    INTEGER,                    -- of the last lease, until it is settled or another has begun
	attempts INTEGER NOT NULL DEFAULT 0,
	record   BLOB    NOT NULL,
	last     BLOB,                       -- record of the last attempt
	-- When it may be claimed: never while it is held.
	ready    INTEGER AS (CASE WHEN held THEN NULL ELSE max(due, lease) END) VIRTUAL,
	PRIMARY KEY (message, hop, place)
) WITHOUT ROWID;
CREATE INDEX recipient_ready ON recipient (hop, ready, message);
