/* operators_filter - which messages a call means: what its query or its body says, looked at. */
#include "common/clock.h"
#include "common/ident.h"
#include "common/xalloc.h"
#include "daemon/config/units.h"
#include "daemon/queue/operators_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

/* A time, or a duration that ends now. */
static bool
parse_moment(const char *text, int64_t now_ms, int64_t *at_ms_out)
{
	int64_t ago_ms;

	if (unit_duration(text, &ago_ms) == 0)
		*at_ms_out = ago_ms < now_ms ? now_ms - ago_ms : 1;
	else if (!clock_parse_rfc3339(text, strlen(text), at_ms_out))
		return false;
	return *at_ms_out > 0;
}

const char *
call_parse_span(struct call *call, const char *path, int64_t *since_ms_out, int64_t *until_ms_out,
    const char **field_out)
{
	static const char *const names[] = {"since", "until"};
	int64_t *const moments[] = {since_ms_out, until_ms_out};
	int64_t now_ms = loop_wall_ms(call->operators->role->loop);

	for (unsigned i = 0; i < 2; i++) {
		char *text = operator_query(path, names[i]);
		bool is_valid = text == NULL || parse_moment(text, now_ms, moments[i]);

		free(text);
		*field_out = names[i];
		if (!is_valid)
			return "since and until are a time as 2026-03-01T12:31:04Z, or how long "
			       "ago, as 2h";
	}
	*field_out = "until";
	if (*since_ms_out != 0 && *until_ms_out != 0 && *until_ms_out < *since_ms_out)
		return "until must not lie before since";
	return NULL;
}

/* ---- names ---- */

/* As accounts has it; names differ in more than case. NULL: there is no such list. */
static const char *
known_list(const struct routes *routes, const char *name)
{
	IDMAP_EACH(&routes->lists, slot)
	{
		const struct list_route *list = slot->object;

		if (strcasecmp(list->name, name) == 0)
			return list->name;
	}
	return NULL;
}

static const char *
known_user(const struct routes *routes, const char *login)
{
	IDMAP_EACH(&routes->users, slot)
	{
		const struct user *user = slot->object;

		if (strcasecmp(user->login, login) == 0)
			return user->login;
	}
	return NULL;
}

/* Takes the name and gives the one to look for. One that nobody knows may still stand in a message
 * of a removed list or user: it is an error when nothing is found. */
static char *
settle_name(struct call *call, const char *field, char *name,
    const char *(*find)(const struct routes *routes, const char *name))
{
	const struct routes *routes = scheduler_routes(call->operators->scheduler);
	const char *known = name == NULL ? NULL : find(routes, name);

	if (name != NULL && known == NULL && routes->is_complete)
		call->unknown_field = field;
	if (known == NULL)
		return name;
	free(name);
	return xstrdup(known);
}

static bool
filter_profile(struct call *call, const char *name)
{
	const struct routes *routes = scheduler_routes(call->operators->scheduler);
	bool is_known = !routes->is_complete;

	call->scan.filter.has_users = true;
	IDMAP_EACH(&routes->profiles, slot)
	{
		struct profile *profile = slot->object;

		if (profile->is_gone || strcasecmp(profile->name, name) != 0)
			continue;
		is_known = true;
		free(call->user_ids);
		call->user_ids = routes_users_of(routes, profile, &call->scan.filter.user_count);
		call->scan.filter.user_ids = call->user_ids;
	}
	return is_known;
}

/* Each takes its text; NULL leaves the filter open. False: it was answered. */
static bool
filter_names(struct call *call, char *list, char *login, char *profile_name)
{
	bool is_known = profile_name == NULL || filter_profile(call, profile_name);

	free(profile_name);
	call->list = settle_name(call, "list", list, known_list);
	call->login = settle_name(call, "user", login, known_user);
	call->scan.filter.list = call->list;
	call->scan.filter.login = call->login;
	if (!is_known)
		call_answer_error(call, 404, "not_found", "there is no such profile", "profile");
	return is_known;
}

static const char *
known_profile(const struct routes *routes, const char *name)
{
	IDMAP_EACH(&routes->profiles, slot)
	{
		const struct profile *profile = slot->object;

		if (!profile->is_gone && strcasecmp(profile->name, name) == 0)
			return profile->name;
	}
	return NULL;
}

void
call_look_up_names(struct call *call, const char *path)
{
	static const struct {
		const char *field;
		const char *(*find)(const struct routes *routes, const char *name);
	} fields[] = {{"list", known_list}, {"user", known_user}, {"profile", known_profile}};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		free(settle_name(
		    call, fields[i].field, operator_query(path, fields[i].field), fields[i].find));
}

bool
call_answer_unknown_name(struct call *call)
{
	const char *field = call->unknown_field;
	char message[64];

	if (field == NULL)
		return false;
	(void)snprintf(message, sizeof(message), "there is no such %s, and no mail of one", field);
	call_answer_error(call, 404, "not_found", message, field);
	return true;
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

static void
start_scan_of_page(struct call *call, bool is_later_page)
{
	/* What there was of it may stand on earlier pages. */
	if (is_later_page)
		call->unknown_field = NULL;
	call->scan.action = SCAN_LIST;
	call->page = json_array();
	call_post_scan(call);
}

void
call_start_list(struct call *call, const char *path)
{
	char *limit = operator_query(path, "limit"), *after = operator_query(path, "after");
	char *state = operator_query(path, "state");

	if (take_page_query(call, limit, after, state)) {
		bool is_open = filter_names(call, operator_query(path, "list"),
		    operator_query(path, "user"), operator_query(path, "profile"));

		if (is_open)
			start_scan_of_page(call, after != NULL);
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

/* False: the object has a member that isn't one of these, or is of another type; it was answered. */
static bool
check_members(struct call *call, const json_t *which)
{
	static const struct {
		const char *name;
		json_type type;
		const char *problem;
	} members[] = {
	    {"ids", JSON_ARRAY, "ids has the ids of 1 to 10000 messages"},
	    {"list", JSON_STRING, "list is a name"},
	    {"user", JSON_STRING, "user is a login"},
	    {"profile", JSON_STRING, "profile is a name"},
	    {"all", JSON_TRUE, "all is true or not there"},
	};
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)which, name, value)
	{
		size_t i = 0;

		while (
		    i < sizeof(members) / sizeof(members[0]) && strcmp(members[i].name, name) != 0)
			i++;
		if (i == sizeof(members) / sizeof(members[0])) {
			call_answer_error(call, 400, "unknown_field",
			    "allowed are: ids, list, user, profile, all", name);
			return false;
		}
		if (json_typeof(value) != members[i].type) {
			call_answer_error(
			    call, 400, "invalid", members[i].problem, members[i].name);
			return false;
		}
	}
	return true;
}

/* Ids, or everything, or what some names select: never a mixture that leaves a doubt. False: it was
 * answered. */
static bool
check_selection(struct call *call, const json_t *which)
{
	bool has_ids = json_object_get(which, "ids") != NULL;
	bool has_all = json_object_get(which, "all") != NULL;
	const char *problem = NULL;

	if (json_object_size(which) == 0)
		problem = "name ids (at most 10000), a list, a user, a profile, or all: true";
	else if (has_ids && json_object_size(which) > 1)
		problem = "ids go alone, without all, list, user and profile";
	else if (has_all && json_object_size(which) > 1)
		problem = "all goes alone, without list, user and profile";
	if (problem == NULL)
		return true;
	call_answer_error(call, 400, "invalid", problem, has_ids ? "ids" : has_all ? "all" : NULL);
	return false;
}

void
call_start_change(struct call *call, enum scan_action action, const json_t *which)
{
	const json_t *ids = json_object_get(which, "ids");

	call->scan.action = action;
	if (!check_members(call, which) || !check_selection(call, which))
		return;
	if (ids != NULL && !take_ids(call, ids))
		call_answer_error(
		    call, 400, "invalid", "ids has the ids of 1 to 10000 messages", "ids");
	else if (filter_names(call, text_member(which, "list"), text_member(which, "user"),
		     text_member(which, "profile")))
		call_post_scan(call);
}
