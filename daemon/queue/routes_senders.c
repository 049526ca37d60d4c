/*
 * routes_senders - flows that are told apart by their sender
 *
 * A row can't bear its profile, since that changes, nor can the map know each row's sender. So the row
 * bears a number of its sender, given when it is stored and only where it matters: if neither the user
 * nor its list names a profile, and some profile is for that sender's domain. Where such a flow goes
 * follows from the map, like any other's. There are as many flows of a user as its mail has such
 * senders: of one domain they are one, unless several profiles are for it.
 */
#include "daemon/queue/routes_private.h"

#include "common/choosing.h"
#include "common/domain.h"
#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct sender_route {
	uint64_t id;
	char *name; /* an address, or a domain */
};

void
routes_take_sender(struct routes *routes, const struct msg_route *route)
{
	struct sender_route *sender = idmap_get(&routes->senders, route->id);

	if (route->id > FLOW_SENDER_MAX)
		return;
	if (sender == NULL) {
		sender = xcalloc(1, sizeof(*sender));
		sender->id = route->id;
		sender->name = xstrdup("");
		idmap_put(&routes->senders, sender->id, sender);
	}
	routes_set_text(&sender->name, route->name);
}

void
routes_free_senders(struct routes *routes)
{
	IDMAP_EACH(&routes->senders, slot)
	{
		struct sender_route *sender = slot->object;

		free(sender->name);
		free(sender);
	}
	idmap_fini(&routes->senders);
}

/* ---- which one it is ---- */

/* 0: none. */
static uint64_t
number_of(const struct routes *routes, const char *name)
{
	IDMAP_EACH(&routes->senders, slot)
	{
		const struct sender_route *sender = slot->object;

		if (strcasecmp(sender->name, name) == 0)
			return sender->id;
	}
	return 0;
}

static unsigned
profiles_for_domain(const struct routes *routes, const char *domain)
{
	unsigned count = 0;

	IDMAP_EACH(&routes->profiles, slot)
	{
		const struct profile *profile = slot->object;
		const char *own = sender_domain(profile->from);

		count += !profile->is_gone && own != NULL && domain_equals(own, domain);
	}
	return count;
}

static uint64_t
number_of_address(const struct routes *routes, const char *address)
{
	const char *domain = sender_domain(address);
	unsigned count = domain == NULL ? 0 : profiles_for_domain(routes, domain);
	uint64_t number = count > 1 ? number_of(routes, address) : 0;

	if (count == 0)
		return 0;
	return number != 0 ? number : number_of(routes, domain);
}

uint64_t
routes_flow_of(const struct routes *routes, uint64_t user_id, const char *from, const char *sender)
{
	const struct user *user = idmap_get(&routes->users, user_id);
	uint64_t number;

	if (user_id > FLOW_USER_MAX || user == NULL || user->is_bound || routes->senders.count == 0)
		return user_id;
	number = number_of_address(routes, from);
	if (number == 0)
		number = number_of_address(routes, sender);
	return user_id | number << FLOW_SENDER_SHIFT;
}

/* ---- where it goes ---- */

struct profile *
routes_of_flow(const struct routes *routes, uint64_t flow_id)
{
	struct profile *profile;

	if (idmap_get(&routes->users, flow_id) != NULL || FLOW_SENDER(flow_id) == 0)
		return routes_of_user(routes, flow_id);
	profile = routes_profile(routes, routes_way_of_sender(routes, flow_id, ""));
	return profile == NULL || profile->is_gone ? NULL
						   : routes_through(routes, profile, flow_id);
}

static enum sender_match
match(const struct profile *profile, const char *name)
{
	const char *domain = sender_domain(profile->from);

	if (sender_domain(name) != NULL)
		return sender_match(profile->from, name);
	return domain != NULL && domain_equals(domain, name) ? SENDER_SAME_DOMAIN : SENDER_OTHER;
}

/* As accounts/choices.c has it: the address before the domain, the oldest profile first. */
static uint64_t
way_of_name(const struct routes *routes, const char *name, const char *login, const char *list)
{
	enum sender_match best = SENDER_OTHER;
	uint64_t profile_id = 0;

	IDMAP_EACH(&routes->profiles, slot)
	{
		const struct profile *profile = slot->object;
		enum sender_match found = profile->is_gone ? SENDER_OTHER : match(profile, name);

		if (found == SENDER_OTHER || found < best ||
		    (found == best && profile->id > profile_id) ||
		    !available_to(profile->available, login, list))
			continue;
		best = found;
		profile_id = profile->id;
	}
	return profile_id;
}

uint64_t
routes_way_of_sender(const struct routes *routes, uint64_t flow_id, const char *list)
{
	const struct user *user = idmap_get(&routes->users, FLOW_USER(flow_id));
	const struct sender_route *sender = idmap_get(&routes->senders, FLOW_SENDER(flow_id));
	uint64_t profile_id;
	bool is_bound;

	if (user != NULL && !user->is_orphan) {
		list = user->list;
		profile_id = user->profile_id;
		is_bound = user->is_bound;
	} else {
		profile_id = routes_way_of_list(routes, list, &is_bound);
		user = NULL;
	}
	if (!is_bound && sender != NULL) {
		uint64_t own =
		    way_of_name(routes, sender->name, user == NULL ? "" : user->login, list);

		profile_id = own != 0 ? own : profile_id;
	}
	return profile_id;
}
