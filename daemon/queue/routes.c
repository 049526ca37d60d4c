/* routes - the map: users, lists, and the mail of those whose user is gone. */
#include "daemon/queue/routes_private.h"

#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
routes_init(struct routes *routes)
{
	routes->steady_base_ms = loop_wall_ms(routes->role->loop) - loop_now_ms(routes->role->loop);
	idmap_init(&routes->profiles);
	idmap_init(&routes->users);
	idmap_init(&routes->lists);
	idmap_init(&routes->senders);
}

int64_t
routes_steady_ms(const struct routes *routes)
{
	return routes->steady_base_ms + loop_now_ms(routes->role->loop);
}

void
routes_set_text(char **text, const char *new_text)
{
	free(*text);
	*text = xstrdup(new_text == NULL ? "" : new_text);
}

static bool
is_derived(const struct user *user)
{
	return user->id > FLOW_USER_MAX;
}

static void
free_user(struct user *user)
{
	if (is_derived(user))
		list_remove(&user->derived);
	else
		while (list_take_first(&user->derived) != NULL)
			continue;
	free(user->login);
	free(user->list);
	free(user->problem);
	free(user);
}

static void
free_list(struct list_route *list)
{
	free(list->name);
	free(list);
}

void
routes_fini(struct routes *routes)
{
	IDMAP_EACH(&routes->profiles, slot)
	routes_free_profile(slot->object);
	routes_free_senders(routes);
	IDMAP_EACH(&routes->users, slot)
	free_user(slot->object);
	IDMAP_EACH(&routes->lists, slot)
	free_list(slot->object);
	idmap_fini(&routes->profiles);
	idmap_fini(&routes->users);
	idmap_fini(&routes->lists);
}

struct profile *
routes_profile(const struct routes *routes, uint64_t profile_id)
{
	return idmap_get(&routes->profiles, profile_id);
}

struct profile *
routes_own_of(const struct routes *routes, uint64_t user_id)
{
	struct user *user = idmap_get(&routes->users, user_id);
	struct profile *profile = user == NULL ? NULL : routes_profile(routes, user->profile_id);

	return profile == NULL || profile->is_gone ? NULL : profile;
}

struct profile *
routes_of_user(const struct routes *routes, uint64_t user_id)
{
	struct profile *own = routes_own_of(routes, user_id);

	return own == NULL ? NULL : routes_through(routes, own, user_id);
}

static int
compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

uint64_t *
routes_users_of(const struct routes *routes, const struct profile *profile, size_t *count_out)
{
	uint64_t *ids = xcalloc(routes->users.count + 1, sizeof(*ids));
	size_t count = 0;

	IDMAP_EACH(&routes->users, slot)
	if (routes_of_user(routes, slot->id) == profile)
		ids[count++] = slot->id;
	qsort(ids, count, sizeof(*ids), compare_ids);
	*count_out = count;
	return ids;
}

/* ---- users, and those whose user is gone ---- */

/* Flows that were adopted before it was named are its own. */
static void
find_derived(struct routes *routes, struct user *user)
{
	if (routes->derived_count == 0)
		return;
	IDMAP_EACH(&routes->users, slot)
	{
		struct user *other = slot->object;

		if (is_derived(other) && FLOW_USER(other->id) == user->id)
			list_append(&user->derived, &other->derived);
	}
}

static struct user *
new_user(struct routes *routes, uint64_t id)
{
	struct user *user = xcalloc(1, sizeof(*user));
	struct user *of = id > FLOW_USER_MAX ? idmap_get(&routes->users, FLOW_USER(id)) : NULL;

	user->id = id;
	user->login = xstrdup("");
	user->list = xstrdup("");
	user->problem = xstrdup("");
	list_init(&user->derived);
	idmap_put(&routes->users, id, user);
	if (is_derived(user))
		routes->derived_count++;
	else
		find_derived(routes, user);
	if (of != NULL)
		list_append(&of->derived, &user->derived);
	return user;
}

static void lead_orphan(struct routes *routes, struct user *user);

static void
lead_derived(struct routes *routes, struct user *user)
{
	if (!is_derived(user))
		LIST_EACH (&user->derived, at)
			lead_orphan(routes, LIST_ENTRY(at, struct user, derived));
}

static void
move_user(struct routes *routes, struct user *user, uint64_t profile_id)
{
	struct profile *profile;

	user->profile_id = profile_id;
	profile = routes_of_user(routes, user->id);
	if (profile != NULL)
		user->is_told = false;
	if (!routes->is_complete)
		return;
	routes->on_user_moved(user->id, profile, routes->ctx);
	if (profile == NULL)
		routes->on_unrouted(routes->ctx);
	lead_derived(routes, user);
}

uint64_t
routes_way_of_list(const struct routes *routes, const char *name, bool *is_bound_out)
{
	*is_bound_out = false;
	IDMAP_EACH(&routes->lists, slot)
	{
		const struct list_route *list = slot->object;

		if (strcasecmp(list->name, name) == 0) {
			*is_bound_out = list->is_bound;
			return list->profile_id;
		}
	}
	return routes->other_profile_id;
}

/* Of one that accounts doesn't name. */
static uint64_t
way_of_orphan(const struct routes *routes, const struct user *user)
{
	bool is_bound;

	if ((user->id & NOTICE_FLOW) != 0)
		return routes_way_of_notices(routes, user->id, user->list);
	if (FLOW_SENDER(user->id) != 0)
		return routes_way_of_sender(routes, user->id, user->list);
	return routes_way_of_list(routes, user->list, &is_bound);
}

const char *
routes_problem(const struct routes *routes, uint64_t flow_id)
{
	const struct user *user = idmap_get(&routes->users, FLOW_USER(flow_id));

	return user == NULL || user->is_orphan || *user->problem == '\0' ? "no profile"
									 : user->problem;
}

static void
lead_orphan(struct routes *routes, struct user *user)
{
	uint64_t profile_id = way_of_orphan(routes, user);

	user->is_orphan = true;
	user->is_stale = false;
	if (profile_id != user->profile_id)
		move_user(routes, user, profile_id);
}

void
routes_lead_orphans(struct routes *routes)
{
	IDMAP_EACH(&routes->users, slot)
	if (((struct user *)slot->object)->is_orphan)
		lead_orphan(routes, slot->object);
}

struct user *
routes_adopt(struct routes *routes, uint64_t user_id, const char *login, const char *list)
{
	struct user *user = idmap_get(&routes->users, user_id);

	if (user != NULL)
		return user;
	user = new_user(routes, user_id);
	routes_set_text(&user->login, login);
	routes_set_text(&user->list, list);
	lead_orphan(routes, user);
	return user;
}

void
routes_drop_orphans(struct routes *routes)
{
	struct user **gone = xcalloc(routes->users.count + 1, sizeof(struct user *));
	size_t count = 0;

	IDMAP_EACH(&routes->users, slot)
	{
		struct user *user = slot->object;

		if (user->is_orphan && !user->has_mail)
			gone[count++] = user;
		user->has_mail = false;
	}
	for (size_t i = 0; i < count; i++) {
		(void)idmap_remove(&routes->users, gone[i]->id);
		routes->derived_count -= is_derived(gone[i]);
		free_user(gone[i]);
	}
	free(gone);
}

void
routes_note_mail(struct routes *routes, uint64_t user_id, const char *login, const char *list)
{
	struct user *user = idmap_get(&routes->users, user_id);

	/* Not to be dropped by an answer that was asked for before it was there. */
	if (user != NULL)
		user->has_mail = true;
	/* The whole map asks for everybody's. */
	if (!routes->is_complete || routes_of_user(routes, user_id) != NULL)
		return;
	user = routes_adopt(routes, user_id, login, list);
	user->has_mail = true;
	if (routes_of_user(routes, user_id) == NULL && !user->is_told)
		routes->on_unrouted(routes->ctx);
}

static void
take_limits(struct routes *routes, struct user *user, const struct msg_route *route)
{
	user->has_messages = route->has_messages;
	user->has_recipients = route->has_recipients;
	user->limits.messages = (struct cap){route->messages_per_hour, route->messages_per_day};
	user->limits.recipients =
	    (struct cap){route->recipients_per_hour, route->recipients_per_day};
	user->over_limit = route->over_limit;
	if (routes->on_limits != NULL)
		routes->on_limits(user->id, routes->limits_ctx);
}

static void
take_user(struct routes *routes, const struct msg_route *route)
{
	struct user *user = idmap_get(&routes->users, route->id);
	bool is_moved = user == NULL || user->profile_id != route->profile_id;

	if (route->id > FLOW_USER_MAX)
		return;
	if (route->is_gone) {
		if (user == NULL)
			return;
		lead_orphan(routes, user);
		lead_derived(routes, user);
		if (routes->is_complete)
			routes->on_unrouted(routes->ctx);
		return;
	}
	if (user == NULL)
		user = new_user(routes, route->id);
	routes_set_text(&user->login, route->name);
	routes_set_text(&user->list, route->list);
	routes_set_text(&user->problem, route->problem);
	user->is_bound = route->is_bound;
	user->is_stale = false;
	user->is_orphan = false;
	take_limits(routes, user, route);
	if (is_moved)
		move_user(routes, user, route->profile_id);
	else if (routes->is_complete)
		lead_derived(routes, user);
}

static void
drop_list(struct routes *routes, struct list_route *list)
{
	(void)idmap_remove(&routes->lists, list->id);
	free_list(list);
}

static void
put_list(struct routes *routes, const struct msg_route *route)
{
	struct list_route *list = idmap_get(&routes->lists, route->id);

	if (list == NULL) {
		list = xcalloc(1, sizeof(*list));
		list->id = route->id;
		list->name = xstrdup("");
		idmap_put(&routes->lists, list->id, list);
	}
	routes_set_text(&list->name, route->name);
	list->profile_id = route->profile_id;
	list->is_bound = route->is_bound;
	list->is_stale = false;
}

static void
take_list(struct routes *routes, const struct msg_route *route)
{
	struct list_route *list = idmap_get(&routes->lists, route->id);

	if (route->id == 0)
		routes->other_profile_id = route->profile_id;
	else if (!route->is_gone)
		put_list(routes, route);
	else if (list != NULL)
		drop_list(routes, list);
	if (routes->is_complete)
		routes_lead_orphans(routes);
}

/* ---- the whole map ---- */

static void
begin_map(struct routes *routes)
{
	routes->is_complete = false;
	IDMAP_EACH(&routes->profiles, slot)
	((struct profile *)slot->object)->is_stale = true;
	IDMAP_EACH(&routes->users, slot)
	((struct user *)slot->object)->is_stale = true;
	IDMAP_EACH(&routes->lists, slot)
	((struct list_route *)slot->object)->is_stale = true;
}

static void
drop_stale_lists(struct routes *routes)
{
	struct list_route **stale = xcalloc(routes->lists.count + 1, sizeof(struct list_route *));
	size_t count = 0;

	IDMAP_EACH(&routes->lists, slot)
	if (((struct list_route *)slot->object)->is_stale)
		stale[count++] = slot->object;
	for (size_t i = 0; i < count; i++)
		drop_list(routes, stale[i]);
	free(stale);
}

static void
end_map(struct routes *routes)
{
	drop_stale_lists(routes);
	IDMAP_EACH(&routes->users, slot)
	if (((struct user *)slot->object)->is_stale)
		lead_orphan(routes, slot->object);
	IDMAP_EACH(&routes->profiles, slot)
	if (((struct profile *)slot->object)->is_stale)
		((struct profile *)slot->object)->is_gone = true;
	routes_find_notice_profile(routes);
	routes_lead_orphans(routes);
	routes->is_complete = true;
	routes->had_map = true;
	if (routes->on_limits != NULL)
		routes->on_limits(0, routes->limits_ctx);
	routes->on_complete(routes->ctx);
	routes->on_unrouted(routes->ctx);
}

static void
take_profile(struct routes *routes, const struct msg_route *route)
{
	routes_take_profile(routes, route);
	if (!routes->is_complete)
		return;
	routes_note_profile_changed(routes);
	if (routes->derived_count > 0)
		routes_lead_orphans(routes);
}

void
routes_take(struct routes *routes, const struct msg_route *route)
{
	if (route->row == ROUTE_BEGIN)
		begin_map(routes);
	else if (route->row == ROUTE_PROFILE && route->id != 0)
		take_profile(routes, route);
	else if (route->row == ROUTE_USER && route->id != 0)
		take_user(routes, route);
	else if (route->row == ROUTE_SENDER && route->id != 0)
		routes_take_sender(routes, route);
	else if (route->row == ROUTE_LIST)
		take_list(routes, route);
	else if (route->row == ROUTE_END)
		end_map(routes);
}
