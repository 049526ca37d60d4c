/*
 * connects - when a profile may open one more connection
 *
 * Owns     nothing; pure: the caller has the clock
 * Units    milliseconds of a clock that never goes back
 *
 * Of N in a period a quarter may be opened at once, after a time without; the others come evenly, so
 * that no trouble ends with a burst. In no period are there more than N. What was opened before a
 * start nobody knows: then there is nothing at once, and with N of 4 and more it still holds over the
 * start.
 */
#ifndef POSTERN_RELAY_CONNECTS_H
#define POSTERN_RELAY_CONNECTS_H

#include "common/rate.h"

struct connects {
	struct rate rate;
	int64_t even_us[RATE_RULES_MAX]; /* up to when they were opened, had they come evenly */
};

/* Holds from now on. Begins anew if it is another one. */
void connects_set(struct connects *connects, const struct rate *rate, int64_t now_ms);
/* 0: now. */
int64_t connects_wait_ms(const struct connects *connects, int64_t now_ms);
/* One is opened. */
void connects_note(struct connects *connects, int64_t now_ms);

#endif
