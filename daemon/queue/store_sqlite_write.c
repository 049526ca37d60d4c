/* store_sqlite_write - puts messages in, writes their fates, takes them out. */
#include "daemon/queue/store_sqlite.h"

#include "common/clock.h"

/* Most go before anybody asks how long they have been waiting: only then they come into the index. */
static int64_t
age_of(const struct store *store, const struct mail *m)
{
	return m->id <= store->entered ? m->age : -1 - (int64_t)m->age;
}

static enum store_result
insert_row(struct store *store, const struct mail *m)
{
	return sql_run(store, SQL_INSERT_MESSAGE, "iiiiiiiiiiiitttttttiiii", (int64_t)m->id,
	    (int64_t)m->state, m->next_at_ms, (int64_t)m->user_id, (int64_t)m->priority,
	    m->received_at_ms, (int64_t)m->attempts, (int64_t)m->last_attempt, (int64_t)m->size,
	    (int64_t)m->has_8bit, (int64_t)m->body_file, (int64_t)m->is_notice, m->login, m->list,
	    m->sender, m->header_from, m->message_id, m->subject, m->client, (int64_t)m->has_wishes,
	    m->begins_at_ms, age_of(store, m), (int64_t)m->recipient_count);
}

static struct tally_place
place_of(const struct mail *m)
{
	return (struct tally_place){.state = m->state,
	    .next_at_ms = m->next_at_ms,
	    .user_id = (int64_t)m->user_id,
	    .priority = m->priority,
	    .id = (int64_t)m->id};
}

static enum store_result
insert_wishes(struct store *store, uint64_t id, const struct rec_wishes *wishes)
{
	return sql_run(store, SQL_INSERT_WISHES, "itiiiiiii", (int64_t)id, wishes->envid,
	    (int64_t)wishes->is_smtputf8, (int64_t)wishes->has_utf8_header, (int64_t)wishes->ret,
	    (int64_t)wishes->has_auth, (int64_t)wishes->has_mt_priority,
	    (int64_t)wishes->mt_priority, (int64_t)wishes->requires_tls);
}

static enum store_result
insert_recipients(struct store *store, const struct mail *m)
{
	enum store_result result = STORE_OK;

	for (uint32_t i = 0; i < m->recipient_count && result == STORE_OK; i++)
		result = sql_run(store, SQL_INSERT_RECIPIENT, "iitit", (int64_t)m->id,
		    (int64_t)m->recipients[i].index, m->recipients[i].address,
		    (int64_t)m->recipients[i].notify, m->recipients[i].orcpt);
	return result;
}

static enum store_result
insert_body(struct store *store, uint64_t id, const struct slice *slices, uint32_t count)
{
	enum store_result result = STORE_OK;

	for (uint32_t i = 0; i < count && result == STORE_OK; i++)
		result = sql_run(
		    store, SQL_INSERT_BODY, "ib", (int64_t)(id << BODY_PIECE_BITS | i), &slices[i]);
	return result;
}

enum store_result
store_delete_message(
    struct store *store, uint64_t message_id, bool has_wishes, uint64_t *body_file_out)
{
	enum store_result result;
	struct look look = {0};
	sqlite3_stmt *row = store_look(store, message_id, &look, &result);

	if (row != NULL)
		(void)sqlite3_reset(row);
	if (result == STORE_OK)
		result = sql_run(store, SQL_DELETE_MESSAGE, "i", (int64_t)message_id);
	if (result == STORE_OK && row != NULL)
		tally_leave(&store->tally, &look.place);
	if (result == STORE_OK)
		result = sql_run(store, SQL_DELETE_RECIPIENTS, "i", (int64_t)message_id);
	if (result == STORE_OK)
		result = sql_run(store, SQL_DELETE_BODY, "i", (int64_t)message_id);
	if (result == STORE_OK && has_wishes)
		result = sql_run(store, SQL_DELETE_WISHES, "i", (int64_t)message_id);
	*body_file_out = look.body_file;
	return result;
}

enum store_result
store_remove_message(struct store *store, uint64_t message_id, bool has_wishes, int64_t now_ms)
{
	enum store_result result = store_note_removed(store, message_id, now_ms);
	uint64_t body_file;

	return result == STORE_OK ? store_delete_message(store, message_id, has_wishes, &body_file)
				  : result;
}

static enum store_result
insert_message(struct store *store, const struct mail *message, const struct slice *slices,
    uint32_t slice_count)
{
	/* The message first: an id that is taken is refused before anything else is written. */
	enum store_result result = insert_row(store, message);
	struct tally_place place = place_of(message);
	uint64_t body_file;

	if (result != STORE_OK)
		return result;
	tally_enter(&store->tally, &place);
	result = store_note_owner(store, message);
	if (result == STORE_OK)
		result = insert_recipients(store, message);
	if (result == STORE_OK && message->has_wishes)
		result = insert_wishes(store, message->id, &message->wishes);
	if (result == STORE_OK)
		result = insert_body(store, message->id, slices, slice_count);
	/* Two recipients with one index, say: nothing of it may stay. */
	if (result == STORE_REFUSED &&
	    store_delete_message(store, message->id, message->has_wishes, &body_file) != STORE_OK)
		return STORE_BROKEN;
	return result;
}

enum store_result
store_insert(struct store *store, struct insert_job *job)
{
	enum store_result result;

	if (job->expires_at_ms != 0 && clock_monotonic_ms() >= job->expires_at_ms)
		return STORE_LATE;
	result = insert_message(store, job->mail, job->slices, job->slice_count);
	if (result == STORE_OK)
		result = store_note_accepted(store, job->mail, job->profile);
	return result == STORE_OK ? store_charge(store, &job->charge) : result;
}

enum store_result
store_add_notice(struct store *store, const struct notice *notice)
{
	enum store_result result;

	if (notice->mail == NULL)
		return STORE_OK;
	result = insert_message(store, notice->mail, notice->slices, notice->slice_count);
	return result == STORE_OK ? store_note_accepted(store, notice->mail, notice->profile)
				  : result;
}

static enum store_result
update_recipients(struct store *store, const struct fate_job *job)
{
	enum store_result result = STORE_OK;

	for (uint32_t i = 0; i < job->row_count && result == STORE_OK; i++) {
		const struct fate_row *row = &job->rows[i];

		result = sql_run(store, SQL_UPDATE_RECIPIENT, "iiiitttt", (int64_t)job->message_id,
		    (int64_t)row->index, (int64_t)row->state, (int64_t)row->code, row->enhanced,
		    row->reply, reply_class_name(row->class), row->rule != NULL ? row->rule : "");
	}
	return result;
}

/* The recipients first: the message's row counts those that are left. */
static enum store_result
update_message(struct store *store, const struct fate_job *job)
{
	struct tally_place place;
	enum store_result result;
	bool is_there = store_place(store, job->message_id, &place, &result);

	if (result == STORE_OK)
		result = update_recipients(store, job);
	if (result == STORE_OK)
		result = sql_run(store, SQL_UPDATE_MESSAGE, "iiiii", (int64_t)job->message_id,
		    (int64_t)job->state, job->next_at_ms, (int64_t)job->attempts,
		    (int64_t)job->attempt);
	if (result == STORE_OK && is_there)
		store_tally_move(store, &place, job->state, job->next_at_ms);
	return result;
}

enum store_result
store_fate(struct store *store, struct fate_job *job)
{
	enum store_result result;

	job->body_file_out = 0;
	result = job->is_over ? store_delete_message(
				    store, job->message_id, job->has_wishes, &job->body_file_out)
			      : update_message(store, job);

	if (result == STORE_OK && job->record.size > 0)
		result = store_add_journal(store, &job->record);
	if (result == STORE_OK && job->transcript.size > 0)
		result = store_add_journal(store, &job->transcript);
	return result == STORE_OK ? store_add_notice(store, &job->notice) : result;
}
