/*
 * units - durations, sizes and lists of ports as people write them
 *
 * Owns     nothing; pure functions
 * Units    milliseconds, bytes
 * Fails    -1 when the text is not of this kind; the caller says what is allowed
 */
#ifndef POSTERN_CONFIG_UNITS_H
#define POSTERN_CONFIG_UNITS_H

#include "daemon/config/config.h"

/* A whole number with a unit: ms s m h d; "0" needs none. */
int unit_duration(const char *text, int64_t *ms_out);
/* A whole number with a unit: B K M G T, in steps of 1,024; "0" needs none. */
int unit_size(const char *text, uint64_t *bytes_out);

/* Durations from `minimum` to `maximum`, 1 to CONFIG_RETRY_MAX of them with blanks between them. */
int unit_schedule(const char *text, int64_t minimum, int64_t maximum,
    int64_t times_out[static CONFIG_RETRY_MAX], size_t *count_out);

#define UNIT_TEXT_SIZE 32
/* The same back, in the largest unit that divides it. */
const char *unit_duration_text(int64_t ms, char buffer[static UNIT_TEXT_SIZE]);
const char *unit_size_text(uint64_t bytes, char buffer[static UNIT_TEXT_SIZE]);

/* "25,587,1025-5000" as sorted ranges that neither touch nor overlap (gives them), without those
 * of `exclude` (NULL or "": none). Nothing left is no failure: *count_out is 0. */
int unit_ports(
    const char *ports, const char *exclude, struct port_range **ranges_out, size_t *count_out);

#endif
