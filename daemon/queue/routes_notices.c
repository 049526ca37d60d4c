/* routes_notices - the way of notices: a profile of their own, or that of the mail they are about. */
#include "daemon/queue/routes_private.h"

#include "common/log.h"

#include <strings.h>

uint64_t
routes_way_of_notices(const struct routes *routes, uint64_t user_id, const char *list)
{
	const struct user *user = idmap_get(&routes->users, user_id & ~NOTICE_FLOW);
	bool is_bound;

	if (routes->notice_profile_id != 0)
		return routes->notice_profile_id;
	if (FLOW_SENDER(user_id) != 0)
		return routes_way_of_sender(routes, user_id, list);
	return user == NULL || user->is_orphan ? routes_way_of_list(routes, list, &is_bound)
					       : user->profile_id;
}

struct profile *
routes_of_notices(const struct routes *routes, uint64_t user_id)
{
	const struct user *user = idmap_get(&routes->users, user_id);
	struct profile *profile = routes_profile(
	    routes, routes_way_of_notices(routes, user_id, user == NULL ? "" : user->list));

	return profile == NULL || profile->is_gone ? NULL : profile;
}

/* Whether it is another than before. */
static bool
find_notice_profile(struct routes *routes)
{
	const char *name = routes->role->config->queue.notice_profile;
	uint64_t before = routes->notice_profile_id;

	routes->notice_profile_id = 0;
	IDMAP_EACH(&routes->profiles, slot)
	{
		const struct profile *profile = slot->object;

		if (name != NULL && !profile->is_gone && strcasecmp(profile->name, name) == 0)
			routes->notice_profile_id = profile->id;
	}
	if (before == routes->notice_profile_id)
		return false;
	routes_lead_orphans(routes);
	return true;
}

static void
warn_if_unknown(const struct routes *routes)
{
	const char *name = routes->role->config->queue.notice_profile;

	if (name != NULL && routes->notice_profile_id == 0)
		log_problem(LOG_WARNING,
		    "queue.notice_profile: there is no profile %s; notices go as their mail does",
		    name);
}

void
routes_find_notice_profile(struct routes *routes)
{
	(void)find_notice_profile(routes);
	warn_if_unknown(routes);
}

void
routes_note_profile_changed(struct routes *routes)
{
	/* Not again for each profile that isn't the one. */
	if (find_notice_profile(routes))
		warn_if_unknown(routes);
}
