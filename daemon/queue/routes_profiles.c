/* routes_profiles - the profiles of the map, and their troubles. */
#include "daemon/queue/routes_private.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/config/units.h"
#include "daemon/queue/backoff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_DEFAULT 20
/* An upstream that is away now and then is not worth an alert. */
#define ALERT_AFTER_FAILURES 4

void
routes_free_profile(struct profile *profile)
{
	budget_fini(&profile->budget);
	timer_free(profile->timer);
	free(profile->look);
	free(profile->name);
	free(profile->bounce_sender);
	free(profile->from);
	free(profile->available);
	free(profile);
}

/* ---- troubles ---- */

static void
on_profile_stored(struct job *job)
{
	free(job);
}

static void
store_profile(struct routes *routes, const struct profile *profile)
{
	struct profile_job *job = xcalloc(1, sizeof(*job));

	job->job.on_done = on_profile_stored;
	job->job.urgency = JOB_WRITES_LAZILY;
	job->row.profile_id = profile->id;
	job->row.version = profile->version;
	job->row.trouble = (uint8_t)profile->trouble;
	job->row.failures = profile->failures;
	job->row.until_ms = profile->until_ms;
	(void)snprintf(job->row.last_error, sizeof(job->row.last_error), "%s", profile->last_error);
	storage_post(routes->storage, STORE_PROFILE, &job->job);
}

static void
log_trouble(const struct profile *profile, const struct msg_report *report)
{
	enum log_level level = profile->trouble == TROUBLE_STOPPED ? LOG_ERROR : LOG_WARNING;
	struct log_line line;

	if (!log_begin(&line, level, EVENT_PROFILE_STOPPED, 0))
		return;
	log_text(&line, KEY_PROFILE, profile->name);
	if (*report->upstream != '\0')
		log_text(&line, KEY_UPSTREAM, report->upstream);
	if (report->code != 0)
		log_number(&line, KEY_CODE, report->code);
	if (*report->enhanced != '\0')
		log_text(&line, KEY_ENHANCED, report->enhanced);
	log_text(&line, KEY_REASON, report->reason);
	log_number(&line, KEY_COUNT, profile->failures);
	log_time(&line, KEY_UNTIL, profile->until_ms);
	log_end(&line);
}

void
profile_note_trouble(struct routes *routes, struct profile *profile,
    const struct msg_report *report, uint64_t next_attempt)
{
	enum attempt_outcome outcome = report->outcome;

	/* Connections that fail together are one failure. */
	if (report->attempt < profile->first_attempt)
		return;
	profile->first_attempt = next_attempt;
	profile->failures++;
	profile->trouble = backoff_is_stop(outcome) ? TROUBLE_STOPPED : TROUBLE_LIMITED;
	profile->slow_width = 1;
	profile->until_ms = loop_wall_ms(routes->role->loop) +
			    backoff_profile_ms(outcome, profile->failures, backoff_chance());
	(void)snprintf(profile->last_error, sizeof(profile->last_error), "%.500s", report->reason);
	store_profile(routes, profile);
	log_trouble(profile, report);
	if (profile->trouble == TROUBLE_STOPPED || profile->failures == ALERT_AFTER_FAILURES)
		role_alert(
		    routes->role, "profile-stopped", "", "", profile->name, profile->last_error);
}

static void
forget_trouble(struct routes *routes, struct profile *profile)
{
	struct log_line line;

	if (profile->trouble == TROUBLE_NONE)
		return;
	profile->trouble = TROUBLE_NONE;
	profile->failures = 0;
	profile->until_ms = 0;
	store_profile(routes, profile);
	if (log_begin(&line, LOG_INFO, EVENT_PROFILE_RESUMED, 0)) {
		log_text(&line, KEY_PROFILE, profile->name);
		log_end(&line);
	}
}

void
profile_note_success(struct routes *routes, struct profile *profile)
{
	/* One more for each: twice as many after each round of them. */
	if (profile->slow_width > 0 && ++profile->slow_width >= profile->connections)
		profile->slow_width = 0;
	profile->last_error[0] = '\0';
	forget_trouble(routes, profile);
}

unsigned
profile_width(const struct routes *routes, const struct profile *profile)
{
	if (profile->is_paused || profile->is_gone)
		return 0;
	if (loop_now_ms(routes->role->loop) < profile->pause_until_ms)
		return 0;
	/* After a trouble one message goes ahead and looks. */
	if (profile->trouble != TROUBLE_NONE)
		return backoff_is_over(profile->until_ms, loop_wall_ms(routes->role->loop)) ? 1 : 0;
	if (profile->slow_width > 0 && profile->slow_width < profile->connections)
		return profile->slow_width;
	return profile->connections;
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

/* ---- the map ---- */

static struct profile *
new_profile(struct routes *routes, uint64_t id)
{
	struct profile *profile = xcalloc(1, sizeof(*profile));

	profile->id = id;
	profile->name = xstrdup("");
	profile->bounce_sender = xstrdup("");
	profile->from = xstrdup("");
	profile->available = xstrdup("");
	idmap_put(&routes->profiles, id, profile);
	routes->on_new_profile(profile, routes->ctx);
	return profile;
}

/* Of one that accounts has not named (yet): it may do nothing. */
static struct profile *
known_profile(struct routes *routes, uint64_t id)
{
	struct profile *profile = routes_profile(routes, id);

	if (profile != NULL)
		return profile;
	profile = new_profile(routes, id);
	profile->is_gone = true;
	return profile;
}

void
routes_load_budget(struct routes *routes, const struct booked_row *row)
{
	if (row->profile_id == 0 || row->line.period_ms <= 0)
		return;
	budget_load(
	    &known_profile(routes, row->profile_id)->budget, &row->line, routes_steady_ms(routes));
}

static void
take_rates(struct routes *routes, struct profile *profile, const struct msg_route *route)
{
	struct rate messages, recipients;
	struct err err;

	if (rate_parse(*route->rate == '\0' ? "none" : route->rate, &messages, &err) != 0 ||
	    rate_parse(*route->recipient_rate == '\0' ? "none" : route->recipient_rate, &recipients,
		&err) != 0) {
		log_problem(LOG_ERROR, "the rates of profile %s are not understood: %s",
		    profile->name, err.text);
		return;
	}
	budget_set(&profile->budget, &messages, &recipients,
	    route->reserve < 100 ? route->reserve : 100, routes_steady_ms(routes));
	if (!routes->had_map)
		budget_assume_spent(&profile->budget, routes_steady_ms(routes));
}

void
routes_remember(struct routes *routes, const struct profile_row *row)
{
	struct profile *profile = known_profile(routes, row->profile_id);

	if (*profile->name == '\0')
		profile->version = row->version;
	/* An operator changed or resumed it meanwhile. */
	if (profile->version != row->version)
		return;
	profile->trouble = row->trouble;
	profile->slow_width = 1;
	profile->failures = row->failures;
	profile->until_ms = row->until_ms;
	memcpy(profile->last_error, row->last_error, sizeof(profile->last_error));
	if (routes->is_complete)
		routes->on_profile_changed(profile, routes->ctx);
}

/* Accounts has looked at it: what can't be read leaves queue.retry. */
static void
take_retry(struct profile *profile, const char *text)
{
	if (unit_schedule(text, 1, INT64_MAX, profile->retry_ms, &profile->retry_count) != 0)
		profile->retry_count = 0;
}

void
routes_take_profile(struct routes *routes, const struct msg_route *route)
{
	struct profile *profile = routes_profile(routes, route->id);

	if (profile == NULL) {
		profile = new_profile(routes, route->id);
		profile->version = route->version;
	}
	/* What is on its way is told under the name that it had. */
	if (!route->is_gone)
		routes_set_text(&profile->name, route->name);
	routes_set_text(&profile->bounce_sender, route->bounce_sender);
	routes_set_text(&profile->from, route->from);
	routes_set_text(&profile->available, route->available);
	take_retry(profile, route->retry);
	take_rates(routes, profile, route);
	profile->is_uncertain_held = route->is_uncertain_held;
	profile->is_stale = false;
	profile->is_gone = route->is_gone;
	profile->is_paused = route->is_paused;
	profile->connections = route->connections == 0 ? CONNECTIONS_DEFAULT : route->connections;
	/* An operator changed or resumed it. */
	if (profile->version != route->version || profile->is_gone) {
		profile->version = route->version;
		forget_trouble(routes, profile);
	}
	if (routes->is_complete)
		routes->on_profile_changed(profile, routes->ctx);
}
