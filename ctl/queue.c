/* queue - the messages that wait: look at them, hold, release, retry, schedule and remove them. */
#include "ctl/copies.h"
#include "ctl/invocation.h"
#include "ctl/nouns.h"
#include "ctl/retry.h"
#include "ctl/story.h"

#include "common/xalloc.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100 /* posternd's */

static const struct column columns[] = {
    {"ID", "id", COLUMN_PLAIN},
    {"STATE", "state", COLUMN_PLAIN},
    {"PRIORITY", "priority", COLUMN_NUMBER},
    {"USER", "user", COLUMN_SHORT},
    {"PROFILE", "profile", COLUMN_SHORT},
    {"SIZE", "size", COLUMN_SIZE},
    {"RECEIVED", "received_at", COLUMN_PLAIN},
    {"NEXT ATTEMPT", "next_attempt_at", COLUMN_PLAIN},
    {"FROM", "from", COLUMN_SHORT},
    {"TO", "to", COLUMN_SHORT},
    {"LAST REPLY", "reply", COLUMN_PLAIN},
    {NULL, NULL, COLUMN_PLAIN},
};

static const struct column recipient_columns[] = {
    {"TO", "to", COLUMN_PLAIN},
    {"STATE", "state", COLUMN_PLAIN},
    {"ATTEMPTS", "attempts", COLUMN_NUMBER},
    {"NEXT ATTEMPT", "next_attempt_at", COLUMN_PLAIN},
    {"CODE", "code", COLUMN_NUMBER},
    {"ENHANCED", "enhanced", COLUMN_PLAIN},
    {"REPLY", "reply", COLUMN_PLAIN},
    {NULL, NULL, COLUMN_PLAIN},
};

#define SELECTION_OPTIONS                                                                          \
	{"list", VALUE_TEXT, "L", "of this list's users"},                                         \
	    {"user", VALUE_TEXT, "U", "of this user"},                                             \
	{                                                                                          \
		"profile", VALUE_TEXT, "P", "that go out through this profile"                     \
	}

static const struct option_row ls_options[] = {
    SELECTION_OPTIONS,
    {"state", VALUE_TEXT, "ready|deferred|scheduled|held|sending|uncertain", "in this state"},
    {"limit", VALUE_NUMBER, "N", "so many at most; default 100"},
    {"after", VALUE_TEXT, "ID", "those behind this one"},
    {.name = NULL},
};

static const struct option_row show_options[] = {
    {"body", VALUE_FLAG, NULL, "the message itself, as it is stored"},
    {"transcript", VALUE_FLAG, NULL,
	"what was tried, and what was said to upstreams, where that is kept"},
    {.name = NULL},
};

static const struct option_row action_options[] = {
    SELECTION_OPTIONS,
    {"all", VALUE_FLAG, NULL, "every message"},
    {.name = NULL},
};

/* The first that the message waits for; those that it reached are no reason. */
static const json_t *
first_waiting(const json_t *recipients)
{
	const json_t *recipient;
	size_t i;

	json_array_foreach(recipients, i, recipient)
	{
		const char *state = json_string_value(json_object_get(recipient, "state"));

		if (state != NULL && strcmp(state, "delivered") != 0 &&
		    strcmp(state, "failed") != 0)
			return recipient;
	}
	return json_array_get(recipients, 0);
}

/* For the table: a recipient, how many more, what it was last told, and until when it waits. */
static void
summarize_recipients(json_t *message)
{
	const json_t *first = first_waiting(json_object_get(message, "recipients"));
	const json_t *reason = json_object_get(message, "reason"); /* why it can't go */
	json_t *until = json_object_get(message, "waits_until");   /* its profile does */
	const char *to = json_string_value(json_object_get(first, "to"));
	json_int_t more = json_integer_value(json_object_get(message, "recipient_count"));
	char *text;

	if (to == NULL)
		return;
	text = more > 1 ? xasprintf("%s +%lld", to, (long long)more - 1) : xstrdup(to);
	(void)json_object_set_new(message, "to", json_string(text));
	(void)json_object_set(message, "next_attempt_at",
	    json_is_string(until) ? until : json_object_get(first, "next_attempt_at"));
	(void)json_object_set(message, "reply",
	    json_object_get(json_is_string(reason) ? message : first,
		json_is_string(reason) ? "reason" : "reply"));
	free(text);
}

/* Whether there is more that an answer had no room for; then it is asked for what stands behind it. */
static bool
ask_on(struct invocation *invocation, json_t *messages, json_int_t limit)
{
	json_t *fields = invocation->arguments.fields;
	size_t count = json_array_size(messages);

	if (!invocation_take_has_more(messages))
		return false;
	(void)json_object_set(
	    fields, "after", json_object_get(json_array_get(messages, count - 1), "id"));
	(void)json_object_set_new(fields, "limit", json_integer(limit - (json_int_t)count));
	return true;
}

static int
list_messages(struct invocation *invocation, json_t *messages)
{
	const json_t *wanted = json_object_get(invocation->arguments.fields, "limit");
	json_int_t limit = wanted == NULL ? LIMIT_DEFAULT : json_integer_value(wanted);
	json_t *page = NULL;
	int status;

	do {
		char *path = invocation_query(invocation, "/v1/messages");

		status = invocation_call(invocation, "GET", path, NULL, &page);
		free(path);
		if (status != STATUS_DONE)
			return status;
		(void)json_array_extend(messages, page);
		json_decref(page);
	} while (ask_on(invocation, messages, limit));
	return status;
}

static int
run_ls(struct invocation *invocation)
{
	json_t *messages = json_array(), *message;
	int status = list_messages(invocation, messages);
	size_t i;

	if (!invocation->is_json)
		json_array_foreach(messages, i, message) summarize_recipients(message);
	if (status == STATUS_DONE)
		status = invocation_print_rows(invocation, messages, columns);
	json_decref(messages);
	return status;
}

/* In pieces, until one is empty: a message of any size passes through here. */
static int
print_body(struct invocation *invocation)
{
	char *prefix = invocation_path(invocation, "/v1/messages/", "/body?offset=");
	unsigned long long offset = 0;
	struct answer piece;
	int status;

	for (;;) {
		char *path = xasprintf("%s%llu", prefix, offset);
		size_t size;

		status = invocation_fetch(invocation, path, &piece);
		free(path);
		if (status != STATUS_DONE)
			break;
		size = piece.body.size;
		if (size > 0 && fwrite(piece.body.bytes, 1, size, stdout) != size)
			status = invocation_fail(STATUS_REFUSED, "can't write the message out");
		answer_fini(&piece);
		if (size == 0 || status != STATUS_DONE)
			break;
		offset += size;
	}
	free(prefix);
	return status;
}

static void
print_message(json_t *message)
{
	json_t *recipients = json_incref(json_object_get(message, "recipients"));

	(void)json_object_del(message, "recipients");
	table_print_record(stdout, message);
	(void)putchar('\n');
	table_print(stdout, recipients, recipient_columns);
	json_decref(recipients);
}

/* The history has it, whether the message is still in the queue or not. */
static int
print_transcripts(struct invocation *invocation)
{
	char *path = invocation_path(invocation, "/v1/track?transcript=1&id=", "");
	json_t *messages = NULL;
	int status = invocation_call(invocation, "GET", path, NULL, &messages);

	free(path);
	if (status != STATUS_DONE)
		return status;
	if (json_array_size(messages) == 0)
		status = invocation_fail(STATUS_REFUSED, "no message of this id is known");
	else if (invocation->is_json)
		invocation_print_json(json_array_get(messages, 0));
	else
		story_print(stdout, json_array_get(messages, 0));
	json_decref(messages);
	return status;
}

static int
run_show(struct invocation *invocation)
{
	char *path;
	json_t *message = NULL;
	int status;

	if (arguments_take_flag(&invocation->arguments, "body"))
		return print_body(invocation);
	if (arguments_take_flag(&invocation->arguments, "transcript"))
		return print_transcripts(invocation);
	path = invocation_path(invocation, "/v1/messages/", "");
	status = invocation_call(invocation, "GET", path, NULL, &message);
	free(path);
	if (status != STATUS_DONE)
		return status;
	if (invocation->is_json)
		invocation_print_json(message);
	else
		print_message(message);
	json_decref(message);
	return STATUS_DONE;
}

/* Ids or a selection, never both, never neither: nobody removes everything by leaving a word out. */
static int
select_messages(struct invocation *invocation)
{
	struct arguments *arguments = &invocation->arguments;
	json_t *ids;

	if ((arguments->operand_count > 0) == (json_object_size(arguments->fields) > 0))
		return invocation_fail(STATUS_USAGE,
		    "name the messages: either their ids or one of --list, --user, --profile, "
		    "--all");
	if (json_object_get(arguments->fields, "all") != NULL &&
	    json_object_size(arguments->fields) > 1)
		return invocation_fail(STATUS_USAGE, "--all goes alone");
	if (arguments->operand_count == 0)
		return STATUS_DONE;
	ids = json_array();
	for (unsigned i = 0; i < arguments->operand_count; i++)
		(void)json_array_append_new(ids, json_string(arguments->operands[i]));
	(void)json_object_set_new(arguments->fields, "ids", ids);
	return STATUS_DONE;
}

static int
change(struct invocation *invocation, const char *path, const char *done, json_int_t *count_out)
{
	json_t *result = NULL;
	int status = select_messages(invocation);

	if (status == STATUS_DONE)
		status = invocation_call(
		    invocation, "POST", path, invocation->arguments.fields, &result);
	if (status != STATUS_DONE)
		return status;
	*count_out = json_integer_value(json_object_get(result, "count"));
	if (invocation->is_json)
		invocation_print_json(result);
	else
		(void)printf("%" JSON_INTEGER_FORMAT " %s\n", *count_out, done);
	json_decref(result);
	return STATUS_DONE;
}

/* An empty queue is no mistake; a name with nothing behind it may be. */
static bool
is_of_all(const struct invocation *invocation)
{
	return json_object_get(invocation->arguments.fields, "all") != NULL;
}

static int
check_count(const struct invocation *invocation, json_int_t count)
{
	if (count == 0 && invocation->arguments.operand_count == 0 && !is_of_all(invocation))
		return invocation_fail(STATUS_REFUSED, "no message of this selection is in a state "
						       "that allows it (posternctl queue ls)");
	if (count < (json_int_t)invocation->arguments.operand_count)
		return invocation_fail(STATUS_REFUSED,
		    "%" JSON_INTEGER_FORMAT " of %u messages: the others are not in the queue, or "
		    "in a state that does not allow it (posternctl queue show ID)",
		    count, invocation->arguments.operand_count);
	return STATUS_DONE;
}

static int
act(struct invocation *invocation, const char *path, const char *done)
{
	json_int_t count;
	int status = change(invocation, path, done, &count);

	return status == STATUS_DONE ? check_count(invocation, count) : status;
}

static int
run_hold(struct invocation *invocation)
{
	return act(invocation, "/v1/messages/hold", "held");
}

static int
run_release(struct invocation *invocation)
{
	return act(invocation, "/v1/messages/release", "released");
}

static int
run_retry(struct invocation *invocation)
{
	json_int_t count;
	bool is_going = false;
	int status = change(invocation, "/v1/messages/retry", "to be tried now", &count);

	if (status == STATUS_DONE && count == 0 && is_of_all(invocation))
		return retry_explain_all(invocation);
	if (status == STATUS_DONE && count == 0)
		status = retry_explain(invocation, &is_going);
	return status == STATUS_DONE && !is_going ? check_count(invocation, count) : status;
}

static int
run_rm(struct invocation *invocation)
{
	return act(invocation, "/v1/messages/remove", "removed");
}

static int
run_schedule(struct invocation *invocation)
{
	char *path = invocation_path(invocation, "/v1/messages/", "/schedule");
	json_t *body = json_pack("{s:s}", "at", invocation->arguments.operands[1]);
	json_t *result = NULL;
	int status = invocation_call(invocation, "POST", path, body, &result);

	free(path);
	json_decref(body);
	if (status != STATUS_DONE)
		return status;
	if (invocation->is_json)
		invocation_print_json(result);
	else
		(void)printf("not before %s\n", json_string_value(json_object_get(result, "at")));
	json_decref(result);
	return STATUS_DONE;
}

const struct command queue_commands[] = {
    {"queue", "ls", "", 0, 0, ls_options, "what waits", run_ls},
    {"queue", "show", "ID", 1, 1, show_options, "a message and its recipients", run_show},
    {"queue", "hold", "[ID…]", 0, UINT_MAX, action_options, "keep messages until release",
	run_hold},
    {"queue", "release", "[ID…]", 0, UINT_MAX, action_options, "let held messages go", run_release},
    {"queue", "retry", "[ID…]", 0, UINT_MAX, action_options, "try again now", run_retry},
    {"queue", "schedule", "ID TIME", 2, 2, NULL, "try it at a time, or in so long", run_schedule},
    {"queue", "rm", "[ID…]", 0, UINT_MAX, action_options, "remove messages; nobody is told of it",
	run_rm},
    {"queue", "check", "", 0, 0, NULL, "whether what is on disk is whole", run_check},
    {"queue", "backup", "[NAME]", 0, 1, NULL,
	"copy queue, accounts and seal.key to state_dir/backups", run_backup},
    {"queue", "export", "DIR [ID…]", 1, UINT_MAX, export_options,
	"write messages and envelopes into files", run_export},
    {.noun = NULL},
};
