/* choosing - who may use a profile, and whose sender it is. */
#include "common/choosing.h"

#include "common/buf.h"
#include "common/domain.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define USER_PREFIX "user:"

static bool
is_item(const char *text, size_t size, const char *item)
{
	return strlen(item) == size && strncasecmp(text, item, size) == 0;
}

/* The characters that names of lists and logins may have (see check_name() of accounts). */
static bool
is_name(const char *text, size_t size)
{
	if (size == 0 || !isalnum((unsigned char)*text))
		return false;
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)text[i]) && strchr("._-+@=\\", text[i]) == NULL)
			return false;
	return true;
}

static int
add_item(struct buf *items, const char *text, size_t size, struct err *err_out)
{
	bool is_user =
	    size > strlen(USER_PREFIX) && strncasecmp(text, USER_PREFIX, strlen(USER_PREFIX)) == 0;
	size_t prefix = is_user ? strlen(USER_PREFIX) : 0;

	if (!is_name(text + prefix, size - prefix))
		return err_set(err_out,
		    "%.*s is no list and no user: must be all, or names of lists and user:LOGIN "
		    "with ; between them",
		    size > 200 ? 200 : (int)size, text);
	if (items->size > 0)
		buf_char(items, ';');
	if (is_user)
		buf_text(items, USER_PREFIX);
	buf_append(items, text + prefix, size - prefix);
	return 0;
}

int
available_parse(const char *text, char **items_out, struct err *err_out)
{
	struct buf items;

	buf_init(&items);
	for (size_t size; *text != '\0'; text += size) {
		text += strspn(text, ";, \t");
		size = strcspn(text, ";,");
		while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
			size--;
		if (size > 0 && add_item(&items, text, size, err_out) != 0) {
			buf_fini(&items);
			return -1;
		}
	}
	if (items.size == 0) {
		buf_fini(&items);
		return err_set(err_out, "there are separators but no item");
	}
	if (available_names(items.bytes, "all") && strcasecmp(items.bytes, "all") != 0) {
		buf_fini(&items);
		return err_set(err_out, "all stands alone");
	}
	*items_out = buf_give(&items);
	return 0;
}

bool
available_names(const char *items, const char *item)
{
	for (size_t size; items != NULL && *items != '\0'; items += size + (items[size] == ';')) {
		size = strcspn(items, ";");
		if (is_item(items, size, item))
			return true;
	}
	return false;
}

bool
available_to(const char *items, const char *login, const char *list)
{
	if (items == NULL || *items == '\0' || strcasecmp(items, "all") == 0)
		return true;
	for (size_t size; *items != '\0'; items += size + (items[size] == ';')) {
		size = strcspn(items, ";");
		if (strncasecmp(items, USER_PREFIX, strlen(USER_PREFIX)) != 0) {
			if (*list != '\0' && is_item(items, size, list))
				return true;
		} else if (*login != '\0' && size > strlen(USER_PREFIX) &&
			   is_item(
			       items + strlen(USER_PREFIX), size - strlen(USER_PREFIX), login)) {
			return true;
		}
	}
	return false;
}

const char *
sender_domain(const char *address)
{
	const char *at = address == NULL ? NULL : strrchr(address, '@');

	return at == NULL || at[1] == '\0' ? NULL : at + 1;
}

enum sender_match
sender_match(const char *own, const char *sender)
{
	const char *own_domain = sender_domain(own), *its_domain = sender_domain(sender);

	if (own_domain == NULL || its_domain == NULL)
		return SENDER_OTHER;
	if (strcasecmp(own, sender) == 0)
		return SENDER_SAME;
	return domain_equals(own_domain, its_domain) ? SENDER_SAME_DOMAIN : SENDER_OTHER;
}
