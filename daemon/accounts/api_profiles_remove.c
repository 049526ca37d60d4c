/* api_profiles_remove - takes a profile away, unless something needs it. */
#include "common/buf.h"
#include "daemon/accounts/api_call.h"
#include "daemon/accounts/choices.h"
#include "daemon/accounts/db_query.h"
#include "daemon/accounts/profile_links.h"
#include "daemon/accounts/user.h"
#include "daemon/accounts/userlist.h"

#define DEPENDENTS_SHOWN 3 /* names in a refusal */

struct dependents {
	const struct profile *profile;
	struct choices choices;
	struct buf names;
	int count;
};

static void
add_dependent(const struct db_route *route, void *ctx)
{
	struct dependents *dependents = ctx;
	struct choice choice;

	choices_choose(&dependents->choices,
	    &(struct choice_asker){.login = route->login,
		.list = route->list,
		.profile = route->profile,
		.list_profile = route->list_profile},
	    &choice);
	if (choice.profile == NULL || choice.profile->id != dependents->profile->id)
		return;
	dependents->count++;
	if (dependents->count <= DEPENDENTS_SHOWN)
		buf_printf(
		    &dependents->names, "%s%s", dependents->count > 1 ? ", " : "", route->login);
	else if (dependents->count == DEPENDENTS_SHOWN + 1)
		buf_text(&dependents->names, " and others");
}

/* Without the default profile, users who have no other could send nothing any more. */
static int
check_no_dependents(struct call *call, const struct profile *profile, struct refusal *refusal_out)
{
	struct dependents dependents = {.profile = profile};
	bool is_only = false;
	struct err err;
	int rc = 0;

	if (choices_read(&dependents.choices, call->parts->db, &err) != 0)
		return refuse_unavailable(refusal_out, &err);
	buf_init(&dependents.names);
	if (db_each_route(call->parts->db, 0, add_dependent, &dependents, &err) < 0 ||
	    profile_is_only_one(call->parts->db, &is_only, &err) != 0)
		rc = refuse_unavailable(refusal_out, &err);
	else if (dependents.count > 0)
		rc = refuse(refusal_out, REFUSED_CONFLICT, "in_use", NULL,
		    "%s is the default profile, and the only way out for the user%s %s: %s",
		    profile->name, dependents.count > 1 ? "s" : "", dependents.names.bytes,
		    is_only ? "add another as the default first (profile add NAME … --default); to "
			      "stop its mail only, profile pause"
			    : "make another the default first (profile default NAME)");
	buf_fini(&dependents.names);
	choices_fini(&dependents.choices);
	return rc;
}

enum handled
api_profile_remove(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	struct profile profile;
	int rc;

	if (call_find(call, &profile_table, &profile, refusal_out) != 0)
		return CALL_REFUSED;
	rc = call_check_unused(call, &userlist_table, "profile", profile.name, refusal_out);
	if (rc == 0)
		rc = call_check_unused(call, &user_table, "profile", profile.name, refusal_out);
	if (rc == 0)
		rc = call_check_unused(call, &profile_table, "fallback", profile.name, refusal_out);
	if (rc == 0)
		rc = check_no_dependents(call, &profile, refusal_out);
	if (rc == 0)
		rc = call_remove(call, &profile_table, profile.id, refusal_out);
	if (rc == 0) {
		parts_tell_profile_gone(call->parts, profile.id);
		*result_out = profile_to_json(&call->parts->presets, &profile);
	}
	table_row_fini(&profile_table, &profile);
	return rc == 0 ? CALL_DONE : CALL_REFUSED;
}
