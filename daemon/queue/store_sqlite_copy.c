/* store_sqlite_copy - the SQL on a copied database. */
#include "daemon/queue/store_copy.h"

#include "common/ident.h"
#include "common/xalloc.h"
#include "daemon/queue/mail.h"
#include "daemon/queue/store_sqlite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY_STEPS 100000
#define PAGE_PROBLEMS_MAX "10"
/* More ids than a relay gives between a backup and the day when it is needed. */
#define IDS_SKIPPED "(1 << 26)"
#define XSTR(x) #x
#define STR(x) XSTR(x)

struct store_copy {
	sqlite3 *db;
	char path[128];
};

/* What hangs together: each counts the messages for which it doesn't, and gives the first. */
static const struct {
	const char *sql, *problem;
} checks[] = {
    {"SELECT count(*), min(id) FROM message WHERE NOT EXISTS"
     " (SELECT 1 FROM recipient WHERE recipient.message = message.id)",
	"without recipients"},
    {"SELECT count(DISTINCT message), min(message) FROM recipient WHERE NOT EXISTS"
     " (SELECT 1 FROM message WHERE message.id = recipient.message)",
	"of which there are recipients only"},
    {"SELECT count(*), min(id) FROM message WHERE pending <>"
     " (SELECT count(*) FROM recipient WHERE recipient.message = message.id AND state IN (0, 3))",
	"of which the waiting recipients are miscounted"},
    {"SELECT count(*), min(id) FROM message WHERE NOT EXISTS (SELECT 1 FROM owner WHERE"
     " owner.user_id = message.user_id AND owner.login = message.login AND"
     " owner.list = message.list)",
	"that a search by their user or list would miss"},
    {"SELECT count(*), min(id) FROM message WHERE has_wishes <> EXISTS"
     " (SELECT 1 FROM wishes WHERE wishes.message = message.id)",
	"whose client's wishes are missing, or are none of theirs"},
    {"SELECT count(*), min(message) FROM wishes WHERE NOT EXISTS"
     " (SELECT 1 FROM message WHERE message.id = wishes.message)",
	"of which there are wishes only"},
    {"SELECT count(*), min(id) FROM message WHERE body_file = 0 AND size <>"
     " (SELECT ifnull(sum(length(bytes)), 0) FROM body WHERE body.id BETWEEN"
     "  message.id << " STR(BODY_PIECE_BITS) " AND (message.id << " STR(
	 BODY_PIECE_BITS) ") +"
			  "  0xfffff)",
	"whose body is not as long as it should be"},
    {"SELECT count(DISTINCT id >> " STR(BODY_PIECE_BITS) "), min(id >> " STR(
	 BODY_PIECE_BITS) ")"
			  " FROM body WHERE NOT EXISTS"
			  " (SELECT 1 FROM message WHERE message.id = body.id >> " STR(
			      BODY_PIECE_BITS) ")",
	"of which there is a body only"},
};

static int
fail(const struct store_copy *copy, const char *attempt, struct err *err_out)
{
	return err_set(err_out, "%s %s: %s", attempt, copy->path,
	    copy->db == NULL ? "out of memory" : sqlite3_errmsg(copy->db));
}

static int
on_progress(void *ctx)
{
	return atomic_load((const atomic_bool *)ctx);
}

int
store_copy_open(const char *path, const atomic_bool *is_stopping, struct store_copy **copy_out,
    struct err *err_out)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
	struct store_copy *copy = xcalloc(1, sizeof(*copy));

	(void)snprintf(copy->path, sizeof(copy->path), "%s", path);
	/* Out of WAL mode: nothing beside the file, and one crash makes all of it void anyway. */
	if (sqlite3_open_v2(path, &copy->db, flags, NULL) != SQLITE_OK ||
	    sqlite3_exec(copy->db,
		"PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
		"PRAGMA temp_store=MEMORY; PRAGMA cache_size=-4096",
		NULL, NULL, NULL) != SQLITE_OK) {
		(void)fail(copy, "opening", err_out);
		store_copy_close(copy);
		return -1;
	}
	sqlite3_progress_handler(
	    copy->db, LOOK_EVERY_STEPS, on_progress, (void *)(uintptr_t)is_stopping);
	*copy_out = copy;
	return 0;
}

void
store_copy_close(struct store_copy *copy)
{
	if (copy == NULL)
		return;
	(void)sqlite3_close(copy->db);
	free(copy);
}

typedef void row_fn(sqlite3_stmt *row, void *ctx);

static int
each_row(struct store_copy *copy, const char *sql, row_fn *on_row, void *ctx, struct err *err_out)
{
	sqlite3_stmt *statement;
	int code;

	if (sqlite3_prepare_v2(copy->db, sql, -1, &statement, NULL) != SQLITE_OK)
		return fail(copy, "reading", err_out);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW)
		on_row(statement, ctx);
	if (code != SQLITE_DONE)
		(void)fail(copy, "reading", err_out);
	(void)sqlite3_finalize(statement);
	return code == SQLITE_DONE ? 0 : -1;
}

struct checking {
	store_copy_problem_fn *on_problem;
	void *ctx;
	const char *problem;
	bool has_damaged_pages;
};

static void
tell_of_damage(struct checking *checking, const char *how)
{
	char problem[256];

	checking->has_damaged_pages = true;
	(void)snprintf(problem, sizeof(problem), "the database is damaged: %.200s", how);
	checking->on_problem(problem, checking->ctx);
}

static void
take_page_verdict(sqlite3_stmt *row, void *ctx)
{
	const char *text = sql_text(row, 0);

	if (strcmp(text, "ok") != 0)
		tell_of_damage(ctx, text);
}

static void
take_count(sqlite3_stmt *row, void *ctx)
{
	struct checking *checking = ctx;
	int64_t count = sqlite3_column_int64(row, 0);
	char ident[IDENT_SIZE], problem[256];

	if (count == 0)
		return;
	(void)snprintf(problem, sizeof(problem), "%" PRId64 " messages %s; the first is %s", count,
	    checking->problem, ident_format((uint64_t)sqlite3_column_int64(row, 1), ident));
	checking->on_problem(problem, checking->ctx);
}

int
store_copy_check(
    struct store_copy *copy, store_copy_problem_fn *on_problem, void *ctx, struct err *err_out)
{
	struct checking checking = {.on_problem = on_problem, .ctx = ctx};

	if (each_row(copy, "PRAGMA integrity_check(" PAGE_PROBLEMS_MAX ")", take_page_verdict,
		&checking, err_out) != 0) {
		if (sqlite3_errcode(copy->db) != SQLITE_CORRUPT)
			return -1;
		/* So much so that even the check has to give up. */
		tell_of_damage(&checking, sqlite3_errmsg(copy->db));
	}
	if (checking.has_damaged_pages)
		return 1;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		checking.problem = checks[i].problem;
		if (each_row(copy, checks[i].sql, take_count, &checking, err_out) != 0)
			return -1;
	}
	return 0;
}

static void
take_measure(sqlite3_stmt *row, void *ctx)
{
	uint64_t *measure = ctx;

	measure[0] = (uint64_t)sqlite3_column_int64(row, 0);
	measure[1] = (uint64_t)sqlite3_column_int64(row, 1);
}

int
store_copy_measure(
    struct store_copy *copy, uint64_t *messages_out, uint64_t *bytes_out, struct err *err_out)
{
	uint64_t measure[2] = {0};

	if (each_row(copy, "SELECT count(*), ifnull(sum(size), 0) FROM message", take_measure,
		measure, err_out) != 0)
		return -1;
	*messages_out = measure[0];
	*bytes_out = measure[1];
	return 0;
}

struct file_walk {
	store_copy_file_fn *on_file;
	void *ctx;
};

static void
take_file(sqlite3_stmt *row, void *ctx)
{
	const struct file_walk *walk = ctx;

	walk->on_file((uint64_t)sqlite3_column_int64(row, 0),
	    (uint64_t)sqlite3_column_int64(row, 1), (uint64_t)sqlite3_column_int64(row, 2),
	    walk->ctx);
}

int
store_copy_each_file(
    struct store_copy *copy, store_copy_file_fn *on_file, void *ctx, struct err *err_out)
{
	struct file_walk walk = {on_file, ctx};

	return each_row(copy, "SELECT id, body_file, size FROM message WHERE body_file <> 0",
	    take_file, &walk, err_out);
}

int
store_copy_hold(struct store_copy *copy, int64_t at_ms, struct err *err_out)
{
	char sql[512];

	/* By its rows: an index that the walk follows would change below it. */
	(void)snprintf(sql, sizeof(sql),
	    "BEGIN; UPDATE message NOT INDEXED SET state = %d, next_at = 0 WHERE state <> %d;"
	    "UPDATE meta SET value = value + " IDS_SKIPPED " WHERE name = 'next_id';"
	    "INSERT OR REPLACE INTO meta VALUES('backup_at', %" PRId64 "); COMMIT",
	    MAIL_HELD, MAIL_HELD, at_ms);
	if (sqlite3_exec(copy->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return fail(copy, "writing", err_out);
	return 0;
}
