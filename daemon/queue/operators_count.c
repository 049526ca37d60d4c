/* operators_count - how much of what is in the queue, and how its profiles are. */
#include "common/xalloc.h"
#include "daemon/queue/backoff.h"
#include "daemon/queue/operators_private.h"

#include <stdlib.h>

/* Messages on disk by profile; the numbers are the caller's to free. */
static void
count_waiting(const struct routes *routes, const struct count_job *job, struct idmap *waiting)
{
	for (uint32_t i = 0; i < job->row_count_out; i++) {
		const struct profile *profile = routes_of_user(routes, job->rows_out[i].user_id);
		uint64_t *number;

		if (profile == NULL)
			continue;
		number = idmap_get(waiting, profile->id);
		if (number == NULL) {
			number = xcalloc(1, sizeof(*number));
			idmap_put(waiting, profile->id, number);
		}
		*number += job->rows_out[i].count;
	}
}

/* A limit and what is left of it; null without one. */
static void
put_limit(json_t *to, const char *name, const char *left_name, uint32_t limit, uint32_t left)
{
	(void)json_object_set_new(to, name, limit == 0 ? json_null() : json_integer(limit));
	(void)json_object_set_new(to, left_name, limit == 0 ? json_null() : json_integer(left));
}

/* What the profile's rates leave just now, the reserve included; null without rates. */
static json_t *
profile_budget(struct profile *profile, int64_t now_ms)
{
	json_t *periods = json_array();

	for (size_t i = 0; i < profile->budget.count; i++) {
		const struct budget_window *window = &profile->budget.windows[i];
		struct usage_count left = budget_left(&profile->budget, i, now_ms, true);
		json_t *period;

		if (window->limit.messages == 0 && window->limit.recipients == 0)
			continue;
		period = json_pack("{s:I}", "period", (json_int_t)(window->period_ms / 1000));
		put_limit(
		    period, "messages", "messages_left", window->limit.messages, left.messages);
		put_limit(period, "recipients", "recipients_left", window->limit.recipients,
		    left.recipients);
		(void)json_array_append_new(periods, period);
	}
	if (json_array_size(periods) > 0)
		return periods;
	json_decref(periods);
	return json_null();
}

/* Until when it waits, wall clock: for the upstream's sake, else for its own rates; 0: it does
 * not. */
static int64_t
limited_until(struct operators *operators, const struct profile *profile, uint64_t waiting)
{
	const struct routes *routes = scheduler_routes(operators->scheduler);
	int64_t now_ms = loop_wall_ms(operators->role->loop);
	int64_t rate_ms = profile->rate_until_ms - routes_steady_ms(routes);

	if (profile->trouble != TROUBLE_NONE)
		return profile_is_silent(routes, profile) ? profile->until_ms : 0;
	return waiting > 0 && profile->rate_until_ms != 0 && rate_ms > 0 ? now_ms + rate_ms : 0;
}

static enum profile_trouble
shown_trouble(const struct profile *profile, int64_t until_ms, uint64_t waiting)
{
	enum profile_trouble shown = backoff_shown(profile->trouble, until_ms == 0, waiting);

	return shown == TROUBLE_NONE && until_ms != 0 ? TROUBLE_LIMITED : shown;
}

static json_t *
text_or_null(const char *text)
{
	return *text == '\0' ? json_null() : result_text(text);
}

/* What kind of trouble, which rule said so, since when. */
static void
put_trouble(json_t *object, const struct profile *profile, enum profile_trouble shown)
{
	bool is_shown = shown != TROUBLE_NONE && profile->trouble != TROUBLE_NONE;

	(void)json_object_set_new(
	    object, "class", text_or_null(is_shown ? reply_class_name(profile->class) : ""));
	(void)json_object_set_new(object, "rule", text_or_null(is_shown ? profile->rule : ""));
	(void)json_object_set_new(
	    object, "since", is_shown ? result_time(profile->since_ms) : json_null());
}

static void
put_rate(json_t *object, const char *key, const struct rate *rate)
{
	char text[RATE_TEXT_SIZE];

	(void)json_object_set_new(object, key,
	    rate->rule_count == 0 ? json_null() : json_string(rate_format(rate, text)));
}

static void
put_learned(json_t *object, const struct routes *routes, const struct profile *profile)
{
	uint32_t learned = profile_recipients_learned(routes, profile);

	(void)json_object_set_new(object, "connections_learned",
	    profile->width == 0 ? json_null() : json_integer(profile->width));
	put_rate(object, "rate_learned", &profile->learned.messages);
	put_rate(object, "recipient_rate_learned", &profile->learned.recipients);
	(void)json_object_set_new(
	    object, "recipients_learned", learned == 0 ? json_null() : json_integer(learned));
}

const char *
operators_standing(struct operators *operators, const struct profile *profile, uint64_t waiting,
    int64_t *until_ms_out)
{
	static const char *const names[] = {"ok", "limited", "stopped"};
	int64_t until_ms = limited_until(operators, profile, waiting);
	enum profile_trouble shown = shown_trouble(profile, until_ms, waiting);

	*until_ms_out = shown == TROUBLE_NONE ? 0 : until_ms;
	return profile->is_paused ? "paused" : names[shown];
}

static json_t *
profile_state(struct operators *operators, struct profile *profile, uint64_t waiting)
{
	int64_t until_ms;
	const char *state = operators_standing(operators, profile, waiting, &until_ms);
	enum profile_trouble shown =
	    shown_trouble(profile, limited_until(operators, profile, waiting), waiting);
	json_t *object =
	    json_pack("{s:o,s:s,s:o,s:o,s:I,s:i,s:o}", "name", result_text(profile->name), "state",
		state, "rate_limited_until", until_ms == 0 ? json_null() : result_time(until_ms),
		"last_error", text_or_null(profile->last_error), "waiting", (json_int_t)waiting,
		"sending", (int)profile->out, "budget",
		profile_budget(profile, routes_steady_ms(scheduler_routes(operators->scheduler))));

	put_trouble(object, profile, shown);
	put_learned(object, scheduler_routes(operators->scheduler), profile);
	return object;
}

json_t *
operators_profile_state(
    struct operators *operators, struct profile *profile, const struct count_job *job)
{
	const struct routes *routes = scheduler_routes(operators->scheduler);
	uint64_t waiting = 0;

	for (uint32_t i = 0; i < job->row_count_out; i++)
		if (routes_of_user(routes, job->rows_out[i].user_id) == profile)
			waiting += job->rows_out[i].count;
	return profile_state(operators, profile, waiting);
}

static json_t *
profile_states(struct operators *operators, const struct count_job *job)
{
	const struct routes *routes = scheduler_routes(operators->scheduler);
	json_t *profiles = json_array();
	struct idmap waiting;

	idmap_init(&waiting);
	count_waiting(routes, job, &waiting);
	IDMAP_EACH(&routes->profiles, slot)
	{
		struct profile *profile = slot->object;
		const uint64_t *number = idmap_get(&waiting, profile->id);

		if (!profile->is_gone)
			(void)json_array_append_new(profiles,
			    profile_state(operators, profile, number == NULL ? 0 : *number));
	}
	IDMAP_EACH(&waiting, slot)
	free(slot->object);
	idmap_fini(&waiting);
	return profiles;
}

static void
on_counted(struct job *job)
{
	struct call *call = job->ctx;
	struct operators *operators = call->operators;
	json_int_t counts[SHOWN_COUNT] = {0};
	json_t *answer = json_object();
	size_t sending;

	free(scheduler_sending(operators->scheduler, &sending));
	for (uint32_t i = 0; i < call->count.row_count_out; i++) {
		const struct count_row *row = &call->count.rows_out[i];

		counts[mail_shown_as(row->state, row->is_deferred)] += (json_int_t)row->count;
	}
	/* On disk what is being sent is ready; its fate may be a moment ahead of the count. */
	counts[SHOWN_SENDING] = (json_int_t)sending;
	counts[SHOWN_READY] -=
	    counts[SHOWN_READY] < (json_int_t)sending ? counts[SHOWN_READY] : (json_int_t)sending;
	for (int i = SHOWN_READY; i < SHOWN_COUNT; i++)
		(void)json_object_set_new(
		    answer, operator_state_name((enum shown_state)i), json_integer(counts[i]));
	if (call->count.is_partial_out)
		(void)json_object_set_new(answer, "counting", json_true());
	(void)json_object_set_new(answer, "profiles", profile_states(operators, &call->count));
	free(call->count.rows_out);
	call_answer_json(call, 200, answer);
}

void
call_start_count(struct call *call)
{
	call->count.job = (struct job){.on_done = on_counted, .ctx = call, .urgency = JOB_READS};
	storage_post(call->operators->storage, STORE_COUNT, &call->count.job);
}
