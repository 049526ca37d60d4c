/* operators_stats - GET /v1/stats: what was counted of lists, users and profiles. */
#include "common/xalloc.h"
#include "daemon/queue/operators_private.h"

#include <stdlib.h>
#include <string.h>

#define HOUR_MS INT64_C(3600000)
#define SINCE_DEFAULT_MS (24 * HOUR_MS)

struct stats {
	struct history_report_job job;
	struct call *call;
	int64_t since_ms, until_ms;
};

/* The hours are told that were looked at, all of them: since may lie within one. */
static json_t *
report_with_span(const struct stats *stats)
{
	json_t *object = report_json(stats->job.report);

	(void)json_object_set_new(object, "since", result_time(stats->job.first_hour * HOUR_MS));
	(void)json_object_set_new(object, "until", result_time(stats->until_ms));
	return object;
}

static void
answer(struct stats *stats)
{
	json_t *object = report_with_span(stats);

	if (stats->job.job.outcome != JOB_DONE)
		call_answer_error(stats->call, 503, "history_failed",
		    "the statistics can't be read just now", NULL);
	else if (json_dumpb(object, NULL, 0, JSON_COMPACT) > OPERATOR_ANSWER_MAX)
		call_answer_error(stats->call, 413, "too_large",
		    "the answer is too large for one piece: ask for fewer hours, or by day", "by");
	else
		call_answer_json(stats->call, 200, json_incref(object));
	json_decref(object);
}

/* Zeros would hide that a name is misspelt. */
static void
on_reported(struct job *job)
{
	struct stats *stats = job->ctx;

	if (job->outcome != JOB_DONE || !report_is_empty(stats->job.report) ||
	    !call_answer_unknown_name(stats->call))
		answer(stats);
	report_free(stats->job.report);
	free(stats);
}

static struct report *
new_report(enum report_by by, const char *path)
{
	char *list = operator_query(path, "list"), *user = operator_query(path, "user");
	char *profile = operator_query(path, "profile");
	struct report_filter filter = {.list = list, .login = user, .profile = profile};
	struct report *report = report_new(by, &filter);

	free(list);
	free(user);
	free(profile);
	return report;
}

static void
start(struct call *call, enum report_by by, const char *path, int64_t since_ms, int64_t until_ms)
{
	struct stats *stats = xcalloc(1, sizeof(*stats));

	stats->call = call;
	stats->since_ms = since_ms;
	stats->until_ms = until_ms;
	stats->job = (struct history_report_job){.job = {.on_done = on_reported, .ctx = stats},
	    .first_hour = since_ms / HOUR_MS,
	    .last_hour = until_ms / HOUR_MS,
	    .report = new_report(by, path)};
	history_ask(call->operators->history, HISTORY_REPORT, &stats->job.job);
}

void
call_start_stats(struct call *call, const char *path)
{
	char *word = operator_query(path, "by");
	enum report_by by = word == NULL ? REPORT_BY_USER : report_parse_by(word);
	int64_t now_ms = loop_wall_ms(call->operators->role->loop), since_ms = 0, until_ms = 0;
	const char *field = "by", *problem = NULL;

	free(word);
	if (by == REPORT_BY_COUNT)
		problem = "by is one of list, user, profile, hour, day";
	else
		problem = call_parse_span(call, path, &since_ms, &until_ms, &field);
	if (problem != NULL) {
		call_answer_error(call, 400, "invalid", problem, field);
		return;
	}
	call_look_up_names(call, path);
	if (until_ms == 0)
		until_ms = now_ms;
	if (since_ms == 0)
		since_ms = until_ms - SINCE_DEFAULT_MS;
	start(call, by, path, since_ms, until_ms);
}
