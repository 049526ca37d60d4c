/* user - the fields of a user. */
#include "daemon/accounts/user.h"

#include "common/buf.h"
#include "common/cap.h"
#include "common/sender_rules.h"
#include "common/xalloc.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/profile.h"
#include "daemon/accounts/profile_links.h"
#include "daemon/accounts/userlist.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A grant carries them all in one frame. */
#define RULES_SIZE_MAX 65536

static const char *const sides[] = {"both", "envelope", "header", NULL};
static const char *const over_limit[] = {"refuse", "hold", NULL};

/* Takes the rules; puts their items into one text. Separators alone are a slip, most likely an empty
 * variable of a script: it must not open the user to any sender. */
static int
join_rules(struct sender_rules *rules, char **text, struct err *err_out)
{
	struct buf joined;

	if (rules->count == 0) {
		sender_rules_fini(rules);
		return err_set(err_out,
		    "has separators but no item; `*` among the senders allows "
		    "any sender, and an empty text (\"\") takes the items away");
	}
	buf_init(&joined);
	for (size_t i = 0; i < rules->count; i++) {
		if (i > 0)
			buf_char(&joined, ';');
		buf_text(&joined, rules->items[i]);
	}
	free(*text);
	*text = buf_give(&joined);
	sender_rules_fini(rules);
	return 0;
}

static int
normalise_domains(char **text, struct err *err_out)
{
	struct sender_rules rules;

	if (sender_rules_parse_domains(*text, &rules, err_out) != 0)
		return -1;
	return join_rules(&rules, text, err_out);
}

static int
normalise_senders(char **text, struct err *err_out)
{
	struct sender_rules rules;

	if (sender_rules_parse_senders(*text, &rules, err_out) != 0)
		return -1;
	return join_rules(&rules, text, err_out);
}

static int
normalise_cap(char **text, struct err *err_out)
{
	char buffer[CAP_TEXT_SIZE];
	struct cap cap;

	if (cap_parse(*text, &cap, err_out) != 0)
		return -1;
	free(*text);
	*text = xstrdup(cap_format(&cap, buffer));
	return 0;
}

#define FIELD(field, kind, ...)                                                                    \
	{                                                                                          \
		.name = #field, .type = (kind), .offset = offsetof(struct user, field),            \
		__VA_ARGS__                                                                        \
	}

static const struct field fields[] = {
    FIELD(login, FIELD_TEXT, .max = 200, .flags = FIELD_ONLY_AT_ADD, .normalise = check_name),
    FIELD(list, FIELD_TEXT, .max = 100),
    FIELD(active, FIELD_BOOL, .flags = 0),
    FIELD(verifier, FIELD_TEXT, .flags = FIELD_HIDDEN),
    FIELD(credential, FIELD_NUMBER, .flags = FIELD_HIDDEN),
    FIELD(secret, FIELD_TEXT, .flags = FIELD_HIDDEN),
    FIELD(priority, FIELD_NUMBER, .min = 1, .max = 5),
    FIELD(priority_max, FIELD_NUMBER, .min = 1, .max = 5),
    FIELD(domains, FIELD_ITEMS, .max = RULES_SIZE_MAX, .normalise = normalise_domains),
    FIELD(senders, FIELD_ITEMS, .max = RULES_SIZE_MAX, .normalise = normalise_senders),
    FIELD(check, FIELD_TEXT, .max = 16, .choices = sides),
    FIELD(profile, FIELD_TEXT, .max = 100),
    FIELD(stamp_priority, FIELD_BOOL, .flags = 0),
    FIELD(messages, FIELD_TEXT, .max = 64, .normalise = normalise_cap),
    FIELD(recipients, FIELD_TEXT, .max = 64, .normalise = normalise_cap),
    FIELD(over_limit, FIELD_TEXT, .max = 16, .choices = over_limit),
    FIELD(note, FIELD_TEXT, .max = 1000),
};

static const char *const extra[] = {"password", NULL};

const struct table user_table = {
    .name = "user",
    .fields = fields,
    .field_count = sizeof(fields) / sizeof(fields[0]),
    .row_size = sizeof(struct user),
    .extra = extra,
};

void
user_init(struct user *user)
{
	*user = (struct user){
	    .active = true,
	    .credential = 1,
	    .priority = 3,
	    .priority_max = 1,
	};
}

/* A user belongs to a list; its name is stored as the list has it. */
static int
check_list(struct db *db, struct user *user, struct refusal *refusal_out)
{
	struct userlist userlist;
	struct err err;
	int found;

	if (user->list == NULL)
		return refuse(refusal_out, REFUSED_INVALID, "missing", "list",
		    "list: a user belongs to a list; name one");
	found = db_find(db, &userlist_table, user->list, &userlist, &err);
	if (found < 0)
		return refuse_unavailable(refusal_out, &err);
	if (found == 0)
		return refuse(refusal_out, REFUSED_INVALID, "invalid", "list",
		    "list: there is no list %s; make it first: list add %s", user->list,
		    user->list);
	free(user->list);
	user->list = xstrdup(userlist.name);
	table_row_fini(&userlist_table, &userlist);
	return 0;
}

int
user_check(struct db *db, struct user *user, struct refusal *refusal_out)
{
	if (user->login == NULL)
		return refuse(refusal_out, REFUSED_INVALID, "missing", "login",
		    "login: a user needs a login");
	/* 1 is the highest: the floor can't be above the ceiling. */
	if (user->priority < user->priority_max)
		return refuse(refusal_out, REFUSED_INVALID, "invalid", "priority_max",
		    "priority_max: %" PRId64 " is lower than priority, %" PRId64
		    " (1 is the highest)",
		    user->priority_max, user->priority);
	if (check_list(db, user, refusal_out) != 0)
		return -1;
	if (profile_check_name(db, &user->profile, refusal_out) != 0)
		return -1;
	return profile_check_available(db, user->profile, user->login, user->list, refusal_out);
}

bool
user_is_restricted(const struct user *user)
{
	size_t length;

	/* Items are stored with `;` between them. */
	for (const char *at = user->senders; at != NULL;
	     at = at[length] == '\0' ? NULL : at + length + 1) {
		length = strcspn(at, ";");
		if (length == 1 && *at == '*')
			return false;
	}
	return user->domains != NULL || user->senders != NULL;
}

enum check_sides
user_check_sides(const struct user *user)
{
	for (int side = CHECK_BOTH; user->check != NULL && sides[side] != NULL; side++)
		if (strcmp(user->check, sides[side]) == 0)
			return (enum check_sides)side;
	return CHECK_BOTH;
}
