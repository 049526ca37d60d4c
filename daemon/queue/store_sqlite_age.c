/* store_sqlite_age - who has been waiting for long, and what was said of it. */
#include "daemon/queue/store_sqlite.h"

#include <stdlib.h>

static enum store_result
enter(struct store *store, const uint64_t *ids, uint32_t count)
{
	enum store_result result = STORE_OK;

	for (uint32_t i = 0; i < count && result == STORE_OK; i++)
		result = sql_run(store, SQL_ENTER, "i", (int64_t)ids[i]);
	if (result == STORE_OK && count > 0) {
		store->entered = ids[count - 1];
		result = sql_run(store, SQL_SET_ENTERED, "i", (int64_t)store->entered);
	}
	return result;
}

enum store_result
store_enter_ages(struct store *store, struct enter_ages_job *job)
{
	sqlite3_stmt *statement = sql_bind(
	    store, SQL_GET_ENTERING, "ii", (int64_t)store->entered, (int64_t)ENTERED_A_JOB);
	uint64_t ids[ENTERED_A_JOB];
	uint32_t count = 0;
	int code;

	while ((code = sql_step(statement)) == SQLITE_ROW)
		ids[count++] = (uint64_t)sqlite3_column_int64(statement, 0);
	job->is_end_out = count < ENTERED_A_JOB;
	return code == SQLITE_DONE ? enter(store, ids, count) : sql_result(store, code);
}

enum store_result
store_aged(struct store *store, struct aged_job *job)
{
	sqlite3_stmt *statement = sql_bind(store, SQL_GET_AGED, "iiiiii", (int64_t)job->age,
	    (int64_t)job->state, job->until_ms, job->after_begins_at_ms, (int64_t)job->after_id,
	    (int64_t)AGED_ROWS_MAX);
	int code;

	while ((code = sql_step(statement)) == SQLITE_ROW && job->row_count_out < AGED_ROWS_MAX)
		job->rows[job->row_count_out++] = (struct aged_row){
		    .message_id = (uint64_t)sqlite3_column_int64(statement, 0),
		    .user_id = (uint64_t)sqlite3_column_int64(statement, 1),
		    .begins_at_ms = sqlite3_column_int64(statement, 2),
		    .next_at_ms = sqlite3_column_int64(statement, 3),
		};
	job->is_end_out = job->row_count_out < AGED_ROWS_MAX;
	return sql_result(store, code);
}

void
notice_fini(struct notice *notice)
{
	for (uint32_t i = 0; i < notice->slice_count; i++)
		slice_release(&notice->slices[i]);
	free(notice->slices);
	free(notice->profile);
	free(notice->mail);
}

enum store_result
store_age(struct store *store, struct age_job *job)
{
	enum store_result result = STORE_OK;

	for (uint32_t i = 0; i < job->count && result == STORE_OK; i++)
		result = sql_run(store, SQL_SET_AGE, "iii", (int64_t)job->ids[i], (int64_t)job->age,
		    (int64_t)job->last_attempt);
	job->is_done_out = result == STORE_OK && sqlite3_changes(store->db) > 0;
	return job->is_done_out ? store_add_notice(store, &job->notice) : result;
}
