/* history - track and stats: what became of messages, and how much of it there was. */
#include "ctl/invocation.h"
#include "ctl/nouns.h"
#include "ctl/story.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100 /* posternd's */

static const struct option_row track_options[] = {
    {"to", VALUE_TEXT, "ADDR", "to this recipient, or @DOMAIN"},
    {"from", VALUE_TEXT, "ADDR", "from this sender, or @DOMAIN"},
    {"message-id", VALUE_TEXT, "ID", "with this Message-ID:"},
    {"user", VALUE_TEXT, "U", "of this user"},
    {"list", VALUE_TEXT, "L", "of this list's users"},
    {"id", VALUE_TEXT, "ID", "the one with this id"},
    {"since", VALUE_TEXT, "TIME", "accepted since then: a time, or how long ago, as 2h"},
    {"until", VALUE_TEXT, "TIME", "accepted until then"},
    {"limit", VALUE_NUMBER, "N", "so many at most, the newest; default 100"},
    {"skip", VALUE_NUMBER, "N", "without the newest N of them"},
    {"transcript", VALUE_FLAG, NULL, "with what was said to upstreams, where that is kept"},
    {.name = NULL},
};

static const struct option_row stats_options[] = {
    {"list", VALUE_TEXT, "L", "of this list"},
    {"user", VALUE_TEXT, "U", "of this user"},
    {"profile", VALUE_TEXT, "P", "of what went through this profile"},
    {"since", VALUE_TEXT, "TIME", "a time, or how long ago; default 24h"},
    {"until", VALUE_TEXT, "TIME", "until then"},
    {"by", VALUE_TEXT, "list|user|profile|hour|day", "a row for each; default user"},
    {.name = NULL},
};

static const struct column stats_columns[] = {
    {"AT", "at", COLUMN_IF_ANY},
    {"USER", "user", COLUMN_IF_ANY},
    {"LIST", "list", COLUMN_IF_ANY},
    {"PROFILE", "profile", COLUMN_IF_ANY},
    {"ACCEPTED", "accepted", COLUMN_NUMBER},
    {"SENT", "sent", COLUMN_NUMBER},
    {"BOUNCED", "bounced", COLUMN_NUMBER},
    {"REMOVED", "removed", COLUMN_NUMBER},
    {"DEFERRED", "deferred", COLUMN_NUMBER},
    {"BLOCKED", "blocked", COLUMN_NUMBER},
    {"REJECTED", "rejected", COLUMN_NUMBER},
    {"BYTES", "bytes", COLUMN_SIZE},
    {"P50", "p50", COLUMN_NUMBER},
    {"P90", "p90", COLUMN_NUMBER},
    {"P99", "p99", COLUMN_NUMBER},
    {NULL, NULL, COLUMN_PLAIN},
};

/* ---- track ---- */

static json_int_t
number_option(struct invocation *invocation, const char *name, json_int_t if_absent)
{
	const json_t *value = json_object_get(invocation->arguments.fields, name);

	return value == NULL ? if_absent : json_integer_value(value);
}

/* Of a new message that came meanwhile each is one place further back: some come twice. */
static bool
has_message(const json_t *messages, const json_t *wanted)
{
	const json_t *id = json_object_get(wanted, "id");

	for (size_t i = 0; i < json_array_size(messages); i++)
		if (json_equal(json_object_get(json_array_get(messages, i), "id"), id))
			return true;
	return false;
}

static void
add_page(json_t *messages, const json_t *page)
{
	for (size_t i = 0; i < json_array_size(page); i++)
		if (!has_message(messages, json_array_get(page, i)))
			(void)json_array_append(messages, json_array_get(page, i));
}

static int
get_page(struct invocation *invocation, json_int_t limit, json_int_t skip, json_t **page_out)
{
	json_t *fields = invocation->arguments.fields;
	char *path;
	int status;

	(void)json_object_set_new(fields, "limit", json_integer(limit));
	(void)json_object_set_new(fields, "skip", json_integer(skip));
	path = invocation_query(invocation, "/v1/track");
	status = invocation_call(invocation, "GET", path, NULL, page_out);
	free(path);
	return status;
}

static void
tell_of_more(json_t *messages, json_int_t skip)
{
	size_t count = json_array_size(messages);

	(void)json_object_set_new(json_array_get(messages, count - 1), "has_more", json_true());
	(void)fprintf(stderr,
	    "posternctl: there are more than these %zu: --skip %lld shows those before\n", count,
	    (long long)skip);
}

/* An answer has a limit in bytes, too: asks until there are as many as are wanted. */
static int
get_stories(struct invocation *invocation, json_t *messages)
{
	json_int_t limit = number_option(invocation, "limit", LIMIT_DEFAULT);
	json_int_t skip = number_option(invocation, "skip", 0);
	bool has_more;

	do {
		json_t *page = NULL;
		int status = get_page(
		    invocation, limit - (json_int_t)json_array_size(messages), skip, &page);

		if (status != STATUS_DONE)
			return status;
		has_more = invocation_take_has_more(page);
		skip += (json_int_t)json_array_size(page);
		add_page(messages, page);
		json_decref(page);
	} while (has_more && (json_int_t)json_array_size(messages) < limit);
	if (has_more)
		tell_of_more(messages, skip);
	return STATUS_DONE;
}

static int
run_track(struct invocation *invocation)
{
	json_t *messages = json_array(), *message;
	int status = get_stories(invocation, messages);
	size_t i;

	if (status == STATUS_DONE && invocation->is_json)
		invocation_print_json(messages);
	else if (status == STATUS_DONE)
		json_array_foreach(messages, i, message)
		{
			if (i > 0)
				(void)putchar('\n');
			story_print(stdout, message);
		}
	if (status == STATUS_DONE && json_array_size(messages) == 0 &&
	    json_object_get(invocation->arguments.fields, "id") != NULL)
		status = invocation_fail(STATUS_REFUSED,
		    "no message of this id is known: it was never accepted, or longer ago than "
		    "history.keep");
	json_decref(messages);
	return status;
}

/* ---- stats ---- */

/* For the table: the percentiles beside the counters. */
static void
flatten(json_t *row)
{
	static const char *const fields[] = {"p50", "p90", "p99"};
	json_t *latency = json_object_get(row, "latency");

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		(void)json_object_set(row, fields[i], json_object_get(latency, fields[i]));
}

/* Its last row is the sum. */
static void
print_stats(json_t *result)
{
	json_t *rows = json_object_get(result, "rows"), *total = json_object_get(result, "total");
	json_t *first = json_array_get(rows, 0), *row;
	static const char *const labels[] = {"at", "user", "profile", "list"};
	size_t i;

	for (i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (json_object_get(first, labels[i]) != NULL) {
			(void)json_object_set_new(total, labels[i], json_string("total"));
			break;
		}
	(void)json_array_append(rows, total);
	json_array_foreach(rows, i, row) flatten(row);
	table_print(stdout, rows, stats_columns);
}

static int
run_stats(struct invocation *invocation)
{
	char *path = invocation_query(invocation, "/v1/stats");
	json_t *result = NULL;
	int status = invocation_call(invocation, "GET", path, NULL, &result);

	free(path);
	if (status != STATUS_DONE)
		return status;
	if (invocation->is_json)
		invocation_print_json(result);
	else
		print_stats(result);
	json_decref(result);
	return STATUS_DONE;
}

const struct command track_commands[] = {
    {"track", NULL, "", 0, 0, track_options, "what became of messages", run_track},
    {.noun = NULL},
};

const struct command stats_commands[] = {
    {"stats", NULL, "", 0, 0, stats_options, "how much was sent, and how fast", run_stats},
    {.noun = NULL},
};
