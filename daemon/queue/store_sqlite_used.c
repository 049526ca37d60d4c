/*
 * store_sqlite_used - what users have sent lately, and the messages that wait for their limit
 *
 * A slot is (slot_ms, slot, user_id): what is counted now lies together, so that a batch touches
 * two pages for all its users, and what is over is one range at the front.
 */
#include "daemon/queue/store_sqlite.h"

#include "common/xalloc.h"

#include <stdlib.h>

/* ---- slots ---- */

static enum store_result
add_to_slot(struct store *store, const struct charge *charge, int64_t slot_ms)
{
	return sql_run(store, SQL_ADD_USED, "iiiii", slot_ms, charge->at_ms / slot_ms,
	    (int64_t)charge->user_id, (int64_t)charge->count.messages,
	    (int64_t)charge->count.recipients);
}

enum store_result
store_charge(struct store *store, const struct charge *charge)
{
	enum store_result result = STORE_OK;

	if (charge->user_id == 0)
		return STORE_OK;
	result = add_to_slot(store, charge, USAGE_MINUTE_MS);
	if (result == STORE_OK)
		result = add_to_slot(store, charge, USAGE_HALF_HOUR_MS);
	return result;
}

/* What lies in the future after a clock was set back is counted as sent now. */
static enum store_result
sweep(struct store *store, int64_t slot_ms, int64_t newest, int64_t length)
{
	enum store_result result = sql_run(store, SQL_GATHER_USED, "ii", slot_ms, newest);

	if (result == STORE_OK)
		result = sql_run(store, SQL_SWEEP_USED, "iii", slot_ms, newest, newest - length);
	return result;
}

enum store_result
store_sweep_used(struct store *store, const struct used_job *job)
{
	enum store_result result =
	    sweep(store, USAGE_MINUTE_MS, job->now_ms / USAGE_MINUTE_MS, USAGE_MINUTES);

	if (result == STORE_OK)
		result = sweep(
		    store, USAGE_HALF_HOUR_MS, job->now_ms / USAGE_HALF_HOUR_MS, USAGE_HALF_HOURS);
	return result;
}

static enum store_result
load_slots(struct store *store, struct used_job *job)
{
	sqlite3_stmt *statement = sql_bind(store, SQL_GET_USED, "");
	uint32_t capacity = 0;
	int code;

	while ((code = sql_step(statement)) == SQLITE_ROW) {
		if (job->row_count_out == capacity) {
			capacity = capacity == 0 ? 64 : capacity * 2;
			job->rows_out = xrealloc(job->rows_out, capacity, sizeof(*job->rows_out));
		}
		job->rows_out[job->row_count_out++] = (struct used_row){
		    .slot_ms = sqlite3_column_int64(statement, 0),
		    .slot = sqlite3_column_int64(statement, 1),
		    .user_id = (uint64_t)sqlite3_column_int64(statement, 2),
		    .count.messages = (uint32_t)sqlite3_column_int64(statement, 3),
		    .count.recipients = (uint32_t)sqlite3_column_int64(statement, 4),
		};
	}
	return sql_result(store, code);
}

/* One seek for each; it is not waited for until all is counted. */
static enum store_result
list_waiting_users(struct store *store, struct used_job *job)
{
	int64_t user_id = 0;
	int code;

	for (;;) {
		sqlite3_stmt *row =
		    sql_bind(store, SQL_GET_NEXT_LIMITED, "ii", (int64_t)MAIL_LIMITED, user_id);

		code = sql_step(row);
		if (code != SQLITE_ROW)
			break;
		user_id = sqlite3_column_int64(row, 0);
		(void)sqlite3_reset(row);
		if (job->waiting_count_out % 64 == 0)
			job->waiting_out = xrealloc(job->waiting_out, job->waiting_count_out + 64,
			    sizeof(*job->waiting_out));
		job->waiting_out[job->waiting_count_out++] = (uint64_t)user_id;
	}
	return sql_result(store, code);
}

enum store_result
store_load_used(struct store *store, struct used_job *job)
{
	enum store_result result = list_waiting_users(store, job);

	return result == STORE_OK ? load_slots(store, job) : result;
}

/* ---- messages that wait for their user's limit ---- */

struct fitting {
	uint64_t id;
	struct look look;
};

static struct fitting
read_fitting(sqlite3_stmt *row, uint64_t user_id)
{
	return (struct fitting){.id = (uint64_t)sqlite3_column_int64(row, 0),
	    .look = {.place = {.state = MAIL_LIMITED,
			 .user_id = (int64_t)user_id,
			 .priority = sqlite3_column_int64(row, 2),
			 .id = sqlite3_column_int64(row, 0)},
		.begins_at_ms = sqlite3_column_int64(row, 3)}};
}

/* The most urgent and oldest that fit, in order: one that doesn't fit is not overtaken. */
static enum store_result
find_fitting(struct store *store, struct release_job *job, struct fitting *found)
{
	sqlite3_stmt *statement = sql_bind(store, SQL_GET_LIMITED, "iii", (int64_t)MAIL_LIMITED,
	    (int64_t)job->user_id, (int64_t)RELEASES_A_JOB + 1);
	struct usage_count left = job->left;
	int code;

	job->is_last_out = true;
	job->count_out = 0;
	while ((code = sql_step(statement)) == SQLITE_ROW) {
		int64_t recipients = sqlite3_column_int64(statement, 1);

		/* One that would never fit goes when nothing else is counted. */
		if (job->count_out == RELEASES_A_JOB || left.messages == 0 ||
		    (recipients > left.recipients && left.recipients < job->most.recipients)) {
			job->is_last_out = false;
			break;
		}
		found[job->count_out++] = read_fitting(statement, job->user_id);
		left.messages -= left.messages == UINT32_MAX ? 0 : 1;
		left.recipients -= left.recipients == UINT32_MAX  ? 0
				   : recipients > left.recipients ? left.recipients
								  : (uint32_t)recipients;
		job->charge.count.messages++;
		job->charge.count.recipients += (uint32_t)recipients;
	}
	(void)sqlite3_reset(statement);
	return sql_result(store, code);
}

enum store_result
store_release(struct store *store, struct release_job *job)
{
	struct fitting found[RELEASES_A_JOB] = {0};
	enum store_result result = find_fitting(store, job, found);

	for (uint32_t i = 0; i < job->count_out && result == STORE_OK; i++)
		result =
		    store_release_message(store, found[i].id, &found[i].look, job->charge.at_ms);
	if (result == STORE_OK && job->count_out > 0 && job->is_counted)
		result = store_charge(store, &job->charge);
	return result;
}
