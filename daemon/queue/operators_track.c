/*
 * operators_track - GET /v1/track: messages with what became of them. The history finds them; how
 * those are that are still in the queue, the queue itself says.
 */
#include "common/ident.h"
#include "common/xalloc.h"
#include "daemon/core/result.h"
#include "daemon/queue/history_story.h"
#include "daemon/queue/operators_private.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
#define SKIP_MAX 200000
/* A message may end between the history's answer and the queue's. */
#define ASKED_MAX 2
/* What the queue knows of a message's recipients goes in beside all else that its story has. */
#define STORIES_SIZE_MAX (OPERATOR_ANSWER_MAX / 2 - 16384)

struct track {
	struct history_find_job find;
	struct load_job load;
	struct call *call;
	char *texts[5]; /* of the query */
	json_t *messages;
	size_t size; /* of them as text */
	size_t at;   /* the message that is looked at */
	unsigned asked;
	bool has_missing; /* neither ended nor in the queue */
};

static void
free_track(struct track *track)
{
	for (size_t i = 0; i < sizeof(track->texts) / sizeof(track->texts[0]); i++)
		free(track->texts[i]);
	json_decref(track->messages);
	free(track);
}

static void
answer_error(
    struct track *track, uint16_t status, const char *code, const char *message, const char *field)
{
	call_answer_error(track->call, status, code, message, field);
	free_track(track);
}

/* ---- what is still in the queue ---- */

/* The queue knows more of it than the history has been told. */
static void
merge_live(json_t *message, json_t *live)
{
	static const char *const fields[] = {"state", "priority", "profile", "header_from",
	    "message_id", "subject", "client", "hold_until", "reason", "recipient_count",
	    "recipients"};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		(void)json_object_set(message, fields[i], json_object_get(live, fields[i]));
}

static size_t
size_of(const json_t *value)
{
	return json_dumpb(value, NULL, 0, RESULT_FLAGS);
}

/* The oldest are left out if those before them have grown. */
static void
cut_to_size(struct track *track)
{
	size_t count;

	while (
	    track->size > OPERATOR_ANSWER_MAX && (count = json_array_size(track->messages)) > 1) {
		track->size -= size_of(json_array_get(track->messages, count - 1)) + 1;
		(void)json_array_remove(track->messages, count - 1);
		stories_mark_cut(track->messages);
	}
}

static void
take_live(struct track *track, json_t *message)
{
	json_t *live = call_message(track->call->operators, track->load.mail_out);

	track->size -= size_of(message);
	merge_live(message, live);
	track->size += size_of(message);
	json_decref(live);
	cut_to_size(track);
}

static void ask(struct track *track);
static void look_at_next(struct track *track);

static void
on_loaded(struct job *job)
{
	struct track *track = job->ctx;
	json_t *message = json_array_get(track->messages, track->at);

	if (track->load.mail_out != NULL) {
		take_live(track, message);
		free(track->load.mail_out);
	} else if (job->outcome == JOB_DONE) {
		track->has_missing = true;
		(void)json_object_set_new(message, "state", json_string("unknown"));
	}
	track->at++;
	look_at_next(track);
}

static void
answer(struct track *track)
{
	if (track->has_missing && track->asked < ASKED_MAX) {
		ask(track);
		return;
	}
	call_answer_json(track->call, 200, json_incref(track->messages));
	free_track(track);
}

static void
look_at_next(struct track *track)
{
	json_t *message;
	uint64_t id;

	for (; track->at < json_array_size(track->messages); track->at++) {
		message = json_array_get(track->messages, track->at);
		if (!json_is_null(json_object_get(message, "fate")) ||
		    !ident_parse(json_string_value(json_object_get(message, "id")), &id))
			continue;
		track->load = (struct load_job){
		    .job = {.on_done = on_loaded, .ctx = track, .urgency = JOB_READS},
		    .message_id = id};
		storage_post(track->call->operators->storage, STORE_LOAD, &track->load.job);
		return;
	}
	answer(track);
}

/* ---- the history ---- */

static void
on_found(struct job *job)
{
	struct track *track = job->ctx;

	track->messages = track->find.messages_out;
	track->size = size_of(track->messages);
	if (job->outcome != JOB_DONE)
		answer_error(
		    track, 503, "history_failed", "the history can't be read just now", NULL);
	else if (track->find.extent_out.is_cut)
		answer_error(track, 413, "too_many",
		    "too many messages to look through: narrow the search with since and until",
		    "since");
	else
		look_at_next(track);
}

static void
ask(struct track *track)
{
	json_decref(track->messages);
	track->messages = NULL;
	track->at = 0;
	track->has_missing = false;
	track->asked++;
	track->find.job = (struct job){.on_done = on_found, .ctx = track};
	track->find.messages_out = NULL;
	history_ask(track->call->operators->history, HISTORY_FIND, &track->find.job);
}

/* ---- the query ---- */

static void
take_texts(struct track *track, const char *path)
{
	static const char *const names[] = {"to", "from", "message_id", "user", "list"};
	struct history_query *query = &track->find.query;
	const char **fields[] = {
	    &query->to, &query->from, &query->message_id_header, &query->user, &query->list};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		track->texts[i] = operator_query(path, names[i]);
		*fields[i] = track->texts[i];
	}
}

/* NULL: it is sound; else the field that isn't, and why. */
static const char *
take_numbers(struct track *track, const char *path, const char **field_out)
{
	struct history_query *query = &track->find.query;
	char *id = operator_query(path, "id"), *limit = operator_query(path, "limit");
	char *transcript = operator_query(path, "transcript"), *skip = operator_query(path, "skip");
	uint64_t number = LIMIT_DEFAULT, skipped = 0;
	const char *problem = NULL;

	track->find.has_transcripts = transcript != NULL;
	if (id != NULL && !ident_parse(id, &query->message_id)) {
		*field_out = "id";
		problem = "id is the id of a message";
	} else if (limit != NULL && !call_parse_number(limit, 1, LIMIT_MAX, &number)) {
		*field_out = "limit";
		problem = "limit is a number from 1 to 1000";
	} else if (skip != NULL && !call_parse_number(skip, 0, SKIP_MAX, &skipped)) {
		*field_out = "skip";
		problem = "skip is a number from 0 to 200000";
	}
	query->limit = (uint32_t)number;
	query->skip = (uint32_t)skipped;
	free(id);
	free(limit);
	free(skip);
	free(transcript);
	return problem;
}

void
call_start_track(struct call *call, const char *path)
{
	struct track *track = xcalloc(1, sizeof(*track));
	struct history_query *query = &track->find.query;
	const char *field = NULL, *problem;

	track->call = call;
	track->find.size_max = STORIES_SIZE_MAX;
	take_texts(track, path);
	problem = take_numbers(track, path, &field);
	if (problem == NULL)
		problem = call_parse_span(call, path, &query->since_ms, &query->until_ms, &field);
	/* Times are told in whole seconds: one that was told finds its message. */
	if (query->until_ms != 0 && query->until_ms % 1000 == 0)
		query->until_ms += 999;
	if (problem == NULL)
		ask(track);
	else
		answer_error(track, 400, "invalid", problem, field);
}
