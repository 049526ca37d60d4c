/*
 * store_sqlite - the queue's store on SQLite: opening, transactions, checkpoints, and the small
 * jobs. Messages are written in store_sqlite_write.c, read in store_sqlite_read.c, listed and
 * changed by operators in store_sqlite_scan.c.
 */
#include "daemon/queue/store_sqlite.h"

#include "common/xalloc.h"
#include "daemon/queue/schema.h"
#include "daemon/queue/store_sqlite_join.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHRINK_PAGES "256"
#define HOLLOW_PAGES_MIN 4096 /* 16 MiB: what the next flood would take again is left alone */
/* Columns of a whole message, in the order in which read_message() takes them. */
#define MESSAGE_COLUMNS                                                                            \
	"id, state, next_at, user_id, priority, received_at, attempts, last_attempt, size,"        \
	" has_8bit, body_file, is_notice, login, list, sender, header_from, message_id, subject,"  \
	" client, has_wishes, begins_at, age"
#define LOOK_COLUMNS                                                                               \
	"user_id, state, next_at, priority, body_file, has_wishes, begins_at, login, list"
#define PLACE_COLUMNS "state, next_at, user_id, priority, id"
#define READY_COLUMNS "id, user_id, received_at, priority, size, pending, next_at"
#define WISHES_COLUMNS                                                                             \
	"envid, is_smtputf8, has_utf8_header, ret, has_auth, has_mt_priority, mt_priority,"        \
	" requires_tls"

static const char *const statements_sql[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_INSERT_MESSAGE] = "INSERT INTO message(" MESSAGE_COLUMNS ", pending) VALUES"
			   "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [SQL_INSERT_RECIPIENT] = "INSERT INTO recipient(message, position, state, attempts, code,"
			     " address, enhanced, reply, notify, orcpt)"
			     " VALUES(?,?,0,0,0,?,'','',?,?)",
    [SQL_INSERT_WISHES] = "INSERT INTO wishes(message, " WISHES_COLUMNS ") VALUES"
			  "(?,?,?,?,?,?,?,?,?)",
    [SQL_INSERT_BODY] = "INSERT INTO body(id, bytes) VALUES(?,?)",
    [SQL_DELETE_MESSAGE] = "DELETE FROM message WHERE id = ?",
    [SQL_DELETE_RECIPIENTS] = "DELETE FROM recipient WHERE message = ?",
    [SQL_DELETE_WISHES] = "DELETE FROM wishes WHERE message = ?",
    [SQL_DELETE_BODY] = "DELETE FROM body WHERE id BETWEEN ?1 << 20 AND (?1 << 20) + 0xfffff",
    [SQL_UPDATE_MESSAGE] = "UPDATE message SET state = ?2, next_at = ?3, attempts = ?4,"
			   " last_attempt = ?5, pending = (SELECT count(*) FROM recipient"
			   " WHERE message = ?1 AND state IN (0, 3)) WHERE id = ?1",
    [SQL_UPDATE_RECIPIENT] = "UPDATE recipient SET state = ?3, attempts = attempts + 1, code = ?4,"
			     " enhanced = ?5, reply = ?6, class = ?7, rule = ?8"
			     " WHERE message = ?1 AND position = ?2",
    [SQL_GET_MESSAGE] = "SELECT " MESSAGE_COLUMNS " FROM message WHERE id = ?",
    [SQL_MEASURE_RECIPIENTS] =
	"SELECT count(*), sum(length(CAST(address AS BLOB))"
	" + length(CAST(enhanced AS BLOB)) + length(CAST(reply AS BLOB))"
	" + length(CAST(orcpt AS BLOB)) + length(CAST(class AS BLOB))"
	" + length(CAST(rule AS BLOB)) + 6) FROM recipient WHERE message = ?",
    [SQL_GET_RECIPIENTS] =
	"SELECT position, state, attempts, code, address, enhanced, reply,"
	" notify, orcpt, class, rule FROM recipient WHERE message = ? ORDER BY position",
    [SQL_GET_WISHES] = "SELECT " WISHES_COLUMNS " FROM wishes WHERE message = ?",
    [SQL_GET_BODY] = "SELECT bytes FROM body WHERE id BETWEEN ? AND ? ORDER BY id",
    [SQL_GET_WINDOW] = "SELECT " READY_COLUMNS " FROM message INDEXED BY message_order"
		       " WHERE state = 0 AND next_at = 0 AND user_id = ? AND priority = ?"
		       " AND id > ? ORDER BY id LIMIT ?",
    [SQL_GET_NEXT_FLOW] = "SELECT user_id, priority, id FROM message INDEXED BY message_order"
			  " WHERE state = 0 AND next_at = 0 AND (user_id, priority) > (?, ?)"
			  " ORDER BY user_id, priority, id LIMIT 1",
    [SQL_GET_DUE] = "SELECT " READY_COLUMNS " FROM message"
		    " INDEXED BY message_order WHERE state = ? AND next_at BETWEEN ? AND ?"
		    " ORDER BY next_at LIMIT ?",
    [SQL_GET_NEXT_DUE] = "SELECT next_at FROM message INDEXED BY message_order"
			 " WHERE state = ? AND next_at > 0 ORDER BY next_at LIMIT 1",
    [SQL_FIND_FILE] = "SELECT 1 FROM message WHERE body_file = ? AND body_file <> 0",
    [SQL_LOOK] = "SELECT " LOOK_COLUMNS " FROM message WHERE id = ?",
    [SQL_FIND_ALL] = "SELECT id FROM message WHERE id > ?1 AND id < ?2 ORDER BY id",
    [SQL_FIND_UNTIMED] = "SELECT id FROM message INDEXED BY message_order WHERE id > ?1"
			 " AND id < ?2 AND user_id = ?3 AND state = ?4 AND next_at = 0"
			 " AND priority = ?5 ORDER BY id",
    [SQL_FIND_TIMED] = "SELECT id FROM message INDEXED BY message_later WHERE id > ?1"
		       " AND id < ?2 AND user_id = ?3 AND state = ?4 AND next_at > 0 ORDER BY id",
    [SQL_SET_STATE] = "UPDATE message SET state = ?2, next_at = ?3 WHERE id = ?1",
    [SQL_BEGIN_NOW] = "UPDATE message SET begins_at = ?2 WHERE id = ?1 AND begins_at > ?2",
    [SQL_SCHEDULE] = "UPDATE message SET begins_at = ?2, age = 0 WHERE id = ?1",
    [SQL_DECIDE_RECIPIENTS] = "UPDATE recipient SET state = ?2 WHERE message = ?1 AND state = ?3",
    [SQL_COUNT_PENDING] = "UPDATE message SET pending = (SELECT count(*) FROM recipient"
			  " WHERE message = ?1 AND state IN (0, 3)) WHERE id = ?1",
    /* Comparing rows by all five SQLite would begin with the first of a flow. */
    [SQL_GET_PLACES_OF_FLOW] = "SELECT " PLACE_COLUMNS " FROM message INDEXED BY message_order"
			       " WHERE state = ? AND next_at = ? AND user_id = ? AND priority = ?"
			       " AND id > ? ORDER BY id",
    [SQL_GET_PLACES_BEHIND] = "SELECT " PLACE_COLUMNS " FROM message INDEXED BY message_order"
			      " WHERE (state, next_at, user_id, priority) > (?, ?, ?, ?)"
			      " ORDER BY state, next_at, user_id, priority, id",
    [SQL_GET_OWNERS] = "SELECT user_id, login, list FROM owner",
    [SQL_PUT_OWNER] = "INSERT OR IGNORE INTO owner(user_id, login, list) VALUES(?,?,?)",
    [SQL_DELETE_OWNER] = "DELETE FROM owner WHERE user_id = ?",
    [SQL_SET_NEXT_ID] = "UPDATE meta SET value = ? WHERE name = 'next_id'",
    [SQL_PUT_PROFILE] = "INSERT OR REPLACE INTO profile(id, version, trouble, failures, until_at,"
			" last_error, class, rule, since_at, set_at, width, recipients,"
			" recipients_at, longest_wait, rate, recipient_rate, rate_step)"
			" VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [SQL_DELETE_PROFILE] = "DELETE FROM profile WHERE id = ?",
    [SQL_GET_PROFILES] = "SELECT id, version, trouble, failures, until_at, last_error, class,"
			 " rule, since_at, set_at, width, recipients, recipients_at, longest_wait,"
			 " rate, recipient_rate, rate_step FROM profile",
    [SQL_BOOK] = "INSERT OR REPLACE INTO booked(profile, period_ms, slot, messages, recipients)"
		 " VALUES(?,?,?,?,?)",
    [SQL_SWEEP_BOOKED] = "DELETE FROM booked WHERE profile = ? AND period_ms = ? AND slot <= ?",
    [SQL_GATHER_BOOKED] =
	"INSERT INTO booked(profile, period_ms, slot, messages, recipients)"
	" SELECT profile, period_ms, ?3, sum(messages), sum(recipients) FROM booked"
	" WHERE profile = ?1 AND period_ms = ?2 AND slot > ?3 GROUP BY profile"
	" ON CONFLICT DO UPDATE SET messages = messages + excluded.messages,"
	" recipients = recipients + excluded.recipients",
    [SQL_DROP_BOOKED] = "DELETE FROM booked WHERE profile = ?1 AND period_ms = ?2"
			" AND (slot > ?3 OR slot <= ?4)",
    [SQL_GET_BOOKED] = "SELECT profile, period_ms, slot, messages, recipients FROM booked",
    [SQL_ADD_USED] = "INSERT INTO used(slot_ms, slot, user_id, messages, recipients)"
		     " VALUES(?,?,?,?,?) ON CONFLICT DO UPDATE SET"
		     " messages = messages + excluded.messages,"
		     " recipients = recipients + excluded.recipients",
    [SQL_GATHER_USED] = "INSERT INTO used(slot_ms, slot, user_id, messages, recipients)"
			" SELECT slot_ms, ?2, user_id, sum(messages), sum(recipients) FROM used"
			" WHERE slot_ms = ?1 AND slot > ?2 GROUP BY user_id"
			" ON CONFLICT DO UPDATE SET messages = messages + excluded.messages,"
			" recipients = recipients + excluded.recipients",
    [SQL_SWEEP_USED] = "DELETE FROM used WHERE slot_ms = ?1 AND (slot > ?2 OR slot <= ?3)",
    [SQL_GET_USED] = "SELECT slot_ms, slot, user_id, messages, recipients FROM used",
    [SQL_GET_LIMITED] = "SELECT id, (SELECT count(*) FROM recipient WHERE message = id),"
			" priority, begins_at"
			" FROM message INDEXED BY message_order"
			" WHERE state = ? AND next_at = 0 AND user_id = ?"
			" ORDER BY priority, id LIMIT ?",
    [SQL_GET_NEXT_LIMITED] = "SELECT user_id FROM message INDEXED BY message_order"
			     " WHERE state = ? AND next_at = 0 AND user_id > ?"
			     " ORDER BY user_id LIMIT 1",
    [SQL_ADD_JOURNAL] = "INSERT INTO journal(id, record) VALUES(?,?)",
    [SQL_GET_JOURNAL] = "SELECT id, record FROM journal WHERE id > ? ORDER BY id LIMIT ?",
    [SQL_GET_NUMBERS] = "SELECT id FROM journal WHERE id > ? AND id <= ? ORDER BY id",
    [SQL_FORGET_JOURNAL] = "DELETE FROM journal WHERE id IN (SELECT id FROM journal WHERE id <= ?"
			   " AND id < (SELECT max(id) FROM journal) ORDER BY id LIMIT ?)",
    [SQL_GET_REMOVED] = "SELECT received_at, login, list, (SELECT count(*) FROM recipient"
			" WHERE message = id AND recipient.state IN (0, 3, 4))"
			" FROM message WHERE id = ?",
    [SQL_FREE_PAGES] = "PRAGMA freelist_count",
    [SQL_PAGES] = "PRAGMA page_count",
    [SQL_GET_AGED] =
	"SELECT id, user_id, begins_at, next_at FROM message"
	" INDEXED BY message_age WHERE age >= 0 AND age = ? AND state = ? AND begins_at <= ?"
	" AND (begins_at, id) > (?, ?) ORDER BY begins_at, id LIMIT ?",
    [SQL_SET_AGE] = "UPDATE message SET age = ?2 WHERE id = ?1 AND max(age, -1 - age) < ?2"
		    " AND last_attempt <= ?3",
    [SQL_GET_ENTERING] = "SELECT id FROM message WHERE id > ? ORDER BY id LIMIT ?",
    [SQL_ENTER] = "UPDATE message SET age = -1 - age WHERE id = ? AND age < 0",
    [SQL_SET_ENTERED] = "UPDATE meta SET value = ? WHERE name = 'entered'",
    [SQL_SHRINK] = "PRAGMA incremental_vacuum(" SHRINK_PAGES ")",
};

sqlite3_stmt *
sql_bind(struct store *store, enum statement which, const char *types, ...)
{
	sqlite3_stmt *statement = store->statements[which];
	va_list args;

	va_start(args, types);
	for (int i = 0; types[i] != '\0'; i++) {
		if (types[i] == 'i') {
			(void)sqlite3_bind_int64(statement, i + 1, va_arg(args, int64_t));
		} else if (types[i] == 't') {
			(void)sqlite3_bind_text(
			    statement, i + 1, va_arg(args, const char *), -1, SQLITE_STATIC);
		} else {
			const struct slice *slice = va_arg(args, const struct slice *);

			(void)sqlite3_bind_blob(
			    statement, i + 1, slice_bytes(slice), (int)slice->size, SQLITE_STATIC);
		}
	}
	va_end(args);
	return statement;
}

int
sql_step(sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);

	if (code != SQLITE_ROW)
		(void)sqlite3_reset(statement);
	return code;
}

enum store_result
sql_result(struct store *store, int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return STORE_OK;
	case SQLITE_FULL:
		(void)snprintf(
		    store->problem, sizeof(store->problem), "%s", sqlite3_errmsg(store->db));
		return STORE_FULL;
	case SQLITE_CONSTRAINT:
		(void)snprintf(
		    store->problem, sizeof(store->problem), "%s", sqlite3_errmsg(store->db));
		return STORE_REFUSED;
	default:
		(void)snprintf(store->problem, sizeof(store->problem), "%s (%d)",
		    sqlite3_errmsg(store->db), sqlite3_extended_errcode(store->db));
		return STORE_BROKEN;
	}
}

const char *
sql_text(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);

	return text == NULL ? "" : text;
}

static int
on_wal(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct store *store = ctx;

	store->wal_pages = (uint32_t)pages;
	return SQLITE_OK;
}

static int
prepare(struct store *store, struct err *err_out)
{
	for (int i = 0; i < SQL_COUNT; i++)
		if (sqlite3_prepare_v3(store->db, statements_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
			&store->statements[i], NULL) != SQLITE_OK)
			return err_set(err_out, "preparing the store's statement %d: %s", i,
			    sqlite3_errmsg(store->db));
	return 0;
}

static int
read_meta(struct store *store, struct err *err_out)
{
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v2(store->db, "SELECT name, value FROM meta", -1, &statement, NULL) !=
	    SQLITE_OK)
		return err_set(err_out, "reading the store: %s", sqlite3_errmsg(store->db));
	while (sqlite3_step(statement) == SQLITE_ROW) {
		const char *name = sql_text(statement, 0);
		int64_t value = sqlite3_column_int64(statement, 1);

		if (strcmp(name, "next_id") == 0)
			store->next_id = (uint64_t)value;
		else if (strcmp(name, "epoch") == 0)
			store->epoch = (uint32_t)value;
		else if (strcmp(name, "entered") == 0)
			store->entered = (uint64_t)value;
		else if (strcmp(name, "backup_at") == 0)
			store->backup_at_ms = value;
	}
	(void)sqlite3_finalize(statement);
	if (store->next_id == 0 || store->epoch == 0)
		return err_set(err_out, "the store's table meta is incomplete: restore queue.db");
	/* Said once. */
	if (store->backup_at_ms != 0 &&
	    sqlite3_exec(store->db, "DELETE FROM meta WHERE name = 'backup_at'", NULL, NULL,
		NULL) != SQLITE_OK)
		return err_set(err_out, "writing the store: %s", sqlite3_errmsg(store->db));
	return 0;
}

/* For this process alone. The caller closes *db_out also after a failure. */
static int
connect_to(const char *path, sqlite3 **db_out, struct err *err_out)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_PRIVATECACHE;

	if (sqlite3_open_v2(path, db_out, flags, join_vfs()) != SQLITE_OK)
		return err_set(err_out, "cannot open %s: %s", path,
		    *db_out == NULL ? "out of memory" : strerror(sqlite3_system_errno(*db_out)));
	(void)sqlite3_extended_result_codes(*db_out, 0);
	return 0;
}

static int
open_database(struct store *store, const char *path, struct err *err_out)
{
	if (connect_to(path, &store->db, err_out) != 0)
		return -1;
	(void)sqlite3_wal_hook(store->db, on_wal, store);
	if (schema_open(store->db, path, err_out) != 0)
		return -1;
	/* The pragma above installed its own hook. */
	(void)sqlite3_wal_hook(store->db, on_wal, store);
	if (prepare(store, err_out) != 0 || read_meta(store, err_out) != 0)
		return -1;
	if (store_open_journal(store) != STORE_OK)
		return err_set(err_out, "reading the store's journal: %s", store->problem);
	if (store_load_owners(store) != STORE_OK)
		return err_set(err_out, "reading whose mail is in %s: %s", path, store->problem);
	return 0;
}

int
store_open(const char *path, struct store **store_out, struct err *err_out)
{
	struct store *store = xcalloc(1, sizeof(*store));

	tally_init(&store->tally);
	if (open_database(store, path, err_out) != 0) {
		store_close(store);
		return -1;
	}
	*store_out = store;
	return 0;
}

void
store_close(struct store *store)
{
	if (store == NULL)
		return;
	store_end_snapshot(store);
	for (int i = 0; i < SQL_COUNT; i++)
		(void)sqlite3_finalize(store->statements[i]);
	(void)sqlite3_close(store->db);
	buf_fini(&store->journal.record);
	tally_fini(&store->tally);
	free(store);
}

void
store_give_up(struct store *store)
{
	(void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

uint64_t
store_next_id(const struct store *store)
{
	return store->next_id;
}

uint32_t
store_epoch(const struct store *store)
{
	return store->epoch;
}

int64_t
store_backup_at_ms(const struct store *store)
{
	return store->backup_at_ms;
}

enum store_result
store_begin(struct store *store)
{
	store->journal.before = store->journal.counts;
	store->entered_before = store->entered;
	store->journal.is_off = false;
	return sql_run(store, SQL_BEGIN, "");
}

enum store_result
store_begin_bare(struct store *store)
{
	enum store_result result = store_begin(store);

	store->journal.is_off = true;
	return result;
}

enum store_result
store_commit(struct store *store)
{
	enum store_result result = store_forget_journal(store);

	if (result == STORE_OK)
		result = sql_run(store, SQL_COMMIT, "");
	if (result == STORE_OK)
		tally_keep(&store->tally);
	return result;
}

void
store_rollback(struct store *store)
{
	store->journal.counts = store->journal.before;
	store->entered = store->entered_before;
	tally_undo(&store->tally);
	/* SQLite rolls back by itself when the disk is full; a second one would be an error. */
	if (!sqlite3_get_autocommit(store->db))
		(void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

const char *
store_problem(const struct store *store)
{
	return store->problem;
}

uint64_t
store_wal_bytes(const struct store *store)
{
	return (uint64_t)store->wal_pages * PAGE_BYTES;
}

enum store_result
store_checkpoint(struct store *store)
{
	int in_log = 0, copied = 0;
	enum store_result result =
	    sql_result(store, sqlite3_wal_checkpoint_v2(
				  store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied));

	if (result == STORE_OK && copied == in_log)
		store->wal_pages = 0;
	return result;
}

bool
store_is_hollow(struct store *store)
{
	int64_t free_pages = 0, pages = 0;
	sqlite3_stmt *row = store->statements[SQL_FREE_PAGES];

	if (sql_step(row) == SQLITE_ROW)
		free_pages = sqlite3_column_int64(row, 0);
	(void)sqlite3_reset(row);
	row = store->statements[SQL_PAGES];
	if (sql_step(row) == SQLITE_ROW)
		pages = sqlite3_column_int64(row, 0);
	(void)sqlite3_reset(row);
	return free_pages >= HOLLOW_PAGES_MIN && free_pages > pages / 2;
}

enum store_result
store_shrink(struct store *store, bool *has_freed_out)
{
	int code;

	*has_freed_out = false;
	/* Gives one row for each page. */
	while ((code = sql_step(store->statements[SQL_SHRINK])) == SQLITE_ROW)
		*has_freed_out = true;
	if (code != SQLITE_DONE)
		*has_freed_out = false;
	return sql_result(store, code);
}

bool
store_has_file(struct store *store, uint64_t name)
{
	sqlite3_stmt *row = sql_bind(store, SQL_FIND_FILE, "i", (int64_t)name);
	int code = sql_step(row);

	if (code == SQLITE_ROW)
		(void)sqlite3_reset(row);
	/* What can't be looked up is not swept away. */
	return code != SQLITE_DONE;
}

static enum store_result
put_profile(struct store *store, const struct profile_row *row)
{
	if (row->trouble == TROUBLE_NONE && row->width == 0 && row->recipients_max == 0 &&
	    row->longest_wait_ms == 0 && *row->rate == '\0' && *row->recipient_rate == '\0')
		return sql_run(store, SQL_DELETE_PROFILE, "i", (int64_t)row->profile_id);
	return sql_run(store, SQL_PUT_PROFILE, "iiiiitttiiiiiitti", (int64_t)row->profile_id,
	    (int64_t)row->version, (int64_t)row->trouble, (int64_t)row->failures, row->until_ms,
	    row->last_error, reply_class_name(row->class), row->rule, row->since_ms, row->set_at_ms,
	    (int64_t)row->width, (int64_t)row->recipients_max, row->recipients_at_ms,
	    row->longest_wait_ms, row->rate, row->recipient_rate, row->rate_step_ms);
}

static void
read_learned(sqlite3_stmt *statement, struct profile_row *row)
{
	row->class = reply_class_parse(sql_text(statement, 6));
	if (row->class == REPLY_CLASS_COUNT)
		row->class = REPLY_NONE;
	(void)snprintf(row->rule, sizeof(row->rule), "%s", sql_text(statement, 7));
	row->since_ms = sqlite3_column_int64(statement, 8);
	row->set_at_ms = sqlite3_column_int64(statement, 9);
	row->width = (uint32_t)sqlite3_column_int64(statement, 10);
	row->recipients_max = (uint32_t)sqlite3_column_int64(statement, 11);
	row->recipients_at_ms = sqlite3_column_int64(statement, 12);
	row->longest_wait_ms = sqlite3_column_int64(statement, 13);
	(void)snprintf(row->rate, sizeof(row->rate), "%s", sql_text(statement, 14));
	(void)snprintf(
	    row->recipient_rate, sizeof(row->recipient_rate), "%s", sql_text(statement, 15));
	row->rate_step_ms = sqlite3_column_int64(statement, 16);
}

static enum store_result
get_profiles(struct store *store, struct profiles_job *job)
{
	sqlite3_stmt *statement = sql_bind(store, SQL_GET_PROFILES, "");
	int code;

	while ((code = sql_step(statement)) == SQLITE_ROW) {
		struct profile_row row = {
		    .profile_id = (uint64_t)sqlite3_column_int64(statement, 0),
		    .version = (uint32_t)sqlite3_column_int64(statement, 1),
		    .trouble = (uint8_t)sqlite3_column_int(statement, 2),
		    .failures = (uint32_t)sqlite3_column_int64(statement, 3),
		    .until_ms = sqlite3_column_int64(statement, 4),
		};

		(void)snprintf(
		    row.last_error, sizeof(row.last_error), "%s", sql_text(statement, 5));
		read_learned(statement, &row);
		job->rows_out =
		    xrealloc(job->rows_out, job->row_count_out + 1, sizeof(*job->rows_out));
		job->rows_out[job->row_count_out++] = row;
	}
	return sql_result(store, code);
}

enum store_result
store_run(struct store *store, struct job *job)
{
	void *at = job; /* each job begins with its struct job */

	switch ((enum store_job_kind)job->kind) {
	case STORE_INSERT:
		return store_insert(store, at);
	case STORE_FATE:
		return store_fate(store, at);
	case STORE_LOAD:
		return store_load_whole(store, at);
	case STORE_BODY:
		return store_body(store, at);
	case STORE_WINDOW:
		return store_window(store, at);
	case STORE_FLOWS:
		return store_flows(store, at);
	case STORE_WAKE:
		return store_wake(store, at);
	case STORE_SCAN:
		return store_scan(store, at);
	case STORE_COUNT:
		return store_count(store, at);
	case STORE_OWNERS:
		return store_owners(store, at);
	case STORE_RESERVE:
		return sql_run(
		    store, SQL_SET_NEXT_ID, "i", (int64_t)((struct reserve_job *)at)->next_id);
	case STORE_PROFILE:
		return put_profile(store, &((struct profile_job *)at)->row);
	case STORE_PROFILES:
		return get_profiles(store, at);
	case STORE_BOOK:
		return store_book(store, at);
	case STORE_LOAD_BOOKED:
		return store_load_booked(store, at);
	case STORE_SWEEP_USED:
		return store_sweep_used(store, at);
	case STORE_LOAD_USED:
		return store_load_used(store, at);
	case STORE_RELEASE:
		return store_release(store, at);
	case STORE_AGED:
		return store_aged(store, at);
	case STORE_ENTER_AGES:
		return store_enter_ages(store, at);
	case STORE_AGE:
		return store_age(store, at);
	case STORE_JOURNAL_ADD:
		return store_add_journal(store, ((struct journal_add_job *)at)->record);
	case STORE_JOURNAL_READ:
		return store_read_journal(store, at);
	case STORE_SNAPSHOT:
		return store_snapshot(store, at);
	case STORE_CENSUS:
		return store_census(store, at);
	}
	return STORE_REFUSED;
}
