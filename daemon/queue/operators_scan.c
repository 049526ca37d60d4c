/*
 * operators_scan - walks over the messages that a call means, on the storage thread and a part at
 * a time, and lists them or makes up on the loop for what was changed on disk
 */
#include "common/clock.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"
#include "daemon/queue/operators_private.h"

#include <stdlib.h>
#include <string.h>

#define CHANGES_A_JOB 500

static bool
is_sending(const struct operators *operators, uint64_t id)
{
	const struct entry *entry = scheduler_find(operators->scheduler, id);

	return entry != NULL && entry->state >= ENTRY_SENDING;
}

static void
free_results(struct scan_job *scan)
{
	free(scan->ids_out);
	free(scan->files_out);
	free(scan->mails_out);
	scan->ids_out = NULL;
	scan->files_out = NULL;
	scan->mails_out = NULL;
}

/* ---- listing ---- */

/* It goes through another than its own profile. */
static json_t *
reason_of_fallback(const struct routes *routes, const struct mail *mail)
{
	const struct profile *own = routes_own_of(routes, mail->user_id);

	return json_sprintf("its profile %.200s can send nothing just now: the fallback takes it",
	    own == NULL ? "" : own->name);
}

/* Why it doesn't go, where its recipients' replies don't say so. */
static json_t *
reason(const struct mail *mail, const struct routes *routes, const struct profile *profile)
{
	if (mail->state == MAIL_LIMITED)
		return json_string("over the user's limit");
	if (mail->state == MAIL_UNCERTAIN && mail->next_at_ms == 0)
		return json_string("may have been delivered: waits for an operator to retry or "
				   "remove it");
	if (profile == NULL && routes->is_complete)
		return json_string(routes_problem(routes, mail->user_id));
	if (mail->state == MAIL_UNCERTAIN)
		return json_string("may have been delivered: is tried again");
	if (profile != NULL && profile != routes_own_of(routes, mail->user_id))
		return reason_of_fallback(routes, mail);
	return json_null();
}

/* It could go, but for its profile. */
static bool
waits_for_profile(const struct operators *operators, const struct mail *mail)
{
	return mail->state == MAIL_WAITING &&
	       mail->next_at_ms <= loop_wall_ms(operators->role->loop) &&
	       !is_sending(operators, mail->id);
}

static void
put_standing(struct operators *operators, json_t *object, const struct profile *profile)
{
	int64_t until_ms;
	const char *state = operators_standing(operators, profile, 1, &until_ms);
	char until[CLOCK_RFC3339_SIZE];

	if (strcmp(state, "ok") == 0)
		return;
	if (profile->is_paused)
		until_ms = 0; /* that passes by no time */
	if (json_is_null(json_object_get(object, "reason")))
		(void)json_object_set_new(object, "reason",
		    json_sprintf(
			"waits for profile %.200s, which is %s%s%s (posternctl profile show "
			"%.200s)",
			profile->name, state, until_ms == 0 ? "" : " until ",
			until_ms == 0 ? "" : clock_rfc3339(until_ms, until, sizeof(until)),
			profile->name));
	if (until_ms != 0)
		(void)json_object_set_new(object, "waits_until", result_time(until_ms));
}

json_t *
call_message(struct operators *operators, const struct mail *mail)
{
	const struct routes *routes = scheduler_routes(operators->scheduler);
	const struct profile *profile = routes_of_user(routes, mail->user_id);
	json_t *object = operator_message(
	    mail, profile == NULL ? NULL : profile->name, is_sending(operators, mail->id));

	(void)json_object_set_new(object, "reason", reason(mail, routes, profile));
	(void)json_object_set_new(object, "waits_until", json_null());
	if (profile != NULL && waits_for_profile(operators, mail))
		put_standing(operators, object, profile);
	return object;
}

/* A page ends early rather than grow over what an answer may have, and says so. Takes the message. */
static void
add_to_page(struct call *call, json_t *message)
{
	size_t count = json_array_size(call->page);

	if (!call->is_single)
		(void)json_object_set_new(message, "has_more", json_false());
	call->page_bytes += json_dumpb(message, NULL, 0, JSON_COMPACT) + 1;
	if (call->page_bytes < OPERATOR_ANSWER_MAX) {
		(void)json_array_append_new(call->page, message);
		return;
	}
	json_decref(message);
	if (count > 0)
		(void)json_object_set_new(
		    json_array_get(call->page, count - 1), "has_more", json_true());
}

static void
take_page(struct call *call)
{
	for (uint32_t i = 0; i < call->scan.count_out; i++) {
		struct mail *mail = call->scan.mails_out == NULL ? NULL : call->scan.mails_out[i];

		if (mail == NULL)
			continue;
		add_to_page(call, call_message(call->operators, mail));
		free(mail);
	}
}

static void
on_listed(struct job *job)
{
	struct call *call = (struct call *)(void *)job;
	size_t count;

	take_page(call);
	free_results(&call->scan);
	count = json_array_size(call->page);
	if (job->outcome != JOB_DONE)
		call_answer_storage_error(call, job->outcome);
	else if (!call->scan.is_end_out && call->page_bytes < OPERATOR_ANSWER_MAX)
		call_post_scan(call);
	else if (call->is_single && count == 0)
		call_answer_unknown(call);
	else if (call->is_single)
		call_answer_json(call, 200, json_incref(json_array_get(call->page, 0)));
	else if (count > 0 || !call_answer_unknown_name(call))
		call_answer_json(call, 200, json_incref(call->page));
}

/* ---- changes ---- */

static void
log_change(enum scan_action action, uint64_t message_id)
{
	enum log_event event = action == SCAN_HOLD ? EVENT_HELD : EVENT_REMOVED;
	struct log_line line;

	if (action != SCAN_HOLD && action != SCAN_REMOVE)
		return;
	if (!log_begin(&line, LOG_INFO, event, message_id))
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
	if (action == SCAN_HOLD || action == SCAN_RELEASE)
		entry->is_to_hold = action == SCAN_HOLD;
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

		log_change(action, id);
		if (action == SCAN_REMOVE && call->scan.files_out[i] != 0)
			storage_remove_file(operators->storage, call->scan.files_out[i]);
		if (entry == NULL || action == SCAN_RETRY)
			continue;
		/* It went while its new time was written, which is over with the attempt. */
		if (action == SCAN_SCHEDULE && is_sending(operators, id))
			return;
		if (entry->state == ENTRY_READY)
			scheduler_forget(operators->scheduler, id);
		else
			catch_up(operators, entry, action);
	}
	scheduler_pump_all(operators->scheduler);
	call->changed += call->scan.count_out;
}

static void
answer_changes(struct call *call)
{
	bool is_sent = call->was_sending || is_sending(call->operators, call->single_id);

	if (call->scan.action == SCAN_RELEASE || call->scan.action == SCAN_RETRY)
		scheduler_released(call->operators->scheduler);
	if (call->is_single && call->changed == 0 && is_sent)
		call_answer_error(call, 409, "sending", "the message is being sent just now", "id");
	else if (call->is_single && call->changed == 0)
		call_answer_unknown(call);
	else if (call->scan.action == SCAN_SCHEDULE)
		call_answer_schedule(call);
	else if (call->changed > 0 || !call_answer_unknown_name(call))
		call_answer_json(call, 200, json_pack("{s:i}", "count", (int)call->changed));
}

static void
on_changed(struct job *job)
{
	struct call *call = (struct call *)(void *)job;

	if (job->outcome == JOB_DONE)
		apply_changes(call);
	free_results(&call->scan);
	if (job->outcome != JOB_DONE)
		call_answer_storage_error(call, job->outcome);
	else if (call->scan.is_end_out)
		answer_changes(call);
	else
		call_post_scan(call);
}

/* ---- the walk ---- */

void
call_post_scan(struct call *call)
{
	bool is_list = call->scan.action == SCAN_LIST;

	free(call->sending);
	call->sending =
	    scheduler_sending(call->operators->scheduler, &call->scan.filter.sending_count);
	call->scan.filter.sending = call->sending;
	call->was_sending = is_sending(call->operators, call->single_id);
	/* Of what is being sent, a hold and a release say what becomes of it afterwards. */
	call->scan.filter.skips_sending =
	    !is_list && call->scan.action != SCAN_HOLD && call->scan.action != SCAN_RELEASE;
	call->scan.limit = is_list ? call->wanted : CHANGES_A_JOB;
	call->scan.now_ms = loop_wall_ms(call->operators->role->loop);
	call->scan.count_out = 0;
	call->scan.job.on_done = is_list ? on_listed : on_changed;
	call->scan.job.urgency = is_list ? JOB_READS : JOB_WRITES;
	storage_post(call->operators->storage, STORE_SCAN, &call->scan.job);
}

void
call_start_single(struct call *call, enum scan_action action, uint64_t id)
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
	call_post_scan(call);
}
