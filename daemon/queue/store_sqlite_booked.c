/*
 * store_sqlite_booked - what the profiles' budgets have booked
 *
 * A line is (profile, period, slot). What is over is deleted with the next booking of its profile
 * and period, and at the start.
 */
#include "daemon/queue/store_sqlite.h"

#include "common/xalloc.h"

#include <stdlib.h>

enum store_result
store_book(struct store *store, const struct book_job *job)
{
	enum store_result result = STORE_OK;

	for (size_t i = 0; i < job->count && result == STORE_OK; i++) {
		const struct booking *line = &job->lines[i];

		result =
		    sql_run(store, SQL_BOOK, "iiiii", (int64_t)job->profile_id, line->period_ms,
			line->slot, (int64_t)line->count.messages, (int64_t)line->count.recipients);
		/* Twice the window: a line may lie ahead of the time. */
		if (result == STORE_OK)
			result = sql_run(store, SQL_SWEEP_BOOKED, "iii", (int64_t)job->profile_id,
			    line->period_ms, line->slot - INT64_C(2) * SLOTS_MAX);
	}
	return result;
}

static enum store_result
read_booked(struct store *store, struct load_booked_job *job)
{
	sqlite3_stmt *row = sql_bind(store, SQL_GET_BOOKED, "");
	uint32_t capacity = 0;
	int code;

	job->row_count_out = 0;
	while ((code = sql_step(row)) == SQLITE_ROW) {
		if (job->row_count_out == capacity) {
			capacity = capacity == 0 ? 64 : capacity * 2;
			job->rows_out = xrealloc(job->rows_out, capacity, sizeof(*job->rows_out));
		}
		job->rows_out[job->row_count_out++] = (struct booked_row){
		    .profile_id = (uint64_t)sqlite3_column_int64(row, 0),
		    .line = {.period_ms = sqlite3_column_int64(row, 1),
			.slot = sqlite3_column_int64(row, 2),
			.count = {.messages = (uint32_t)sqlite3_column_int64(row, 3),
			    .recipients = (uint32_t)sqlite3_column_int64(row, 4)}},
		};
	}
	return sql_result(store, code);
}

/* Of a period what lies ahead is gathered in the slot of now, and what is over goes. */
static enum store_result
bring_up(struct store *store, const struct booked_row *row, int64_t now_ms)
{
	int64_t newest = now_ms / budget_slot_ms(row->line.period_ms);
	enum store_result result = sql_run(
	    store, SQL_GATHER_BOOKED, "iii", (int64_t)row->profile_id, row->line.period_ms, newest);

	if (result != STORE_OK)
		return result;
	return sql_run(store, SQL_DROP_BOOKED, "iiii", (int64_t)row->profile_id,
	    row->line.period_ms, newest, newest - SLOTS_MAX);
}

/* The rows come in the order of their key. */
static bool
is_first_of_period(const struct load_booked_job *job, uint32_t at)
{
	const struct booked_row *row = &job->rows_out[at];

	return at == 0 || row[-1].profile_id != row->profile_id ||
	       row[-1].line.period_ms != row->line.period_ms;
}

enum store_result
store_load_booked(struct store *store, struct load_booked_job *job)
{
	enum store_result result = read_booked(store, job);

	for (uint32_t i = 0; i < job->row_count_out && result == STORE_OK; i++)
		if (job->rows_out[i].line.period_ms > 0 && is_first_of_period(job, i))
			result = bring_up(store, &job->rows_out[i], job->now_ms);
	return result == STORE_OK ? read_booked(store, job) : result;
}
