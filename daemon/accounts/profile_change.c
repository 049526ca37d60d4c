/* profile_change - compares the fields that say where mail goes, and as whom. */
#include "daemon/accounts/profile_change.h"

#include <string.h>

static bool
is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* A secret is sealed anew each time that it is set, and so never the same. */
static bool
is_same(const struct field *field, const struct profile *before, const struct profile *now)
{
	void *a = (void *)(uintptr_t)before, *b = (void *)(uintptr_t)now;

	switch (field->type) {
	case FIELD_TEXT:
	case FIELD_ITEMS:
		return is_same_text(*field_text(field, a), *field_text(field, b));
	case FIELD_BOOL:
		return *field_bool(field, a) == *field_bool(field, b);
	case FIELD_NUMBER:
	case FIELD_SIZE:
	case FIELD_PERCENT:
	case FIELD_SECONDS:
	case FIELD_TIME:
		break;
	}
	return *field_number(field, a) == *field_number(field, b);
}

bool
profile_is_renewed(const struct profile *before, const struct profile *now)
{
	for (size_t i = 0; i < profile_table.field_count; i++)
		if ((profile_table.fields[i].flags & FIELD_UPSTREAM) != 0 &&
		    !is_same(&profile_table.fields[i], before, now))
			return true;
	return false;
}
