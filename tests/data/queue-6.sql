-- queue.db as version 6 left it, having taken over a file of version 3: a message in each state that it knew.
PRAGMA page_size=4096;
PRAGMA auto_vacuum=INCREMENTAL;
PRAGMA journal_mode=WAL;
BEGIN IMMEDIATE;
CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES('next_id', 1073745920), ('epoch', 41);
CREATE TABLE message( id INTEGER PRIMARY KEY, state INTEGER NOT NULL, next_at INTEGER NOT NULL, user_id INTEGER NOT NULL, priority INTEGER NOT NULL, received_at INTEGER NOT NULL, attempts INTEGER NOT NULL, last_attempt INTEGER NOT NULL, size INTEGER NOT NULL, has_8bit INTEGER NOT NULL, is_in_file INTEGER NOT NULL, is_notice INTEGER NOT NULL, login TEXT NOT NULL, list TEXT NOT NULL, sender TEXT NOT NULL, header_from TEXT NOT NULL, message_id TEXT NOT NULL, subject TEXT NOT NULL, client TEXT NOT NULL, has_wishes INTEGER NOT NULL DEFAULT 0, begins_at INTEGER NOT NULL DEFAULT 0, age INTEGER NOT NULL DEFAULT 0, pending INTEGER NOT NULL DEFAULT 1);
CREATE INDEX message_order ON message(state, next_at, user_id, priority);
CREATE INDEX message_later ON message(user_id, state) WHERE next_at > 0;
CREATE INDEX message_age ON message(age, state, begins_at);
CREATE TABLE owner( user_id INTEGER NOT NULL, login TEXT NOT NULL, list TEXT NOT NULL, PRIMARY KEY(user_id, login, list)) WITHOUT ROWID;
CREATE TABLE recipient( message INTEGER NOT NULL, position INTEGER NOT NULL, state INTEGER NOT NULL, attempts INTEGER NOT NULL, code INTEGER NOT NULL, address TEXT NOT NULL, enhanced TEXT NOT NULL, reply TEXT NOT NULL, notify INTEGER NOT NULL DEFAULT 0, orcpt TEXT NOT NULL DEFAULT '', PRIMARY KEY(message, position)) WITHOUT ROWID;
CREATE TABLE wishes( message INTEGER PRIMARY KEY, is_smtputf8 INTEGER NOT NULL, has_utf8_header INTEGER NOT NULL, ret INTEGER NOT NULL, envid TEXT NOT NULL, has_auth INTEGER NOT NULL, has_mt_priority INTEGER NOT NULL, mt_priority INTEGER NOT NULL, requires_tls INTEGER NOT NULL);
CREATE TABLE used( slot_ms INTEGER NOT NULL, slot INTEGER NOT NULL, user_id INTEGER NOT NULL, messages INTEGER NOT NULL, recipients INTEGER NOT NULL, PRIMARY KEY(slot_ms, slot, user_id)) WITHOUT ROWID;
CREATE TABLE booked( profile INTEGER NOT NULL, period_ms INTEGER NOT NULL, slot INTEGER NOT NULL, messages INTEGER NOT NULL, recipients INTEGER NOT NULL, PRIMARY KEY(profile, period_ms, slot)) WITHOUT ROWID;
CREATE TABLE journal(id INTEGER PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE body(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE profile( id INTEGER PRIMARY KEY, version INTEGER NOT NULL, trouble INTEGER NOT NULL, failures INTEGER NOT NULL, until_at INTEGER NOT NULL, last_error TEXT NOT NULL);
PRAGMA application_id=1886352244;
PRAGMA user_version=3;
COMMIT;
INSERT INTO message VALUES
 (1073741824, 0, 0, 1, 3, 1792000000000, 0, 0, 19, 0, 0, 0, 'shop', 'web', 'ready@example.org', '', '<0@x>', 'ready', '192.0.2.1:5000', 0, 1792000000000, 0, 1),
 (1073741825, 0, strftime('%s', 'now') * 1000 + 300000, 1, 2, 1792000001000, 3, 99, 19, 1, 0, 0, 'shop', 'web', 'deferred@example.org', '', '<1@x>', 'deferred', '192.0.2.1:5000', 1, 1792000001000, 0, 1),
 (1073741826, 1, 0, 1, 3, 1792000002000, 0, 0, 19, 0, 0, 0, 'shop', 'web', 'held@example.org', '', '<2@x>', 'held', '192.0.2.1:5000', 0, 1792000002000, 0, 1),
 (1073741827, 2, strftime('%s', 'now') * 1000 + 300000, 1, 3, 1792000003000, 1, 98, 19, 0, 0, 0, 'shop', 'web', 'uncertain@example.org', '', '<3@x>', 'uncertain', '192.0.2.1:5000', 0, 1792000003000, 0, 1),
 (1073741828, 0, 0, 1, 3, 1792000004000, 0, 0, 70000, 0, 1, 0, 'shop', 'web', 'large@example.org', '', '<4@x>', 'large', '192.0.2.1:5000', 0, 1792000004000, 0, 1),
 (1073741829, 3, 4000000000000, 1, 3, 1792000005000, 0, 0, 19, 0, 0, 0, 'shop', 'web', 'scheduled@example.org', '', '<5@x>', 'scheduled', '192.0.2.1:5000', 1, 4000000000000, 0, 1),
 (1073741830, 3, 1792000007000, 1, 3, 1792000006000, 0, 0, 19, 0, 0, 0, 'shop', 'web', 'due@example.org', '', '<6@x>', 'due', '192.0.2.1:5000', 1, 1792000007000, 0, 1),
 (1073741831, 4, 0, 1, 3, 1792000008000, 0, 0, 19, 0, 0, 0, 'shop', 'web', 'limited@example.org', '', '<7@x>', 'limited', '192.0.2.1:5000', 0, 1792000008000, 0, 1);
INSERT INTO recipient VALUES
 (1073741824, 0, 0, 0, 0, 'a@example.net', '', '', 0, ''),
 (1073741825, 0, 1, 3, 250, 'done@example.net', '2.0.0', 'ok', 0, ''),
 (1073741825, 1, 0, 3, 451, 'b@example.net', '4.3.0', 'later', 10, 'rfc822;b@example.net'),
 (1073741826, 0, 0, 0, 0, 'c@example.net', '', '', 1, ''),
 (1073741827, 0, 3, 1, 0, 'd@example.net', '', '', 0, ''),
 (1073741828, 0, 0, 0, 0, 'e@example.net', '', '', 0, ''),
 (1073741829, 0, 0, 0, 0, 'f@example.net', '', '', 0, ''),
 (1073741830, 0, 0, 0, 0, 'g@example.net', '', '', 0, ''),
 (1073741831, 0, 0, 0, 0, 'h@example.net', '', '', 0, '');
INSERT INTO wishes VALUES
 (1073741825, 0, 0, 2, 'QQ', 0, 1, 15, 0),
 (1073741829, 0, 0, 0, '', 0, 0, 0, 0),
 (1073741830, 0, 0, 0, '', 0, 0, 0, 0);
INSERT INTO body SELECT id << 20, CAST('Subject: x' || char(13, 10, 13, 10) || 'hel' || char(13, 10) AS BLOB) FROM message WHERE NOT is_in_file;
INSERT INTO used VALUES(60000, 29866666, 1, 4, 9), (1800000, 995555, 1, 4, 9);
INSERT INTO owner SELECT DISTINCT user_id, login, list FROM message;
INSERT INTO booked VALUES(5, 3600000, 497776, 3, 4);
INSERT INTO profile VALUES(5, 1, 1, 2, 77, 'connection refused');
UPDATE message SET received_at = strftime('%s', 'now') * 1000 - 8000 + (id & 7);
UPDATE message SET begins_at = received_at WHERE state <> 3;
ALTER TABLE message RENAME COLUMN is_in_file TO body_file;
UPDATE message SET body_file = id WHERE body_file <> 0;
CREATE UNIQUE INDEX message_file ON message(body_file) WHERE body_file <> 0;
ALTER TABLE recipient ADD COLUMN class TEXT NOT NULL DEFAULT '';
ALTER TABLE recipient ADD COLUMN rule TEXT NOT NULL DEFAULT '';
ALTER TABLE profile ADD COLUMN class TEXT NOT NULL DEFAULT '';
ALTER TABLE profile ADD COLUMN rule TEXT NOT NULL DEFAULT '';
ALTER TABLE profile ADD COLUMN since_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE profile ADD COLUMN set_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE profile ADD COLUMN width INTEGER NOT NULL DEFAULT 0;
ALTER TABLE profile ADD COLUMN recipients INTEGER NOT NULL DEFAULT 0;
ALTER TABLE profile ADD COLUMN recipients_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE profile ADD COLUMN longest_wait INTEGER NOT NULL DEFAULT 0;
ALTER TABLE profile ADD COLUMN rate TEXT NOT NULL DEFAULT '';
ALTER TABLE profile ADD COLUMN recipient_rate TEXT NOT NULL DEFAULT '';
ALTER TABLE profile ADD COLUMN rate_step INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version=6;
