/*
 * wary_clock - a wall clock for what deletes: one that was set ahead by years is believed slowly
 *
 * Owns     nothing; a value
 * Units    milliseconds; wall_ms is wall clock, now_ms monotonic
 * Context  any; pure
 *
 * It follows the wall clock where that runs as it should, or goes back; ahead, it goes a day an hour at
 * the most. Whoever sets a clock right within minutes has lost nothing.
 */
#ifndef POSTERN_QUEUE_WARY_CLOCK_H
#define POSTERN_QUEUE_WARY_CLOCK_H

#include <stdint.h>

struct wary_clock {
	int64_t shown_ms;  /* the last time that it showed, wall clock */
	int64_t looked_ms; /* when, monotonic */
};

/* `known_ms` is a time that has been: it goes on from there. 0: nothing is known, the wall clock is
 * believed. */
void wary_clock_init(struct wary_clock *clock, int64_t known_ms, int64_t wall_ms, int64_t now_ms);
int64_t wary_clock_look(struct wary_clock *clock, int64_t wall_ms, int64_t now_ms);

#endif
