/* api_lists - the calls about lists. */
#include "daemon/accounts/api_call.h"
#include "daemon/accounts/db_query.h"
#include "daemon/accounts/profile.h"
#include "daemon/accounts/profile_links.h"
#include "daemon/accounts/user.h"
#include "daemon/accounts/userlist.h"

static json_t *
to_json(struct parts *parts, const void *row)
{
	const struct userlist *userlist = row;
	json_t *object = table_to_json(&userlist_table, row);
	int64_t users;
	struct err err;

	(void)json_object_set_new(object, "users",
	    db_count_users(parts->db, userlist->name, &users, &err) == 0 ? json_integer(users)
									 : json_null());
	return object;
}

enum handled
api_list_index(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	return call_index(call, &userlist_table, &profile_table, to_json, result_out, refusal_out);
}

enum handled
api_list_show(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	struct userlist userlist;

	if (call_find(call, &userlist_table, &userlist, refusal_out) != 0)
		return CALL_REFUSED;
	*result_out = to_json(call->parts, &userlist);
	table_row_fini(&userlist_table, &userlist);
	return CALL_DONE;
}

static int
add(struct call *call, struct userlist *userlist, struct refusal *refusal_out)
{
	if (table_read_json(&userlist_table, userlist, call->body, FIELD_READ_ONLY, refusal_out) !=
		0 ||
	    userlist_check(call->parts->db, userlist, refusal_out) != 0 ||
	    call_check_new(call, &userlist_table, userlist->name, refusal_out) != 0)
		return -1;
	return call_insert(call, &userlist_table, userlist, refusal_out);
}

enum handled
api_list_add(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	struct userlist userlist = {0};
	int rc = add(call, &userlist, refusal_out);

	if (rc == 0) {
		parts_tell_list_added(call->parts);
		*result_out = to_json(call->parts, &userlist);
	}
	table_row_fini(&userlist_table, &userlist);
	return rc == 0 ? CALL_DONE : CALL_REFUSED;
}

static int
set(struct call *call, struct userlist *userlist, struct refusal *refusal_out)
{
	if (table_read_json(&userlist_table, userlist, call->body,
		FIELD_READ_ONLY | FIELD_ONLY_AT_ADD, refusal_out) != 0 ||
	    userlist_check(call->parts->db, userlist, refusal_out) != 0)
		return -1;
	return call_update(call, &userlist_table, userlist, refusal_out);
}

enum handled
api_list_set(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	struct userlist userlist;
	int rc;

	if (call_find(call, &userlist_table, &userlist, refusal_out) != 0)
		return CALL_REFUSED;
	rc = set(call, &userlist, refusal_out);
	if (rc == 0) {
		parts_tell_list(call->parts);
		*result_out = to_json(call->parts, &userlist);
	}
	table_row_fini(&userlist_table, &userlist);
	return rc == 0 ? CALL_DONE : CALL_REFUSED;
}

enum handled
api_list_remove(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	struct userlist userlist;
	int rc;

	if (call_find(call, &userlist_table, &userlist, refusal_out) != 0)
		return CALL_REFUSED;
	rc = call_check_unused(call, &user_table, "list", userlist.name, refusal_out);
	if (rc == 0)
		rc = profile_check_unnamed(call->parts->db, userlist.name, refusal_out);
	if (rc == 0)
		rc = call_remove(call, &userlist_table, userlist.id, refusal_out);
	if (rc == 0) {
		parts_tell_list_gone(call->parts, userlist.id);
		*result_out = to_json(call->parts, &userlist);
	}
	table_row_fini(&userlist_table, &userlist);
	return rc == 0 ? CALL_DONE : CALL_REFUSED;
}
