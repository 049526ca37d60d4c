/*
 * clock - the two clocks, in milliseconds
 *
 * Units    milliseconds; *_at_ms are wall clock since 1970 (UTC), durations come from the
 *          monotonic clock
 *
 * On a loop use loop_now_ms() and loop_wall_ms(), which are cached for the turn and can be
 * replaced by tests.
 */
#ifndef POSTERN_COMMON_CLOCK_H
#define POSTERN_COMMON_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t clock_monotonic_ms(void);
int64_t clock_wall_ms(void);

/* `2026-03-01T12:31:04Z` (RFC 3339, UTC); the buffer takes at least 21 bytes. */
#define CLOCK_RFC3339_SIZE 32
const char *clock_rfc3339(int64_t at_ms, char *buffer, size_t size);
/* The same back, also with a fraction of a second and with an offset from UTC (RFC 3339 5.6).
 * False when it's no such time. */
bool clock_parse_rfc3339(const char *text, size_t length, int64_t *at_ms_out);
/* `Sun, 01 Mar 2026 12:31:04 +0000` (RFC 5322 3.3, in UTC). */
#define CLOCK_RFC5322_SIZE 40
const char *clock_rfc5322(int64_t at_ms, char *buffer, size_t size);

#endif
