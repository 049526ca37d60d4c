/*
 * slots - what was sent lately, counted in slots of time that leave a window one by one
 *
 * Owns     nothing; pure arithmetic on a ring that the caller keeps
 * Units    milliseconds; a slot's number is the time divided by its width
 *
 * The ring covers its window at any moment within a slot, and the slot in which something was sent
 * leaves only as a whole: there is never more than the limit in any window, and a place comes back
 * up to a slot late. A clock that is set back moves the slots with it: nothing is forgotten, and
 * nothing lies in the future. One that is set forward lets them leave early.
 */
#ifndef POSTERN_QUEUE_SLOTS_H
#define POSTERN_QUEUE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

/* A sixtieth of the window each, and one more. */
#define SLOTS_MAX 61

struct usage_count {
	uint32_t messages, recipients;
};

struct slots {
	struct usage_count *slots, *sum;
	int64_t *newest; /* its number; 0: nothing was counted */
	int64_t length, slot_ms;
};

/* Lets pass what is over; before anything of it is read. */
void slots_move(const struct slots *ring, int64_t now_ms);
void slots_add(const struct slots *ring, int64_t number, struct usage_count count);
/* What was added at this number, if it still counts. */
void slots_take_back(const struct slots *ring, int64_t number, struct usage_count count);

/* What a limit leaves; 0 is none: UINT32_MAX. */
uint32_t slots_left(uint32_t limit, uint32_t used);
/* When so much fits under the limits; 0: never; 1: now. */
int64_t slots_fits_at(
    const struct slots *ring, struct usage_count limit, struct usage_count wanted);
/* When the oldest slot that counts leaves; 0: all are empty. */
int64_t slots_oldest_leaves_at(const struct slots *ring);

#endif
