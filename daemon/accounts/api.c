/* api - finds the handler of a path, reads the query and the body, and writes the answer. */
#include "daemon/accounts/api.h"

#include "common/buf.h"
#include "common/percent.h"
#include "common/xalloc.h"
#include "daemon/accounts/api_call.h"
#include "daemon/core/result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "/v1/"
#define RESULT_MAX (1u << 20)
#define STATUS_OK 200
#define STATUS_CREATED 201

struct api {
	struct parts *parts;
	struct list waiting;
};

/* `*` is a name. */
static const struct route {
	const char *method, *path;
	handler *handle;
	unsigned status;
} routes[] = {
    {"GET", "lists", api_list_index, STATUS_OK},
    {"POST", "lists", api_list_add, STATUS_CREATED},
    {"GET", "lists/*", api_list_show, STATUS_OK},
    {"PATCH", "lists/*", api_list_set, STATUS_OK},
    {"DELETE", "lists/*", api_list_remove, STATUS_OK},
    {"GET", "users", api_user_index, STATUS_OK},
    {"POST", "users", api_user_add, STATUS_CREATED},
    {"GET", "users/*", api_user_show, STATUS_OK},
    {"PATCH", "users/*", api_user_set, STATUS_OK},
    {"DELETE", "users/*", api_user_remove, STATUS_OK},
    {"POST", "users/*/reset-password", api_user_reset, STATUS_OK},
    {"GET", "profiles", api_profile_index, STATUS_OK},
    {"POST", "profiles", api_profile_add, STATUS_CREATED},
    {"GET", "profiles/*", api_profile_show, STATUS_OK},
    {"PATCH", "profiles/*", api_profile_set, STATUS_OK},
    {"DELETE", "profiles/*", api_profile_remove, STATUS_OK},
    {"POST", "profiles/*/default", api_profile_default, STATUS_OK},
    {"POST", "profiles/*/pause", api_profile_pause, STATUS_OK},
    {"POST", "profiles/*/resume", api_profile_resume, STATUS_OK},
    {"GET", "explain", api_explain, STATUS_OK},
    {"GET", "providers", api_provider_index, STATUS_OK},
    {"GET", "providers/*", api_provider_show, STATUS_OK},
    {"POST", "backups/*", api_backup_add, STATUS_OK},
    {"GET", "clients", api_client_index, STATUS_OK},
    {"POST", "clients/*/forgive", api_client_forgive, STATUS_OK},
    {"GET", "alerts", api_alert_index, STATUS_OK},
    {"POST", "alerts/ack", api_alert_ack_all, STATUS_OK},
    {"POST", "alerts/*/ack", api_alert_ack, STATUS_OK},
};

/* ---- answers ---- */

static void
call_free(struct call *call)
{
	list_remove(&call->link);
	if (call->asked != NULL)
		link_cancel(call->asked, call->asked_id);
	free(call->name);
	json_decref(call->query);
	json_decref(call->body);
	json_decref(call->notes);
	free(call);
}

static void
send_result(struct call *call, unsigned status, const json_t *json)
{
	char *text = json_dumps(json, RESULT_FLAGS | JSON_SORT_KEYS);
	size_t size;

	ensure(text != NULL);
	size = strlen(text);
	if (call->control != NULL)
		link_answer(call->control, call->request_id, MSG_RESULT,
		    &(struct msg_result){
			.status = (uint16_t)status,
			.content_type = "application/json",
			.body = {.at = (const uint8_t *)text, .size = (uint32_t)size},
		    });
	/* A new password may be in it. */
	explicit_bzero(text, size);
	free(text);
}

void
call_refuse(struct call *call, const struct refusal *refusal)
{
	json_t *error = json_pack("{s:{s:s,s:s%,s:s?}}", "error", "code", refusal->code, "message",
	    refusal->why.text, strlen(refusal->why.text), "field",
	    refusal->field[0] == '\0' ? NULL : refusal->field);

	if (error == NULL) /* what was refused isn't UTF-8 */
		error = json_pack("{s:{s:s,s:s,s:n}}", "error", "code", refusal->code, "message",
		    "the call can't be understood", "field");
	send_result(call, refusal->status, error);
	json_decref(error);
	call_free(call);
}

void
call_answer(struct call *call, json_t *result)
{
	struct refusal refusal;

	if (json_array_size(call->notes) > 0)
		(void)json_object_set(result, "notes", call->notes);
	if (json_dumpb(result, NULL, 0, JSON_COMPACT) <= RESULT_MAX) {
		send_result(call, call->status, result);
		call_free(call);
	} else {
		(void)refuse(&refusal, REFUSED_TOO_LARGE, "too_large", NULL,
		    "the answer is too large for one piece; ask with limit and after");
		call_refuse(call, &refusal);
	}
	json_decref(result);
}

/* ---- the path ---- */

/* Whether the path (without prefix and query) is of this form; *name_out is what `*` stands for. */
static bool
matches(const char *pattern, const char *path, size_t length, struct msg_bytes *name_out)
{
	const char *end = path + length;

	for (; *pattern != '\0'; pattern++) {
		if (*pattern == '*') {
			const char *slash = memchr(path, '/', (size_t)(end - path));
			const char *stop = slash == NULL ? end : slash;

			if (stop == path)
				return false;
			*name_out =
			    (struct msg_bytes){(const uint8_t *)path, (uint32_t)(stop - path)};
			path = stop;
		} else if (path == end || *path++ != *pattern) {
			return false;
		}
	}
	return path == end;
}

/* NULL when it was refused. */
static const struct route *
find_route(struct call *call, const struct msg_call *message, struct refusal *refusal_out)
{
	const char *path = "";
	struct msg_bytes name = {0};
	const struct route *found = NULL;
	bool is_known = false;

	if (strncmp(message->path, PREFIX, strlen(PREFIX)) == 0)
		path = message->path + strlen(PREFIX);
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]) && found == NULL; i++) {
		name.size = 0;
		if (!matches(routes[i].path, path, strcspn(path, "?"), &name))
			continue;
		is_known = true;
		if (strcmp(routes[i].method, message->method) == 0)
			found = &routes[i];
	}
	if (found == NULL && is_known)
		(void)refuse(refusal_out, REFUSED_METHOD, "method_not_allowed", NULL,
		    "%s can't be done with this", message->method);
	else if (found == NULL)
		(void)refuse(refusal_out, REFUSED_NOT_FOUND, "not_found", NULL, "no such path");
	else if (name.size > 0 &&
		 (call->name = percent_decode((const char *)name.at, name.size)) == NULL) {
		(void)refuse(refusal_out, REFUSED_INVALID, "invalid", NULL,
		    "the name in the path can't be read");
		return NULL;
	}
	return found;
}

static int
read_query(struct call *call, const char *path, struct refusal *refusal_out)
{
	const char *at = strchr(path, '?');

	while (at != NULL && *at != '\0' && at[1] != '\0') {
		size_t length = strcspn(++at, "&");
		const char *equals = memchr(at, '=', length);
		size_t key_length = equals == NULL ? length : (size_t)(equals - at);
		char *key = percent_decode(at, key_length);
		char *value = equals == NULL ? xstrdup("")
					     : percent_decode(equals + 1, length - key_length - 1);
		int rc = key == NULL || value == NULL
			     ? -1
			     : json_object_set_new(call->query, key, json_string(value));

		free(key);
		free(value);
		if (rc != 0)
			return refuse(refusal_out, REFUSED_INVALID, "invalid", NULL,
			    "the query can't be read");
		at += length;
	}
	return 0;
}

/* In words for someone who has never seen jansson. */
static const char *
json_problem(const json_error_t *error)
{
	enum json_error_code code = json_error_code(error);

	if (code == json_error_null_character || code == json_error_null_byte_in_key)
		return "a text has the character \\u0000 in it, which is not allowed";
	return error->text;
}

static int
read_body(struct call *call, struct msg_bytes body, struct refusal *refusal_out)
{
	json_error_t error;

	if (body.size == 0)
		return 0;
	json_decref(call->body);
	call->body = json_loadb((const char *)body.at, body.size, JSON_REJECT_DUPLICATES, &error);
	if (json_is_object(call->body))
		return 0;
	return refuse(refusal_out, REFUSED_INVALID, "invalid_json", NULL,
	    "the body must be a JSON object%s%.200s", call->body == NULL ? ": " : "",
	    call->body == NULL ? json_problem(&error) : "");
}

/* ---- calls ---- */

static enum handled
handle(struct call *call, const struct msg_call *message, json_t **result_out,
    struct refusal *refusal_out)
{
	const struct route *route = find_route(call, message, refusal_out);

	if (route == NULL || read_query(call, message->path, refusal_out) != 0 ||
	    read_body(call, message->body, refusal_out) != 0)
		return CALL_REFUSED;
	call->status = route->status;
	return route->handle(call, result_out, refusal_out);
}

void
api_call(struct api *api, struct link *link, uint32_t request_id, const struct msg_call *message)
{
	struct call *call = xcalloc(1, sizeof(*call));
	struct refusal refusal;
	json_t *result = NULL;

	call->parts = api->parts;
	call->control = link;
	call->request_id = request_id;
	call->query = json_object();
	call->body = json_object();
	call->notes = json_array();
	list_append(&api->waiting, &call->link);
	switch (handle(call, message, &result, &refusal)) {
	case CALL_DONE:
		call_answer(call, result);
		break;
	case CALL_REFUSED:
		call_refuse(call, &refusal);
		break;
	case CALL_WAITING:
		break;
	}
}

struct api *
api_new(struct parts *parts)
{
	struct api *api = xcalloc(1, sizeof(*api));

	api->parts = parts;
	list_init(&api->waiting);
	return api;
}

void
api_free(struct api *api)
{
	if (api == NULL)
		return;
	LIST_EACH_SAFE (&api->waiting, at, next)
		call_free(LIST_ENTRY(at, struct call, link));
	free(api);
}

void
api_forget_link(struct api *api, struct link *link)
{
	LIST_EACH (&api->waiting, at) {
		struct call *call = LIST_ENTRY(at, struct call, link);

		if (call->control == link)
			call->control = NULL;
	}
}
