/* routes - rows of the map from users to profiles. */
#include "daemon/accounts/routes.h"

#include "common/cap.h"
#include "common/log.h"
#include "daemon/accounts/db_query.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/presets.h"
#include "daemon/accounts/profile.h"

#include <string.h>

static void
send_row(struct link *queue, struct msg_route *route)
{
	if (route->name == NULL)
		route->name = "";
	if (route->list == NULL)
		route->list = "";
	link_send(queue, MSG_ROUTE, route);
}

/* The user's own, if the text is one; the config's otherwise. */
static bool
own_cap(const char *text, uint32_t *per_hour, uint32_t *per_day)
{
	struct cap cap;

	if (text == NULL || cap_parse(text, &cap, NULL) != 0)
		return false;
	*per_hour = cap.per_hour;
	*per_day = cap.per_day;
	return true;
}

static enum over_limit
own_over_limit(const char *text)
{
	if (text == NULL)
		return OVER_LIMIT_DEFAULT;
	return strcmp(text, "hold") == 0 ? OVER_LIMIT_HOLD : OVER_LIMIT_REFUSE;
}

static void
on_route(const struct db_route *route, void *ctx)
{
	struct msg_route row = {
	    .row = ROUTE_USER,
	    .id = (uint64_t)route->user_id,
	    .name = route->login,
	    .list = route->list,
	    .profile_id = (uint64_t)route->profile_id,
	    .over_limit = (uint8_t)own_over_limit(route->over_limit),
	};

	row.has_messages = own_cap(route->messages, &row.messages_per_hour, &row.messages_per_day);
	row.has_recipients =
	    own_cap(route->recipients, &row.recipients_per_hour, &row.recipients_per_day);
	send_row(ctx, &row);
}

static void
on_list_route(const struct db_list_route *route, void *ctx)
{
	struct msg_route row = {
	    .row = ROUTE_LIST,
	    .id = (uint64_t)route->list_id,
	    .name = route->name,
	    .profile_id = (uint64_t)route->profile_id,
	};

	send_row(ctx, &row);
}

static void
on_profile(void *row, void *ctx)
{
	const struct parts *parts = ctx;
	struct profile *profile = row;
	struct refusal problem;
	struct msg_route route;

	/* Relay hears of a problem when it asks for the profile, and then mail waits. */
	(void)presets_apply(&parts->presets, profile, &problem);
	profile_apply_defaults(profile);
	route = (struct msg_route){
	    .row = ROUTE_PROFILE,
	    .id = (uint64_t)profile->id,
	    .name = profile->name,
	    .is_paused = profile->paused,
	    .version = (uint32_t)profile->version,
	    .connections = (uint32_t)profile->connections,
	    .rate = profile->rate,
	    .recipient_rate = profile->recipient_rate,
	    .reserve = (uint8_t)profile->reserve,
	    .retry = profile->retry,
	    .is_uncertain_held = strcmp(profile->uncertain, "hold") == 0,
	    .bounce_sender = profile->bounce_sender,
	};
	send_row(parts->queue, &route);
}

static void
log_failure(const struct err *err)
{
	log_problem(LOG_ERROR, "the map from users to profiles can't be read: %s", err->text);
}

void
routes_send_users(const struct parts *parts, int64_t user_id)
{
	struct err err;

	if (parts->queue != NULL &&
	    db_each_route(parts->db, user_id, on_route, parts->queue, &err) < 0)
		log_failure(&err);
}

void
routes_send_lists(const struct parts *parts)
{
	struct err err;

	if (parts->queue != NULL &&
	    db_each_list_route(parts->db, on_list_route, parts->queue, &err) < 0)
		log_failure(&err);
}

void
routes_send_profile(const struct parts *parts, int64_t profile_id)
{
	struct profile profile;
	struct err err;
	int found;

	if (parts->queue == NULL)
		return;
	found = db_find_id(parts->db, &profile_table, profile_id, &profile, &err);
	if (found < 0)
		log_failure(&err);
	if (found <= 0)
		return;
	on_profile(&profile, (void *)(uintptr_t)parts);
	table_row_fini(&profile_table, &profile);
}

void
routes_send_gone(const struct parts *parts, enum route_row row, int64_t id)
{
	struct msg_route route = {.row = (uint8_t)row, .id = (uint64_t)id, .is_gone = true};

	if (parts->queue != NULL)
		send_row(parts->queue, &route);
}

void
routes_send_map(const struct parts *parts)
{
	struct msg_route begin = {.row = ROUTE_BEGIN}, end = {.row = ROUTE_END};
	struct err err;

	send_row(parts->queue, &begin);
	if (db_each(parts->db, &profile_table, &(struct db_page){0}, on_profile,
		(void *)(uintptr_t)parts, &err) < 0) {
		/* Without its end the map isn't taken, and mail waits where it is. */
		log_failure(&err);
		return;
	}
	if (db_each_route(parts->db, 0, on_route, parts->queue, &err) < 0 ||
	    db_each_list_route(parts->db, on_list_route, parts->queue, &err) < 0) {
		log_failure(&err);
		return;
	}
	send_row(parts->queue, &end);
}
