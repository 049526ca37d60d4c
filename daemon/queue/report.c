/* report - sums and their JSON. */
#include "daemon/queue/report.h"

#include "common/xalloc.h"
#include "daemon/core/result.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOUR_MS INT64_C(3600000)

struct row {
	char *list, *login, *profile; /* "" where the rows don't differ by it */
	int64_t hour;
	struct statistics sum;
};

struct report {
	enum report_by by;
	char *list, *login, *profile; /* NULL: any */
	struct row **rows;            /* in order */
	size_t count, capacity;
	struct statistics total;
};

static const char *const words[REPORT_BY_COUNT] = {
    [REPORT_BY_LIST] = "list",
    [REPORT_BY_USER] = "user",
    [REPORT_BY_PROFILE] = "profile",
    [REPORT_BY_HOUR] = "hour",
    [REPORT_BY_DAY] = "day",
};

enum report_by
report_parse_by(const char *word)
{
	for (unsigned i = 0; i < REPORT_BY_COUNT; i++)
		if (strcmp(word, words[i]) == 0)
			return (enum report_by)i;
	return REPORT_BY_COUNT;
}

/* ---- sums ---- */

/* What the report's rows differ by, and nothing else. */
static struct statistics_key
row_key(const struct report *report, const struct statistics_key *key)
{
	struct statistics_key of = {.list = "", .login = "", .profile = ""};

	switch (report->by) {
	case REPORT_BY_USER:
		of.login = key->login;
		of.list = key->list;
		break;
	case REPORT_BY_LIST:
		of.list = key->list;
		break;
	case REPORT_BY_PROFILE:
		of.profile = key->profile;
		break;
	case REPORT_BY_HOUR:
		of.hour = key->hour;
		break;
	case REPORT_BY_DAY:
		of.hour = key->hour - key->hour % 24;
		break;
	case REPORT_BY_COUNT:
		break;
	}
	return of;
}

static int
compare(const struct row *row, const struct statistics_key *key)
{
	int order = row->hour < key->hour ? -1 : row->hour > key->hour;

	if (order == 0)
		order = strcmp(row->list, key->list);
	if (order == 0)
		order = strcmp(row->login, key->login);
	return order == 0 ? strcmp(row->profile, key->profile) : order;
}

static struct row *
insert_row(struct report *report, size_t at, const struct statistics_key *key)
{
	struct row *row = xcalloc(1, sizeof(*row));

	if (report->count == report->capacity) {
		report->capacity = report->capacity == 0 ? 16 : 2 * report->capacity;
		report->rows = xrealloc(report->rows, report->capacity, sizeof(struct row *));
	}
	memmove(
	    report->rows + at + 1, report->rows + at, (report->count - at) * sizeof(struct row *));
	report->rows[at] = row;
	report->count++;
	row->hour = key->hour;
	row->list = xstrdup(key->list);
	row->login = xstrdup(key->login);
	row->profile = xstrdup(key->profile);
	return row;
}

static struct row *
find_row(struct report *report, const struct statistics_key *key)
{
	size_t low = 0, high = report->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(report->rows[middle], key);

		if (order == 0)
			return report->rows[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return insert_row(report, low, key);
}

static bool
is_name(const char *wanted, const char *name)
{
	return wanted == NULL || strcasecmp(wanted, name) == 0;
}

void
report_add(const struct statistics_key *key, const struct statistics *statistics, void *ctx)
{
	struct report *report = ctx;
	struct statistics_key of = row_key(report, key);

	if (!is_name(report->list, key->list) || !is_name(report->login, key->login) ||
	    !is_name(report->profile, key->profile))
		return;
	statistics_add(&report->total, statistics);
	statistics_add(&find_row(report, &of)->sum, statistics);
}

/* ---- JSON ---- */

static json_t *
seconds_or_null(bool is_known, double ms)
{
	return is_known ? json_real(ms / 1000) : json_null();
}

static json_t *
latency(const struct statistics *sum)
{
	uint64_t count = sum->counts[STATISTIC_DELIVERED];
	bool is_known = count > 0;

	return json_pack("{s:o,s:o,s:o,s:o}", "mean",
	    seconds_or_null(
		is_known, is_known ? (double)sum->counts[STATISTIC_LATENCY_MS] / (double)count : 0),
	    "p50", seconds_or_null(is_known, (double)latency_percentile(sum->latency, 50)), "p90",
	    seconds_or_null(is_known, (double)latency_percentile(sum->latency, 90)), "p99",
	    seconds_or_null(is_known, (double)latency_percentile(sum->latency, 99)));
}

static void
set_counts(json_t *object, const struct statistics *sum)
{
	for (unsigned i = 0; i < STATISTIC_COUNT; i++)
		if (i != STATISTIC_LATENCY_MS)
			(void)json_object_set_new(object, statistic_name((enum statistic)i),
			    json_integer((json_int_t)sum->counts[i]));
	(void)json_object_set_new(object, "latency", latency(sum));
}

/* What is not known of a refused or removed message's way is "". */
static json_t *
name_or_null(const char *name)
{
	return *name == '\0' ? json_null() : result_text(name);
}

static json_t *
row_json(const struct report *report, const struct row *row)
{
	json_t *object = json_object();

	if (report->by == REPORT_BY_USER)
		(void)json_object_set_new(object, "user", result_text(row->login));
	if (report->by == REPORT_BY_USER || report->by == REPORT_BY_LIST)
		(void)json_object_set_new(object, "list", result_text(row->list));
	if (report->by == REPORT_BY_PROFILE)
		(void)json_object_set_new(object, "profile", name_or_null(row->profile));
	if (report->by == REPORT_BY_HOUR || report->by == REPORT_BY_DAY)
		(void)json_object_set_new(object, "at", result_time(row->hour * HOUR_MS));
	set_counts(object, &row->sum);
	return object;
}

bool
report_is_empty(const struct report *report)
{
	return report->count == 0;
}

json_t *
report_json(const struct report *report)
{
	json_t *total = json_object(), *rows = json_array();

	set_counts(total, &report->total);
	for (size_t i = 0; i < report->count; i++)
		(void)json_array_append_new(rows, row_json(report, report->rows[i]));
	return json_pack("{s:o,s:o}", "total", total, "rows", rows);
}

/* ---- */

static char *
copy_or_null(const char *text)
{
	return text == NULL ? NULL : xstrdup(text);
}

struct report *
report_new(enum report_by by, const struct report_filter *filter)
{
	struct report *report = xcalloc(1, sizeof(*report));

	report->by = by;
	report->list = copy_or_null(filter->list);
	report->login = copy_or_null(filter->login);
	report->profile = copy_or_null(filter->profile);
	return report;
}

void
report_free(struct report *report)
{
	if (report == NULL)
		return;
	for (size_t i = 0; i < report->count; i++) {
		free(report->rows[i]->list);
		free(report->rows[i]->login);
		free(report->rows[i]->profile);
		free(report->rows[i]);
	}
	free(report->rows);
	free(report->list);
	free(report->login);
	free(report->profile);
	free(report);
}
