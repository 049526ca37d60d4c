/* routes - rows of the map from users to profiles. */
#include "daemon/accounts/routes.h"

#include "common/cap.h"
#include "common/log.h"
#include "daemon/accounts/choices.h"
#include "daemon/accounts/db_query.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/presets.h"
#include "daemon/accounts/profile.h"

#include <string.h>
#include <strings.h>

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

/* What it takes to make rows. */
struct teller {
	const struct parts *parts;
	struct choices choices;
};

static void
on_route(const struct db_route *route, void *ctx)
{
	const struct teller *teller = ctx;
	struct choice choice;
	struct msg_route row = {
	    .row = ROUTE_USER,
	    .id = (uint64_t)route->user_id,
	    .name = route->login,
	    .list = route->list,
	    .over_limit = (uint8_t)own_over_limit(route->over_limit),
	};

	choices_choose(&teller->choices,
	    &(struct choice_asker){.login = route->login,
		.list = route->list,
		.profile = route->profile,
		.list_profile = route->list_profile},
	    &choice);
	row.is_bound = choice.is_bound;
	if (choice.profile != NULL)
		row.profile_id = (uint64_t)choice.profile->id;
	else if (choice.is_bound)
		row.problem = choice.tried[choice.rule].text;
	row.has_messages = own_cap(route->messages, &row.messages_per_hour, &row.messages_per_day);
	row.has_recipients =
	    own_cap(route->recipients, &row.recipients_per_hour, &row.recipients_per_day);
	send_row(teller->parts->queue, &row);
}

static void
on_list_route(const struct db_list_route *route, void *ctx)
{
	const struct teller *teller = ctx;
	struct choice choice;
	struct msg_route row = {
	    .row = ROUTE_LIST,
	    .id = (uint64_t)route->list_id,
	    .name = route->name,
	};

	choices_choose(&teller->choices,
	    &(struct choice_asker){
		.login = "", .list = route->name, .list_profile = route->profile},
	    &choice);
	row.is_bound = choice.is_bound;
	if (choice.profile != NULL)
		row.profile_id = (uint64_t)choice.profile->id;
	send_row(teller->parts->queue, &row);
}

static void
on_sender(int64_t id, const char *name, void *ctx)
{
	const struct teller *teller = ctx;
	struct msg_route row = {.row = ROUTE_SENDER, .id = (uint64_t)id, .name = name};

	send_row(teller->parts->queue, &row);
}

/* 0: none, or there is no such profile. */
static uint64_t
id_of(const struct choices *choices, const char *name)
{
	for (size_t i = 0; name != NULL && i < choices->count; i++)
		if (strcasecmp(choices->profiles[i].name, name) == 0)
			return (uint64_t)choices->profiles[i].id;
	return 0;
}

static void
on_profile(void *row, void *ctx)
{
	const struct teller *teller = ctx;
	const struct parts *parts = teller->parts;
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
	    .is_spread = profile->spread,
	    .recipients_per_message = profile_limit(profile->recipients_per_message),
	    .retry = profile->retry,
	    .is_uncertain_held = strcmp(profile->uncertain, "hold") == 0,
	    .bounce_sender = profile->bounce_sender,
	    .from = profile->from,
	    .available = profile->available,
	    .fallback_id = id_of(&teller->choices, profile->fallback),
	    .fallback_after_ms = (uint32_t)profile->fallback_after,
	    .has_overflow = profile->overflow,
	};
	send_row(parts->queue, &route);
}

static void
log_failure(const struct err *err)
{
	log_problem(LOG_ERROR, "the map from users to profiles can't be read: %s", err->text);
}

/* False: nobody is told, or the database can't be read. */
static bool
begin_telling(struct teller *teller, const struct parts *parts)
{
	struct err err;

	*teller = (struct teller){.parts = parts};
	if (parts->queue == NULL)
		return false;
	if (choices_read(&teller->choices, parts->db, &err) == 0)
		return true;
	log_failure(&err);
	return false;
}

void
routes_send_users(const struct parts *parts, int64_t user_id)
{
	struct teller teller;
	struct err err;

	if (!begin_telling(&teller, parts))
		return;
	if (db_each_route(parts->db, user_id, on_route, &teller, &err) < 0)
		log_failure(&err);
	choices_fini(&teller.choices);
}

void
routes_send_lists(const struct parts *parts)
{
	struct teller teller;
	struct err err;

	if (!begin_telling(&teller, parts))
		return;
	if (db_each_list_route(parts->db, on_list_route, &teller, &err) < 0)
		log_failure(&err);
	choices_fini(&teller.choices);
}

void
routes_send_senders(const struct parts *parts)
{
	struct teller teller;
	struct err err;

	if (!begin_telling(&teller, parts))
		return;
	if (db_each_sender(parts->db, on_sender, &teller, &err) < 0)
		log_failure(&err);
	choices_fini(&teller.choices);
}

void
routes_send_profile(const struct parts *parts, int64_t profile_id)
{
	struct teller teller;
	struct profile profile;
	struct err err;
	int found;

	if (!begin_telling(&teller, parts))
		return;
	found = db_find_id(parts->db, &profile_table, profile_id, &profile, &err);
	if (found < 0)
		log_failure(&err);
	if (found > 0) {
		on_profile(&profile, &teller);
		table_row_fini(&profile_table, &profile);
	}
	choices_fini(&teller.choices);
}

void
routes_send_gone(const struct parts *parts, enum route_row row, int64_t id)
{
	struct msg_route route = {.row = (uint8_t)row, .id = (uint64_t)id, .is_gone = true};

	if (parts->queue != NULL)
		send_row(parts->queue, &route);
}

static int
send_all(struct teller *teller, struct err *err_out)
{
	struct db *db = teller->parts->db;

	if (db_each(db, &profile_table, &(struct db_page){0}, on_profile, teller, err_out) < 0 ||
	    db_each_sender(db, on_sender, teller, err_out) < 0 ||
	    db_each_route(db, 0, on_route, teller, err_out) < 0 ||
	    db_each_list_route(db, on_list_route, teller, err_out) < 0)
		return -1;
	return 0;
}

void
routes_send_map(const struct parts *parts)
{
	struct msg_route begin = {.row = ROUTE_BEGIN}, end = {.row = ROUTE_END};
	struct teller teller;
	struct err err;

	if (!begin_telling(&teller, parts))
		return;
	send_row(parts->queue, &begin);
	/* Without its end the map isn't taken, and mail waits where it is. */
	if (send_all(&teller, &err) == 0)
		send_row(parts->queue, &end);
	else
		log_failure(&err);
	choices_fini(&teller.choices);
}
