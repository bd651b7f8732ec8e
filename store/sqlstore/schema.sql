-- Version 1. Times are seconds since 1970 in UTC. Every key starts with the account,
-- so that accounts can be spread over databases; content and removal have keys of
-- their own, and name their account.

-- Rows of the whole store: there is one.
CREATE TABLE store (
	one          INTEGER PRIMARY KEY CHECK (one = 1),
	uid_validity INTEGER NOT NULL -- no account made from now on gives out one as small
);
INSERT INTO store (one, uid_validity) VALUES (1, 0);

CREATE TABLE account (
	account      INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again
	name         TEXT    NOT NULL UNIQUE,
	tag          TEXT    NOT NULL,           -- random; the MAILBOXID is tag-mailbox
	mod_seq      INTEGER NOT NULL DEFAULT 0, -- of the newest change
	forgotten    INTEGER NOT NULL DEFAULT 0, -- of the newest change that is no longer in the log
	last_mailbox INTEGER NOT NULL DEFAULT 0, -- the number given to a mailbox last
	uid_validity INTEGER NOT NULL            -- the UIDVALIDITY given to a mailbox last
);

-- The sums are kept, so that a mailbox need not be read for its status.
CREATE TABLE mailbox (
	account           INTEGER NOT NULL,
	mailbox           INTEGER NOT NULL, -- from 1; never used again in the account
	name              TEXT    NOT NULL, -- by store.CanonicalName
	special_use       TEXT    NOT NULL, -- attributes with spaces between them
	keywords          TEXT    NOT NULL DEFAULT '', -- with spaces between them, in the order they came
	uid_validity      INTEGER NOT NULL,
	uid_next          INTEGER NOT NULL DEFAULT 1,
	mod_seq           INTEGER NOT NULL, -- of the newest change
	messages          INTEGER NOT NULL DEFAULT 0,
	unseen            INTEGER NOT NULL DEFAULT 0,
	deleted           INTEGER NOT NULL DEFAULT 0,
	size              INTEGER NOT NULL DEFAULT 0, -- octets
	unclaimed         INTEGER NOT NULL DEFAULT 1, -- the least UID that was never \Recent in a session
	recent            INTEGER NOT NULL DEFAULT 0, -- how many messages have that UID or a greater one
	snapshot_mod_seq  INTEGER NOT NULL DEFAULT 0, -- the snapshot has all changes up to this one
	snapshot_uid_next INTEGER NOT NULL DEFAULT 1, -- and all messages with lesser UIDs
	unsaved           INTEGER NOT NULL DEFAULT 0, -- about how many changes it lacks
	PRIMARY KEY (account, mailbox)
) WITHOUT ROWID;
CREATE UNIQUE INDEX mailbox_name ON mailbox (account, name);

CREATE TABLE subscription (
	account INTEGER NOT NULL,
	name    TEXT    NOT NULL,
	PRIMARY KEY (account, name)
) WITHOUT ROWID;

-- A message in a mailbox, as it arrived: a row never changes. Its flags today follow
-- from the log and the snapshot. Rows of an expunged message may stay for a
-- while: see removal.
CREATE TABLE message (
	account       INTEGER NOT NULL,
	mailbox       INTEGER NOT NULL,
	uid           INTEGER NOT NULL,
	content       INTEGER NOT NULL,
	mod_seq       INTEGER NOT NULL, -- of the arrival
	flags         TEXT    NOT NULL, -- at the arrival, with spaces between them
	internal_date INTEGER NOT NULL,
	zone          INTEGER NOT NULL, -- minutes east of UTC
	save_date     INTEGER NOT NULL,
	size          INTEGER NOT NULL, -- octets
	PRIMARY KEY (account, mailbox, uid)
) WITHOUT ROWID;
CREATE INDEX message_content ON message (account, content);

-- What messages of an account share. It goes with the last of them.
CREATE TABLE content (
	content INTEGER PRIMARY KEY,
	account INTEGER NOT NULL,
	hash    BLOB    NOT NULL, -- SHA-256 of the octets; the EMAILID is its base64url
	size    INTEGER NOT NULL,
	in_file INTEGER NOT NULL, -- 1: the octets are a file named by the hash; 0: in body
	summary BLOB    NOT NULL  -- by message.Summary.AppendBinary
);
CREATE INDEX content_file ON content (hash) WHERE in_file = 1;

CREATE TABLE body (
	content INTEGER PRIMARY KEY,
	octets  BLOB NOT NULL
);

-- The log. One operation is one row, however many messages it concerns.
CREATE TABLE change (
	account INTEGER NOT NULL,
	mod_seq INTEGER NOT NULL,
	mailbox INTEGER NOT NULL, -- 0: the subscriptions
	kind    INTEGER NOT NULL, -- store.ChangeKind
	uids    TEXT    NOT NULL, -- as an IMAP sequence-set
	op      INTEGER NOT NULL, -- store.FlagOp where flags changed, else 0
	flags   TEXT    NOT NULL, -- its flags, with spaces between them
	PRIMARY KEY (account, mod_seq)
) WITHOUT ROWID;
CREATE INDEX change_mailbox ON change (account, mailbox, mod_seq);

-- What a mailbox holds and which flags, in pieces of about a thousand messages: the
-- piece of first_uid has the messages from there up to the next piece. The format
-- is that of snapshot.go.
CREATE TABLE snapshot (
	account   INTEGER NOT NULL,
	mailbox   INTEGER NOT NULL,
	first_uid INTEGER NOT NULL,
	mod_seq   INTEGER NOT NULL, -- the piece has all changes up to this one, at least
	data      BLOB    NOT NULL,
	PRIMARY KEY (account, mailbox, first_uid)
);

-- Messages that are expunged, and mailboxes that are deleted, whose rows are yet
-- to be removed, a few at a time.
CREATE TABLE removal (
	removal INTEGER PRIMARY KEY,
	account INTEGER NOT NULL,
	mailbox INTEGER NOT NULL,
	uids    TEXT    NOT NULL
);
CREATE INDEX removal_mailbox ON removal (account, mailbox);

-- Deliveries that are not to be made twice.
CREATE TABLE once (
	account      INTEGER NOT NULL,
	name         TEXT    NOT NULL,
	mailbox      INTEGER NOT NULL,
	uid_validity INTEGER NOT NULL,
	uid          INTEGER NOT NULL,
	mod_seq      INTEGER NOT NULL,
	hash         BLOB    NOT NULL,
	delivered    INTEGER NOT NULL,
	PRIMARY KEY (account, name)
) WITHOUT ROWID;
CREATE INDEX once_delivered ON once (delivered);
