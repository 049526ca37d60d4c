/*
 * schema - the tables of queue.db.
 *
 *	message    one row for each message that is not yet done; next_at 0 is ready, else deferred.
 *	           The index message_order serves "what can go next" (state 0, next_at 0, a user, a
 *	           priority, by id: a user's mail by age, but for the blocks in which smtpds get
 *	           their ids), "whose time has come" (by next_at), and listings by id of what has no
 *	           time; message_later the listings of what has one. The second is partial: it costs
 *	           nothing for a message that goes at the first attempt. message_age serves "who has
 *	           been waiting for so long" (begins_at) and was not told of yet. Messages come into
 *	           it when it is asked: up to the id `entered` all are in it, those behind have an age
 *	           below 0 (-1 - age) and mostly go before. message_file has
 *	           those whose bodies are in files: no two in the same. body_file is the file's name,
 *	           0 if the body is in rows.
 *	owner      under which logins and lists users had mail here since they last had none at a
 *	           start; where to look for the mail of a list is read here
 *	recipient  its recipients in the client's order, each with its fate so far
 *	wishes     of the messages with has_wishes: what their clients asked for beyond delivery
 *	body       bodies below 128 KiB: rows (message << 20 | piece), in order
 *	profile    profiles that wait or are stopped, and what was learned of their upstreams
 *	used       what users with a limit sent lately; slot_ms is a slot's width, slot its number
 *	booked     what a profile may have sent: a slot of a period that its rates name (budget.h)
 *	journal    what happened to messages (journal.h), until history.db has it
 *	meta       next_id: ids below it are never given again; epoch: how often this was opened;
 *	           entered: see message_age
 *
 * A message is inserted in one transaction with its recipients and body and deleted in one with
 * them, so no row is ever without its message. What is to be changed here needs a new user_version
 * and a step in schema_open() from the one before.
 */
#include "daemon/queue/schema.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define APPLICATION_ID 0x706f7374 /* "post" */
#define SCHEMA_VERSION 7
/* A larger file is not read through at start: a restart with a long queue takes a moment. */
#define CHECK_PAGES_MAX 32768
#define XSTR(x) #x
#define STR(x) XSTR(x)

static const char pragmas_sql[] =
    "PRAGMA page_size=4096;"
    "PRAGMA auto_vacuum=INCREMENTAL;"
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=FULL;"
    "PRAGMA secure_delete=OFF;" /* Debian's default writes each deleted page once more */
    "PRAGMA wal_autocheckpoint=0;"
    "PRAGMA journal_size_limit=67108864;" /* a log that grew beyond it is cut back */
    "PRAGMA cache_size=-16384;"
    "PRAGMA temp_store=MEMORY;";

#define USED_SQL                                                                                   \
	"CREATE TABLE used("                                                                       \
	" slot_ms INTEGER NOT NULL, slot INTEGER NOT NULL, user_id INTEGER NOT NULL,"              \
	" messages INTEGER NOT NULL, recipients INTEGER NOT NULL,"                                 \
	" PRIMARY KEY(slot_ms, slot, user_id)) WITHOUT ROWID;"

#define BOOKED_SQL                                                                                 \
	"CREATE TABLE booked("                                                                     \
	" profile INTEGER NOT NULL, period_ms INTEGER NOT NULL, slot INTEGER NOT NULL,"            \
	" messages INTEGER NOT NULL, recipients INTEGER NOT NULL,"                                 \
	" PRIMARY KEY(profile, period_ms, slot)) WITHOUT ROWID;"

#define JOURNAL_SQL "CREATE TABLE journal(id INTEGER PRIMARY KEY, record BLOB NOT NULL);"

#define AGE_INDEX_SQL "CREATE INDEX message_age ON message(age, state, begins_at) WHERE age >= 0;"

#define INDEXES_SQL                                                                                \
	"CREATE INDEX message_order ON message(state, next_at, user_id, priority);"                \
	"CREATE INDEX message_later ON message(user_id, state) WHERE next_at > 0;" AGE_INDEX_SQL

#define FILE_INDEX_SQL                                                                             \
	"CREATE UNIQUE INDEX message_file ON message(body_file) WHERE body_file <> 0;"

#define OWNER_SQL                                                                                  \
	"CREATE TABLE owner("                                                                      \
	" user_id INTEGER NOT NULL, login TEXT NOT NULL, list TEXT NOT NULL,"                      \
	" PRIMARY KEY(user_id, login, list)) WITHOUT ROWID;"

static const char tables_sql[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    /* Seven digits in base 32 from the first id on. */
    "INSERT INTO meta VALUES('next_id', 1 << 30), ('epoch', 0), ('entered', 0);"
    "CREATE TABLE message("
    " id INTEGER PRIMARY KEY, state INTEGER NOT NULL, next_at INTEGER NOT NULL,"
    " user_id INTEGER NOT NULL, priority INTEGER NOT NULL, received_at INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, last_attempt INTEGER NOT NULL, size INTEGER NOT NULL,"
    " has_8bit INTEGER NOT NULL, body_file INTEGER NOT NULL, is_notice INTEGER NOT NULL,"
    " login TEXT NOT NULL, list TEXT NOT NULL, sender TEXT NOT NULL,"
    " header_from TEXT NOT NULL, message_id TEXT NOT NULL, subject TEXT NOT NULL,"
    " client TEXT NOT NULL, has_wishes INTEGER NOT NULL DEFAULT 0,"
    " begins_at INTEGER NOT NULL DEFAULT 0, age INTEGER NOT NULL DEFAULT 0,"
    " pending INTEGER NOT NULL DEFAULT 1);" INDEXES_SQL FILE_INDEX_SQL OWNER_SQL
    "CREATE TABLE recipient("
    " message INTEGER NOT NULL, position INTEGER NOT NULL, state INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, code INTEGER NOT NULL, address TEXT NOT NULL,"
    " enhanced TEXT NOT NULL, reply TEXT NOT NULL, notify INTEGER NOT NULL DEFAULT 0,"
    " orcpt TEXT NOT NULL DEFAULT '', class TEXT NOT NULL DEFAULT '',"
    " rule TEXT NOT NULL DEFAULT '', PRIMARY KEY(message, position)) WITHOUT ROWID;"
    "CREATE TABLE wishes("
    " message INTEGER PRIMARY KEY, is_smtputf8 INTEGER NOT NULL,"
    " has_utf8_header INTEGER NOT NULL, ret INTEGER NOT NULL, envid TEXT NOT NULL,"
    " has_auth INTEGER NOT NULL, has_mt_priority INTEGER NOT NULL,"
    " mt_priority INTEGER NOT NULL, requires_tls INTEGER NOT NULL);" USED_SQL BOOKED_SQL JOURNAL_SQL
    "CREATE TABLE body(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "CREATE TABLE profile("
    " id INTEGER PRIMARY KEY, version INTEGER NOT NULL, trouble INTEGER NOT NULL,"
    " failures INTEGER NOT NULL, until_at INTEGER NOT NULL, last_error TEXT NOT NULL,"
    " class TEXT NOT NULL DEFAULT '', rule TEXT NOT NULL DEFAULT '',"
    " since_at INTEGER NOT NULL DEFAULT 0, set_at INTEGER NOT NULL DEFAULT 0,"
    " width INTEGER NOT NULL DEFAULT 0, recipients INTEGER NOT NULL DEFAULT 0,"
    " recipients_at INTEGER NOT NULL DEFAULT 0, longest_wait INTEGER NOT NULL DEFAULT 0,"
    " rate TEXT NOT NULL DEFAULT '', recipient_rate TEXT NOT NULL DEFAULT '',"
    " rate_step INTEGER NOT NULL DEFAULT 0);"
    "PRAGMA application_id=" STR(APPLICATION_ID) ";"
						 "PRAGMA user_version=" STR(
						     SCHEMA_VERSION) ";"
								     "COMMIT;";

/* From version 1, in one transaction: a crash leaves the one or the other. */
static const char step_2_sql[] =
    "BEGIN IMMEDIATE;"
    "ALTER TABLE message ADD COLUMN has_wishes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE recipient ADD COLUMN notify INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE recipient ADD COLUMN orcpt TEXT NOT NULL DEFAULT '';"
    "CREATE TABLE wishes("
    " message INTEGER PRIMARY KEY, is_smtputf8 INTEGER NOT NULL,"
    " has_utf8_header INTEGER NOT NULL, ret INTEGER NOT NULL, envid TEXT NOT NULL,"
    " has_auth INTEGER NOT NULL, has_mt_priority INTEGER NOT NULL,"
    " mt_priority INTEGER NOT NULL, hold_until INTEGER NOT NULL, requires_tls INTEGER NOT "
    "NULL);" USED_SQL "PRAGMA user_version=2;"
    "COMMIT;";

static const char step_3_sql[] =
    "BEGIN IMMEDIATE;"
    "ALTER TABLE message ADD COLUMN begins_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN age INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN pending INTEGER NOT NULL DEFAULT 1;"
    "UPDATE message SET begins_at = received_at, pending = (SELECT count(*) FROM recipient"
    " WHERE message = message.id AND recipient.state IN (0, 3));"
    "UPDATE message SET begins_at = hold_until FROM wishes"
    " WHERE wishes.message = message.id AND hold_until > received_at;"
    "ALTER TABLE wishes DROP COLUMN hold_until;"
    "DROP INDEX message_order;" INDEXES_SQL BOOKED_SQL JOURNAL_SQL OWNER_SQL
    "INSERT INTO owner SELECT DISTINCT user_id, login, list FROM message;"
    "PRAGMA user_version=3;"
    "COMMIT;";

/* So far a body's file was named by its message's id. */
static const char step_4_sql[] =
    "BEGIN IMMEDIATE;"
    "ALTER TABLE message RENAME COLUMN is_in_file TO body_file;"
    "UPDATE message SET body_file = id WHERE body_file <> 0;" FILE_INDEX_SQL
    "PRAGMA user_version=4;"
    "COMMIT;";

static const char step_5_sql[] =
    "BEGIN IMMEDIATE;"
    "ALTER TABLE recipient ADD COLUMN class TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE recipient ADD COLUMN rule TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE profile ADD COLUMN class TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE profile ADD COLUMN rule TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE profile ADD COLUMN since_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN set_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN width INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN recipients INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN recipients_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN longest_wait INTEGER NOT NULL DEFAULT 0;"
    "PRAGMA user_version=5;"
    "COMMIT;";

static const char step_6_sql[] =
    "BEGIN IMMEDIATE;"
    "ALTER TABLE profile ADD COLUMN rate TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE profile ADD COLUMN recipient_rate TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE profile ADD COLUMN rate_step INTEGER NOT NULL DEFAULT 0;"
    "PRAGMA user_version=6;"
    "COMMIT;";

static const char step_7_sql[] =
    "BEGIN IMMEDIATE;"
    "DROP INDEX message_age;" AGE_INDEX_SQL
    "INSERT OR REPLACE INTO meta SELECT 'entered', coalesce(max(id), 0) FROM message;"
    "PRAGMA user_version=7;"
    "COMMIT;";

/* The step to each version from the one before. */
static const char *const steps_sql[SCHEMA_VERSION + 1] = {[2] = step_2_sql,
    [3] = step_3_sql,
    [4] = step_4_sql,
    [5] = step_5_sql,
    [6] = step_6_sql,
    [7] = step_7_sql};

static int
refuse_damaged(const char *path, const char *how, struct err *err_out)
{
	return err_set(err_out,
	    "%s is damaged (%.200s); it was left as it is: restore a backup, or move it and "
	    "bodies away to start with an empty queue; backup.md says how to save what can still "
	    "be read",
	    path, how);
}

static int
refuse(sqlite3 *db, const char *path, struct err *err_out)
{
	switch (sqlite3_errcode(db)) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(err_out,
		    "%s is in use by another process: is another posternd running on this state "
		    "directory?",
		    path);
	case SQLITE_NOTADB:
		return err_set(err_out,
		    "%s is not a database; it was left as it is: move it away to start with an "
		    "empty "
		    "queue",
		    path);
	case SQLITE_CORRUPT:
		return refuse_damaged(path, sqlite3_errmsg(db), err_out);
	default:
		return err_set(err_out, "opening %s: %s", path, sqlite3_errmsg(db));
	}
}

/* The first column of a query's first row, -1 if there is none. */
static int64_t
query_number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement;
	int64_t number = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return number;
}

static int
check_owner(sqlite3 *db, const char *path, int64_t *version_out, struct err *err_out)
{
	int64_t tables = query_number(db, "SELECT count(*) FROM sqlite_schema");
	int64_t application = query_number(db, "PRAGMA application_id");
	int64_t version = query_number(db, "PRAGMA user_version");

	if (tables < 0)
		return refuse(db, path, err_out);
	*version_out = tables == 0 && application == 0 ? 0 : version;
	if (*version_out == 0 && tables == 0)
		return 0;
	if (application != APPLICATION_ID)
		return err_set(err_out,
		    "%s is a database of another program; it was left as it is: move it away to "
		    "start with an empty queue",
		    path);
	if (version < 1 || version > SCHEMA_VERSION)
		return err_set(err_out,
		    "%s has version %lld, this posternd knows versions up to %d: start the "
		    "posternd "
		    "that wrote it",
		    path, (long long)version, SCHEMA_VERSION);
	return 0;
}

static int
check_pages(sqlite3 *db, const char *path, struct err *err_out)
{
	sqlite3_stmt *statement;
	int64_t pages = query_number(db, "PRAGMA page_count");
	int status;
	int result = 0;

	if (pages > CHECK_PAGES_MAX)
		return 0;
	if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &statement, NULL) != SQLITE_OK)
		return refuse(db, path, err_out);
	status = sqlite3_step(statement);
	if (status != SQLITE_ROW)
		result = refuse(db, path, err_out);
	else if (strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0)
		result =
		    refuse_damaged(path, (const char *)sqlite3_column_text(statement, 0), err_out);
	(void)sqlite3_finalize(statement);
	return result;
}

int
schema_open(sqlite3 *db, const char *path, struct err *err_out)
{
	int64_t version = 0; /* 0: a new file */

	/* Looks before it writes anything, at its end too: a file that is foreign or damaged stays
	 * as it is. */
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (check_owner(db, path, &version, err_out) != 0)
		return -1;
	if (version > 0 && check_pages(db, path, err_out) != 0)
		return -1;
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	if (sqlite3_exec(db, pragmas_sql, NULL, NULL, NULL) != SQLITE_OK)
		return refuse(db, path, err_out);
	if (version == 0 && sqlite3_exec(db, tables_sql, NULL, NULL, NULL) != SQLITE_OK)
		return refuse(db, path, err_out);
	for (int64_t next = version + 1; version > 0 && next <= SCHEMA_VERSION; next++)
		if (sqlite3_exec(db, steps_sql[next], NULL, NULL, NULL) != SQLITE_OK)
			return refuse(db, path, err_out);
	/* Each start has a number of its own. */
	if (sqlite3_exec(db, "UPDATE meta SET value = value + 1 WHERE name = 'epoch'", NULL, NULL,
		NULL) != SQLITE_OK)
		return refuse(db, path, err_out);
	return 0;
}
