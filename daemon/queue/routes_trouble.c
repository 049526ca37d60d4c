/*
 * routes_trouble - what an upstream says of its account: how long it is left alone, how many
 * connections and recipients it takes, and when that is over. Its rates are in routes_learned.c.
 *
 * A profile that waits or is stopped begins nothing until its time. Then one message goes ahead and
 * looks; if it comes through, twice as many follow after each round. What is learned of connections
 * comes back one by one, ever more slowly, since each try of one too many is a violation too.
 */
#include "daemon/queue/routes_private.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/queue/backoff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An upstream that is away now and then is not worth an alert. */
#define ALERT_AFTER_FAILURES 4
/* A further connection is tried behind so many messages for each of those that work, and not before: */
#define WIDTH_SUCCESSES 10
#define WIDTH_STEP_MS INT64_C(60000)
#define WIDTH_STEP_MAX_MS INT64_C(3600000)
#define AGAIN_MS INT64_C(86400000)
/* What was learned of the recipients of one transaction is tried anew after a day. */
#define RECIPIENTS_KEPT_MS INT64_C(86400000)

static int64_t
wall_ms(const struct routes *routes)
{
	return loop_wall_ms(routes->role->loop);
}

/* ---- on disk ---- */

static void
on_profile_stored(struct job *job)
{
	free(job);
}

static void
store_profile(struct routes *routes, const struct profile *profile)
{
	struct profile_job *job = xcalloc(1, sizeof(*job));
	struct profile_row *row = &job->row;

	job->job.on_done = on_profile_stored;
	job->job.urgency = JOB_WRITES_LAZILY;
	row->profile_id = profile->id;
	row->version = profile->version;
	row->trouble = (uint8_t)profile->trouble;
	row->failures = profile->failures;
	row->until_ms = profile->until_ms;
	row->class = profile->class;
	row->since_ms = profile->since_ms;
	row->set_at_ms = profile->set_at_ms;
	row->width = profile->width;
	row->recipients_max = profile->recipients_max;
	row->recipients_at_ms = profile->recipients_at_ms;
	row->longest_wait_ms = profile->longest_wait_ms;
	profile_save_rate(profile, row);
	(void)snprintf(row->last_error, sizeof(row->last_error), "%s", profile->last_error);
	(void)snprintf(row->rule, sizeof(row->rule), "%s", profile->rule);
	storage_post(routes->storage, STORE_PROFILE, &job->job);
}

void
profile_remember(struct routes *routes, struct profile *profile, const struct profile_row *row)
{
	profile->trouble = row->trouble;
	profile->failures = row->failures;
	profile->until_ms = row->until_ms;
	profile->class = row->class;
	profile->since_ms = row->since_ms;
	profile->set_at_ms = row->set_at_ms;
	profile->width = row->width;
	profile->width_step_ms = WIDTH_STEP_MAX_MS;
	profile->width_at_ms = loop_now_ms(routes->role->loop);
	profile->recipients_max = row->recipients_max;
	profile->recipients_at_ms = row->recipients_at_ms;
	profile->longest_wait_ms = row->longest_wait_ms;
	profile_remember_rate(routes, profile, row);
	memcpy(profile->last_error, row->last_error, sizeof(profile->last_error));
	memcpy(profile->rule, row->rule, sizeof(profile->rule));
	/* What relay had before this start says nothing new. */
	profile->first_attempt = routes->first_attempt;
	profile->slow_width = profile->trouble == TROUBLE_NONE ? 0 : 1;
}

/* ---- in the log ---- */

/* One line, once it is known how many wait. */
struct told {
	struct count_job job;
	struct routes *routes;
	struct profile *profile;
	enum log_event event;
	enum log_level level;
	int64_t until_ms;
	uint32_t failures;
	uint16_t code;
	const char *class;
	char rule[REPLY_RULE_ID_SIZE];
	char enhanced[16];
	char upstream[320], reason[PROFILE_ERROR_SIZE];
};

static void
log_told(const struct told *told, uint64_t waiting)
{
	struct log_line line;

	if (!log_begin(&line, told->level, told->event, 0))
		return;
	log_text(&line, KEY_PROFILE, told->profile->name);
	if (*told->upstream != '\0')
		log_text(&line, KEY_UPSTREAM, told->upstream);
	if (told->code != 0)
		log_number(&line, KEY_CODE, told->code);
	if (*told->enhanced != '\0')
		log_text(&line, KEY_ENHANCED, told->enhanced);
	log_text(&line, KEY_CLASS, told->class);
	if (*told->rule != '\0')
		log_text(&line, KEY_RULE, told->rule);
	log_text(&line, KEY_REASON, told->reason);
	log_number(&line, KEY_COUNT, told->failures);
	if (told->until_ms != 0)
		log_time(&line, KEY_UNTIL, told->until_ms);
	log_number(&line, KEY_WAITING, (int64_t)waiting);
	log_end(&line);
}

static void
on_counted(struct job *job)
{
	struct told *told = (struct told *)(void *)job;
	uint64_t waiting = 0;

	for (uint32_t i = 0; i < told->job.row_count_out; i++)
		if (routes_of_user(told->routes, told->job.rows_out[i].user_id) == told->profile)
			waiting += told->job.rows_out[i].count;
	log_told(told, waiting);
	free(told->job.rows_out);
	free(told);
}

/* The upstream was reached and said so: its limit. Everything else is a profile that doesn't work. */
static bool is_limit(enum reply_class class)
{
	switch (class) {
	case REPLY_RATE:
	case REPLY_RATE_CONN:
	case REPLY_RATE_AUTH:
	case REPLY_RATE_REPUTATION:
	case REPLY_QUOTA_HOUR:
	case REPLY_QUOTA_DAILY:
		return true;
	default:
		return false;
	}
}

static void
tell(struct routes *routes, struct profile *profile, enum reply_class class,
    const struct msg_report *report, int64_t until_ms)
{
	struct told *told = xcalloc(1, sizeof(*told));

	told->routes = routes;
	told->profile = profile;
	told->event = is_limit(class) ? EVENT_RATE_LIMITED : EVENT_PROFILE_STOPPED;
	told->level = profile->trouble == TROUBLE_STOPPED ? LOG_ERROR : LOG_WARNING;
	told->until_ms = until_ms;
	told->failures = profile->failures;
	told->code = report->code;
	told->class = reply_class_name(class);
	(void)snprintf(told->rule, sizeof(told->rule), "%s", report->rule);
	(void)snprintf(told->enhanced, sizeof(told->enhanced), "%s", report->enhanced);
	(void)snprintf(told->upstream, sizeof(told->upstream), "%s", report->upstream);
	(void)snprintf(told->reason, sizeof(told->reason), "%s", report->reason);
	told->job.job = (struct job){.on_done = on_counted, .urgency = JOB_READS};
	storage_post(routes->storage, STORE_COUNT, &told->job.job);
}

/* ---- how many at once ---- */

static unsigned
most_connections(const struct profile *profile)
{
	return profile->width != 0 && profile->width < profile->connections ? profile->width
									    : profile->connections;
}

/* One connection was too many: half of those that there were. False: there was only that one. */
static bool
shrink(struct routes *routes, struct profile *profile)
{
	unsigned width = most_connections(profile);
	/* The one that was refused is back already. */
	unsigned used = profile->out + 1;

	if (used < width)
		width = used;
	if (width < 2)
		return false;
	profile->width = width / 2;
	profile->width_successes = 0;
	profile->width_at_ms = loop_now_ms(routes->role->loop);
	if (profile->width_step_ms == 0)
		profile->width_step_ms = WIDTH_STEP_MS;
	else if (profile->width_step_ms < WIDTH_STEP_MAX_MS)
		profile->width_step_ms *= 2;
	return true;
}

static void
widen(struct routes *routes, struct profile *profile)
{
	int64_t now_ms = loop_now_ms(routes->role->loop);

	if (profile->width == 0 || ++profile->width_successes < profile->width * WIDTH_SUCCESSES ||
	    now_ms - profile->width_at_ms < profile->width_step_ms)
		return;
	profile->width_successes = 0;
	profile->width_at_ms = now_ms;
	if (++profile->width >= profile->connections)
		profile->width = 0;
	store_profile(routes, profile);
}

/* A 421 that says no more: half as many, and more again with each that goes well. */
static void
slow_down(struct profile *profile)
{
	unsigned width = most_connections(profile);

	if (profile->slow_width > 0 && profile->slow_width < width)
		width = profile->slow_width;
	profile->slow_width = width > 1 ? width / 2 : 1;
}

unsigned
profile_width(const struct routes *routes, const struct profile *profile)
{
	unsigned width = most_connections(profile);

	if (profile->is_paused || profile->is_gone)
		return 0;
	if (loop_now_ms(routes->role->loop) < profile->pause_until_ms)
		return 0;
	/* After a trouble one message goes ahead and looks. */
	if (profile->trouble != TROUBLE_NONE)
		return profile_is_silent(routes, profile) ? 0 : 1;
	return profile->slow_width > 0 && profile->slow_width < width ? profile->slow_width : width;
}

unsigned
profile_open_to(const struct routes *routes, const struct profile *profile)
{
	unsigned width = profile_width(routes, profile);

	if (profile->out >= width)
		return 0;
	/* The last of several is kept for what is urgent: it need not wait until a long transfer
	 * is through. */
	if (width >= 2 && profile->ordinary_out + 1 >= width)
		return PRIORITY_BITS_URGENT;
	return PRIORITY_BITS_ALL;
}

bool
profile_is_silent(const struct routes *routes, const struct profile *profile)
{
	return profile->trouble != TROUBLE_NONE &&
	       !backoff_is_over(profile->until_ms, profile->set_at_ms, wall_ms(routes));
}

uint32_t
profile_recipients_learned(const struct routes *routes, const struct profile *profile)
{
	int64_t age_ms = wall_ms(routes) - profile->recipients_at_ms;

	return age_ms < 0 || age_ms > RECIPIENTS_KEPT_MS ? 0 : profile->recipients_max;
}

uint32_t
profile_recipients_max(const struct routes *routes, const struct profile *profile)
{
	uint32_t learned = profile_recipients_learned(routes, profile);
	uint32_t chosen =
	    profile->recipients_per_message == 0 ? UINT32_MAX : profile->recipients_per_message;

	return learned != 0 && learned < chosen ? learned : chosen;
}

/* ---- what relay reports ---- */

static enum reply_class
class_of(const struct msg_report *report)
{
	enum reply_class class = (enum reply_class)report->class;

	return class == REPLY_NONE || class >= REPLY_CLASS_COUNT ? REPLY_UNREACHABLE : class;
}

/* The same again within a day, though something went in between: where nobody says until when, waits
 * that were too short are violations too. */
static uint32_t
failures_before(const struct routes *routes, const struct profile *profile, enum reply_class class)
{
	const struct learned *learned = &profile->learned;

	if (profile->trouble != TROUBLE_NONE)
		return profile->class == class ? profile->failures : 0;
	return learned->class == class && learned->ended_at_ms != 0 &&
		       routes_steady_ms(routes) - learned->ended_at_ms < AGAIN_MS
		   ? learned->failures
		   : 0;
}

/* The same again waits for longer; something else begins anew. */
static void
begin_trouble(struct routes *routes, struct profile *profile, enum reply_class class,
    const struct msg_report *report)
{
	struct reply_wait wait = {report->wait_s, report->wait_max_s, report->is_wait_exact};
	bool is_stop = reply_class_effect(class) == EFFECT_STOP;
	bool is_new = profile->trouble == TROUBLE_NONE;

	profile->failures = failures_before(routes, profile, class) + 1;
	profile->trouble = is_stop ? TROUBLE_STOPPED : TROUBLE_LIMITED;
	profile->class = class;
	profile->slow_width = 1;
	profile->set_at_ms = wall_ms(routes);
	if (is_new)
		profile->since_ms = profile->set_at_ms;
	profile->until_ms = profile->set_at_ms +
			    backoff_profile_ms(class, wait, profile->failures, backoff_chance());
	(void)snprintf(profile->rule, sizeof(profile->rule), "%s", report->rule);
	(void)snprintf(profile->last_error, sizeof(profile->last_error), "%s", report->reason);
}

void
profile_note_trouble(struct routes *routes, struct profile *profile,
    const struct msg_report *report, uint64_t next_attempt)
{
	enum reply_class class = class_of(report);
	bool is_told;

	/* Connections that fail together are one failure. */
	if (report->attempt < profile->first_attempt)
		return;
	profile->first_attempt = next_attempt;
	if (class == REPLY_RATE_CONN && profile->trouble == TROUBLE_NONE &&
	    shrink(routes, profile)) {
		store_profile(routes, profile);
		tell(routes, profile, class, report, 0);
		return;
	}
	/* Who looks whether it is over proves nothing about how much may go. */
	if (profile->trouble == TROUBLE_NONE && !report->is_wait_exact)
		profile_learn_rate(routes, profile, class);
	else if (profile->class == class && !report->is_wait_exact)
		profile_learn_day(routes, profile, class);
	begin_trouble(routes, profile, class, report);
	is_told = profile->trouble == TROUBLE_STOPPED ||
		  profile->failures == ALERT_AFTER_FAILURES ||
		  (report->is_alerted && profile->failures == 1);
	store_profile(routes, profile);
	tell(routes, profile, class, report, profile->until_ms);
	if (is_told)
		role_alert(routes->role,
		    profile->trouble == TROUBLE_STOPPED ? "profile-stopped" : "profile-limited", "",
		    "", profile->name, profile->last_error);
}

static void
forget_trouble(struct routes *routes, struct profile *profile)
{
	struct log_line line;

	if (profile->trouble == TROUBLE_NONE)
		return;
	if (is_limit(profile->class)) {
		profile->learned.class = profile->class;
		profile->learned.failures = profile->failures;
		profile->learned.ended_at_ms = routes_steady_ms(routes);
	}
	profile->trouble = TROUBLE_NONE;
	profile->class = REPLY_NONE;
	profile->rule[0] = '\0';
	profile->failures = 0;
	profile->until_ms = profile->since_ms = profile->set_at_ms = 0;
	store_profile(routes, profile);
	if (log_begin(&line, LOG_INFO, EVENT_PROFILE_RESUMED, 0)) {
		log_text(&line, KEY_PROFILE, profile->name);
		log_end(&line);
	}
}

void
profile_note_success(struct routes *routes, struct profile *profile, uint64_t attempt)
{
	/* What was on its way when the upstream said no proves nothing. */
	if (attempt < profile->first_attempt && profile->trouble != TROUBLE_NONE)
		return;
	/* One more for each: twice as many after each round of them. */
	if (profile->slow_width > 0 && ++profile->slow_width >= most_connections(profile))
		profile->slow_width = 0;
	widen(routes, profile);
	if (profile_raise_rate(routes, profile))
		store_profile(routes, profile);
	profile->last_error[0] = '\0';
	forget_trouble(routes, profile);
}

void
profile_note_slower(struct profile *profile)
{
	slow_down(profile);
}

void
profile_note_recipients(struct routes *routes, struct profile *profile, uint32_t most)
{
	if (most == 0 || most >= profile_recipients_max(routes, profile))
		return;
	profile->recipients_max = most;
	profile->recipients_at_ms = wall_ms(routes);
	store_profile(routes, profile);
}

void
profile_note_wait(struct routes *routes, struct profile *profile, int64_t wait_ms)
{
	if (wait_ms <= profile->longest_wait_ms)
		return;
	profile->longest_wait_ms = wait_ms;
	store_profile(routes, profile);
}

void
profile_resume(struct routes *routes, struct profile *profile)
{
	bool has_learned = profile->width != 0 || profile->recipients_max != 0 ||
			   profile->learned.messages.rule_count != 0;

	profile_forget_rate(routes, profile);
	profile->width = 0;
	profile->width_step_ms = 0;
	profile->recipients_max = 0;
	profile->last_error[0] = '\0';
	if (has_learned && profile->trouble == TROUBLE_NONE)
		store_profile(routes, profile);
	forget_trouble(routes, profile);
}

/* ---- the clock ---- */

void
routes_move_troubles(struct routes *routes, int64_t moved_ms)
{
	IDMAP_EACH(&routes->profiles, slot)
	{
		struct profile *profile = slot->object;

		if (profile->trouble == TROUBLE_NONE)
			continue;
		profile->until_ms += moved_ms;
		profile->since_ms += moved_ms;
		profile->set_at_ms += moved_ms;
		store_profile(routes, profile);
	}
}
