/* api_profiles_remove - takes a profile away, unless something needs it or mail waits for it. */
#include "common/buf.h"
#include "daemon/accounts/api_call.h"
#include "daemon/accounts/choices.h"
#include "daemon/accounts/db_query.h"
#include "daemon/accounts/profile_links.h"
#include "daemon/accounts/user.h"
#include "daemon/accounts/userlist.h"

#include <inttypes.h>

#define DEPENDENTS_SHOWN 3 /* names in a refusal */
#define ASKED_FOR_MS 10000 /* whoever made the call waits for 30 s */

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

/* ---- the mail that waits for it ---- */

static int
refuse_unknown_mail(const char *name, struct refusal *refusal_out)
{
	return refuse(refusal_out, REFUSED_UNAVAILABLE, "unavailable", "anyway",
	    "whether mail waits for %s can't be said just now (queue starts, or is busy): try "
	    "again in a few seconds; profile rm %s --anyway removes it all the same",
	    name, name);
}

static int
refuse_waiting(const char *name, uint64_t messages, struct refusal *refusal_out)
{
	bool is_one = messages == 1;

	return refuse(refusal_out, REFUSED_CONFLICT, "mail_waits", "anyway",
	    "%" PRIu64 " message%s for %s, and would go through another profile at once, if there "
	    "is one for %s: hold or remove %s first if %s must not (queue hold --profile %s, queue "
	    "rm --profile %s); profile rm %s --anyway removes it then",
	    messages, is_one ? " waits" : "s wait", name, is_one ? "it" : "them",
	    is_one ? "it" : "them", is_one ? "it" : "they", name, name, name);
}

/* Nobody asks a second time: mail that comes between the answer and the removal goes the way of that
 * for which --anyway was said. */
static int
check_nothing_waits(
    const struct profile *profile, const struct msg_waiting *waiting, struct refusal *refusal_out)
{
	if (waiting->messages > 0)
		return refuse_waiting(profile->name, waiting->messages, refusal_out);
	/* What bore the name when queue was asked may be gone, and another have it. */
	if (!waiting->is_known || waiting->profile_id != (uint64_t)profile->id)
		return refuse_unknown_mail(profile->name, refusal_out);
	return 0;
}

/* ---- the removal ---- */

static int
check_unused(struct call *call, const struct profile *profile, struct refusal *refusal_out)
{
	if (call_check_unused(call, &userlist_table, "profile", profile->name, refusal_out) != 0 ||
	    call_check_unused(call, &user_table, "profile", profile->name, refusal_out) != 0 ||
	    call_check_unused(call, &profile_table, "fallback", profile->name, refusal_out) != 0)
		return -1;
	return check_no_dependents(call, profile, refusal_out);
}

static int
remove_profile(struct call *call, const struct profile *profile, json_t **result_out,
    struct refusal *refusal_out)
{
	if (call_remove(call, &profile_table, profile->id, refusal_out) != 0)
		return -1;
	parts_tell_profile_gone(call->parts, profile->id);
	*result_out = profile_to_json(&call->parts->presets, profile);
	return 0;
}

/* Meanwhile anything may have been changed: all is looked at again. */
static int
finish(struct call *call, const struct msg_waiting *waiting, json_t **result_out,
    struct refusal *refusal_out)
{
	struct profile profile;
	int rc;

	if (call_find(call, &profile_table, &profile, refusal_out) != 0)
		return -1;
	rc = check_unused(call, &profile, refusal_out);
	if (rc == 0)
		rc = check_nothing_waits(&profile, waiting, refusal_out);
	if (rc == 0)
		rc = remove_profile(call, &profile, result_out, refusal_out);
	table_row_fini(&profile_table, &profile);
	return rc;
}

static void
on_waiting(const union message *answer, void *ctx)
{
	static const struct msg_waiting unknown = {0};
	struct call *call = ctx;
	json_t *result = NULL;
	struct refusal refusal;

	call->asked = NULL;
	if (finish(call, answer == NULL ? &unknown : &answer->waiting, &result, &refusal) == 0)
		call_answer(call, result);
	else
		call_refuse(call, &refusal);
}

static enum handled
ask_queue(struct call *call, const struct profile *profile, struct refusal *refusal_out)
{
	const struct msg_waiting_get question = {.profile_id = (uint64_t)profile->id};

	if (call->parts->queue == NULL) {
		(void)refuse_unknown_mail(profile->name, refusal_out);
		return CALL_REFUSED;
	}
	call->asked = call->parts->queue;
	call->asked_id =
	    link_request(call->asked, MSG_WAITING_GET, &question, ASKED_FOR_MS, on_waiting, call);
	return CALL_WAITING;
}

enum handled
api_profile_remove(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	enum handled handled = CALL_REFUSED;
	struct profile profile;
	int64_t anyway;

	if (call_query_number(call, "anyway", 0, &anyway, refusal_out) != 0 ||
	    call_find(call, &profile_table, &profile, refusal_out) != 0)
		return CALL_REFUSED;
	if (check_unused(call, &profile, refusal_out) == 0) {
		if (anyway == 0)
			handled = ask_queue(call, &profile, refusal_out);
		else if (remove_profile(call, &profile, result_out, refusal_out) == 0)
			handled = CALL_DONE;
	}
	table_row_fini(&profile_table, &profile);
	return handled;
}
