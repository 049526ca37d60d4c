/* slots - rings; the slot of the number n stands at n modulo the ring's length. */
#include "daemon/queue/slots.h"

#include <string.h>

static struct usage_count *
slot_at(const struct slots *ring, int64_t number)
{
	return &ring->slots[number % ring->length];
}

static bool
is_within(const struct slots *ring, int64_t number)
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
advance(const struct slots *ring, int64_t number)
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
turn_back(const struct slots *ring, int64_t number)
{
	struct usage_count slots[SLOTS_MAX];
	int64_t back = *ring->newest - number;

	memcpy(slots, ring->slots, (size_t)ring->length * sizeof(*slots));
	for (int64_t i = 0; i < ring->length; i++)
		ring->slots[(number + ring->length - i % ring->length) % ring->length] =
		    slots[(number + back + ring->length - i) % ring->length];
	*ring->newest = number;
}

void
slots_move(const struct slots *ring, int64_t now_ms)
{
	int64_t number = now_ms / ring->slot_ms;

	if (number < *ring->newest)
		turn_back(ring, number);
	else
		advance(ring, number);
}

/* ---- counting ---- */

void
slots_add(const struct slots *ring, int64_t number, struct usage_count count)
{
	if (number > *ring->newest)
		advance(ring, number);
	if (!is_within(ring, number))
		return;
	add_to(slot_at(ring, number), count);
	add_to(ring->sum, count);
}

void
slots_take_back(const struct slots *ring, int64_t number, struct usage_count count)
{
	/* The clock was set back meanwhile: it is in the newest now, or near. */
	if (number > *ring->newest)
		number = *ring->newest;
	if (!is_within(ring, number))
		return;
	take_from(slot_at(ring, number), count);
	take_from(ring->sum, count);
}

/* ---- what fits ---- */

uint32_t
slots_left(uint32_t limit, uint32_t used)
{
	if (limit == 0)
		return UINT32_MAX;
	return used < limit ? limit - used : 0;
}

int64_t
slots_fits_at(const struct slots *ring, struct usage_count limit, struct usage_count wanted)
{
	struct usage_count used = *ring->sum;

	for (int64_t number = *ring->newest - ring->length;; number++) {
		if (wanted.messages <= slots_left(limit.messages, used.messages) &&
		    wanted.recipients <= slots_left(limit.recipients, used.recipients))
			return is_within(ring, number) ? (number + ring->length) * ring->slot_ms
						       : 1;
		if (number >= *ring->newest)
			return 0;
		if (is_within(ring, number + 1))
			take_from(&used, *slot_at(ring, number + 1));
	}
}

int64_t
slots_oldest_leaves_at(const struct slots *ring)
{
	for (int64_t number = *ring->newest - ring->length + 1; number <= *ring->newest; number++)
		if (is_within(ring, number) && (slot_at(ring, number)->messages != 0 ||
						   slot_at(ring, number)->recipients != 0))
			return (number + ring->length) * ring->slot_ms;
	return 0;
}
