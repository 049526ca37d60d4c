/*
 * scheduler_clock - the wall clock may be set, while timers run by the monotonic one.
 *
 * Set forward, what is due by the new time goes now instead of when a timer looks again. Set back,
 * what would wait for longer than anybody meant it to goes now.
 */
#include "daemon/queue/backoff.h"
#include "daemon/queue/refill.h"
#include "daemon/queue/scheduler_private.h"

#include "common/log.h"

/* Slewing moves a clock by less between two looks. */
#define SET_MS 2000

/* No attempt puts a message off for longer than the longest step of a schedule. */
void
scheduler_look_for_strays(struct scheduler *scheduler)
{
	const struct config *config = scheduler->role->config;
	int64_t longest_ms = backoff_longest_ms(config->queue.retry_ms, config->queue.retry_count);

	IDMAP_EACH(&scheduler->routes.profiles, slot)
	{
		const struct profile *profile = slot->object;
		int64_t ms = backoff_longest_ms(profile->retry_ms, profile->retry_count);

		if (profile->longest_wait_ms > ms)
			ms = profile->longest_wait_ms;

		if (ms > longest_ms)
			longest_ms = ms;
	}
	refill_look(scheduler->refill, longest_ms);
}

void
scheduler_watch_clock(struct scheduler *scheduler)
{
	struct loop *loop = scheduler->role->loop;
	int64_t offset_ms = loop_wall_ms(loop) - loop_now_ms(loop);
	int64_t moved_ms = offset_ms - scheduler->clock_offset_ms;

	scheduler->clock_offset_ms = offset_ms;
	if (moved_ms > -SET_MS && moved_ms < SET_MS)
		return;
	log_problem(LOG_WARNING, "the clock was set %s by %lld s: looking again at all that waits",
	    moved_ms < 0 ? "back" : "forward",
	    (long long)(moved_ms < 0 ? -moved_ms : moved_ms) / 1000);
	routes_move_troubles(&scheduler->routes, moved_ms);
	/* Before that, not all schedules are known; then it is done anyway. */
	if (scheduler->routes.is_complete)
		scheduler_look_for_strays(scheduler);
	IDMAP_EACH(&scheduler->routes.profiles, slot)
	scheduler_look(scheduler, slot->object);
}
