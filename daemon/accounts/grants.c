/* grants - what smtpd must know of a user, and who has been told. */
#include "daemon/accounts/grants.h"

#include "common/list.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/accounts/choices.h"
#include "daemon/accounts/db_query.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/user.h"
#include "daemon/accounts/userlist.h"

#include <stdlib.h>
#include <string.h>

/* One smtpd, and the users it was told about, in ascending order. */
struct holder {
	struct list link;
	struct link *smtpd;
	int64_t *ids;
	size_t count, capacity;
};

struct grants {
	struct db *db;
	struct presence *presence;
	enum unauthorized_action unauthorized;
	struct list holders;
};

struct grants *
grants_new(struct db *db, struct presence *presence, enum unauthorized_action unauthorized)
{
	struct grants *grants = xcalloc(1, sizeof(*grants));

	grants->db = db;
	grants->presence = presence;
	grants->unauthorized = unauthorized;
	list_init(&grants->holders);
	return grants;
}

static void
holder_free(struct holder *holder)
{
	list_remove(&holder->link);
	free(holder->ids);
	free(holder);
}

void
grants_free(struct grants *grants)
{
	if (grants == NULL)
		return;
	LIST_EACH_SAFE (&grants->holders, at, next)
		holder_free(LIST_ENTRY(at, struct holder, link));
	free(grants);
}

/* ---- who has been told ---- */

static struct holder *
find_holder(struct grants *grants, const struct link *smtpd)
{
	LIST_EACH (&grants->holders, at) {
		struct holder *holder = LIST_ENTRY(at, struct holder, link);

		if (holder->smtpd == smtpd)
			return holder;
	}
	return NULL;
}

/* Where the id is or would be. */
static size_t
position(const struct holder *holder, int64_t id)
{
	size_t low = 0, high = holder->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (holder->ids[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
holds(const struct holder *holder, int64_t id)
{
	size_t at = position(holder, id);

	return at < holder->count && holder->ids[at] == id;
}

static void
remember(struct grants *grants, struct link *smtpd, int64_t id)
{
	struct holder *holder = find_holder(grants, smtpd);
	size_t at;

	if (holder == NULL) {
		holder = xcalloc(1, sizeof(*holder));
		holder->smtpd = smtpd;
		list_append(&grants->holders, &holder->link);
	}
	if (holds(holder, id))
		return;
	if (holder->count == holder->capacity) {
		holder->capacity = holder->capacity * 2 + 64;
		holder->ids = xrealloc(holder->ids, holder->capacity, sizeof(*holder->ids));
	}
	at = position(holder, id);
	memmove(
	    &holder->ids[at + 1], &holder->ids[at], (holder->count - at) * sizeof(*holder->ids));
	holder->ids[at] = id;
	holder->count++;
}

static void
forget_user(struct grants *grants, int64_t id)
{
	LIST_EACH (&grants->holders, node) {
		struct holder *holder = LIST_ENTRY(node, struct holder, link);
		size_t at = position(holder, id);

		if (!holds(holder, id))
			continue;
		holder->count--;
		memmove(&holder->ids[at], &holder->ids[at + 1],
		    (holder->count - at) * sizeof(*holder->ids));
	}
}

void
grants_forget_link(struct grants *grants, struct link *link)
{
	struct holder *holder = find_holder(grants, link);

	if (holder != NULL)
		holder_free(holder);
}

/* ---- a grant ---- */

/* A grant's message with what it points to. */
struct grant {
	struct user user;
	struct msg_list_builder domains, senders;
	struct msg_grant message;
};

static void
grant_fini(struct grant *grant)
{
	table_row_fini(&user_table, &grant->user);
	message_list_fini(&grant->domains);
	message_list_fini(&grant->senders);
}

static void
add_items(struct msg_list_builder *builder, const char *items)
{
	char *copy, *item, *rest;

	if (items == NULL)
		return;
	rest = copy = xstrdup(items);
	while ((item = strsep(&rest, ";")) != NULL)
		message_list_add(builder, REC_ITEM, &(struct rec_item){.text = item});
	free(copy);
}

struct way {
	struct choices choices;
	bool is_there;
};

static void
take_route(const struct db_route *route, void *ctx)
{
	struct way *way = ctx;

	way->is_there = choices_has_way(&way->choices, &(struct choice_asker){.login = route->login,
							   .list = route->list,
							   .profile = route->profile,
							   .list_profile = route->list_profile});
}

static int
find_way(struct grants *grants, int64_t user_id, bool *is_there_out, struct err *err_out)
{
	struct way way = {.is_there = false};
	int rc = choices_read(&way.choices, grants->db, err_out);

	if (rc == 0 && db_each_route(grants->db, user_id, take_route, &way, err_out) < 0)
		rc = -1;
	choices_fini(&way.choices);
	*is_there_out = way.is_there;
	return rc;
}

/* The list's action, or the config's. */
static int
find_action(struct grants *grants, const char *list, uint8_t *action_out, struct err *err_out)
{
	struct userlist userlist;
	int found = db_find(grants->db, &userlist_table, list, &userlist, err_out);

	if (found < 0)
		return -1;
	*action_out = (uint8_t)grants->unauthorized;
	if (found == 0)
		return 0;
	if (userlist.unauthorized != NULL)
		*action_out = strcmp(userlist.unauthorized, "alert") == 0 ? UNAUTHORIZED_ALERT
									  : UNAUTHORIZED_BLOCK;
	table_row_fini(&userlist_table, &userlist);
	return 0;
}

/* From a user that was read into it. On failure nothing is left to free. */
static int
complete(struct grants *grants, struct grant *grant, struct err *err_out)
{
	const struct user *user = &grant->user;
	bool has_profile = false;
	uint8_t action;

	if (find_action(grants, user->list, &action, err_out) != 0 ||
	    find_way(grants, user->id, &has_profile, err_out) != 0) {
		grant_fini(grant);
		return -1;
	}
	add_items(&grant->domains, user->domains);
	add_items(&grant->senders, user->senders);
	grant->message = (struct msg_grant){
	    .user_id = (uint64_t)user->id,
	    .is_active = user->active,
	    .credential = (uint32_t)user->credential,
	    .login = user->login,
	    .list = user->list,
	    .priority = (uint8_t)user->priority,
	    .priority_max = (uint8_t)user->priority_max,
	    .check = (uint8_t)user_check_sides(user),
	    .unauthorized = action,
	    .has_stamp_priority = user->stamp_priority,
	    .has_profile = has_profile,
	    .domains = message_list_value(&grant->domains),
	    .senders = message_list_value(&grant->senders),
	};
	return 0;
}

static int
load_id(struct grants *grants, int64_t id, struct grant *grant_out, struct err *err_out)
{
	int found;

	*grant_out = (struct grant){0};
	found = db_find_id(grants->db, &user_table, id, &grant_out->user, err_out);
	if (found <= 0)
		return found;
	return complete(grants, grant_out, err_out) != 0 ? -1 : 1;
}

static int
load_login(struct grants *grants, const char *login, struct grant *grant_out, struct err *err_out)
{
	int found;

	*grant_out = (struct grant){0};
	found = db_find(grants->db, &user_table, login, &grant_out->user, err_out);
	if (found <= 0)
		return found;
	return complete(grants, grant_out, err_out) != 0 ? -1 : 1;
}

static struct msg_grant
nobody(int64_t id)
{
	return (struct msg_grant){.user_id = (uint64_t)id, .login = "", .list = ""};
}

void
grants_answer(struct grants *grants, struct link *link, uint32_t request_id,
    const struct msg_grant_get *message)
{
	struct msg_grant none = nobody(0);
	struct grant grant;
	struct err err;
	int found = message->user_id != 0 ? load_id(grants, (int64_t)message->user_id, &grant, &err)
					  : load_login(grants, message->login, &grant, &err);

	if (found < 0) {
		log_problem(LOG_ERROR, "a user's rights can't be read: %s", err.text);
		return;
	}
	if (found == 0) {
		link_answer(link, request_id, MSG_GRANT, &none);
		return;
	}
	remember(grants, link, grant.user.id);
	if (message->connection != 0)
		grant.message.is_full = !presence_take_user(grants->presence, link_peer_index(link),
		    message->connection, (uint64_t)grant.user.id);
	link_answer(link, request_id, MSG_GRANT, &grant.message);
	grant_fini(&grant);
}

int
grants_send(struct grants *grants, struct link *link, int64_t user_id, struct err *err_out)
{
	struct grant grant;
	int found = load_id(grants, user_id, &grant, err_out);

	if (found < 0)
		return -1;
	if (found == 0)
		return err_set(err_out, "the user was removed");
	remember(grants, link, user_id);
	link_send(link, MSG_GRANT, &grant.message);
	grant_fini(&grant);
	return 0;
}

/* ---- changes ---- */

static void
push(struct grants *grants, int64_t id, const struct msg_grant *message)
{
	LIST_EACH (&grants->holders, at) {
		struct holder *holder = LIST_ENTRY(at, struct holder, link);

		if (holds(holder, id))
			link_send(holder->smtpd, MSG_GRANT, message);
	}
}

void
grants_push_user(struct grants *grants, int64_t user_id)
{
	struct msg_grant gone = nobody(user_id);
	struct grant grant;
	struct err err;
	int found = load_id(grants, user_id, &grant, &err);

	if (found > 0) {
		push(grants, user_id, &grant.message);
		grant_fini(&grant);
		return;
	}
	/* What can't be read isn't granted either, until it's asked for again. */
	if (found < 0)
		log_problem(LOG_ERROR, "a user's rights can't be read: %s", err.text);
	push(grants, user_id, &gone);
	forget_user(grants, user_id);
}

static void
push_held(struct grants *grants, const struct holder *holder)
{
	for (size_t i = 0; i < holder->count; i++) {
		struct grant grant;
		struct err err;

		if (load_id(grants, holder->ids[i], &grant, &err) <= 0)
			continue;
		link_send(holder->smtpd, MSG_GRANT, &grant.message);
		grant_fini(&grant);
	}
}

void
grants_push_all(struct grants *grants)
{
	LIST_EACH (&grants->holders, at)
		push_held(grants, LIST_ENTRY(at, struct holder, link));
}

void
grants_set_unauthorized(struct grants *grants, enum unauthorized_action unauthorized)
{
	if (grants->unauthorized == unauthorized)
		return;
	grants->unauthorized = unauthorized;
	grants_push_all(grants);
}
