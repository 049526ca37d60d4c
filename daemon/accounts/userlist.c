/* userlist - the fields of a list. */
#include "daemon/accounts/userlist.h"

#include "daemon/accounts/profile.h"
#include "daemon/accounts/profile_links.h"

static const char *const actions[] = {"block", "alert", NULL};
static const char *const not_built[] = {"alert_to", NULL};

#define TEXT(field, bytes, ...)                                                                    \
	{                                                                                          \
		.name = #field, .type = FIELD_TEXT, .offset = offsetof(struct userlist, field),    \
		.max = (bytes), __VA_ARGS__                                                        \
	}

static const struct field fields[] = {
    TEXT(name, 100, .flags = FIELD_ONLY_AT_ADD, .normalise = check_name),
    TEXT(unauthorized, 16, .choices = actions),
    TEXT(profile, 100),
    TEXT(alert_to, 320),
    TEXT(note, 1000),
};

const struct table userlist_table = {
    .name = "list",
    .fields = fields,
    .field_count = sizeof(fields) / sizeof(fields[0]),
    .row_size = sizeof(struct userlist),
    .not_built = not_built,
};

int
userlist_check(struct db *db, struct userlist *userlist, struct refusal *refusal_out)
{
	if (userlist->name == NULL)
		return refuse(
		    refusal_out, REFUSED_INVALID, "missing", "name", "name: a list needs a name");
	if (profile_check_name(db, &userlist->profile, refusal_out) != 0)
		return -1;
	return profile_check_available(db, userlist->profile, "", userlist->name, refusal_out);
}
