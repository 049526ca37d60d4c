/* scheduler_routes - profiles change, users move: their flows follow them, the messages stay. */
#include "common/xalloc.h"
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
scheduler_on_new_profile(struct profile *profile, void *ctx)
{
	struct scheduler *scheduler = ctx;
	struct look *look = xmalloc(sizeof(*look));

	*look = (struct look){.scheduler = scheduler, .profile = profile};
	profile->look = look;
	profile->timer = timer_new(scheduler->role->loop, on_profile_timer, look);
	for (int i = 0; i < PRIORITIES; i++)
		ring_init(&profile->rings[i], scheduler_on_idle, scheduler);
}

void
scheduler_on_profile_changed(struct profile *profile, void *ctx)
{
	/* It may be the one that somebody's mail waits for. */
	scheduler_move_all(ctx);
	scheduler_look(ctx, profile);
}

void
scheduler_on_user_moved(uint64_t user_id, struct profile *to, void *ctx)
{
	struct scheduler *scheduler = ctx;
	struct sender *sender = idmap_get(&scheduler->senders, user_id);

	if (sender == NULL)
		return;
	scheduler_move(scheduler, sender, to);
	if (to != NULL)
		scheduler_look(scheduler, to);
}

void
scheduler_look_everywhere(struct scheduler *scheduler)
{
	refill_flows(scheduler->refill);
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
	struct scheduler *scheduler = ctx;

	scheduler_move_all(scheduler);
	IDMAP_EACH(&scheduler->routes.profiles, slot)
	scheduler_look(scheduler, slot->object);
	/* Now that the schedules are known it can be told what waits for too long. */
	if (!scheduler->routes.has_to_remember)
		scheduler_look_for_strays(scheduler);
}

void
scheduler_remembered(struct scheduler *scheduler)
{
	scheduler->routes.has_to_remember = false;
	if (scheduler->routes.is_complete)
		scheduler_look_for_strays(scheduler);
	scheduler_pump_all(scheduler);
}

void
scheduler_on_unrouted(void *ctx)
{
	struct scheduler *scheduler = ctx;

	orphans_look(scheduler->orphans);
}
