/*
 * cap - how much a user may send in an hour and in a day, as people write it: "100/h 1000/d"
 *
 * Owns     nothing; pure functions
 * Units    messages or recipients
 * Fails    -1 and *err_out, which says what is allowed
 */
#ifndef POSTERN_COMMON_CAP_H
#define POSTERN_COMMON_CAP_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

/* 0: no limit. */
struct cap {
	uint32_t per_hour, per_day;
};

#define CAP_MAX 1000000000u
#define CAP_ALLOWED "none, or one or both of N/h and N/d, as \"100/h 1000/d\", N up to 1000000000"

/* "none", or a number for the hour, the day, or both. */
__attribute__((warn_unused_result)) int cap_parse(
    const char *text, struct cap *cap_out, struct err *err_out);

#define CAP_TEXT_SIZE 32
/* The same back. */
const char *cap_format(const struct cap *cap, char buffer[static CAP_TEXT_SIZE]);

bool cap_is_none(const struct cap *cap);

#endif
