/* check - refuses what would be ignored. */
#include "daemon/control/check.h"

#include <ctype.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A name that can be shown as it is; else "". */
static void
take_field(const char *name, size_t length, char field_out[static CHECK_FIELD_SIZE])
{
	field_out[0] = '\0';
	if (length >= CHECK_FIELD_SIZE)
		return;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_' && name[i] != '-')
			return;
	(void)snprintf(field_out, CHECK_FIELD_SIZE, "%.*s", (int)length, name);
}

static bool
is_among(const char *names, const char *key, size_t length)
{
	for (; *names != '\0'; names += strspn(names, " ")) {
		size_t size = strcspn(names, " ");

		if (size == length && memcmp(names, key, length) == 0)
			return true;
		names += size;
	}
	return false;
}

static int
refuse_key(const char *allowed, const char *key, size_t length, struct err *err_out)
{
	int shown = length > 60 ? 60 : (int)length;

	if (*allowed == '\0')
		return err_set(
		    err_out, "%.*s is not understood: this takes no parameters", shown, key);
	return err_set(err_out, "%.*s is not understood; allowed are: %s", shown, key, allowed);
}

/* Whether the key stands in the query before `end` as well. */
static bool
is_repeated(const char *query, const char *end, const char *key, size_t length)
{
	while (query < end) {
		size_t size = strcspn(query, "=&#");

		if (size == length && memcmp(query, key, length) == 0)
			return true;
		query += strcspn(query, "&#") + 1;
	}
	return false;
}

int
check_query(const char *allowed, const char *target, char field_out[static CHECK_FIELD_SIZE],
    struct err *err_out)
{
	const char *query = strchr(target, '?');
	const char *key;

	field_out[0] = '\0';
	if (query == NULL)
		return 0;
	query++;
	for (key = query; *key != '\0' && *key != '#'; key += *key == '&') {
		size_t length = strcspn(key, "=&#");

		take_field(key, length, field_out);
		if (length > 0 && !is_among(allowed, key, length))
			return refuse_key(allowed, key, length, err_out);
		if (length > 0 && is_repeated(query, key, key, length))
			return err_set(err_out, "%s stands there twice", field_out);
		key += strcspn(key, "&#");
	}
	return 0;
}

int
check_no_body(struct msg_bytes body, char field_out[static CHECK_FIELD_SIZE], struct err *err_out)
{
	json_t *value;
	const char *name;
	int rc = 0;

	field_out[0] = '\0';
	if (body.size == 0)
		return 0;
	value = json_loadb((const char *)body.at, body.size, 0, NULL);
	name = json_object_iter_key(json_object_iter(value));
	if (name != NULL) {
		take_field(name, strlen(name), field_out);
		rc = err_set(err_out, "%.60s is not understood: this takes no fields", name);
	} else if (!json_is_object(value)) {
		rc = err_set(err_out, "this takes no body");
	}
	json_decref(value);
	return rc;
}
