/* usage - rings of slots; the slot of the number n stands at n modulo the ring's length. */
#include "daemon/queue/usage.h"

#include <string.h>

struct ring {
	struct usage_count *slots, *sum;
	int64_t *newest;
	int64_t length, slot_ms;
};

static struct ring
minutes_of(struct usage *usage)
{
	return (struct ring){
	    usage->minutes, &usage->hour, &usage->newest_minute, USAGE_MINUTES, USAGE_MINUTE_MS};
}

static struct ring
half_hours_of(struct usage *usage)
{
	return (struct ring){usage->half_hours, &usage->day, &usage->newest_half_hour,
	    USAGE_HALF_HOURS, USAGE_HALF_HOUR_MS};
}

static struct usage_count *
slot_at(const struct ring *ring, int64_t number)
{
	return &ring->slots[number % ring->length];
}

static bool
is_within(const struct ring *ring, int64_t number)
{
	return number > *ring->newest - ring->length && number <= *ring->newest && number > 0;
}

static void
add_to(struct usage_count *to, struct usage_count count)
{
	to->messages += count.messages;
	to->recipients += count.recipients;
}

static void
take_from(struct usage_count *from, struct usage_count count)
{
	from->messages -= count.messages < from->messages ? count.messages : from->messages;
	from->recipients -=
	    count.recipients < from->recipients ? count.recipients : from->recipients;
}

/* ---- time ---- */

static void
advance(struct ring *ring, int64_t number)
{
	if (number - *ring->newest >= ring->length) {
		memset(ring->slots, 0, (size_t)ring->length * sizeof(*ring->slots));
		*ring->sum = (struct usage_count){0};
		*ring->newest = number;
	}
	while (*ring->newest < number) {
		struct usage_count *slot = slot_at(ring, ++*ring->newest);

		take_from(ring->sum, *slot);
		*slot = (struct usage_count){0};
	}
}

/* The clock was set back: every slot becomes as much younger. */
static void
turn_back(struct ring *ring, int64_t number)
{
	struct usage_count slots[USAGE_MINUTES];
	int64_t back = *ring->newest - number;

	memcpy(slots, ring->slots, (size_t)ring->length * sizeof(*slots));
	for (int64_t i = 0; i < ring->length; i++)
		ring->slots[(number + ring->length - i % ring->length) % ring->length] =
		    slots[(number + back + ring->length - i) % ring->length];
	*ring->newest = number;
}

static void
move(struct ring ring, int64_t now_ms)
{
	int64_t number = now_ms / ring.slot_ms;

	if (number < *ring.newest)
		turn_back(&ring, number);
	else
		advance(&ring, number);
}

void
usage_move(struct usage *usage, int64_t now_ms)
{
	move(minutes_of(usage), now_ms);
	move(half_hours_of(usage), now_ms);
}

/* ---- counting ---- */

static void
add(struct ring ring, int64_t number, struct usage_count count)
{
	if (number > *ring.newest)
		advance(&ring, number);
	if (!is_within(&ring, number))
		return;
	add_to(slot_at(&ring, number), count);
	add_to(ring.sum, count);
}

void
usage_add(struct usage *usage, int64_t at_ms, struct usage_count count)
{
	add(minutes_of(usage), at_ms / USAGE_MINUTE_MS, count);
	add(half_hours_of(usage), at_ms / USAGE_HALF_HOUR_MS, count);
}

static void
take_back(struct ring ring, int64_t number, struct usage_count count)
{
	/* The clock was set back meanwhile: it is in the newest now, or near. */
	if (number > *ring.newest)
		number = *ring.newest;
	if (!is_within(&ring, number))
		return;
	take_from(slot_at(&ring, number), count);
	take_from(ring.sum, count);
}

void
usage_take_back(struct usage *usage, int64_t at_ms, struct usage_count count)
{
	take_back(minutes_of(usage), at_ms / USAGE_MINUTE_MS, count);
	take_back(half_hours_of(usage), at_ms / USAGE_HALF_HOUR_MS, count);
}

void
usage_load(struct usage *usage, int64_t slot_ms, int64_t slot, struct usage_count count)
{
	if (slot_ms == USAGE_MINUTE_MS)
		add(minutes_of(usage), slot, count);
	else if (slot_ms == USAGE_HALF_HOUR_MS)
		add(half_hours_of(usage), slot, count);
}

/* ---- what fits ---- */

static uint32_t
left_of(uint32_t limit, uint32_t used)
{
	if (limit == 0)
		return UINT32_MAX;
	return used < limit ? limit - used : 0;
}

static uint32_t
smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

struct usage_count
usage_left(const struct usage *usage, const struct usage_caps *caps)
{
	return (struct usage_count){
	    .messages = smaller(left_of(caps->messages.per_hour, usage->hour.messages),
		left_of(caps->messages.per_day, usage->day.messages)),
	    .recipients = smaller(left_of(caps->recipients.per_hour, usage->hour.recipients),
		left_of(caps->recipients.per_day, usage->day.recipients)),
	};
}

bool
usage_fits(const struct usage *usage, const struct usage_caps *caps, struct usage_count wanted)
{
	struct usage_count left = usage_left(usage, caps);

	return wanted.messages <= left.messages && wanted.recipients <= left.recipients;
}

/* When so much fits into one window; 0: never; 1: now. */
static int64_t
fits_at(const struct ring *ring, struct usage_count limit, struct usage_count wanted)
{
	struct usage_count used = *ring->sum;

	for (int64_t number = *ring->newest - ring->length;; number++) {
		if (wanted.messages <= left_of(limit.messages, used.messages) &&
		    wanted.recipients <= left_of(limit.recipients, used.recipients))
			return is_within(ring, number) ? (number + ring->length) * ring->slot_ms
						       : 1;
		if (number >= *ring->newest)
			return 0;
		if (is_within(ring, number + 1))
			take_from(&used, *slot_at(ring, number + 1));
	}
}

int64_t
usage_fits_at(const struct usage *usage, const struct usage_caps *caps, struct usage_count wanted)
{
	struct usage copy = *usage;
	struct ring minutes = minutes_of(&copy), half_hours = half_hours_of(&copy);
	struct usage_count hour = {caps->messages.per_hour, caps->recipients.per_hour};
	struct usage_count day = {caps->messages.per_day, caps->recipients.per_day};
	int64_t in_hour = fits_at(&minutes, hour, wanted);
	int64_t in_day = fits_at(&half_hours, day, wanted);

	if (in_hour == 0 || in_day == 0)
		return 0;
	return in_hour > in_day ? in_hour : in_day;
}

/* When the oldest slot that counts leaves; 0: all are empty. */
static int64_t
oldest_leaves_at(const struct ring *ring)
{
	for (int64_t number = *ring->newest - ring->length + 1; number <= *ring->newest; number++)
		if (is_within(ring, number) && (slot_at(ring, number)->messages != 0 ||
						   slot_at(ring, number)->recipients != 0))
			return (number + ring->length) * ring->slot_ms;
	return 0;
}

int64_t
usage_next_change(const struct usage *usage, const struct usage_caps *caps)
{
	struct usage copy = *usage;
	struct ring minutes = minutes_of(&copy), half_hours = half_hours_of(&copy);
	bool has_hour = caps->messages.per_hour != 0 || caps->recipients.per_hour != 0;
	bool has_day = caps->messages.per_day != 0 || caps->recipients.per_day != 0;
	int64_t hour_at = has_hour ? oldest_leaves_at(&minutes) : 0;
	int64_t day_at = has_day ? oldest_leaves_at(&half_hours) : 0;

	if (hour_at == 0 || day_at == 0)
		return hour_at + day_at;
	return hour_at < day_at ? hour_at : day_at;
}
