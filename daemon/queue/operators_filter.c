/* operators_filter - which messages a call means: what its query or its body says, looked at. */
#include "common/ident.h"
#include "common/xalloc.h"
#include "daemon/queue/operators_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
#define IDS_MAX 10000

bool
call_parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *number_out)
{
	char *end;

	errno = 0;
	*number_out = strtoull(text, &end, 10);
	return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && *number_out >= least &&
	       *number_out <= most;
}

/* Each takes its text; NULL leaves the filter open. */
static void
filter_names(struct call *call, char *list, char *login, char *profile_name)
{
	const struct routes *routes = scheduler_routes(call->operators->scheduler);

	call->list = list;
	call->login = login;
	call->scan.filter.list = list;
	call->scan.filter.login = login;
	if (profile_name == NULL)
		return;
	call->scan.filter.has_users = true;
	IDMAP_EACH(&routes->profiles, slot)
	{
		struct profile *profile = slot->object;

		if (profile->is_gone || strcmp(profile->name, profile_name) != 0)
			continue;
		free(call->user_ids);
		call->user_ids = routes_users_of(routes, profile, &call->scan.filter.user_count);
		call->scan.filter.user_ids = call->user_ids;
	}
	free(profile_name);
}

/* ---- a list ---- */

/* False: it was answered. */
static bool
take_page_query(struct call *call, const char *limit, const char *after, const char *state)
{
	uint64_t number = LIMIT_DEFAULT;

	if (limit != NULL && !call_parse_number(limit, 1, LIMIT_MAX, &number)) {
		call_answer_error(
		    call, 400, "invalid", "limit is a number from 1 to 1000", "limit");
		return false;
	}
	call->wanted = (uint32_t)number;
	if (after != NULL && !ident_parse(after, &call->scan.after)) {
		call_answer_error(call, 400, "invalid", "after is the id of a message", "after");
		return false;
	}
	call->scan.filter.state = state == NULL ? SHOWN_ANY : operator_state_parse(state);
	if (call->scan.filter.state != SHOWN_COUNT)
		return true;
	call_answer_error(call, 400, "invalid",
	    "state is one of ready, deferred, scheduled, held, sending, uncertain", "state");
	return false;
}

void
call_start_list(struct call *call, const char *path)
{
	char *limit = operator_query(path, "limit"), *after = operator_query(path, "after");
	char *state = operator_query(path, "state");

	if (take_page_query(call, limit, after, state)) {
		filter_names(call, operator_query(path, "list"), operator_query(path, "user"),
		    operator_query(path, "profile"));
		call->scan.action = SCAN_LIST;
		call->page = json_array();
		call_post_scan(call);
	}
	free(limit);
	free(after);
	free(state);
}

/* ---- a change ---- */

static char *
text_member(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text == NULL ? NULL : xstrdup(text);
}

/* False: one of them is no id. */
static bool
take_ids(struct call *call, const json_t *ids)
{
	size_t count = json_array_size(ids);

	call->ids = xcalloc(count + 1, sizeof(*call->ids));
	for (size_t i = 0; i < count; i++) {
		const char *text = json_string_value(json_array_get(ids, i));

		if (text == NULL || !ident_parse(text, &call->ids[i]))
			return false;
	}
	call->scan.filter.ids = call->ids;
	call->scan.filter.id_count = count;
	return count > 0 && count <= IDS_MAX;
}

void
call_start_change(struct call *call, enum scan_action action, const json_t *which)
{
	static const char what[] =
	    "name ids (at most 10000), a list, a user, a profile, or all: true";
	const json_t *ids = json_object_get(which, "ids");

	call->scan.action = action;
	if (ids != NULL && !take_ids(call, ids)) {
		call_answer_error(
		    call, 400, "invalid", "ids has the ids of 1 to 10000 messages", "ids");
		return;
	}
	filter_names(call, text_member(which, "list"), text_member(which, "user"),
	    text_member(which, "profile"));
	if (ids == NULL && call->list == NULL && call->login == NULL &&
	    !call->scan.filter.has_users && !json_is_true(json_object_get(which, "all"))) {
		call_answer_error(call, 400, "invalid", what, NULL);
		return;
	}
	call_post_scan(call);
}
