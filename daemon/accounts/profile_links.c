/* profile_links - checks of one profile against other rows. */
#include "daemon/accounts/profile_links.h"

#include "common/buf.h"
#include "common/choosing.h"
#include "common/xalloc.h"
#include "daemon/accounts/choices.h"
#include "daemon/accounts/db_query.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/user.h"
#include "daemon/accounts/userlist.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define USER_PREFIX "user:"

/* ---- who may use it ---- */

/* Gives the item with the name as the row has it. */
static int
settle_item(struct db *db, const char *item, struct buf *items, struct refusal *refusal_out)
{
	bool is_user = strncmp(item, USER_PREFIX, strlen(USER_PREFIX)) == 0;
	const char *name = is_user ? item + strlen(USER_PREFIX) : item;
	struct userlist userlist = {0};
	struct user user = {0};
	struct err err;
	int found = is_user ? db_find(db, &user_table, name, &user, &err)
			    : db_find(db, &userlist_table, name, &userlist, &err);

	if (found < 0)
		return refuse_unavailable(refusal_out, &err);
	if (found == 0)
		return refuse(refusal_out, REFUSED_INVALID, "invalid", "available",
		    "available: there is no %s %.200s; allowed are all, names of lists, and "
		    "user:LOGIN",
		    is_user ? "user" : "list", name);
	buf_printf(items, "%s%s%s", items->size > 0 ? ";" : "", is_user ? USER_PREFIX : "",
	    is_user ? user.login : userlist.name);
	if (is_user)
		table_row_fini(&user_table, &user);
	else
		table_row_fini(&userlist_table, &userlist);
	return 0;
}

static int
check_availability(struct db *db, struct profile *profile, struct refusal *refusal_out)
{
	struct buf items;
	char *copy, *rest, *item;
	int rc = 0;

	if (profile->available == NULL || strcasecmp(profile->available, "all") == 0)
		return 0;
	buf_init(&items);
	rest = copy = xstrdup(profile->available);
	while (rc == 0 && (item = strsep(&rest, ";")) != NULL)
		rc = settle_item(db, item, &items, refusal_out);
	free(copy);
	if (rc == 0) {
		free(profile->available);
		profile->available = buf_give(&items);
	}
	buf_fini(&items);
	return rc;
}

int
profile_check_available(struct db *db, const char *name, const char *login, const char *list,
    struct refusal *refusal_out)
{
	struct profile profile;
	struct err err;
	int found, rc = 0;

	if (name == NULL)
		return 0;
	found = db_find(db, &profile_table, name, &profile, &err);
	if (found < 0)
		return refuse_unavailable(refusal_out, &err);
	if (found == 0)
		return 0;
	if (!available_to(profile.available, login, list))
		rc = refuse(refusal_out, REFUSED_INVALID, "not_available", "profile",
		    "profile: %s is not available to %s %s%s%s; it is to %.200s (profile set %s "
		    "--available)",
		    profile.name, *login == '\0' ? "list" : "user", *login == '\0' ? list : login,
		    *login == '\0' ? "" : " of list ", *login == '\0' ? "" : list,
		    profile.available, profile.name);
	table_row_fini(&profile_table, &profile);
	return rc;
}

struct namers {
	const char *item;
	char *name; /* of one that does; NULL: none does */
};

static void
look_for_item(void *row, void *ctx)
{
	struct namers *namers = ctx;
	const struct profile *profile = row;

	if (namers->name == NULL && available_names(profile->available, namers->item))
		namers->name = xstrdup(profile->name);
}

int
profile_check_unnamed(struct db *db, const char *item, struct refusal *refusal_out)
{
	struct namers namers = {.item = item};
	struct err err;
	int rc = 0;

	if (db_each(db, &profile_table, &(struct db_page){0}, look_for_item, &namers, &err) < 0)
		return refuse_unavailable(refusal_out, &err);
	if (namers.name != NULL)
		rc = refuse(refusal_out, REFUSED_CONFLICT, "in_use", NULL,
		    "%s is in use by the profile %s: it is among those that it is available to "
		    "(profile set %s --available)",
		    item, namers.name, namers.name);
	free(namers.name);
	return rc;
}

/* ---- its fallback ---- */

static const struct choice_profile *
find_profile(const struct choices *choices, const char *name)
{
	for (size_t i = 0; i < choices->count; i++)
		if (strcasecmp(choices->profiles[i].name, name) == 0)
			return &choices->profiles[i];
	return NULL;
}

static int
check_chain(const struct choices *choices, struct profile *profile, struct refusal *refusal_out)
{
	const struct choice_profile *at = find_profile(choices, profile->fallback);

	if (at == NULL)
		return refuse(refusal_out, REFUSED_INVALID, "invalid", "fallback",
		    "fallback: there is no profile %.100s; profile ls shows them",
		    profile->fallback);
	free(profile->fallback);
	profile->fallback = xstrdup(at->name);
	for (size_t steps = 0; at != NULL && steps <= choices->count; steps++) {
		if (strcasecmp(at->name, profile->name) == 0)
			return refuse(refusal_out, REFUSED_INVALID, "invalid", "fallback",
			    "fallback: %.100s leads back to %.100s: a loop is not allowed",
			    profile->fallback, profile->name);
		at = *at->fallback == '\0' ? NULL : find_profile(choices, at->fallback);
	}
	return 0;
}

static int
check_fallback(struct db *db, struct profile *profile, struct refusal *refusal_out)
{
	struct choices choices;
	struct err err;
	int rc;

	if (profile->fallback == NULL)
		return 0;
	if (choices_read(&choices, db, &err) != 0)
		return refuse_unavailable(refusal_out, &err);
	rc = check_chain(&choices, profile, refusal_out);
	choices_fini(&choices);
	return rc;
}

int
profile_check_links(struct db *db, struct profile *profile, struct refusal *refusal_out)
{
	if (check_availability(db, profile, refusal_out) != 0)
		return -1;
	return check_fallback(db, profile, refusal_out);
}

/* ---- its sender ---- */

static int
note_sender(struct db *db, const char *address, struct err *err_out)
{
	const char *domain = sender_domain(address);

	if (domain == NULL)
		return 0;
	return db_add_sender(db, address, err_out) == 0 ? db_add_sender(db, domain, err_out) : -1;
}

int
profile_note_sender(struct db *db, const struct profile *profile, struct err *err_out)
{
	return note_sender(db, profile->from, err_out);
}

int
profile_note_senders(struct db *db, struct err *err_out)
{
	struct choices choices;
	int rc = choices_read(&choices, db, err_out);

	for (size_t i = 0; rc == 0 && i < choices.count; i++)
		rc = note_sender(db, choices.profiles[i].from, err_out);
	if (rc == 0)
		choices_fini(&choices);
	return rc;
}

/* ---- others ---- */

static void
take_count(void *row, void *ctx)
{
	(*(int *)ctx)++;
}

int
profile_is_only_one(struct db *db, bool *is_only_out, struct err *err_out)
{
	int count = 0;
	int rows =
	    db_each(db, &profile_table, &(struct db_page){.limit = 2}, take_count, &count, err_out);

	*is_only_out = count == 1;
	return rows < 0 ? -1 : 0;
}
