/* scheduler_routes - profiles change, users move: what is ready goes to the window it belongs to. */
#include "common/xalloc.h"
#include "daemon/queue/refill.h"
#include "daemon/queue/scheduler_private.h"

#include <stdlib.h>

struct look {
	struct scheduler *scheduler;
	struct profile *profile;
};

static void
on_profile_timer(void *ctx)
{
	struct look *look = ctx;

	scheduler_look(look->scheduler, look->profile);
}

void
scheduler_on_profile_changed(struct profile *profile, void *ctx)
{
	struct scheduler *scheduler = ctx;

	if (profile->timer == NULL) {
		struct look *look = xmalloc(sizeof(*look));

		*look = (struct look){.scheduler = scheduler, .profile = profile};
		profile->look = look;
		profile->timer = timer_new(scheduler->role->loop, on_profile_timer, look);
	}
	scheduler_look(scheduler, profile);
}

static void
look_on_disk(struct scheduler *scheduler, struct profile *profile)
{
	for (int i = 0; i < PRIORITIES; i++)
		profile->is_spilled[i] = true;
	scheduler_on_profile_changed(profile, scheduler);
}

/* Ready entries of one user (0: of any) that are in the wrong profile's window. */
static void
drop_misplaced(struct scheduler *scheduler, uint64_t user_id)
{
	struct entry **found = xcalloc(scheduler->entries.count + 1, sizeof(struct entry *));
	size_t count = 0;

	IDMAP_EACH(&scheduler->entries, slot)
	{
		struct entry *entry = slot->object;

		if (entry->state == ENTRY_READY && (user_id == 0 || entry->user_id == user_id) &&
		    routes_of_user(&scheduler->routes, entry->user_id) != entry->profile)
			found[count++] = entry;
	}
	for (size_t i = 0; i < count; i++) {
		window_remove(&found[i]->profile->ready[found[i]->priority - 1], found[i]);
		scheduler_free_entry(scheduler, found[i]);
	}
	free(found);
}

void
scheduler_on_user_moved(uint64_t user_id, struct profile *to, void *ctx)
{
	struct scheduler *scheduler = ctx;

	drop_misplaced(scheduler, user_id);
	if (to != NULL)
		look_on_disk(scheduler, to);
}

void
scheduler_look_everywhere(struct scheduler *scheduler)
{
	if (!scheduler->routes.is_complete)
		return;
	IDMAP_EACH(&scheduler->routes.profiles, slot)
	look_on_disk(scheduler, slot->object);
}

void
scheduler_released(struct scheduler *scheduler)
{
	scheduler_look_everywhere(scheduler);
	refill_wake_at(scheduler->refill, loop_wall_ms(scheduler->role->loop));
}

void
scheduler_wake_at(struct scheduler *scheduler, int64_t at_ms)
{
	refill_wake_at(scheduler->refill, at_ms);
}

void
scheduler_on_routes_complete(void *ctx)
{
	drop_misplaced(ctx, 0);
	scheduler_look_everywhere(ctx);
}

void
scheduler_on_unrouted(void *ctx)
{
	struct scheduler *scheduler = ctx;

	orphans_look(scheduler->orphans);
}
