/*
 * store_sqlite_tally - counts along with what is written, and answers from it. What there was before
 * is counted in store_sqlite_census.c.
 */
#include "daemon/queue/store_sqlite.h"

#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

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
	    .place = {.user_id = sqlite3_column_int64(row, 0),
		.state = sqlite3_column_int64(row, 1),
		.next_at_ms = sqlite3_column_int64(row, 2),
		.priority = sqlite3_column_int64(row, 3),
		.id = (int64_t)id},
	    .body_file = (uint64_t)sqlite3_column_int64(row, 4),
	    .has_wishes = sqlite3_column_int(row, 5) != 0,
	    .begins_at_ms = sqlite3_column_int64(row, 6),
	    .login = sql_text(row, 7),
	    .list = sql_text(row, 8),
	};
	return row;
}

bool
store_place(
    struct store *store, uint64_t id, struct tally_place *place_out, enum store_result *result_out)
{
	struct look look;
	sqlite3_stmt *row = store_look(store, id, &look, result_out);

	if (row == NULL)
		return false;
	*place_out = look.place;
	(void)sqlite3_reset(row);
	return true;
}

void
store_tally_move(
    struct store *store, const struct tally_place *from, enum mail_state state, int64_t next_at_ms)
{
	struct tally_place to = *from;

	to.state = state;
	to.next_at_ms = next_at_ms;
	tally_leave(&store->tally, from);
	tally_enter(&store->tally, &to);
}

enum store_result
store_move(
    struct store *store, const struct tally_place *from, enum mail_state state, int64_t next_at_ms)
{
	enum store_result result =
	    sql_run(store, SQL_SET_STATE, "iii", from->id, (int64_t)state, next_at_ms);

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

/* ---- answers ---- */

static void
add_count(struct count_job *job, const struct tally_user *user, const struct count_row *row)
{
	struct count_row *to;

	if (row->count == 0)
		return;
	if (job->row_count_out % 64 == 0)
		job->rows_out =
		    xrealloc(job->rows_out, job->row_count_out + 64, sizeof(*job->rows_out));
	to = &job->rows_out[job->row_count_out++];
	*to = *row;
	memcpy(
	    to->by_priority, user->counts[row->state][row->is_deferred], sizeof(to->by_priority));
}

enum store_result
store_count(struct store *store, struct count_job *job)
{
	job->is_partial_out = store->tally.is_counting;
	IDMAP_EACH(&store->tally.users, slot)
	{
		const struct tally_user *user = slot->object;

		for (uint8_t state = 0; state < TALLY_STATES && user->total > 0; state++)
			for (int has_time = 0; has_time < 2; has_time++)
				add_count(job, user,
				    &(struct count_row){.user_id = user->id,
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
