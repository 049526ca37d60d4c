/*
 * routes_fallback - a profile's mail goes through another while it can't go through its own
 *
 * Nothing of a row or of the map changes: routes_of_user() gives the fallback meanwhile, and the
 * flows follow. One flow stays behind when it is time to look at the profile again; when that gets
 * through, the others come back, as many at once as after any trouble.
 */
#include "daemon/queue/routes_private.h"

#include "common/choosing.h"
#include "common/log.h"

#include <stdio.h>

/* Longer chains than people build; loops are refused when they are set. */
#define HOPS_MAX 16

static bool
is_usable(const struct profile *profile)
{
	return profile != NULL && !profile->is_gone && !profile->is_paused &&
	       (profile->trouble == TROUBLE_NONE || profile->is_diverted);
}

struct profile *
routes_through(const struct routes *routes, struct profile *own, uint64_t flow_id)
{
	const struct user *user = idmap_get(&routes->users, flow_id);
	struct profile *at = own;

	if (user == NULL)
		return own;
	for (int hops = 0; at->is_diverted && at->probe_flow != flow_id; hops++) {
		struct profile *next = routes_profile(routes, at->fallback_id);

		if (hops == HOPS_MAX || !is_usable(next) ||
		    !available_to(next->available, user->login, user->list))
			return own;
		at = next;
	}
	return at;
}

/* How long nothing can go, from when on that was so: what was and what is known to come. */
static int64_t
standstill_ms(const struct routes *routes, const struct profile *profile)
{
	int64_t waited_ms = loop_now_ms(routes->role->loop) - profile->stands_since_ms;
	int64_t left_ms = profile->trouble != TROUBLE_NONE
			      ? profile->until_ms - loop_wall_ms(routes->role->loop)
			      : profile->rate_until_ms - routes_steady_ms(routes);

	return waited_ms + (left_ms > 0 ? left_ms : 0);
}

/* Its own rate counts if it says so, while there is a time that it waits for. */
static bool
stands_still(const struct routes *routes, const struct profile *profile)
{
	if (profile->is_gone || profile->is_paused)
		return false;
	return profile->trouble != TROUBLE_NONE ||
	       (profile->has_overflow && profile->rate_until_ms > routes_steady_ms(routes));
}

static bool
is_to_be_diverted(const struct routes *routes, struct profile *profile)
{
	if (!stands_still(routes, profile)) {
		profile->stands_since_ms = 0;
		return false;
	}
	if (profile->stands_since_ms == 0)
		profile->stands_since_ms = loop_now_ms(routes->role->loop);
	return profile->fallback_id != 0 &&
	       (profile->is_diverted ||
		   standstill_ms(routes, profile) >= profile->fallback_after_ms);
}

static void
tell(const struct routes *routes, const struct profile *profile)
{
	const struct profile *fallback = routes_profile(routes, profile->fallback_id);
	struct log_line line;
	char reason[512];

	if (!log_begin(&line, LOG_WARNING, EVENT_DIVERTED, 0))
		return;
	log_text(&line, KEY_PROFILE, profile->name);
	log_text(&line, KEY_STATE, profile->is_diverted ? "begun" : "ended");
	if (profile->is_diverted) {
		(void)snprintf(reason, sizeof(reason), "its mail goes through %.200s: %.250s",
		    fallback == NULL ? "" : fallback->name,
		    profile->trouble == TROUBLE_NONE ? "own limit" : profile->last_error);
		log_text(&line, KEY_REASON, reason);
	}
	log_end(&line);
}

bool
routes_look_at_fallback(struct routes *routes, struct profile *profile)
{
	bool was_diverted = profile->is_diverted, was_troubled = profile->was_troubled;

	profile->is_diverted = is_to_be_diverted(routes, profile);
	profile->was_troubled = profile->trouble != TROUBLE_NONE || profile->is_paused;
	if (profile->is_diverted != was_diverted)
		tell(routes, profile);
	if (!profile->is_diverted)
		profile->probe_flow = 0;
	/* Others may have it as their fallback. */
	return profile->is_diverted != was_diverted || profile->was_troubled != was_troubled;
}
