/* store_sqlite_read - reads messages and bodies back, finds what can go next. */
#include "daemon/queue/store_sqlite.h"

#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

enum {
	FIRST_TEXT_COLUMN = 12,
	TEXT_COLUMNS = 7,
	HAS_WISHES_COLUMN = 19,
	BEGINS_COLUMN,
	AGE_COLUMN
};
/* RFC 3461 4.4: as it stands on the line. */
enum { ENVID_MAX = 300 };

static size_t
text_bytes(sqlite3_stmt *row)
{
	size_t bytes = 0;

	for (int i = FIRST_TEXT_COLUMN; i < FIRST_TEXT_COLUMN + TEXT_COLUMNS; i++)
		bytes += (size_t)sqlite3_column_bytes(row, i) + 1;
	return bytes;
}

/* `more_bytes`: for the texts that stand in other tables. */
/* Below 0 it was not entered yet. */
static uint8_t
age_of(int stored)
{
	return (uint8_t)(stored < 0 ? -1 - stored : stored);
}

static struct mail *
read_message(sqlite3_stmt *row, uint32_t recipient_count, size_t more_bytes)
{
	struct mail *m = mail_new(recipient_count, text_bytes(row) + more_bytes + 1);
	const char **texts[TEXT_COLUMNS] = {&m->login, &m->list, &m->sender, &m->header_from,
	    &m->message_id, &m->subject, &m->client};

	m->id = (uint64_t)sqlite3_column_int64(row, 0);
	m->state = (uint8_t)sqlite3_column_int(row, 1);
	m->next_at_ms = sqlite3_column_int64(row, 2);
	m->user_id = (uint64_t)sqlite3_column_int64(row, 3);
	m->priority = (uint8_t)sqlite3_column_int(row, 4);
	m->received_at_ms = sqlite3_column_int64(row, 5);
	m->attempts = (uint32_t)sqlite3_column_int64(row, 6);
	m->last_attempt = (uint64_t)sqlite3_column_int64(row, 7);
	m->size = (uint64_t)sqlite3_column_int64(row, 8);
	m->has_8bit = sqlite3_column_int(row, 9) != 0;
	m->body_file = (uint64_t)sqlite3_column_int64(row, 10);
	m->is_notice = sqlite3_column_int(row, 11) != 0;
	for (int i = 0; i < TEXT_COLUMNS; i++)
		*texts[i] = mail_text(m, sql_text(row, FIRST_TEXT_COLUMN + i));
	m->has_wishes = sqlite3_column_int(row, HAS_WISHES_COLUMN) != 0;
	m->begins_at_ms = sqlite3_column_int64(row, BEGINS_COLUMN);
	m->age = age_of(sqlite3_column_int(row, AGE_COLUMN));
	m->wishes.envid = mail_text(m, "");
	return m;
}

static struct rec_wishes
wishes_of_row(sqlite3_stmt *row)
{
	return (struct rec_wishes){
	    .envid = sql_text(row, 0),
	    .is_smtputf8 = sqlite3_column_int(row, 1) != 0,
	    .has_utf8_header = sqlite3_column_int(row, 2) != 0,
	    .ret = (uint8_t)sqlite3_column_int(row, 3),
	    .has_auth = sqlite3_column_int(row, 4) != 0,
	    .has_mt_priority = sqlite3_column_int(row, 5) != 0,
	    .mt_priority = (uint8_t)sqlite3_column_int(row, 6),
	    .requires_tls = sqlite3_column_int(row, 7) != 0,
	};
}

/* The message has room for an ENVID. */
static enum store_result
read_wishes(struct store *store, struct mail *message)
{
	sqlite3_stmt *row = sql_bind(store, SQL_GET_WISHES, "i", (int64_t)message->id);
	int code = sql_step(row);

	if (code == SQLITE_ROW) {
		struct rec_wishes wishes = wishes_of_row(row);

		if (strlen(wishes.envid) <= ENVID_MAX) {
			wishes.envid = mail_text(message, wishes.envid);
			message->wishes = wishes;
		}
		(void)sqlite3_reset(row);
	}
	return sql_result(store, code);
}

static void
read_recipient(struct mail *message, struct recipient *to, sqlite3_stmt *row)
{
	to->index = (uint16_t)sqlite3_column_int(row, 0);
	to->state = (uint8_t)sqlite3_column_int(row, 1);
	to->attempts = (uint32_t)sqlite3_column_int64(row, 2);
	to->code = (uint16_t)sqlite3_column_int(row, 3);
	to->address = mail_text(message, sql_text(row, 4));
	to->enhanced = mail_text(message, sql_text(row, 5));
	to->reply = mail_text(message, sql_text(row, 6));
	to->notify = (uint8_t)sqlite3_column_int(row, 7);
	to->orcpt = mail_text(message, sql_text(row, 8));
	to->class = mail_text(message, sql_text(row, 9));
	to->rule = mail_text(message, sql_text(row, 10));
}

static enum store_result
measure_recipients(struct store *store, uint64_t id, uint32_t *count_out, size_t *bytes_out)
{
	sqlite3_stmt *row = sql_bind(store, SQL_MEASURE_RECIPIENTS, "i", (int64_t)id);
	int code = sql_step(row);

	if (code == SQLITE_ROW) {
		*count_out = (uint32_t)sqlite3_column_int64(row, 0);
		*bytes_out = (size_t)sqlite3_column_int64(row, 1);
		(void)sqlite3_reset(row);
	}
	return sql_result(store, code);
}

static enum store_result
read_recipients(struct store *store, struct mail *message)
{
	sqlite3_stmt *row = sql_bind(store, SQL_GET_RECIPIENTS, "i", (int64_t)message->id);
	uint32_t count = 0;
	int code;

	while ((code = sql_step(row)) == SQLITE_ROW && count < message->recipient_count)
		read_recipient(message, &message->recipients[count++], row);
	(void)sqlite3_reset(row);
	message->recipient_count = count;
	return sql_result(store, code);
}

enum store_result
store_load(struct store *store, uint64_t message_id, struct mail **message_out)
{
	enum store_result result;
	uint32_t count = 0;
	size_t bytes = 0;
	sqlite3_stmt *row;
	int code;

	*message_out = NULL;
	result = measure_recipients(store, message_id, &count, &bytes);
	if (result != STORE_OK)
		return result;
	row = sql_bind(store, SQL_GET_MESSAGE, "i", (int64_t)message_id);
	code = sql_step(row);
	if (code != SQLITE_ROW)
		return sql_result(store, code);
	if (sqlite3_column_int(row, HAS_WISHES_COLUMN) != 0)
		bytes += ENVID_MAX + 1;
	*message_out = read_message(row, count, bytes);
	(void)sqlite3_reset(row);
	result = read_recipients(store, *message_out);
	if (result == STORE_OK && (*message_out)->has_wishes)
		result = read_wishes(store, *message_out);
	return result;
}

enum store_result
store_body(struct store *store, struct body_job *job)
{
	uint64_t base = job->message_id << BODY_PIECE_BITS;
	sqlite3_stmt *row = sql_bind(store, SQL_GET_BODY, "ii", (int64_t)(base + job->first),
	    (int64_t)(base + (1u << BODY_PIECE_BITS) - 1));
	struct chunk *chunk = chunk_new(job->limit_bytes);
	int code;

	job->next_out = job->first;
	while ((code = sql_step(row)) == SQLITE_ROW) {
		uint32_t size = (uint32_t)sqlite3_column_bytes(row, 0);

		if (size > chunk->capacity - chunk->size)
			break;
		if (size > 0)
			memcpy(chunk->bytes + chunk->size, sqlite3_column_blob(row, 0), size);
		chunk->size += size;
		job->next_out++;
	}
	(void)sqlite3_reset(row);
	if (chunk->size == 0) {
		chunk_release(chunk);
		chunk = NULL;
	}
	job->chunk_out = chunk;
	return sql_result(store, code);
}

enum store_result
store_load_whole(struct store *store, struct load_job *job)
{
	enum store_result result = store_load(store, job->message_id, &job->mail_out);
	const struct mail *mail = job->mail_out;
	struct body_job body = {.message_id = job->message_id};

	if (result != STORE_OK || mail == NULL || mail->body_file != 0 || mail->size == 0 ||
	    mail->size > job->body_limit_bytes)
		return result;
	body.limit_bytes = (uint32_t)mail->size;
	result = store_body(store, &body);
	if (body.chunk_out == NULL || body.chunk_out->size == mail->size)
		job->chunk_out = body.chunk_out;
	else
		chunk_release(body.chunk_out);
	return result;
}

/* Appends the rows of a statement that gives READY_COLUMNS. */
static enum store_result
read_ready(struct store *store, sqlite3_stmt *row, struct ready_row **rows, uint32_t *count)
{
	uint32_t capacity = *count;
	int code;

	while ((code = sql_step(row)) == SQLITE_ROW) {
		if (*count == capacity) {
			capacity = capacity < 32 ? 64 : capacity * 2;
			*rows = xrealloc(*rows, capacity, sizeof(**rows));
		}
		(*rows)[(*count)++] = (struct ready_row){
		    .message_id = (uint64_t)sqlite3_column_int64(row, 0),
		    .user_id = (uint64_t)sqlite3_column_int64(row, 1),
		    .received_at_ms = sqlite3_column_int64(row, 2),
		    .priority = (uint8_t)sqlite3_column_int(row, 3),
		    .size = (uint64_t)sqlite3_column_int64(row, 4),
		    .recipient_count = (uint32_t)sqlite3_column_int64(row, 5),
		    .next_at_ms = sqlite3_column_int64(row, 6),
		};
	}
	return sql_result(store, code);
}

enum store_result
store_window(struct store *store, struct window_job *job)
{
	enum store_result result = read_ready(store,
	    sql_bind(store, SQL_GET_WINDOW, "iiii", (int64_t)job->user_id, (int64_t)job->priority,
		(int64_t)job->after, (int64_t)job->limit),
	    &job->rows_out, &job->row_count_out);

	job->has_more_out = job->row_count_out == job->limit;
	return result;
}

/* One seek for each row, behind all messages of the one before. */
enum store_result
store_flows(struct store *store, struct flows_job *job)
{
	struct flow_row at = job->after;
	int code = SQLITE_ROW;

	job->rows_out = xcalloc(job->limit, sizeof(*job->rows_out));
	while (job->row_count_out < job->limit) {
		sqlite3_stmt *row = sql_bind(
		    store, SQL_GET_NEXT_FLOW, "ii", (int64_t)at.user_id, (int64_t)at.priority);

		code = sql_step(row);
		if (code != SQLITE_ROW)
			break;
		at.user_id = (uint64_t)sqlite3_column_int64(row, 0);
		at.priority = (uint8_t)sqlite3_column_int(row, 1);
		at.first_id = (uint64_t)sqlite3_column_int64(row, 2);
		job->rows_out[job->row_count_out++] = at;
		(void)sqlite3_reset(row);
	}
	return sql_result(store, code);
}

/* Those of one state whose time is between two. */
static enum store_result
wake_state(struct store *store, struct wake_job *job, enum mail_state state, int64_t from_ms,
    int64_t until_ms)
{
	uint32_t first = job->row_count_out;
	enum store_result result = read_ready(store,
	    sql_bind(store, SQL_GET_DUE, "iiii", (int64_t)state, from_ms, until_ms,
		(int64_t)(job->limit - job->row_count_out)),
	    &job->rows_out, &job->row_count_out);

	for (uint32_t i = first; i < job->row_count_out && result == STORE_OK; i++) {
		const struct ready_row *row = &job->rows_out[i];
		struct tally_place place = {.state = state,
		    .next_at_ms = row->next_at_ms,
		    .user_id = (int64_t)row->user_id,
		    .priority = row->priority,
		    .id = (int64_t)row->message_id};

		result = store_move(store, &place, MAIL_WAITING, 0);
	}
	return result;
}

static enum store_result
find_next_due(struct store *store, enum mail_state state, int64_t *next_at_ms)
{
	sqlite3_stmt *row = sql_bind(store, SQL_GET_NEXT_DUE, "i", (int64_t)state);
	int code = sql_step(row);

	if (code == SQLITE_ROW) {
		int64_t at_ms = sqlite3_column_int64(row, 0);

		if (*next_at_ms == 0 || at_ms < *next_at_ms)
			*next_at_ms = at_ms;
		(void)sqlite3_reset(row);
	}
	return sql_result(store, code);
}

/* Those that wait for too long; there may be more of them. */
static enum store_result
wake_strays(struct store *store, struct wake_job *job)
{
	enum store_result result =
	    wake_state(store, job, MAIL_WAITING, job->latest_ms + 1, INT64_MAX);

	if (result == STORE_OK)
		result = wake_state(store, job, MAIL_UNCERTAIN, job->latest_ms + 1, INT64_MAX);
	if (job->row_count_out >= job->limit)
		job->next_at_ms_out = job->now_ms;
	return result;
}

enum store_result
store_wake(struct store *store, struct wake_job *job)
{
	static const enum mail_state states[] = {MAIL_WAITING, MAIL_UNCERTAIN, MAIL_SCHEDULED};
	static const int state_count = sizeof(states) / sizeof(states[0]);
	enum store_result result = STORE_OK;

	for (int i = 0; i < state_count && result == STORE_OK; i++)
		result = wake_state(store, job, states[i], 1, job->now_ms);
	if (job->latest_ms != 0 && result == STORE_OK)
		result = wake_strays(store, job);
	for (int i = 0; i < state_count && result == STORE_OK; i++)
		result = find_next_due(store, states[i], &job->next_at_ms_out);
	return result;
}
