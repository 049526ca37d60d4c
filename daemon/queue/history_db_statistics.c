/*
 * history_db_statistics - counts what records tell of, and adds it to the hours' rows in the
 * transaction that brings the records.
 */
#include "common/xalloc.h"
#include "daemon/queue/history_db_private.h"

#include <stdlib.h>
#include <string.h>

struct tally {
	struct statistics_key key; /* owns its texts */
	struct statistics statistics;
};

struct tallies {
	struct tally *rows;
	size_t count, capacity;
	size_t latest; /* mostly the next record is of the same user */
};

struct tallies *
tallies_new(void)
{
	return xcalloc(1, sizeof(struct tallies));
}

void
tallies_free(struct tallies *tallies)
{
	for (size_t i = 0; i < tallies->count; i++) {
		free((char *)(uintptr_t)tallies->rows[i].key.list);
		free((char *)(uintptr_t)tallies->rows[i].key.login);
		free((char *)(uintptr_t)tallies->rows[i].key.profile);
	}
	free(tallies->rows);
	free(tallies);
}

static bool
is_key(const struct statistics_key *a, const struct statistics_key *b)
{
	return a->hour == b->hour && strcmp(a->login, b->login) == 0 &&
	       strcmp(a->list, b->list) == 0 && strcmp(a->profile, b->profile) == 0;
}

static struct statistics *
find_tally(struct tallies *tallies, const struct statistics_key *key)
{
	size_t at = tallies->latest;

	if (at >= tallies->count || !is_key(&tallies->rows[at].key, key))
		for (at = 0; at < tallies->count; at++)
			if (is_key(&tallies->rows[at].key, key))
				break;
	if (at == tallies->count) {
		if (tallies->count == tallies->capacity) {
			tallies->capacity = tallies->capacity == 0 ? 16 : 2 * tallies->capacity;
			tallies->rows =
			    xrealloc(tallies->rows, tallies->capacity, sizeof(*tallies->rows));
		}
		tallies->rows[tallies->count++] =
		    (struct tally){.key = {.hour = key->hour,
				       .list = xstrdup(key->list),
				       .login = xstrdup(key->login),
				       .profile = xstrdup(key->profile)}};
	}
	tallies->latest = at;
	return &tallies->rows[at].statistics;
}

/* ---- records ---- */

static void
count_accepted(uint64_t *counts, const struct journal_record *record)
{
	counts[STATISTIC_ACCEPTED]++;
	counts[STATISTIC_NOTICES] += record->is_notice;
	counts[STATISTIC_RECIPIENTS] += record->row_count;
	counts[STATISTIC_BYTES] += record->size;
}

static void
count_delivered(struct statistics *to, const struct journal_record *record)
{
	int64_t began_ms = record->begins_at_ms > record->received_at_ms ? record->begins_at_ms
									 : record->received_at_ms;
	/* The clock may have been set meanwhile. */
	uint64_t ms = record->at_ms > began_ms ? (uint64_t)(record->at_ms - began_ms) : 0;

	to->counts[STATISTIC_DELIVERED]++;
	to->counts[STATISTIC_LATENCY_MS] += ms;
	to->latency[latency_bucket(ms)]++;
}

static void
count_row(struct statistics *to, const struct journal_record *record, enum journal_fate fate)
{
	switch (fate) {
	case JOURNAL_DELIVERED:
		count_delivered(to, record);
		return;
	case JOURNAL_EXPIRED:
		to->counts[STATISTIC_EXPIRED]++;
		to->counts[STATISTIC_FAILED]++;
		return;
	case JOURNAL_FAILED:
		to->counts[STATISTIC_FAILED]++;
		return;
	case JOURNAL_UNCERTAIN:
		to->counts[STATISTIC_UNCERTAIN]++;
		return;
	case JOURNAL_DEFERRED:
		to->counts[STATISTIC_DEFERRED]++;
		return;
	case JOURNAL_NOT_SENT:
		return;
	}
}

static void
count_attempt(struct statistics *to, const struct journal_record *record)
{
	uint64_t delivered_before = to->counts[STATISTIC_DELIVERED];
	struct journal_record rest = *record;
	struct journal_row row;

	/* It is counted as removed already. */
	if (record->end == JOURNAL_WAS_REMOVED)
		return;
	while (journal_next_row(&rest, &row))
		count_row(to, record, row.fate);
	if (to->counts[STATISTIC_DELIVERED] > delivered_before)
		to->counts[STATISTIC_BYTES_SENT] += record->size;
	to->counts[STATISTIC_SENT] += record->end == JOURNAL_ALL_DELIVERED;
	to->counts[STATISTIC_BOUNCED] += record->end == JOURNAL_SOME_FAILED;
}

void
tallies_count(struct tallies *tallies, const struct journal_record *record)
{
	struct statistics_key key = {.hour = record->at_ms / HOUR_MS,
	    .list = record->list,
	    .login = record->login,
	    .profile = record->profile};
	struct statistics *to;

	if (record->kind == JOURNAL_TRANSCRIPT)
		return;
	to = find_tally(tallies, &key);
	switch (record->kind) {
	case JOURNAL_ACCEPTED:
		count_accepted(to->counts, record);
		return;
	case JOURNAL_ATTEMPT:
		count_attempt(to, record);
		return;
	case JOURNAL_REMOVED:
		to->counts[STATISTIC_REMOVED]++;
		to->counts[STATISTIC_REMOVED_RECIPIENTS] += record->recipients;
		return;
	case JOURNAL_REFUSED:
		to->counts[STATISTIC_BLOCKED] += record->blocked;
		to->counts[STATISTIC_REJECTED] += record->rejected;
		return;
	case JOURNAL_TRANSCRIPT:
		return;
	}
}

/* ---- rows ---- */

/* Unreadable counters are begun anew, rather than stop everything behind them. */
static void
read_counts(sqlite3_stmt *row, int column, struct statistics *statistics_out)
{
	if (!statistics_read(sqlite3_column_blob(row, column),
		(size_t)sqlite3_column_bytes(row, column), statistics_out))
		*statistics_out = (struct statistics){0};
}

static sqlite3_stmt *
bind_key(struct history_db *db, enum history_statement which, const struct statistics_key *key)
{
	sqlite3_stmt *row = history_bind(db, which, 1, (sqlite3_int64)key->hour);

	(void)sqlite3_bind_text(row, 2, key->list, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(row, 3, key->login, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(row, 4, key->profile, -1, SQLITE_STATIC);
	return row;
}

static enum history_result
store_tally(struct history_db *db, const struct tally *tally)
{
	sqlite3_stmt *row = bind_key(db, HISTORY_GET_STATISTICS_OF, &tally->key);
	struct statistics sum = {0};
	enum history_result result;
	int code = history_step(row);

	if (code == SQLITE_ROW)
		read_counts(row, 0, &sum);
	(void)sqlite3_reset(row);
	result = history_result_of(db, code);
	if (result != HISTORY_OK)
		return result;
	statistics_add(&sum, &tally->statistics);
	buf_clear(&db->bytes);
	statistics_write(&db->bytes, &sum);
	row = bind_key(db, HISTORY_PUT_STATISTICS, &tally->key);
	(void)sqlite3_bind_blob(row, 5, db->bytes.bytes, (int)db->bytes.size, SQLITE_STATIC);
	return history_result_of(db, history_step(row));
}

enum history_result
tallies_store(struct history_db *db, const struct tallies *tallies)
{
	enum history_result result = HISTORY_OK;

	for (size_t i = 0; i < tallies->count && result == HISTORY_OK; i++)
		result = store_tally(db, &tallies->rows[i]);
	return result;
}

enum history_result
history_db_statistics(
    struct history_db *db, int64_t first_hour, int64_t last_hour, statistics_fn on_row, void *ctx)
{
	sqlite3_stmt *row = history_bind(db, HISTORY_GET_STATISTICS, 2, first_hour, last_hour);
	int code;

	while ((code = history_step(row)) == SQLITE_ROW) {
		struct statistics_key key = {.hour = sqlite3_column_int64(row, 0),
		    .list = (const char *)sqlite3_column_text(row, 1),
		    .login = (const char *)sqlite3_column_text(row, 2),
		    .profile = (const char *)sqlite3_column_text(row, 3)};
		struct statistics statistics;

		read_counts(row, 4, &statistics);
		if (key.list != NULL && key.login != NULL && key.profile != NULL)
			on_row(&key, &statistics, ctx);
	}
	return history_result_of(db, code);
}
