/* routes_profiles - the profiles of the map, as accounts names them. */
#include "daemon/queue/routes_private.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/config/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_DEFAULT 20

void
routes_free_profile(struct profile *profile)
{
	budget_fini(&profile->budget);
	timer_free(profile->timer);
	free(profile->look);
	free(profile->name);
	free(profile->bounce_sender);
	free(profile->from);
	free(profile->available);
	free(profile);
}

/* ---- the map ---- */

static struct profile *
new_profile(struct routes *routes, uint64_t id)
{
	struct profile *profile = xcalloc(1, sizeof(*profile));

	profile->id = id;
	profile->name = xstrdup("");
	profile->bounce_sender = xstrdup("");
	profile->from = xstrdup("");
	profile->available = xstrdup("");
	idmap_put(&routes->profiles, id, profile);
	routes->on_new_profile(profile, routes->ctx);
	return profile;
}

/* Of one that accounts has not named (yet): it may do nothing. */
static struct profile *
known_profile(struct routes *routes, uint64_t id)
{
	struct profile *profile = routes_profile(routes, id);

	if (profile != NULL)
		return profile;
	profile = new_profile(routes, id);
	profile->is_gone = true;
	return profile;
}

void
routes_load_budget(struct routes *routes, const struct booked_row *row)
{
	if (row->profile_id == 0 || row->line.period_ms <= 0)
		return;
	budget_load(
	    &known_profile(routes, row->profile_id)->budget, &row->line, routes_steady_ms(routes));
}

static void
take_rates(struct routes *routes, struct profile *profile, const struct msg_route *route)
{
	struct rate messages, recipients;
	struct err err;

	if (rate_parse(*route->rate == '\0' ? "none" : route->rate, &messages, &err) != 0 ||
	    rate_parse(*route->recipient_rate == '\0' ? "none" : route->recipient_rate, &recipients,
		&err) != 0) {
		log_problem(LOG_ERROR, "the rates of profile %s are not understood: %s",
		    profile->name, err.text);
		return;
	}
	profile->rate = messages;
	profile->recipient_rate = recipients;
	profile->reserve = route->reserve < 100 ? route->reserve : 100;
	profile_set_rates(routes, profile);
	budget_spread(&profile->budget, route->is_spread);
	if (!routes->had_map)
		budget_assume_spent(&profile->budget, routes_steady_ms(routes));
}

void
routes_remember(struct routes *routes, const struct profile_row *row)
{
	struct profile *profile = known_profile(routes, row->profile_id);

	if (*profile->name == '\0')
		profile->version = row->version;
	/* An operator changed or resumed it meanwhile. */
	if (profile->version != row->version)
		return;
	profile_remember(routes, profile, row);
	if (routes->is_complete)
		routes->on_profile_changed(profile, routes->ctx);
}

/* Accounts has looked at it: what can't be read leaves queue.retry. */
static void
take_retry(struct profile *profile, const char *text)
{
	if (unit_schedule(text, 1, INT64_MAX, profile->retry_ms, &profile->retry_count) != 0)
		profile->retry_count = 0;
}

void
routes_take_profile(struct routes *routes, const struct msg_route *route)
{
	struct profile *profile = routes_profile(routes, route->id);

	if (profile == NULL) {
		profile = new_profile(routes, route->id);
		profile->version = route->version;
	}
	/* What is on its way is told under the name that it had. */
	if (!route->is_gone)
		routes_set_text(&profile->name, route->name);
	routes_set_text(&profile->bounce_sender, route->bounce_sender);
	routes_set_text(&profile->from, route->from);
	routes_set_text(&profile->available, route->available);
	profile->fallback_id = route->fallback_id;
	profile->fallback_after_ms = route->fallback_after_ms;
	profile->has_overflow = route->has_overflow;
	take_retry(profile, route->retry);
	take_rates(routes, profile, route);
	profile->recipients_per_message = route->recipients_per_message;
	profile->is_uncertain_held = route->is_uncertain_held;
	profile->is_stale = false;
	profile->is_gone = route->is_gone;
	profile->is_paused = route->is_paused;
	profile->connections = route->connections == 0 ? CONNECTIONS_DEFAULT : route->connections;
	/* An operator changed or resumed it. */
	if (profile->version != route->version || profile->is_gone) {
		profile->version = route->version;
		profile_resume(routes, profile);
	}
	if (routes->is_complete)
		routes->on_profile_changed(profile, routes->ctx);
}
