/* store_sqlite_scan - lists and changes messages for operators, in slices. */
#include "daemon/queue/store_sqlite.h"

#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* Rows that one job looks at: commits that wait for it wait a few milliseconds at most. */
#define SCAN_ROWS_MAX 4000

struct scan_row {
	uint64_t id, user_id;
	int64_t next_at_ms;
	uint8_t state;
	bool is_in_file, has_wishes;
	const char *login, *list; /* until the next step */
};

static int
compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool
has_id(const uint64_t *sorted, size_t count, uint64_t id)
{
	return count > 0 && bsearch(&id, sorted, count, sizeof(id), compare_ids) != NULL;
}

static bool
is_held(const struct scan_row *row)
{
	return row->state == MAIL_HELD || row->state == MAIL_LIMITED;
}

static enum shown_state
row_state(const struct scan_filter *filter, const struct scan_row *row)
{
	if (has_id(filter->sending, filter->sending_count, row->id))
		return SHOWN_SENDING;
	if (is_held(row))
		return SHOWN_HELD;
	if (row->state == MAIL_UNCERTAIN)
		return SHOWN_UNCERTAIN;
	if (row->state == MAIL_SCHEDULED)
		return SHOWN_SCHEDULED;
	return row->next_at_ms > 0 ? SHOWN_DEFERRED : SHOWN_READY;
}

/* Whether the action would change anything. */
static bool
is_fit(enum scan_action action, const struct scan_row *row)
{
	switch (action) {
	case SCAN_HOLD:
		return row->state != MAIL_HELD;
	case SCAN_RELEASE:
		return is_held(row) || row->state == MAIL_UNCERTAIN;
	case SCAN_RETRY:
		return !is_held(row) && (row->next_at_ms > 0 || row->state == MAIL_UNCERTAIN);
	case SCAN_LIST:
	case SCAN_SCHEDULE:
	case SCAN_REMOVE:
		break;
	}
	return true;
}

static bool
is_wanted(const struct scan_job *job, const struct scan_row *row)
{
	const struct scan_filter *filter = &job->filter;

	if (filter->login != NULL && strcmp(filter->login, row->login) != 0)
		return false;
	if (filter->list != NULL && strcmp(filter->list, row->list) != 0)
		return false;
	if (filter->has_users && !has_id(filter->user_ids, filter->user_count, row->user_id))
		return false;
	if (filter->skips_sending && has_id(filter->sending, filter->sending_count, row->id))
		return false;
	if (filter->state != SHOWN_ANY && filter->state != row_state(filter, row))
		return false;
	return is_fit(job->action, row);
}

static void
read_row(sqlite3_stmt *statement, struct scan_row *row)
{
	row->id = (uint64_t)sqlite3_column_int64(statement, 0);
	row->state = (uint8_t)sqlite3_column_int(statement, 1);
	row->next_at_ms = sqlite3_column_int64(statement, 2);
	row->user_id = (uint64_t)sqlite3_column_int64(statement, 3);
	row->is_in_file = sqlite3_column_int(statement, 4) != 0;
	row->login = sql_text(statement, 5);
	row->list = sql_text(statement, 6);
	row->has_wishes = sqlite3_column_int(statement, 7) != 0;
}

static void
add_match(struct scan_job *job, const struct scan_row *row)
{
	job->ids_out[job->count_out] = row->id;
	job->in_file_out[job->count_out] = row->is_in_file;
	job->has_wishes[job->count_out] = row->has_wishes;
	job->count_out++;
}

/* Finds the ids first: a statement is not stepped while another changes its table. */
static enum store_result
find_by_walk(struct store *store, struct scan_job *job)
{
	sqlite3_stmt *statement = sql_bind(store, SQL_SCAN, "i", (int64_t)job->after);
	struct scan_row row;
	int code = SQLITE_ROW;

	for (unsigned seen = 0; seen < SCAN_ROWS_MAX && job->count_out < job->limit; seen++) {
		code = sql_step(statement);
		if (code != SQLITE_ROW)
			break;
		read_row(statement, &row);
		job->after = row.id;
		if (is_wanted(job, &row))
			add_match(job, &row);
	}
	(void)sqlite3_reset(statement);
	job->is_end_out = code == SQLITE_DONE;
	return sql_result(store, code);
}

static enum store_result
find_by_id(struct store *store, struct scan_job *job)
{
	enum store_result result = STORE_OK;

	for (; job->ids_done < job->filter.id_count && job->count_out < job->limit &&
	       result == STORE_OK;
	     job->ids_done++) {
		sqlite3_stmt *statement =
		    sql_bind(store, SQL_SCAN_ONE, "i", (int64_t)job->filter.ids[job->ids_done]);
		struct scan_row row;
		int code = sql_step(statement);

		if (code == SQLITE_ROW) {
			read_row(statement, &row);
			if (is_wanted(job, &row))
				add_match(job, &row);
			(void)sqlite3_reset(statement);
		}
		result = sql_result(store, code);
	}
	job->is_end_out = job->ids_done == job->filter.id_count;
	return result;
}

static enum store_result
set_state(struct store *store, uint64_t id, enum mail_state state)
{
	return sql_run(store, SQL_SET_STATE, "iii", (int64_t)id, (int64_t)state, INT64_C(0));
}

/* One that was held before its time waits for it again. */
enum store_result
store_release_message(struct store *store, uint64_t id, int64_t now_ms)
{
	enum store_result result = set_state(store, id, MAIL_WAITING);

	if (result != STORE_OK)
		return result;
	return sql_run(
	    store, SQL_SCHEDULE_AGAIN, "iii", (int64_t)id, (int64_t)MAIL_SCHEDULED, now_ms);
}

/* Not before that time, from which its lifetime counts. What is held stays held, and waits for it
 * when it is released. */
static enum store_result
schedule(struct store *store, uint64_t id, int64_t at_ms)
{
	return sql_run(store, SQL_SCHEDULE, "iiiii", (int64_t)id, at_ms, (int64_t)MAIL_SCHEDULED,
	    (int64_t)MAIL_HELD, (int64_t)MAIL_LIMITED);
}

/* At once, whatever its client wished; its lifetime begins now. */
static enum store_result
retry(struct store *store, uint64_t id, int64_t now_ms)
{
	enum store_result result = set_state(store, id, MAIL_WAITING);

	if (result != STORE_OK)
		return result;
	return sql_run(store, SQL_BEGIN_NOW, "ii", (int64_t)id, now_ms);
}

/* An operator wants the message to go, also to those who may have it. */
static enum store_result
decide(struct store *store, uint64_t id, enum store_result result)
{
	if (result != STORE_OK)
		return result;
	return sql_run(store, SQL_DECIDE_RECIPIENTS, "iii", (int64_t)id,
	    (int64_t)RECIPIENT_UNCERTAIN, (int64_t)RECIPIENT_UNDECIDED);
}

static enum store_result
act(struct store *store, const struct scan_job *job, uint32_t at)
{
	uint64_t id = job->ids_out[at];

	switch (job->action) {
	case SCAN_HOLD:
		return set_state(store, id, MAIL_HELD);
	case SCAN_RELEASE:
		return decide(store, id, store_release_message(store, id, job->now_ms));
	case SCAN_RETRY:
		return decide(store, id, retry(store, id, job->now_ms));
	case SCAN_SCHEDULE:
		return decide(store, id, schedule(store, id, job->at_ms));
	case SCAN_REMOVE:
		return store_remove_message(store, id, job->has_wishes[at], job->now_ms);
	case SCAN_LIST:
		break;
	}
	return STORE_REFUSED;
}

static enum store_result
load_matches(struct store *store, struct scan_job *job)
{
	enum store_result result = STORE_OK;

	job->mails_out = xcalloc(job->count_out + 1, sizeof(*job->mails_out));
	for (uint32_t i = 0; i < job->count_out && result == STORE_OK; i++)
		result = store_load(store, job->ids_out[i], &job->mails_out[i]);
	return result;
}

enum store_result
store_scan(struct store *store, struct scan_job *job)
{
	enum store_result result;

	job->ids_out = xcalloc(job->limit + 1, sizeof(*job->ids_out));
	job->in_file_out = xcalloc(job->limit + 1, sizeof(*job->in_file_out));
	job->has_wishes = xcalloc(job->limit + 1, sizeof(*job->has_wishes));
	result = job->filter.id_count > 0 ? find_by_id(store, job) : find_by_walk(store, job);
	if (result == STORE_OK && job->action == SCAN_LIST)
		result = load_matches(store, job);
	for (uint32_t i = 0; i < job->count_out && job->action != SCAN_LIST && result == STORE_OK;
	     i++)
		result = act(store, job, i);
	free(job->has_wishes);
	job->has_wishes = NULL;
	return result;
}
