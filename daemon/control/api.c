/*
 * api - the way of a request: route, ask the owners, put their answers together, reply.
 *
 * Most requests have one part: the owner's answer goes back as it is. A profile's state lies with
 * queue and its token with relay, the status with three roles; these are asked at the same time. A backup is made by three
 * roles, one after the other.
 */
#include "daemon/control/api.h"

#include "common/clock.h"
#include "common/list.h"
#include "common/xalloc.h"
#include "daemon/control/check.h"
#include "daemon/control/compose.h"
#include "daemon/control/routes.h"
#include "daemon/core/result.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 3
#define TARGET_MAX 2048           /* CALL's path */
#define ADDITION_DEADLINE_MS 5000 /* what is only merged in need not hold the answer up */

struct gather;

struct part {
	struct gather *gather;
	enum role owner;
	struct link *link; /* while is_waiting */
	uint32_t request_id;
	int64_t asked_at_ms; /* monotonic; 0: the role was away */
	bool is_waiting;
	unsigned status; /* 0: no answer */
	char content_type[65];
	struct buf body;
};

/* A request and what its owners said so far. */
struct gather {
	struct list link;
	struct api *api;
	struct http_request *request;
	const struct route *route;
	enum route_answer answer;
	struct part parts[PARTS_MAX]; /* the first decides, the others only add; see decider() */
	unsigned part_count;
};

struct api {
	api_link_fn link_to;
	void *ctx;
	struct list gathers;
};

static void
reply_json(struct http_request *request, unsigned status, const json_t *value)
{
	char *text = json_dumps(value, RESULT_FLAGS);

	ensure(text != NULL);
	http_reply(request, status, "application/json",
	    (struct msg_bytes){(const uint8_t *)text, (uint32_t)strlen(text)});
	free(text);
}

static void reply_error(struct http_request *request, unsigned status, const char *code,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

static void
reply_error(
    struct http_request *request, unsigned status, const char *code, const char *format, ...)
{
	char message[512];
	va_list args;
	json_t *error;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	error =
	    json_pack("{s:{s:s, s:s, s:n}}", "error", "code", code, "message", message, "field");
	ensure(error != NULL);
	reply_json(request, status, error);
	json_decref(error);
}

/* Of a backup it is whoever was asked last: nobody is asked behind one that failed. */
static const struct part *
decider(const struct gather *gather)
{
	return &gather->parts[gather->answer == ANSWER_BACKUP ? gather->part_count - 1 : 0];
}

static void
reply_unavailable(struct gather *gather)
{
	const struct part *part = decider(gather);
	const char *name = role_name(part->owner);
	int64_t deadline_ms = gather->route->deadline_ms;

	if (part->asked_at_ms == 0)
		reply_error(gather->request, 503, "unavailable",
		    "the %s role is not running; it is started again by itself: try again in a few "
		    "seconds, and see its lines in the log if it stays away",
		    name);
	else if (clock_monotonic_ms() - part->asked_at_ms < deadline_ms)
		reply_error(gather->request, 503, "unavailable",
		    "the %s role ended before it answered; it is started again by itself: look "
		    "whether it did what was asked, and try again in a few seconds",
		    name);
	else
		reply_error(gather->request, 503, "unavailable",
		    "the %s role has not answered within %d s; it may still do what was asked: "
		    "look before you try again, and see its lines in the log",
		    name, (int)(deadline_ms / 1000));
}

/* Relay asks servers elsewhere, and does nothing any more once nobody waits for it; what the others do
 * is ours, and may be done before they end. */
static bool
waits_for_others(const struct gather *gather)
{
	return gather->route->owner == ROLE_RELAY;
}

static void
reply_stopping(struct gather *gather)
{
	reply_error(gather->request, 503, "stopping",
	    waits_for_others(gather)
		? "posternd is stopping, which ended this: try again once it runs"
		: "posternd is stopping; it may still do what was asked: look once it runs");
}

static bool
is_good(const struct part *part)
{
	return part->status >= 200 && part->status <= 299;
}

/* The part's answer as JSON, or NULL. */
static json_t *
part_json(const struct part *part)
{
	if (!is_good(part))
		return NULL;
	return json_loadb(part->body.bytes, part->body.size, JSON_DECODE_ANY, NULL);
}

static void
compose(enum route_answer answer, json_t *const *parts)
{
	switch (answer) {
	case ANSWER_STATUS:
		compose_status(parts[0], parts[1], parts[2]);
		break;
	case ANSWER_USER:
		compose_user(parts[0], parts[1]);
		break;
	case ANSWER_EXPLAIN:
		compose_explain(parts[0], parts[1]);
		break;
	case ANSWER_PROFILES:
		compose_profiles(parts[0], parts[1]);
		break;
	case ANSWER_BACKUP:
		compose_backup(parts[0], parts[2]);
		break;
	case ANSWER_PROFILE:
		compose_profile(parts[0], parts[1]);
		compose_token(parts[0], parts[2]);
		break;
	case ANSWER_AS_IS:
		break;
	}
}

static void
reply_composed(struct gather *gather)
{
	json_t *parts[PARTS_MAX] = {NULL};

	for (unsigned i = 0; i < gather->part_count; i++)
		parts[i] = part_json(&gather->parts[i]);
	if (parts[0] == NULL) {
		reply_error(gather->request, 500, "bad_answer",
		    "the %s role gave an answer that is not JSON: a bug in postern, please report "
		    "it",
		    role_name(gather->parts[0].owner));
	} else {
		compose(gather->answer, parts);
		reply_json(gather->request, gather->parts[0].status, parts[0]);
	}
	for (unsigned i = 0; i < gather->part_count; i++)
		json_decref(parts[i]);
}

static void
reply_as_is(struct gather *gather)
{
	const struct part *part = decider(gather);

	http_reply(gather->request, part->status,
	    part->content_type[0] == '\0' ? "application/json" : part->content_type,
	    (struct msg_bytes){(const uint8_t *)part->body.bytes, (uint32_t)part->body.size});
}

/* It was answered. */
static void
gather_free(struct gather *gather)
{
	for (unsigned i = 0; i < gather->part_count; i++)
		buf_fini(&gather->parts[i].body);
	list_remove(&gather->link);
	free(gather);
}

static void
gather_finish(struct gather *gather)
{
	if (decider(gather)->status == 0)
		reply_unavailable(gather);
	else if (gather->answer == ANSWER_AS_IS || !is_good(decider(gather)))
		reply_as_is(gather);
	else
		reply_composed(gather);
	gather_free(gather);
}

static void
gather_stop(struct gather *gather)
{
	for (unsigned i = 0; i < gather->part_count; i++)
		if (gather->parts[i].is_waiting)
			link_cancel(gather->parts[i].link, gather->parts[i].request_id);
	reply_stopping(gather);
	gather_free(gather);
}

static bool
is_waiting(const struct gather *gather)
{
	for (unsigned i = 0; i < gather->part_count; i++)
		if (gather->parts[i].is_waiting)
			return true;
	return false;
}

static void ask_next(struct gather *gather);

static void
on_answer(const union message *answer, void *ctx)
{
	struct part *part = ctx;

	part->is_waiting = false;
	if (answer != NULL) {
		part->status = answer->result.status;
		(void)snprintf(part->content_type, sizeof(part->content_type), "%s",
		    answer->result.content_type);
		buf_append(&part->body, answer->result.body.at, answer->result.body.size);
	}
	ask_next(part->gather);
	if (!is_waiting(part->gather))
		gather_finish(part->gather);
}

static void
ask(struct gather *gather, enum role owner, const struct msg_call *call, int64_t deadline_ms)
{
	struct part *part = &gather->parts[gather->part_count++];

	part->gather = gather;
	part->owner = owner;
	buf_init(&part->body);
	part->link = gather->api->link_to(owner, gather->api->ctx);
	if (part->link == NULL)
		return;
	part->is_waiting = true;
	part->asked_at_ms = clock_monotonic_ms();
	part->request_id = link_request(part->link, MSG_CALL, call, deadline_ms, on_answer, part);
}

/* A backup goes on to its next owner, with the same call. */
static void
ask_next(struct gather *gather)
{
	static const enum role owners[PARTS_MAX] = {ROLE_QUEUE, ROLE_ACCOUNTS, ROLE_PARENT};
	const struct msg_call call = {
	    .method = http_method(gather->request), .path = http_target(gather->request)};

	if (gather->answer == ANSWER_BACKUP && gather->part_count < PARTS_MAX &&
	    is_good(decider(gather)))
		ask(gather, owners[gather->part_count], &call, gather->route->deadline_ms);
}

static void
ask_to_add(struct gather *gather, enum role owner, const char *path)
{
	const struct msg_call call = {.method = "GET", .path = path};

	ask(gather, owner, &call, ADDITION_DEADLINE_MS);
}

static void
gather_start(struct api *api, struct http_request *request, const struct route *route)
{
	struct gather *gather = xcalloc(1, sizeof(*gather));
	const struct msg_call call = {.method = http_method(request),
	    .path = http_target(request),
	    .body = http_body(request)};

	gather->api = api;
	gather->request = request;
	gather->route = route;
	gather->answer = strcmp(call.method, "GET") == 0 || route->answer == ANSWER_BACKUP
			     ? route->answer
			     : ANSWER_AS_IS;
	list_append(&api->gathers, &gather->link);
	ask(gather, route->owner, &call, route->deadline_ms);
	if (gather->answer == ANSWER_USER || gather->answer == ANSWER_EXPLAIN)
		ask_to_add(gather, ROLE_QUEUE, call.path);
	else if (gather->answer != ANSWER_AS_IS && gather->answer != ANSWER_BACKUP)
		ask_to_add(gather, ROLE_QUEUE, "/v1/queue");
	if (gather->answer == ANSWER_STATUS)
		ask_to_add(gather, ROLE_ACCOUNTS, "/v1/profiles");
	if (gather->answer == ANSWER_PROFILE)
		ask_to_add(gather, ROLE_RELAY, "/v1/tokens");
	if (!is_waiting(gather))
		gather_finish(gather);
}

void
api_on_progress(struct api *api, struct link *link, const struct msg_progress *progress)
{
	LIST_EACH (&api->gathers, at) {
		struct gather *gather = LIST_ENTRY(at, struct gather, link);
		const struct part *part = &gather->parts[0];

		if (part->is_waiting && part->link == link && part->request_id == progress->call) {
			http_stream(gather->request, "application/x-ndjson", progress->line);
			return;
		}
	}
}

static void
reply_wrong_method(struct http_request *request, const struct route *route)
{
	char allow[ROUTE_ALLOW_SIZE];

	http_set_header(request, "Allow", route_allow(route, allow));
	reply_error(request, 405, "method_not_allowed", "%s can't be used here; allowed: %s",
	    http_method(request), allow);
}

/* The keys that the request's query may have. */
static const char *
known_query(const char *method, const struct route *route)
{
	if (strcmp(method, "GET") == 0)
		return route->query;
	if (strcmp(method, "DELETE") == 0 && route->query_of_delete != NULL)
		return route->query_of_delete;
	return "";
}

/* Whether there is nothing in it that would be ignored; else it was answered. */
static bool
is_understood(struct http_request *request, const struct route *route)
{
	const char *method = http_method(request);
	bool has_fields =
	    route->has_fields && strcmp(method, "GET") != 0 && strcmp(method, "DELETE") != 0;
	char field[CHECK_FIELD_SIZE];
	struct err err;
	json_t *error;

	if (check_query(known_query(method, route), http_target(request), field, &err) == 0 &&
	    (has_fields || check_no_body(http_body(request), field, &err) == 0))
		return true;
	error = result_error("unknown_field", err.text, field[0] == '\0' ? NULL : field);
	reply_json(request, 400, error);
	json_decref(error);
	return false;
}

void
api_on_request(struct http_request *request, void *ctx)
{
	struct api *api = ctx;
	const struct route *route;

	if (http_body(request).size > HTTP_BODY_MAX) {
		reply_error(request, 413, "too_large", "the body is over the limit of %u bytes",
		    HTTP_BODY_MAX);
		return;
	}
	if (strlen(http_target(request)) > TARGET_MAX) {
		reply_error(
		    request, 414, "too_long", "the path is over the limit of %d bytes", TARGET_MAX);
		return;
	}
	switch (route_find(http_method(request), http_target(request), &route)) {
	case ROUTE_FOUND:
		if (is_understood(request, route))
			gather_start(api, request, route);
		break;
	case ROUTE_NO_METHOD:
		reply_wrong_method(request, route);
		break;
	case ROUTE_NO_PATH:
		reply_error(request, 404, "unknown_path", "there is no such path in this version");
		break;
	}
}

struct api *
api_open(api_link_fn link_to, void *ctx)
{
	struct api *api = xcalloc(1, sizeof(*api));

	api->link_to = link_to;
	api->ctx = ctx;
	list_init(&api->gathers);
	return api;
}

void
api_drain(struct api *api)
{
	LIST_EACH_SAFE (&api->gathers, at, next) {
		struct gather *gather = LIST_ENTRY(at, struct gather, link);

		if (waits_for_others(gather))
			gather_stop(gather);
	}
}

void
api_give_up(struct api *api)
{
	LIST_EACH_SAFE (&api->gathers, at, next)
		gather_stop(LIST_ENTRY(at, struct gather, link));
}

void
api_close(struct api *api)
{
	api_give_up(api);
	free(api);
}
