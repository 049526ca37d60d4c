/*
 * accounts_v1 - an accounts.db as version 1 of its format left it, as SQL
 *
 * Never changed: later versions have to take what is in the field.
 */
#ifndef POSTERN_TESTS_ACCOUNTS_V1_H
#define POSTERN_TESTS_ACCOUNTS_V1_H

static const char accounts_v1[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);"
    "CREATE TABLE profile ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL UNIQUE COLLATE NOCASE,"
    " \"default\" INTEGER NOT NULL, paused INTEGER NOT NULL, version INTEGER NOT NULL,"
    " host TEXT, port INTEGER NOT NULL, tls TEXT, tls_min TEXT, tls_verify TEXT, ca TEXT,"
    " auth TEXT, username TEXT, password TEXT, ehlo TEXT,"
    " timeout INTEGER NOT NULL, dot_timeout INTEGER NOT NULL, connections INTEGER NOT NULL,"
    " capture TEXT, comment TEXT);"
    "CREATE UNIQUE INDEX profile_default ON profile (\"default\") WHERE \"default\" = 1;"
    "CREATE TABLE list ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL UNIQUE COLLATE NOCASE,"
    " unauthorized TEXT,"
    " profile TEXT COLLATE NOCASE REFERENCES profile (name),"
    " alert_to TEXT, note TEXT);"
    "CREATE INDEX list_profile ON list (profile);"
    "CREATE TABLE user ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " login TEXT NOT NULL UNIQUE COLLATE NOCASE,"
    " list TEXT NOT NULL COLLATE NOCASE REFERENCES list (name),"
    " active INTEGER NOT NULL, verifier TEXT NOT NULL, credential INTEGER NOT NULL,"
    " priority INTEGER NOT NULL, priority_max INTEGER NOT NULL,"
    " domains TEXT, senders TEXT, \"check\" TEXT,"
    " profile TEXT COLLATE NOCASE REFERENCES profile (name),"
    " stamp_priority INTEGER NOT NULL, note TEXT);"
    "CREATE INDEX user_list ON user (list);"
    "CREATE INDEX user_profile ON user (profile);"
    "CREATE TABLE alert ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " kind TEXT NOT NULL, at INTEGER NOT NULL, last_at INTEGER NOT NULL,"
    " user TEXT COLLATE NOCASE, list TEXT, address TEXT COLLATE NOCASE, detail TEXT,"
    " count INTEGER NOT NULL, acknowledged INTEGER NOT NULL);"
    "CREATE INDEX alert_kind ON alert (kind, user, address, at);"
    "PRAGMA application_id = 1886614642;"
    "PRAGMA user_version = 1;"
    "COMMIT;"
    "INSERT INTO meta VALUES ('fake_secret', 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=');"
    "INSERT INTO profile VALUES (3, 'office', 1, 0, 4, 'smtp.example.net', 587, 'starttls', NULL,"
    " NULL, NULL, 'plain', 'me', 'c2VhbGVk', NULL, 60000, 600000, 2, NULL, 'the usual way');"
    "INSERT INTO list VALUES (2, 'shop', 'alert', 'office', NULL, 'web shops');"
    "INSERT INTO user VALUES (5, 'Bob', 'shop', 1, 'SCRAM-SHA-256$4096:"
    "AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=', 7, 3, 1, 'example.com', 'a@b.example',"
    " 'header', 'office', 1, 'the first');"
    "INSERT INTO user VALUES (9, 'eve', 'shop', 0, 'SCRAM-SHA-256$4096:"
    "AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=', 1, 4, 2, NULL, NULL, NULL, NULL, 0, NULL);"
    "INSERT INTO alert VALUES (11, 'unauthorized-sender', 1000, 2000, 'Bob', 'shop',"
    " 'x@y.example', 'detail', 12, 1);";

/* What version 2 made of it, and what only that could leave. */
static const char accounts_v2[] =
    "BEGIN IMMEDIATE;"
    "ALTER TABLE user ADD COLUMN secret TEXT;"
    "ALTER TABLE user ADD COLUMN messages TEXT;"
    "ALTER TABLE user ADD COLUMN recipients TEXT;"
    "ALTER TABLE user ADD COLUMN over_limit TEXT;"
    "CREATE TABLE origin (address TEXT PRIMARY KEY, guesses INTEGER NOT NULL,"
    " at INTEGER NOT NULL, shut_until INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE known (address TEXT NOT NULL, login TEXT NOT NULL COLLATE NOCASE,"
    " at INTEGER NOT NULL, PRIMARY KEY (address, login)) WITHOUT ROWID;"
    "PRAGMA user_version = 2;"
    "COMMIT;"
    "UPDATE user SET secret = 'c2VjcmV0', messages = '5/h', recipients = '50/d',"
    " over_limit = 'hold' WHERE id = 5;"
    "INSERT INTO origin VALUES ('192.0.2.1', 7000, 1000, 2000);"
    "INSERT INTO known VALUES ('192.0.2.2', 'Bob', 3000);";

/* Behind the former: what version 3 made of such a file, with what only it has. */
static const char accounts_v3[] =
    "BEGIN IMMEDIATE;"
    "ALTER TABLE profile ADD COLUMN rate TEXT;"
    "ALTER TABLE profile ADD COLUMN recipient_rate TEXT;"
    "ALTER TABLE profile ADD COLUMN bandwidth INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN reserve INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN retry TEXT;"
    "ALTER TABLE profile ADD COLUMN uncertain TEXT;"
    "ALTER TABLE profile ADD COLUMN transcript TEXT;"
    "ALTER TABLE profile ADD COLUMN bounce_sender TEXT;"
    "PRAGMA user_version = 3;"
    "COMMIT;"
    "UPDATE profile SET rate = '5/s', bandwidth = 4096, reserve = 10, retry = '1m 5m',"
    " uncertain = 'hold', transcript = 'always', bounce_sender = 'b@example.com' WHERE id = 3;";

#endif
