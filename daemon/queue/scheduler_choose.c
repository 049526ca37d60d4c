/*
 * scheduler_choose - which message of a profile is next: the highest priority, with a share for
 * lower ones, as far as its connections and rates allow
 */
#include "daemon/queue/scheduler_private.h"

static unsigned
waiting_priorities(const struct profile *profile)
{
	unsigned waiting = 0;

	for (uint8_t priority = 1; priority <= PRIORITIES; priority++)
		if (ring_is_waiting(&profile->rings[priority - 1]))
			waiting |= PRIORITY_BIT(priority);
	return waiting;
}

/* NULL: nothing of that priority is in memory. */
static struct entry *
next_of(struct scheduler *scheduler, struct profile *profile, uint8_t priority)
{
	return priority == 0 ? NULL : scheduler_next(scheduler, &profile->rings[priority - 1]);
}

/* A lower one whose share is due, or NULL. If it has to wait for a rate nobody waits for it. */
static struct entry *
due_of(struct scheduler *scheduler, struct profile *profile, unsigned waiting)
{
	unsigned percent = scheduler->role->config->queue.lower_share;
	struct entry *entry =
	    next_of(scheduler, profile, shares_due(&profile->shares, waiting, percent));

	return entry != NULL && scheduler_has_budget(scheduler, profile, entry) ? entry : NULL;
}

/* Of the highest priority; NULL: none may go, or disk is being asked, and what may be of a higher
 * priority is waited for. */
static struct entry *
highest_of(struct scheduler *scheduler, struct profile *profile, unsigned waiting)
{
	struct entry *entry = next_of(scheduler, profile, shares_highest(waiting));

	if (entry == NULL || scheduler_has_budget(scheduler, profile, entry))
		return entry;
	scheduler_wait_for_rate(scheduler, profile, entry);
	return NULL;
}

struct entry *
scheduler_choose(struct scheduler *scheduler, struct profile *profile)
{
	unsigned waiting =
	    waiting_priorities(profile) & profile_open_to(&scheduler->routes, profile);
	struct entry *entry = due_of(scheduler, profile, waiting);

	if (entry == NULL)
		entry = highest_of(scheduler, profile, waiting);
	if (entry == NULL)
		return NULL;
	shares_note(&profile->shares, entry->priority, waiting);
	scheduler_charge(scheduler, profile, entry);
	scheduler_take(scheduler, entry);
	return entry;
}

bool
scheduler_has_more(struct scheduler *scheduler, struct profile *profile)
{
	return waiting_priorities(profile) != 0 &&
	       profile->out < profile_width(&scheduler->routes, profile) &&
	       scheduler_is_within_rates(scheduler, profile);
}
