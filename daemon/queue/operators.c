/* operators - answers what control passes on. */
#include "daemon/queue/operators.h"

#include "common/clock.h"
#include "common/ident.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/queue/operator_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
/* A page ends early rather than grow over this. */
#define PAGE_BYTES (768u * 1024)
#define CHANGES_A_JOB 500
#define BODY_PIECE_BYTES (256u * 1024)
#define IDS_MAX 10000

struct operators {
	struct role_context *role;
	struct storage *storage;
	struct scheduler *scheduler;
	struct handovers *handovers;
	struct link *control;
	unsigned generation; /* of the link */
};

/* One call that waits for the disk. */
struct call {
	struct scan_job scan; /* first: what on_done gets */
	struct count_job count;
	struct load_job load;
	struct body_job body;
	struct bodyfile_job file;
	struct operators *operators;
	unsigned generation;
	uint32_t request_id;
	bool is_single; /* one message by its id */
	uint64_t single_id;
	char *login, *list;
	uint64_t *user_ids, *sending, *ids;
	uint32_t wanted, changed;
	size_t page_bytes;
	uint64_t offset; /* of a body */
	json_t *page;
};

/* ---- answers ---- */

static void
free_call(struct call *call)
{
	json_decref(call->page);
	free(call->login);
	free(call->list);
	free(call->user_ids);
	free(call->sending);
	free(call->ids);
	free(call);
}

static void
send_result(struct call *call, uint16_t status, const char *type, const void *bytes, size_t size)
{
	struct msg_result result = {
	    .status = status, .content_type = type, .body = {.at = bytes, .size = (uint32_t)size}};

	if (call->operators->control != NULL && call->generation == call->operators->generation)
		link_answer(call->operators->control, call->request_id, MSG_RESULT, &result);
	free_call(call);
}

/* Takes the value. */
static void
answer_json(struct call *call, uint16_t status, json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);

	json_decref(value);
	send_result(call, status, "application/json", text, strlen(text));
	free(text);
}

static void
answer_error(
    struct call *call, uint16_t status, const char *code, const char *message, const char *field)
{
	answer_json(call, status, operator_error(code, message, field));
}

static void
answer_storage_error(struct call *call, enum job_outcome outcome)
{
	if (outcome == JOB_DISK_FULL)
		answer_error(call, 507, "disk_full", "the disk of the queue is full", NULL);
	else
		answer_error(
		    call, 503, "storage_failed", "the queue could not be read or written", NULL);
}

static void
answer_unknown(struct call *call)
{
	answer_error(call, 404, "not_found", "no such message in the queue", "id");
}

/* ---- counts ---- */

static json_t *
profile_state(
    struct operators *operators, const struct profile *profile, const struct count_job *job)
{
	static const char *const names[] = {"ok", "limited", "stopped"};
	uint64_t waiting = 0;

	for (uint32_t i = 0; i < job->row_count_out; i++)
		if (routes_of_user(scheduler_routes(operators->scheduler),
			job->rows_out[i].user_id) == profile)
			waiting += job->rows_out[i].count;
	return json_pack("{s:o,s:s,s:o,s:o,s:I,s:i}", "name", operator_text(profile->name), "state",
	    profile->is_paused ? "paused" : names[profile->trouble], "rate_limited_until",
	    profile->trouble == TROUBLE_NONE ? json_null() : operator_time(profile->until_ms),
	    "last_error",
	    *profile->last_error == '\0' ? json_null() : operator_text(profile->last_error),
	    "waiting", (json_int_t)waiting, "sending", (int)profile->out);
}

static void
on_counted(struct job *job)
{
	struct call *call = job->ctx;
	struct operators *operators = call->operators;
	json_int_t counts[SHOWN_COUNT] = {0};
	json_t *answer = json_object(), *profiles = json_array();
	size_t sending;

	free(scheduler_sending(operators->scheduler, &sending));
	for (uint32_t i = 0; i < call->count.row_count_out; i++) {
		const struct count_row *row = &call->count.rows_out[i];
		enum shown_state state = row->state == MAIL_HELD        ? SHOWN_HELD
					 : row->state == MAIL_UNCERTAIN ? SHOWN_UNCERTAIN
					 : row->is_deferred             ? SHOWN_DEFERRED
									: SHOWN_READY;

		counts[state] += (json_int_t)row->count;
	}
	/* On disk what is being sent is ready; its fate may be a moment ahead of the count. */
	counts[SHOWN_SENDING] = (json_int_t)sending;
	counts[SHOWN_READY] -=
	    counts[SHOWN_READY] < (json_int_t)sending ? counts[SHOWN_READY] : (json_int_t)sending;
	for (int i = SHOWN_READY; i < SHOWN_COUNT; i++)
		(void)json_object_set_new(
		    answer, operator_state_name((enum shown_state)i), json_integer(counts[i]));
	IDMAP_EACH(&scheduler_routes(operators->scheduler)->profiles, slot)
	if (!((struct profile *)slot->object)->is_gone)
		(void)json_array_append_new(
		    profiles, profile_state(operators, slot->object, &call->count));
	(void)json_object_set_new(answer, "profiles", profiles);
	free(call->count.rows_out);
	answer_json(call, 200, answer);
}

static void
start_count(struct call *call)
{
	call->count.job = (struct job){.on_done = on_counted, .ctx = call, .urgency = JOB_READS};
	storage_post(call->operators->storage, STORE_COUNT, &call->count.job);
}

/* ---- listing ---- */

static void post_scan(struct call *call);

static bool
is_sending(const struct operators *operators, uint64_t id)
{
	const struct entry *entry = scheduler_find(operators->scheduler, id);

	return entry != NULL && entry->state >= ENTRY_SENDING;
}

static json_t *
shown(struct operators *operators, const struct mail *mail)
{
	struct profile *profile =
	    routes_of_user(scheduler_routes(operators->scheduler), mail->user_id);

	return operator_message(
	    mail, profile == NULL ? NULL : profile->name, is_sending(operators, mail->id));
}

static void
take_page(struct call *call)
{
	for (uint32_t i = 0; i < call->scan.count_out; i++) {
		struct mail *mail = call->scan.mails_out == NULL ? NULL : call->scan.mails_out[i];

		if (mail == NULL)
			continue;
		/* About what JSON makes of it. */
		call->page_bytes += 600 + mail_footprint(mail) * 3 / 2;
		if (call->page_bytes < PAGE_BYTES || json_array_size(call->page) == 0)
			(void)json_array_append_new(call->page, shown(call->operators, mail));
		free(mail);
	}
	free(call->scan.mails_out);
}

static void
free_scan(struct scan_job *scan)
{
	free(scan->ids_out);
	free(scan->in_file_out);
	scan->ids_out = NULL;
	scan->in_file_out = NULL;
	scan->mails_out = NULL;
}

static void
on_listed(struct job *job)
{
	struct call *call = (struct call *)(void *)job;
	size_t count;

	take_page(call);
	free_scan(&call->scan);
	count = json_array_size(call->page);
	if (job->outcome != JOB_DONE)
		answer_storage_error(call, job->outcome);
	else if (call->is_single && count == 0)
		answer_unknown(call);
	else if (call->is_single)
		answer_json(call, 200, json_incref(json_array_get(call->page, 0)));
	else if (call->scan.is_end_out || count >= call->wanted || call->page_bytes >= PAGE_BYTES)
		answer_json(call, 200, json_incref(call->page));
	else
		post_scan(call);
}

/* ---- changes ---- */

static void
log_held(uint64_t message_id)
{
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, EVENT_HELD, message_id))
		return;
	log_text(&line, KEY_REASON, "by an operator");
	log_end(&line);
}

/* It was chosen for sending while the change was made. */
static void
catch_up(struct operators *operators, struct entry *entry, enum scan_action action)
{
	struct msg_abort abort = {.stream = entry->attempt};

	entry->is_removed |= action == SCAN_REMOVE;
	entry->is_to_hold |= action == SCAN_HOLD;
	if (action != SCAN_REMOVE || entry->state != ENTRY_SENDING ||
	    scheduler_relay(operators->scheduler) == NULL)
		return;
	handover_stop(operators->handovers, entry->attempt);
	link_send(scheduler_relay(operators->scheduler), MSG_ABORT, &abort);
}

static void
apply_changes(struct call *call)
{
	struct operators *operators = call->operators;
	enum scan_action action = call->scan.action;

	for (uint32_t i = 0; i < call->scan.count_out; i++) {
		uint64_t id = call->scan.ids_out[i];
		struct entry *entry = scheduler_find(operators->scheduler, id);

		if (action == SCAN_HOLD)
			log_held(id);
		if (action == SCAN_REMOVE && call->scan.in_file_out[i])
			storage_remove_file(operators->storage, id);
		if (entry == NULL || action == SCAN_RELEASE || action == SCAN_RETRY)
			continue;
		if (entry->state == ENTRY_READY)
			scheduler_forget(operators->scheduler, id);
		else
			catch_up(operators, entry, action);
	}
	call->changed += call->scan.count_out;
}

static void
answer_changes(struct call *call)
{
	if (call->scan.action == SCAN_RELEASE || call->scan.action == SCAN_RETRY)
		scheduler_look_everywhere(call->operators->scheduler);
	if (call->is_single && call->changed == 0 && is_sending(call->operators, call->single_id))
		answer_error(call, 409, "sending", "the message is being sent just now", "id");
	else if (call->is_single && call->changed == 0)
		answer_unknown(call);
	else
		answer_json(call, 200, json_pack("{s:i}", "count", (int)call->changed));
}

static void
on_changed(struct job *job)
{
	struct call *call = (struct call *)(void *)job;

	if (job->outcome == JOB_DONE)
		apply_changes(call);
	free_scan(&call->scan);
	if (job->outcome != JOB_DONE)
		answer_storage_error(call, job->outcome);
	else if (call->scan.is_end_out)
		answer_changes(call);
	else
		post_scan(call);
}

static void
post_scan(struct call *call)
{
	bool is_list = call->scan.action == SCAN_LIST;
	uint32_t have = (uint32_t)json_array_size(call->page);

	free(call->sending);
	call->sending =
	    scheduler_sending(call->operators->scheduler, &call->scan.filter.sending_count);
	call->scan.filter.sending = call->sending;
	call->scan.filter.skips_sending = !is_list && call->scan.action != SCAN_HOLD;
	call->scan.limit = is_list ? call->wanted - have : CHANGES_A_JOB;
	call->scan.count_out = 0;
	call->scan.job.on_done = is_list ? on_listed : on_changed;
	call->scan.job.urgency = is_list ? JOB_READS : JOB_WRITES;
	storage_post(call->operators->storage, STORE_SCAN, &call->scan.job);
}

static void
start_single(struct call *call, enum scan_action action, uint64_t id)
{
	call->is_single = true;
	call->single_id = id;
	call->ids = xcalloc(1, sizeof(*call->ids));
	call->ids[0] = id;
	call->scan.filter.ids = call->ids;
	call->scan.filter.id_count = 1;
	call->scan.action = action;
	call->wanted = 1;
	call->page = json_array();
	post_scan(call);
}

/* ---- filters ---- */

/* Each takes its text; NULL leaves the filter open. */
static void
filter_names(struct call *call, char *list, char *login, char *profile_name)
{
	const struct routes *routes = scheduler_routes(call->operators->scheduler);

	call->list = list;
	call->login = login;
	call->scan.filter.list = list;
	call->scan.filter.login = login;
	if (profile_name == NULL)
		return;
	call->scan.filter.has_users = true;
	IDMAP_EACH(&routes->profiles, slot)
	{
		struct profile *profile = slot->object;

		if (profile->is_gone || strcmp(profile->name, profile_name) != 0)
			continue;
		free(call->user_ids);
		call->user_ids = routes_users_of(routes, profile, &call->scan.filter.user_count);
		call->scan.filter.user_ids = call->user_ids;
	}
	free(profile_name);
}

static bool
parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *number_out)
{
	char *end;

	errno = 0;
	*number_out = strtoull(text, &end, 10);
	return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && *number_out >= least &&
	       *number_out <= most;
}

/* False: it was answered. */
static bool
take_page_query(struct call *call, const char *limit, const char *after, const char *state)
{
	uint64_t number = LIMIT_DEFAULT;

	if (limit != NULL && !parse_number(limit, 1, LIMIT_MAX, &number)) {
		answer_error(call, 400, "invalid", "limit is a number from 1 to 1000", "limit");
		return false;
	}
	call->wanted = (uint32_t)number;
	if (after != NULL && !ident_parse(after, &call->scan.after)) {
		answer_error(call, 400, "invalid", "after is the id of a message", "after");
		return false;
	}
	call->scan.filter.state = state == NULL ? SHOWN_ANY : operator_state_parse(state);
	if (call->scan.filter.state != SHOWN_COUNT)
		return true;
	answer_error(call, 400, "invalid",
	    "state is one of ready, deferred, scheduled, held, sending, uncertain", "state");
	return false;
}

static void
start_list(struct call *call, const char *path)
{
	char *limit = operator_query(path, "limit"), *after = operator_query(path, "after");
	char *state = operator_query(path, "state");

	if (take_page_query(call, limit, after, state)) {
		filter_names(call, operator_query(path, "list"), operator_query(path, "user"),
		    operator_query(path, "profile"));
		call->scan.action = SCAN_LIST;
		call->page = json_array();
		post_scan(call);
	}
	free(limit);
	free(after);
	free(state);
}

static char *
text_member(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text == NULL ? NULL : xstrdup(text);
}

/* False: one of them is no id. */
static bool
take_ids(struct call *call, const json_t *ids)
{
	size_t count = json_array_size(ids);

	call->ids = xcalloc(count + 1, sizeof(*call->ids));
	for (size_t i = 0; i < count; i++) {
		const char *text = json_string_value(json_array_get(ids, i));

		if (text == NULL || !ident_parse(text, &call->ids[i]))
			return false;
	}
	call->scan.filter.ids = call->ids;
	call->scan.filter.id_count = count;
	return count > 0 && count <= IDS_MAX;
}

static void
start_change(struct call *call, enum scan_action action, const json_t *which)
{
	static const char what[] =
	    "name ids (at most 10000), a list, a user, a profile, or all: true";
	const json_t *ids = json_object_get(which, "ids");

	call->scan.action = action;
	if (ids != NULL && !take_ids(call, ids)) {
		answer_error(call, 400, "invalid", "ids has the ids of 1 to 10000 messages", "ids");
		return;
	}
	filter_names(call, text_member(which, "list"), text_member(which, "user"),
	    text_member(which, "profile"));
	if (ids == NULL && call->list == NULL && call->login == NULL &&
	    !call->scan.filter.has_users && !json_is_true(json_object_get(which, "all"))) {
		answer_error(call, 400, "invalid", what, NULL);
		return;
	}
	post_scan(call);
}

/* ---- bodies ---- */

static void
answer_body(struct call *call, const uint8_t *bytes, size_t size)
{
	send_result(call, 200, "application/octet-stream", bytes, size);
}

static void
on_body_file(struct job *job)
{
	struct call *call = job->ctx;
	struct chunk *chunk = call->file.chunk_out;

	if (job->outcome != JOB_DONE)
		answer_storage_error(call, job->outcome);
	else
		answer_body(
		    call, chunk == NULL ? NULL : chunk->bytes, chunk == NULL ? 0 : chunk->size);
	chunk_release(chunk);
}

/* A body in rows is below 64 KiB: it is read as a whole, and the part asked for is answered. */
static void
on_body_rows(struct job *job)
{
	struct call *call = job->ctx;
	struct chunk *chunk = call->body.chunk_out;
	uint32_t size = chunk == NULL ? 0 : chunk->size;

	if (job->outcome != JOB_DONE)
		answer_storage_error(call, job->outcome);
	else if (call->offset >= size)
		answer_body(call, NULL, 0);
	else
		answer_body(call, chunk->bytes + call->offset, size - call->offset);
	chunk_release(chunk);
}

static void
on_body_mail(struct job *job)
{
	struct call *call = job->ctx;
	struct mail *mail = call->load.mail_out;
	bool is_in_file = mail != NULL && mail->is_in_file;

	free(mail);
	if (job->outcome != JOB_DONE) {
		answer_storage_error(call, job->outcome);
	} else if (mail == NULL) {
		answer_unknown(call);
	} else if (is_in_file) {
		call->file = (struct bodyfile_job){.job = {.on_done = on_body_file, .ctx = call},
		    .message_id = call->single_id,
		    .offset = call->offset,
		    .size = BODY_PIECE_BYTES};
		storage_post_file(call->operators->storage, BODYFILE_READ, &call->file);
	} else {
		call->body = (struct body_job){
		    .job = {.on_done = on_body_rows, .ctx = call, .urgency = JOB_READS},
		    .message_id = call->single_id,
		    .limit_bytes = BODY_PIECE_BYTES};
		storage_post(call->operators->storage, STORE_BODY, &call->body.job);
	}
}

static void
start_body(struct call *call, uint64_t id, const char *path)
{
	char *offset = operator_query(path, "offset");
	bool is_valid = offset == NULL || parse_number(offset, 0, UINT64_MAX >> 1, &call->offset);

	free(offset);
	if (!is_valid) {
		answer_error(call, 400, "invalid", "offset is a number of bytes", "offset");
		return;
	}
	call->single_id = id;
	call->load = (struct load_job){
	    .job = {.on_done = on_body_mail, .ctx = call, .urgency = JOB_READS}, .message_id = id};
	storage_post(call->operators->storage, STORE_LOAD, &call->load.job);
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

static void
call_change(struct call *call, const char *name, struct msg_bytes body)
{
	enum scan_action action;
	json_t *which;

	if (!parse_action(name, &action)) {
		answer_error(call, 405, "method", "this can't be posted to", NULL);
		return;
	}
	which = json_loadb((const char *)body.at, body.size, 0, NULL);
	if (!json_is_object(which))
		answer_error(call, 400, "invalid", "the body must be a JSON object", NULL);
	else
		start_change(call, action, which);
	json_decref(which);
}

static void
call_message(struct call *call, const struct msg_call *msg, const char *id_text, const char *sub)
{
	uint64_t id;

	if (!ident_parse(id_text, &id))
		answer_unknown(call);
	else if (strcmp(sub, "body") == 0 && strcmp(msg->method, "GET") == 0)
		start_body(call, id, msg->path);
	else if (*sub != '\0')
		answer_error(call, 404, "not_found", "a message has no such part", NULL);
	else if (strcmp(msg->method, "GET") == 0)
		start_single(call, SCAN_LIST, id);
	else if (strcmp(msg->method, "DELETE") == 0)
		start_single(call, SCAN_REMOVE, id);
	else
		answer_error(call, 405, "method", "a message has GET and DELETE", NULL);
}

static void
dispatch(struct call *call, const struct msg_call *msg)
{
	char *noun = operator_part(msg->path, 0), *name = operator_part(msg->path, 1);
	char *sub = operator_part(msg->path, 2);
	bool is_get = strcmp(msg->method, "GET") == 0;

	if (strcmp(noun, "queue") == 0 && is_get)
		start_count(call);
	else if (strcmp(noun, "messages") != 0)
		answer_error(call, 404, "not_found", "no such thing in the queue", NULL);
	else if (*name == '\0' && is_get)
		start_list(call, msg->path);
	else if (strcmp(msg->method, "POST") == 0)
		call_change(call, name, msg->body);
	else
		call_message(call, msg, name, sub);
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
    struct handovers *handovers)
{
	struct operators *operators = xcalloc(1, sizeof(*operators));

	operators->role = role;
	operators->storage = storage;
	operators->scheduler = scheduler;
	operators->handovers = handovers;
	return operators;
}

void
operators_free(struct operators *operators)
{
	free(operators);
}
