/*
 * usage - what one user sent in the last hour and the last day
 *
 * Owns     nothing; pure arithmetic on a struct
 * Units    milliseconds, wall clock
 *
 * The hour is counted in minutes, the day in half hours (slots.h).
 */
#ifndef POSTERN_QUEUE_USAGE_H
#define POSTERN_QUEUE_USAGE_H

#include "common/cap.h"
#include "daemon/queue/slots.h"

#include <stdbool.h>
#include <stdint.h>

/* How long a slot is. */
#define USAGE_MINUTE_MS (60 * INT64_C(1000))
#define USAGE_HALF_HOUR_MS (30 * USAGE_MINUTE_MS)
/* One more than the window has, so that it is covered at any moment within a slot. */
#define USAGE_MINUTES 61
#define USAGE_HALF_HOURS 49

/* Slots of one width; what is older than the window is 0. */
struct usage {
	int64_t newest_minute, newest_half_hour; /* numbers since 1970; 0: nothing was counted */
	struct usage_count minutes[USAGE_MINUTES];
	struct usage_count half_hours[USAGE_HALF_HOURS];
	struct usage_count hour, day; /* their sums */
};

struct usage_caps {
	struct cap messages, recipients;
};

/* Lets pass what is over; before anything of it is read. */
void usage_move(struct usage *usage, int64_t now_ms);
void usage_add(struct usage *usage, int64_t at_ms, struct usage_count count);
/* What was added at `at_ms`, if it still counts. */
void usage_take_back(struct usage *usage, int64_t at_ms, struct usage_count count);
/* One slot as it was stored, in any order; `slot_ms` is its width. */
void usage_load(struct usage *usage, int64_t slot_ms, int64_t slot, struct usage_count count);

/* What may still be sent now; UINT32_MAX: no limit. */
struct usage_count usage_left(const struct usage *usage, const struct usage_caps *caps);
bool usage_fits(
    const struct usage *usage, const struct usage_caps *caps, struct usage_count wanted);
/* When so much will fit, if nothing else is sent; 0: never. */
int64_t usage_fits_at(
    const struct usage *usage, const struct usage_caps *caps, struct usage_count wanted);
/* When something leaves a window that has a limit; 0: there is nothing in it. */
int64_t usage_next_change(const struct usage *usage, const struct usage_caps *caps);

#endif
