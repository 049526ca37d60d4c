/*
 * db_schema - the tables of accounts.db
 *
 * Format, version 4 (application_id 0x70737472 "pstr", user_version 4). Ids are never used again
 * (AUTOINCREMENT). Lists, users and profiles refer to each other by name, since a name never
 * changes; names differ in more than case. NULL is "not set": defaults are worked out when a row
 * is used, so that `profile set --tls` moves a port that nobody chose.
 *
 *	meta     site secrets: `fake_secret`, base64 of 32 bytes (verifier_fake())
 *	list     what users have in common
 *	user     verifier: see verifier.h; credential: grows with each change of the password;
 *	         secret: the password, sealed, for CRAM-MD5 (NULL: none)
 *	         messages, recipients: what it may send, see common/cap.h; over_limit: refuse, hold
 *	profile  password: see seal.h; version: grows with each change; one row is the default
 *	         rate, recipient_rate: see common/rate.h; bandwidth: bytes a second, 0 none;
 *	         reserve: percent; retry: as queue.retry; provider: a name in providers.conf;
 *	         client_key, pop3_password, oauth_client_secret, oauth_key, oauth_refresh_token:
 *	         sealed as password is; auth_worked: the method that the upstream took last
 *	sender   addresses and domains that some profile has or had as its `from`: queue's rows bear
 *	         the number, so it is never given to another
 *	alert    one row for each kind, user, address and interval, counted
 *	origin   where passwords are guessed from: guesses (thousandths) as they were `at`
 *	known    who has logged in from where, lately
 *
 * Step 0 makes the tables of version 1, the next ones change them, each in one transaction that
 * ends with its version; so a new file and an old one go the same way.
 */
#include "daemon/accounts/db_schema.h"

static const char version_1[] =
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
    "COMMIT;";

static const char version_2[] =
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
    "COMMIT;";

static const char version_3[] =
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
    "COMMIT;";

static const char version_4[] =
    "BEGIN IMMEDIATE;"
    "ALTER TABLE profile ADD COLUMN provider TEXT;"
    "ALTER TABLE profile ADD COLUMN client_certificate TEXT;"
    "ALTER TABLE profile ADD COLUMN client_key TEXT;"
    "ALTER TABLE profile ADD COLUMN tls_max TEXT;"
    "ALTER TABLE profile ADD COLUMN auth_in_clear INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN auth_worked TEXT;"
    "ALTER TABLE profile ADD COLUMN available TEXT;"
    "ALTER TABLE profile ADD COLUMN fallback TEXT COLLATE NOCASE REFERENCES profile (name);"
    "ALTER TABLE profile ADD COLUMN fallback_after INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN overflow INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN from_name TEXT;"
    "ALTER TABLE profile ADD COLUMN \"from\" TEXT;"
    "ALTER TABLE profile ADD COLUMN from_policy TEXT;"
    "ALTER TABLE profile ADD COLUMN reply_to TEXT;"
    "ALTER TABLE profile ADD COLUMN envelope_sender TEXT;"
    "ALTER TABLE profile ADD COLUMN signature_text TEXT;"
    "ALTER TABLE profile ADD COLUMN signature_html TEXT;"
    "ALTER TABLE profile ADD COLUMN spread INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN connection_rate TEXT;"
    "ALTER TABLE profile ADD COLUMN messages_per_connection INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN recipients_per_message INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN pop3_host TEXT;"
    "ALTER TABLE profile ADD COLUMN pop3_port INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN pop3_tls TEXT;"
    "ALTER TABLE profile ADD COLUMN pop3_tls_min TEXT;"
    "ALTER TABLE profile ADD COLUMN pop3_tls_verify TEXT;"
    "ALTER TABLE profile ADD COLUMN pop3_ca TEXT;"
    "ALTER TABLE profile ADD COLUMN pop3_auth TEXT;"
    "ALTER TABLE profile ADD COLUMN pop3_username TEXT;"
    "ALTER TABLE profile ADD COLUMN pop3_password TEXT;"
    "ALTER TABLE profile ADD COLUMN pop3_valid INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN oauth_grant TEXT;"
    "ALTER TABLE profile ADD COLUMN oauth_token_url TEXT;"
    "ALTER TABLE profile ADD COLUMN oauth_device_url TEXT;"
    "ALTER TABLE profile ADD COLUMN oauth_client_id TEXT;"
    "ALTER TABLE profile ADD COLUMN oauth_client_secret TEXT;"
    "ALTER TABLE profile ADD COLUMN oauth_scope TEXT;"
    "ALTER TABLE profile ADD COLUMN oauth_subject TEXT;"
    "ALTER TABLE profile ADD COLUMN oauth_key TEXT;"
    "ALTER TABLE profile ADD COLUMN oauth_refresh_token TEXT;"
    "ALTER TABLE profile ADD COLUMN oauth_ca TEXT;"
    "CREATE INDEX profile_fallback ON profile (fallback);"
    "CREATE TABLE sender (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL UNIQUE COLLATE NOCASE);"
    "PRAGMA user_version = 4;"
    "COMMIT;";

const char *const db_steps[DB_VERSION] = {version_1, version_2, version_3, version_4};
