/*
 * report - statistics summed up as somebody wants to see them, as the API's JSON
 *
 * Owns     its sums and copies of its texts
 * Context  any, one thread at a time; no I/O
 */
#ifndef POSTERN_QUEUE_REPORT_H
#define POSTERN_QUEUE_REPORT_H

#include "daemon/queue/statistics.h"

#include <jansson.h>

struct report;

enum report_by {
	REPORT_BY_LIST,
	REPORT_BY_USER, /* and list */
	REPORT_BY_PROFILE,
	REPORT_BY_HOUR,
	REPORT_BY_DAY, /* of UTC */
	REPORT_BY_COUNT
};

/* NULL: of any. Names are compared without regard to case. */
struct report_filter {
	const char *list, *login, *profile;
};

struct report *report_new(enum report_by by, const struct report_filter *filter);
void report_free(struct report *report);

/* A statistics_fn; ctx is the report. */
void report_add(const struct statistics_key *key, const struct statistics *statistics, void *ctx);

/* Nothing was counted. */
bool report_is_empty(const struct report *report);
/* {"total": {…}, "rows": [{…}]}, the rows in the order of their names or times. */
json_t *report_json(const struct report *report);

/* REPORT_BY_COUNT: no such word. */
enum report_by report_parse_by(const char *word);

#endif
