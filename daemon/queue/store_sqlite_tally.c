/*
 * store_sqlite_tally - counts along with what is written, and answers from it
 *
 * Counting the rows of a million messages takes a tenth of a second, once, when the store is opened.
 */
#include "daemon/queue/store_sqlite.h"

#include "common/xalloc.h"

#include <stdlib.h>

/* ---- along with the writes ---- */

sqlite3_stmt *
store_look(struct store *store, uint64_t id, struct look *look_out, enum store_result *result_out)
{
	sqlite3_stmt *row = sql_bind(store, SQL_LOOK, "i", (int64_t)id);
	int code = sql_step(row);

	*result_out = sql_result(store, code);
	if (code != SQLITE_ROW)
		return NULL;
	*look_out = (struct look){
	    .class = {.user_id = (uint64_t)sqlite3_column_int64(row, 0),
		.state = (uint8_t)sqlite3_column_int(row, 1),
		.has_time = sqlite3_column_int(row, 2) != 0,
		.priority = (uint8_t)sqlite3_column_int(row, 3)},
	    .is_in_file = sqlite3_column_int(row, 4) != 0,
	    .has_wishes = sqlite3_column_int(row, 5) != 0,
	    .begins_at_ms = sqlite3_column_int64(row, 6),
	    .login = sql_text(row, 7),
	    .list = sql_text(row, 8),
	};
	return row;
}

bool
store_class(
    struct store *store, uint64_t id, struct tally_class *class_out, enum store_result *result_out)
{
	struct look look;
	sqlite3_stmt *row = store_look(store, id, &look, result_out);

	if (row == NULL)
		return false;
	*class_out = look.class;
	(void)sqlite3_reset(row);
	return true;
}

void
store_tally_move(
    struct store *store, const struct tally_class *from, enum mail_state state, int64_t next_at_ms)
{
	struct tally_class to = *from;

	to.state = (uint8_t)state;
	to.has_time = next_at_ms > 0;
	tally_add(&store->tally, from, -1);
	tally_add(&store->tally, &to, 1);
}

enum store_result
store_move(struct store *store, uint64_t id, const struct tally_class *from, enum mail_state state,
    int64_t next_at_ms)
{
	enum store_result result =
	    sql_run(store, SQL_SET_STATE, "iii", (int64_t)id, (int64_t)state, next_at_ms);

	if (result == STORE_OK)
		store_tally_move(store, from, state, next_at_ms);
	return result;
}

enum store_result
store_note_owner(struct store *store, const struct mail *mail)
{
	enum store_result result;

	if (mail->user_id == 0 ||
	    tally_has_name(&store->tally, mail->user_id, mail->login, mail->list))
		return STORE_OK;
	result =
	    sql_run(store, SQL_PUT_OWNER, "itt", (int64_t)mail->user_id, mail->login, mail->list);
	if (result == STORE_OK)
		tally_add_name(&store->tally, mail->user_id, mail->login, mail->list);
	return result;
}

/* ---- when it is opened ---- */

static enum store_result
count_untimed(struct store *store, uint8_t state)
{
	sqlite3_stmt *row = sql_bind(store, SQL_COUNT_UNTIMED, "i", (int64_t)state);
	int code;

	while ((code = sql_step(row)) == SQLITE_ROW)
		tally_add(&store->tally,
		    &(struct tally_class){.user_id = (uint64_t)sqlite3_column_int64(row, 0),
			.state = state,
			.priority = (uint8_t)sqlite3_column_int(row, 1)},
		    sqlite3_column_int64(row, 2));
	return sql_result(store, code);
}

static enum store_result
count_timed(struct store *store)
{
	sqlite3_stmt *row = sql_bind(store, SQL_COUNT_TIMED, "");
	int code;

	while ((code = sql_step(row)) == SQLITE_ROW)
		tally_add(&store->tally,
		    &(struct tally_class){.user_id = (uint64_t)sqlite3_column_int64(row, 0),
			.state = (uint8_t)sqlite3_column_int(row, 1),
			.has_time = true,
			.priority = 1},
		    sqlite3_column_int64(row, 2));
	return sql_result(store, code);
}

struct ids {
	uint64_t *ids;
	size_t count;
};

/* Those of users that have mail; gives the users that have none, each as often as it is there. */
static enum store_result
load_owners(struct store *store, struct ids *stale)
{
	sqlite3_stmt *row = sql_bind(store, SQL_GET_OWNERS, "");
	int code;

	while ((code = sql_step(row)) == SQLITE_ROW) {
		uint64_t user_id = (uint64_t)sqlite3_column_int64(row, 0);

		if (idmap_get(&store->tally.users, user_id) != NULL) {
			tally_add_name(&store->tally, user_id, sql_text(row, 1), sql_text(row, 2));
			continue;
		}
		if (stale->count % 64 == 0)
			stale->ids = xrealloc(stale->ids, stale->count + 64, sizeof(*stale->ids));
		stale->ids[stale->count++] = user_id;
	}
	return sql_result(store, code);
}

static enum store_result
sweep_owners(struct store *store, const struct ids *stale)
{
	enum store_result result = stale->count == 0 ? STORE_OK : store_begin(store);

	for (size_t i = 0; i < stale->count && result == STORE_OK; i++)
		result = sql_run(store, SQL_DELETE_OWNER, "i", (int64_t)stale->ids[i]);
	return result == STORE_OK && stale->count > 0 ? store_commit(store) : result;
}

enum store_result
store_load_tally(struct store *store)
{
	struct ids stale = {0};
	enum store_result result = count_timed(store);

	for (uint8_t state = 0; state < TALLY_STATES && result == STORE_OK; state++)
		result = count_untimed(store, state);
	if (result == STORE_OK)
		result = load_owners(store, &stale);
	if (result == STORE_OK)
		result = sweep_owners(store, &stale);
	free(stale.ids);
	tally_keep(&store->tally);
	return result;
}

/* ---- answers ---- */

static void
add_count(struct count_job *job, const struct count_row *row)
{
	if (row->count == 0)
		return;
	if (job->row_count_out % 64 == 0)
		job->rows_out =
		    xrealloc(job->rows_out, job->row_count_out + 64, sizeof(*job->rows_out));
	job->rows_out[job->row_count_out++] = *row;
}

enum store_result
store_count(struct store *store, struct count_job *job)
{
	IDMAP_EACH(&store->tally.users, slot)
	{
		const struct tally_user *user = slot->object;

		for (uint8_t state = 0; state < TALLY_STATES && user->total > 0; state++)
			for (int has_time = 0; has_time < 2; has_time++)
				add_count(job, &(struct count_row){.user_id = user->id,
						   .state = state,
						   .is_deferred = has_time,
						   .count = tally_sum(user, state, has_time)});
	}
	return STORE_OK;
}

enum store_result
store_owners(struct store *store, struct owners_job *job)
{
	job->rows_out = xcalloc(store->tally.users.count + 1, sizeof(*job->rows_out));
	IDMAP_EACH(&store->tally.users, slot)
	{
		const struct tally_user *user = slot->object;
		const struct tally_name *name =
		    user->name_count == 0 ? NULL : &user->names[user->name_count - 1];

		if (user->total > 0 && name != NULL)
			job->rows_out[job->row_count_out++] =
			    (struct owner_row){.user_id = user->id,
				.count = user->total,
				.login = xstrdup(name->login),
				.list = xstrdup(name->list)};
	}
	return STORE_OK;
}
