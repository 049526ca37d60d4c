/* history_story - records, one after the other, make up a message. */
#include "daemon/queue/history_story.h"

#include "common/ident.h"
#include "common/xalloc.h"
#include "daemon/core/result.h"

#include <stdlib.h>
#include <string.h>

#define RECIPIENTS_SHOWN 1000
#define RECIPIENTS_SHOWN_BYTES (256u * 1024)
#define TO_SHOWN 20
#define ATTEMPTS_SHOWN 100
#define TRANSCRIPTS_SHOWN_BYTES (256u * 1024)

struct stories {
	json_t *array;
	size_t bytes, size_max;
	bool has_transcripts, is_full;
	/* the message that is being told */
	json_t *message, *recipients, *attempts;
	json_t *latest; /* the first of the attempts' objects that tell of the latest attempt */
	uint64_t latest_attempt;
	size_t recipient_bytes, transcript_bytes;
	json_int_t left_out;
	bool has_failed, has_expired, has_ended, was_removed;
};

static void
set(json_t *object, const char *field, json_t *value)
{
	(void)json_object_set_new(object, field, value);
}

static json_t *
text_or_null(const char *text)
{
	return *text == '\0' ? json_null() : result_text(text);
}

static json_t *
seconds(uint64_t ms)
{
	return json_real((double)ms / 1000);
}

/* ---- recipients ---- */

static json_t *
add_recipient(struct stories *stories, const struct journal_row *row)
{
	json_t *object;

	if (json_array_size(stories->recipients) == RECIPIENTS_SHOWN ||
	    stories->recipient_bytes > RECIPIENTS_SHOWN_BYTES)
		return NULL;
	stories->recipient_bytes += strlen(row->address) + 128;
	object = json_pack("{s:o,s:n,s:i,s:n,s:n,s:n,s:n,s:n,s:n}", "to", result_text(row->address),
	    "state", "attempts", 0, "next_attempt_at", "code", "enhanced", "reply", "class",
	    "rule");
	(void)json_array_append_new(stories->recipients, object);
	return object;
}

/* The client's order; one of a message whose acceptance is not known comes with its attempt. */
static json_t *
find_recipient(struct stories *stories, const struct journal_row *row)
{
	json_t *object = json_array_get(stories->recipients, row->index);
	const char *to = json_string_value(json_object_get(object, "to"));
	size_t i;

	if (to != NULL && strcmp(to, row->address) == 0)
		return object;
	json_array_foreach(stories->recipients, i, object)
	{
		to = json_string_value(json_object_get(object, "to"));
		if (to != NULL && strcmp(to, row->address) == 0)
			return object;
	}
	return add_recipient(stories, row);
}

static const char *
fate_name(enum journal_fate fate)
{
	switch (fate) {
	case JOURNAL_DELIVERED:
		return "delivered";
	case JOURNAL_FAILED:
		return "failed";
	case JOURNAL_EXPIRED:
		return "expired";
	case JOURNAL_UNCERTAIN:
		return "uncertain";
	case JOURNAL_NOT_SENT:
		return "not-sent";
	case JOURNAL_DEFERRED:
		break;
	}
	return "deferred";
}

static void
set_reply(json_t *object, const struct journal_row *row)
{
	set(object, "code", row->code == 0 ? json_null() : json_integer(row->code));
	set(object, "enhanced", text_or_null(row->enhanced));
	set(object, "reply", result_text(row->reply));
	set(object, "class", text_or_null(row->class));
	set(object, "rule", text_or_null(row->rule));
}

static bool
is_pending(enum journal_fate fate)
{
	return fate == JOURNAL_DEFERRED || fate == JOURNAL_UNCERTAIN;
}

static void
note_fate(
    struct stories *stories, const struct journal_record *record, const struct journal_row *row)
{
	json_t *object = find_recipient(stories, row);
	json_int_t attempts = json_integer_value(json_object_get(object, "attempts"));

	stories->has_failed |= row->fate == JOURNAL_FAILED;
	stories->has_expired |= row->fate == JOURNAL_EXPIRED;
	if (object == NULL)
		return;
	set(object, "state", json_string(fate_name(row->fate)));
	set(object, "attempts", json_integer(attempts + 1));
	set(object, "next_attempt_at",
	    is_pending(row->fate) ? result_time(record->next_at_ms) : json_null());
	set_reply(object, row);
}

/* ---- attempts ---- */

static json_t *
new_attempt(const struct journal_record *record, const struct journal_row *row)
{
	json_t *object = json_object();

	set(object, "at", result_time(record->at_ms));
	set(object, "profile", text_or_null(record->profile));
	set(object, "upstream", text_or_null(record->upstream));
	set(object, "tls", text_or_null(record->tls));
	set(object, "delays",
	    json_pack("{s:o,s:o,s:o,s:o}", "queue", seconds(record->queue_ms), "connect",
		seconds(record->connect_ms), "tls", seconds(record->tls_ms), "send",
		seconds(record->send_ms)));
	set(object, "fate", json_string(fate_name(row->fate)));
	set_reply(object, row);
	set(object, "next_attempt_at",
	    is_pending(row->fate) ? result_time(record->next_at_ms) : json_null());
	set(object, "recipient_count", json_integer(0));
	set(object, "to", json_array());
	return object;
}

static void
add_attempt(struct stories *stories, json_t *object)
{
	if (json_array_size(stories->attempts) == ATTEMPTS_SHOWN) {
		(void)json_array_remove(stories->attempts, ATTEMPTS_SHOWN / 2);
		stories->left_out++;
	}
	(void)json_array_append_new(stories->attempts, object);
}

static void
add_to(json_t *attempt, const char *address)
{
	json_t *to = json_object_get(attempt, "to");

	set(attempt, "recipient_count",
	    json_integer(json_integer_value(json_object_get(attempt, "recipient_count")) + 1));
	if (json_array_size(to) < TO_SHOWN)
		(void)json_array_append_new(to, result_text(address));
}

static bool
is_same(const struct journal_row *a, const struct journal_row *b)
{
	return a->fate == b->fate && a->code == b->code && strcmp(a->enhanced, b->enhanced) == 0 &&
	       strcmp(a->reply, b->reply) == 0 && strcmp(a->rule, b->rule) == 0;
}

/* Recipients that heard the same stand in one object. */
static void
tell_attempt(struct stories *stories, struct journal_record *record)
{
	struct journal_row row, before;
	json_t *object = NULL;

	stories->latest_attempt = record->attempt;
	stories->latest = NULL;
	for (bool is_first = true; journal_next_row(record, &row); is_first = false) {
		if (row.fate != JOURNAL_NOT_SENT)
			note_fate(stories, record, &row);
		if (is_first || !is_same(&row, &before)) {
			object = new_attempt(record, &row);
			add_attempt(stories, object);
		}
		if (is_first)
			stories->latest = object;
		if (row.fate != JOURNAL_NOT_SENT)
			add_to(object, row.address);
		before = row;
	}
	stories->has_ended |= record->end != JOURNAL_GOES_ON;
	stories->was_removed |= record->end == JOURNAL_WAS_REMOVED;
	set(stories->message, "profile", text_or_null(record->profile));
	set(stories->message, "ended_at",
	    stories->has_ended ? result_time(record->at_ms) : json_null());
}

static void
tell_transcript(struct stories *stories, const struct journal_record *record)
{
	size_t size = strlen(record->transcript);

	if (!stories->has_transcripts || stories->latest == NULL ||
	    stories->latest_attempt != record->attempt ||
	    stories->transcript_bytes + size > TRANSCRIPTS_SHOWN_BYTES)
		return;
	stories->transcript_bytes += size;
	set(stories->latest, "transcript", result_text(record->transcript));
}

/* ---- a message ---- */

static void
tell_acceptance(struct stories *stories, struct journal_record *record)
{
	json_t *message = stories->message;
	struct journal_row row;

	set(message, "priority", json_integer(record->priority));
	set(message, "profile", text_or_null(record->profile));
	set(message, "header_from", result_text(record->header_from));
	set(message, "message_id", result_text(record->message_id_header));
	set(message, "subject", result_text(record->subject));
	set(message, "client", result_text(record->client));
	set(message, "hold_until",
	    record->begins_at_ms > record->received_at_ms ? result_time(record->begins_at_ms)
							  : json_null());
	set(message, "is_notice", json_boolean(record->is_notice));
	set(message, "recipient_count", json_integer(record->row_count));
	while (journal_next_row(record, &row))
		(void)add_recipient(stories, &row);
}

static void
tell_removal(struct stories *stories, const struct journal_record *record)
{
	stories->has_ended = stories->was_removed = true;
	set(stories->message, "ended_at", result_time(record->at_ms));
}

/* What every message has, known or not. */
static json_t *
new_message(const struct journal_record *first)
{
	static const char *const fields[] = {"priority", "header_from", "message_id", "subject",
	    "client", "size", "received_at", "hold_until", "is_notice", "ended_at",
	    "recipient_count"};
	json_t *message = json_object();
	char ident[IDENT_SIZE];

	set(message, "id", json_string(ident_format(first->message_id, ident)));
	set(message, "state", json_null());
	set(message, "fate", json_null());
	set(message, "user", result_text(first->login));
	set(message, "list", result_text(first->list));
	set(message, "profile", json_null());
	set(message, "from", result_text(first->sender));
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		set(message, fields[i], json_null());
	set(message, "size", json_integer((json_int_t)first->size));
	set(message, "received_at", result_time(first->received_at_ms));
	return message;
}

static bool
begin(const struct journal_record *first, void *ctx)
{
	struct stories *stories = ctx;

	if (stories->is_full)
		return false;
	stories->message = new_message(first);
	stories->recipients = json_array();
	stories->attempts = json_array();
	stories->latest = NULL;
	stories->recipient_bytes = stories->transcript_bytes = 0;
	stories->left_out = 0;
	stories->has_failed = stories->has_expired = false;
	stories->has_ended = stories->was_removed = false;
	return true;
}

static void
add(struct journal_record *record, void *ctx)
{
	struct stories *stories = ctx;

	switch (record->kind) {
	case JOURNAL_ACCEPTED:
		tell_acceptance(stories, record);
		return;
	case JOURNAL_ATTEMPT:
		tell_attempt(stories, record);
		return;
	case JOURNAL_REMOVED:
		tell_removal(stories, record);
		return;
	case JOURNAL_TRANSCRIPT:
		tell_transcript(stories, record);
		return;
	case JOURNAL_REFUSED:
		return;
	}
}

static const char *
fate_of(const struct stories *stories)
{
	if (stories->was_removed)
		return "removed";
	if (stories->has_failed)
		return "bounced";
	return stories->has_expired ? "expired" : "delivered";
}

/* Who was not through when the message was removed. */
static void
remove_pending(json_t *recipients)
{
	json_t *object;
	size_t i;

	json_array_foreach(recipients, i, object)
	{
		const char *state = json_string_value(json_object_get(object, "state"));

		if (state != NULL && strcmp(state, "deferred") != 0 &&
		    strcmp(state, "uncertain") != 0)
			continue;
		set(object, "state", json_string("removed"));
		set(object, "next_attempt_at", json_null());
	}
}

static size_t
size_of(const json_t *value)
{
	return json_dumpb(value, NULL, 0, JSON_COMPACT);
}

/* The middle half. */
static void
halve_attempts(struct stories *stories)
{
	size_t count = json_array_size(stories->attempts), keep = count / 2;

	for (size_t i = keep; i < count; i++)
		(void)json_array_remove(stories->attempts, keep / 2);
	stories->left_out += (json_int_t)(count - keep);
	set(stories->message, "attempts_left_out", json_integer(stories->left_out));
}

static void
halve_recipients(struct stories *stories)
{
	size_t keep = json_array_size(stories->recipients) / 2;

	while (json_array_size(stories->recipients) > keep)
		(void)json_array_remove(stories->recipients, keep);
}

/* One that is too long for any answer would never be told, nor any that is older. */
static void
shorten(struct stories *stories)
{
	while (size_of(stories->message) > stories->size_max &&
	       json_array_size(stories->attempts) + json_array_size(stories->recipients) > 0)
		if (size_of(stories->attempts) > size_of(stories->recipients))
			halve_attempts(stories);
		else
			halve_recipients(stories);
}

void
stories_mark_cut(json_t *messages)
{
	size_t count = json_array_size(messages);

	if (count > 0)
		set(json_array_get(messages, count - 1), "has_more", json_true());
}

static void
end(void *ctx)
{
	struct stories *stories = ctx;
	json_t *message = stories->message;
	bool is_first = json_array_size(stories->array) == 0;
	size_t size;

	if (stories->has_ended) {
		set(message, "fate", json_string(fate_of(stories)));
		set(message, "state", json_string(fate_of(stories)));
	}
	if (stories->was_removed)
		remove_pending(stories->recipients);
	set(message, "recipients", stories->recipients);
	set(message, "attempts", stories->attempts);
	set(message, "attempts_left_out", json_integer(stories->left_out));
	set(message, "has_more", json_false());
	if (is_first)
		shorten(stories);
	size = size_of(message) + 1;
	stories->is_full = !is_first && stories->bytes + size > stories->size_max;
	if (stories->is_full) {
		json_decref(message);
		stories_mark_cut(stories->array);
	} else {
		(void)json_array_append_new(stories->array, message);
		stories->bytes += size;
	}
	stories->message = stories->recipients = stories->attempts = NULL;
}

const struct history_story_ops stories_ops = {begin, add, end};

struct stories *
stories_new(bool has_transcripts, size_t size_max)
{
	struct stories *stories = xcalloc(1, sizeof(*stories));

	stories->array = json_array();
	stories->has_transcripts = has_transcripts;
	stories->size_max = size_max;
	return stories;
}

json_t *
stories_give(struct stories *stories)
{
	return json_incref(stories->array);
}

void
stories_free(struct stories *stories)
{
	if (stories == NULL)
		return;
	json_decref(stories->array);
	free(stories);
}
