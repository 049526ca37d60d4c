-- queue.db as the release that made version 1 left it: a message in each state that it knew.
PRAGMA page_size=4096;
PRAGMA auto_vacuum=INCREMENTAL;
PRAGMA journal_mode=WAL;
BEGIN IMMEDIATE;
CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES('next_id', 1073745920), ('epoch', 41);
CREATE TABLE message( id INTEGER PRIMARY KEY, state INTEGER NOT NULL, next_at INTEGER NOT NULL, user_id INTEGER NOT NULL, priority INTEGER NOT NULL, received_at INTEGER NOT NULL, attempts INTEGER NOT NULL, last_attempt INTEGER NOT NULL, size INTEGER NOT NULL, has_8bit INTEGER NOT NULL, is_in_file INTEGER NOT NULL, is_notice INTEGER NOT NULL, login TEXT NOT NULL, list TEXT NOT NULL, sender TEXT NOT NULL, header_from TEXT NOT NULL, message_id TEXT NOT NULL, subject TEXT NOT NULL, client TEXT NOT NULL);
CREATE INDEX message_order ON message(state, next_at, user_id, priority, received_at);
CREATE TABLE recipient( message INTEGER NOT NULL, position INTEGER NOT NULL, state INTEGER NOT NULL, attempts INTEGER NOT NULL, code INTEGER NOT NULL, address TEXT NOT NULL, enhanced TEXT NOT NULL, reply TEXT NOT NULL, PRIMARY KEY(message, position)) WITHOUT ROWID;
CREATE TABLE body(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE profile( id INTEGER PRIMARY KEY, version INTEGER NOT NULL, trouble INTEGER NOT NULL, failures INTEGER NOT NULL, until_at INTEGER NOT NULL, last_error TEXT NOT NULL);
PRAGMA application_id=1886352244;
PRAGMA user_version=1;
COMMIT;
INSERT INTO message VALUES
 (1073741824, 0, 0, 1, 3, 1792000000000, 0, 0, 19, 0, 0, 0, 'shop', 'web', 'ready@example.org', '', '<0@x>', 'ready', '192.0.2.1:5000'),
 (1073741825, 0, strftime('%s', 'now') * 1000 + 300000, 1, 2, 1792000001000, 3, 99, 19, 1, 0, 0, 'shop', 'web', 'deferred@example.org', '', '<1@x>', 'deferred', '192.0.2.1:5000'),
 (1073741826, 1, 0, 1, 3, 1792000002000, 0, 0, 19, 0, 0, 0, 'shop', 'web', 'held@example.org', '', '<2@x>', 'held', '192.0.2.1:5000'),
 (1073741827, 2, strftime('%s', 'now') * 1000 + 300000, 1, 3, 1792000003000, 1, 98, 19, 0, 0, 0, 'shop', 'web', 'uncertain@example.org', '', '<3@x>', 'uncertain', '192.0.2.1:5000'),
 (1073741828, 0, 0, 1, 3, 1792000004000, 0, 0, 70000, 0, 1, 0, 'shop', 'web', 'large@example.org', '', '<4@x>', 'large', '192.0.2.1:5000');
INSERT INTO recipient VALUES
 (1073741824, 0, 0, 0, 0, 'a@example.net', '', ''),
 (1073741825, 0, 1, 3, 250, 'done@example.net', '2.0.0', 'ok'),
 (1073741825, 1, 0, 3, 451, 'b@example.net', '4.3.0', 'later'),
 (1073741826, 0, 0, 0, 0, 'c@example.net', '', ''),
 (1073741827, 0, 3, 1, 0, 'd@example.net', '', ''),
 (1073741828, 0, 0, 0, 0, 'e@example.net', '', '');
INSERT INTO body SELECT id << 20, CAST('Subject: x' || char(13, 10, 13, 10) || 'hel' || char(13, 10) AS BLOB) FROM message WHERE NOT is_in_file;
INSERT INTO profile VALUES(5, 1, 1, 2, 77, 'connection refused');
UPDATE message SET received_at = strftime('%s', 'now') * 1000 - 8000 + (id & 7);
