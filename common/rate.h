/*
 * rate - how much may go in which time, as people write it: "10/s 500/h 2000/d", "7/5m"
 *
 * Owns     nothing; pure functions
 * Units    messages or recipients, milliseconds
 * Fails    -1 and *err_out, which says what is allowed
 */
#ifndef POSTERN_COMMON_RATE_H
#define POSTERN_COMMON_RATE_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At most `count` in any time of this length. */
struct rate_rule {
	uint32_t count;
	int64_t period_ms;
};

#define RATE_RULES_MAX 6

/* The shortest period first, each once; none: no limit. */
struct rate {
	struct rate_rule rules[RATE_RULES_MAX];
	size_t rule_count;
};

#define RATE_COUNT_MAX 1000000000u
#define RATE_PERIOD_MAX_MS (INT64_C(31) * 24 * 60 * 60 * 1000)
#define RATE_ALLOWED                                                                               \
	"none, or up to 6 of N/s, N/m, N/h and N/d with blanks between them, as \"10/s 500/h\"; "  \
	"also in so many of the unit, up to 31d, as \"7/5m\"; N up to 1000000000"

__attribute__((warn_unused_result)) int rate_parse(
    const char *text, struct rate *rate_out, struct err *err_out);

#define RATE_TEXT_SIZE 160
/* The same back; "none" without a rule. */
const char *rate_format(const struct rate *rate, char buffer[static RATE_TEXT_SIZE]);

#endif
