/* operators - answers what control passes on: the routes, and how an answer leaves. */
#include "daemon/queue/operators.h"

#include "common/ident.h"
#include "common/xalloc.h"
#include "daemon/queue/operators_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- answers ---- */

static void
free_call(struct call *call)
{
	json_decref(call->page);
	store_end_scan(&call->scan);
	free(call->login);
	free(call->list);
	free(call->user_ids);
	free(call->sending);
	free(call->ids);
	free(call);
}

void
call_send_result(
    struct call *call, uint16_t status, const char *type, const void *bytes, size_t size)
{
	struct msg_result result = {
	    .status = status, .content_type = type, .body = {.at = bytes, .size = (uint32_t)size}};

	if (call->operators->control != NULL && call->generation == call->operators->generation)
		link_answer(call->operators->control, call->request_id, MSG_RESULT, &result);
	free_call(call);
}

/* Takes the value. */
void
call_answer_json(struct call *call, uint16_t status, json_t *value)
{
	char *text = json_dumps(value, RESULT_FLAGS);
	size_t size = text == NULL ? 0 : strlen(text);

	json_decref(value);
	if (text != NULL && size <= OPERATOR_ANSWER_MAX)
		call_send_result(call, status, "application/json", text, size);
	else
		call_answer_error(call, 413, "too_large",
		    "the answer is too large for one piece; ask with limit and after", NULL);
	free(text);
}

void
call_answer_error(
    struct call *call, uint16_t status, const char *code, const char *message, const char *field)
{
	call_answer_json(call, status, result_error(code, message, field));
}

void
call_answer_storage_error(struct call *call, enum job_outcome outcome)
{
	if (outcome == JOB_DISK_FULL)
		call_answer_error(call, 507, "disk_full", "the disk of the queue is full", NULL);
	else
		call_answer_error(
		    call, 503, "storage_failed", "the queue could not be read or written", NULL);
}

void
call_answer_unknown(struct call *call)
{
	call_answer_error(call, 404, "not_found",
	    "no such message in the queue; of one that has gone, \"track --id ID\" tells what "
	    "became of it",
	    "id");
}

/* ---- routes ---- */

static bool
parse_action(const char *name, enum scan_action *action_out)
{
	static const struct {
		const char *name;
		enum scan_action action;
	} actions[] = {{"hold", SCAN_HOLD}, {"release", SCAN_RELEASE}, {"retry", SCAN_RETRY},
	    {"remove", SCAN_REMOVE}};

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(name, actions[i].name) == 0) {
			*action_out = actions[i].action;
			return true;
		}
	return false;
}

/* Gives the object; NULL: there is none, and it was answered. */
static json_t *
read_object(struct call *call, struct msg_bytes body)
{
	json_t *object = json_loadb((const char *)body.at, body.size, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(object))
		return object;
	json_decref(object);
	call_answer_error(call, 400, "invalid_json", "the body must be a JSON object", NULL);
	return NULL;
}

static void
post_action(struct call *call, const char *name, struct msg_bytes body)
{
	enum scan_action action;
	json_t *which;

	if (!parse_action(name, &action)) {
		call_answer_error(call, 405, "method_not_allowed", "this can't be posted to", NULL);
		return;
	}
	which = read_object(call, body);
	if (which != NULL)
		call_start_change(call, action, which);
	json_decref(which);
}

static void
post_schedule(struct call *call, const char *id_text, struct msg_bytes body)
{
	json_t *object = NULL;
	uint64_t id;

	if (!ident_parse(id_text, &id))
		call_answer_unknown(call);
	else
		object = read_object(call, body);
	if (object != NULL)
		call_start_schedule(call, id, object);
	json_decref(object);
}

static void
message_by_id(struct call *call, const struct msg_call *msg, const char *id_text, const char *sub)
{
	uint64_t id;

	if (!ident_parse(id_text, &id))
		call_answer_unknown(call);
	else if (strcmp(sub, "body") == 0 && strcmp(msg->method, "GET") == 0)
		call_start_body(call, id, msg->path);
	else if (strcmp(sub, "recipients") == 0 && strcmp(msg->method, "GET") == 0)
		call_start_recipients(call, id, msg->path);
	else if (*sub != '\0')
		call_answer_error(call, 404, "not_found", "a message has no such part", NULL);
	else if (strcmp(msg->method, "GET") == 0)
		call_start_single(call, SCAN_LIST, id);
	else if (strcmp(msg->method, "DELETE") == 0)
		call_start_single(call, SCAN_REMOVE, id);
	else
		call_answer_error(
		    call, 405, "method_not_allowed", "a message has GET and DELETE", NULL);
}

static void
dispatch(struct call *call, const struct msg_call *msg)
{
	char *noun = operator_part(msg->path, 0), *name = operator_part(msg->path, 1);
	char *sub = operator_part(msg->path, 2);
	bool is_get = strcmp(msg->method, "GET") == 0, is_post = strcmp(msg->method, "POST") == 0;

	if (strcmp(noun, "queue") == 0 && is_get)
		call_start_count(call);
	else if (strcmp(noun, "queue") == 0 && is_post && strcmp(name, "check") == 0)
		call_start_check(call);
	else if (strcmp(noun, "backups") == 0 && is_post)
		call_start_backup(call, msg->path);
	else if (strcmp(noun, "users") == 0 && is_get)
		call_answer_usage(call, name);
	else if (strcmp(noun, "explain") == 0 && is_get)
		call_start_explain(call, msg->path);
	else if (strcmp(noun, "track") == 0 && is_get)
		call_start_track(call, msg->path);
	else if (strcmp(noun, "stats") == 0 && is_get)
		call_start_stats(call, msg->path);
	else if (strcmp(noun, "messages") != 0)
		call_answer_error(call, 404, "not_found", "no such thing in the queue", NULL);
	else if (*name == '\0' && is_get)
		call_start_list(call, msg->path);
	else if (is_post && strcmp(sub, "schedule") == 0)
		post_schedule(call, name, msg->body);
	else if (is_post)
		post_action(call, name, msg->body);
	else
		message_by_id(call, msg, name, sub);
	free(noun);
	free(name);
	free(sub);
}

void
operators_call(
    struct operators *operators, struct link *control, const struct link_message *message)
{
	struct call *call = xcalloc(1, sizeof(*call));

	if (operators->control != control) {
		operators->control = control;
		operators->generation++;
	}
	call->operators = operators;
	call->generation = operators->generation;
	call->request_id = message->request_id;
	dispatch(call, &message->body->call);
}

void
operators_drop_link(struct operators *operators)
{
	operators->control = NULL;
	operators->generation++;
}

struct operators *
operators_new(struct role_context *role, struct storage *storage, struct scheduler *scheduler,
    struct handovers *handovers, struct caps *caps, struct backups *backups,
    struct history *history)
{
	struct operators *operators = xcalloc(1, sizeof(*operators));

	operators->role = role;
	operators->storage = storage;
	operators->scheduler = scheduler;
	operators->handovers = handovers;
	operators->caps = caps;
	operators->backups = backups;
	operators->history = history;
	return operators;
}

void
operators_free(struct operators *operators)
{
	free(operators);
}
