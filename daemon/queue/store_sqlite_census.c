/*
 * store_sqlite_census - counts what there was when the store was opened, some at a time
 *
 * A million rows are half a second when they are in memory, and as long as the disk takes to read the
 * whole index when they aren't; nobody but who asks for numbers or uses a filter waits for it. Along
 * message_order for the tally (tally.h says how that comes out right while messages come and go),
 * then along the journal, of which nothing is deleted until it is known how much there is.
 */
#include "daemon/queue/store_sqlite.h"

#include "common/clock.h"
#include "common/xalloc.h"

#include <stdlib.h>

/* Commits and reads go on between slices. */
#define SLICE_MS 2
#define STEPS_A_LOOK 64

/* Whether a slice that began then has done enough. */
static bool
is_slice_over(unsigned *steps, int64_t ends_ms)
{
	return ++*steps % STEPS_A_LOOK == 0 && clock_monotonic_ms() >= ends_ms;
}

enum store_result
store_load_owners(struct store *store)
{
	sqlite3_stmt *row = sql_bind(store, SQL_GET_OWNERS, "");
	int code;

	while ((code = sql_step(row)) == SQLITE_ROW)
		tally_add_name(&store->tally, (uint64_t)sqlite3_column_int64(row, 0),
		    sql_text(row, 1), sql_text(row, 2));
	tally_keep(&store->tally);
	return sql_result(store, code);
}

/* ---- the names of users without mail ---- */

struct stale {
	struct tally_user **users;
	size_t count;
};

static struct stale
find_stale(const struct store *store)
{
	struct stale stale = {
	    .users = xcalloc(store->tally.users.count + 1, sizeof(struct tally_user *))};

	IDMAP_EACH(&store->tally.users, slot)
	{
		struct tally_user *user = slot->object;

		if (user->total == 0 && user->name_count > 0)
			stale.users[stale.count++] = user;
	}
	return stale;
}

static enum store_result
delete_names(struct store *store, const struct stale *stale)
{
	enum store_result result = store_begin(store);

	for (size_t i = 0; i < stale->count && result == STORE_OK; i++)
		result = sql_run(store, SQL_DELETE_OWNER, "i", (int64_t)stale->users[i]->id);
	return result == STORE_OK ? store_commit(store) : result;
}

static enum store_result
sweep_owners(struct store *store)
{
	struct stale stale = find_stale(store);
	enum store_result result = stale.count == 0 ? STORE_OK : delete_names(store, &stale);

	if (result != STORE_OK)
		store_rollback(store);
	for (size_t i = 0; i < stale.count && result == STORE_OK; i++)
		tally_drop_names(stale.users[i]);
	free(stale.users);
	/* On a full disk they stay until the next start. */
	return result == STORE_FULL ? STORE_OK : result;
}

/* ---- slices ---- */

static struct tally_place
read_place(sqlite3_stmt *row)
{
	return (struct tally_place){.state = sqlite3_column_int64(row, 0),
	    .next_at_ms = sqlite3_column_int64(row, 1),
	    .user_id = sqlite3_column_int64(row, 2),
	    .priority = sqlite3_column_int64(row, 3),
	    .id = sqlite3_column_int64(row, 4)};
}

/* *is_at_end_out: the statement has no more, and the slice is not over. */
static enum store_result
meet_places(struct store *store, sqlite3_stmt *row, int64_t ends_ms, bool *is_at_end_out)
{
	unsigned steps = 0;
	int code;

	while ((code = sql_step(row)) == SQLITE_ROW) {
		struct tally_place place = read_place(row);

		/* Only damage would lead in a circle. */
		if (!tally_meet(&store->tally, &place))
			code = SQLITE_DONE;
		if (code != SQLITE_ROW || is_slice_over(&steps, ends_ms))
			break;
	}
	(void)sqlite3_reset(row);
	*is_at_end_out = code == SQLITE_DONE;
	return sql_result(store, code);
}

static enum store_result
count_messages(struct store *store, int64_t ends_ms)
{
	struct tally_place from = store->tally.reached;
	bool is_at_end;
	enum store_result result = meet_places(store,
	    sql_bind(store, SQL_GET_PLACES_OF_FLOW, "iiiii", from.state, from.next_at_ms,
		from.user_id, from.priority, from.id),
	    ends_ms, &is_at_end);

	if (result == STORE_OK && is_at_end)
		result = meet_places(store,
		    sql_bind(store, SQL_GET_PLACES_BEHIND, "iiii", from.state, from.next_at_ms,
			from.user_id, from.priority),
		    ends_ms, &is_at_end);
	if (result != STORE_OK || !is_at_end)
		return result;
	store->tally.is_counting = false;
	return sweep_owners(store);
}

static enum store_result
count_journal(struct store *store, int64_t ends_ms)
{
	sqlite3_stmt *row = sql_bind(store, SQL_GET_NUMBERS, "ii", (int64_t)store->journal.counted,
	    (int64_t)store->journal.last);
	unsigned steps = 0;
	int code;

	while ((code = sql_step(row)) == SQLITE_ROW) {
		store->journal.counted = (uint64_t)sqlite3_column_int64(row, 0);
		store->journal.counts.records++;
		if (is_slice_over(&steps, ends_ms))
			break;
	}
	(void)sqlite3_reset(row);
	store->journal.is_counting = code != SQLITE_DONE;
	return sql_result(store, code);
}

enum store_result
store_census(struct store *store, struct census_job *job)
{
	int64_t ends_ms = clock_monotonic_ms() + SLICE_MS;
	enum store_result result = STORE_OK;

	if (store->tally.is_counting)
		result = count_messages(store, ends_ms);
	else if (store->journal.is_counting)
		result = count_journal(store, ends_ms);
	job->has_counts_out = !store->tally.is_counting;
	job->is_end_out = job->has_counts_out && !store->journal.is_counting;
	return result;
}

bool
store_needs_counts(const struct job *job)
{
	const void *at = job; /* each job begins with its struct job */

	switch ((enum store_job_kind)job->kind) {
	case STORE_OWNERS:
		return true;
	case STORE_SCAN:
		return scan_needs_counts(at);
	default:
		return false;
	}
}
