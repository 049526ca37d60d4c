/* shares - counts who went ahead of whom. */
#include "daemon/queue/shares.h"

uint8_t
shares_highest(unsigned waiting)
{
	for (uint8_t priority = 1; priority <= PRIORITIES; priority++)
		if ((waiting & PRIORITY_BIT(priority)) != 0)
			return priority;
	return 0;
}

/* Those below a priority. */
static unsigned
lower_than(uint8_t priority)
{
	return PRIORITY_BITS_ALL & ~((1u << priority) - 1);
}

/* The one of these that comes after `last`, and then from the first again. */
static uint8_t
next_in_turn(unsigned waiting, uint8_t last)
{
	uint8_t behind = shares_highest(waiting & lower_than(last));

	return behind != 0 ? behind : shares_highest(waiting);
}

uint8_t
shares_due(const struct shares *shares, unsigned waiting, unsigned percent)
{
	uint8_t highest = shares_highest(waiting);
	unsigned lower = highest == 0 ? 0 : waiting & lower_than(highest);

	if (percent == 0 || lower == 0 || shares->ahead[highest - 1] < (100 - percent) / percent)
		return 0;
	return next_in_turn(lower, shares->last_lower);
}

void
shares_note(struct shares *shares, uint8_t picked, unsigned waiting)
{
	if (picked > shares_highest(waiting))
		shares->last_lower = picked;
	for (uint8_t priority = 1; priority < PRIORITIES; priority++) {
		if (picked > priority)
			shares->ahead[priority - 1] = 0;
		else if ((waiting & lower_than(priority)) != 0)
			shares->ahead[priority - 1]++;
	}
}
