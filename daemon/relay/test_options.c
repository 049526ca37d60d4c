/* test_options - reads them. */
#include "daemon/relay/test_options.h"

#include <stdbool.h>
#include <string.h>

static bool
is_address(const char *text)
{
	const char *at = strchr(text, '@');

	return at != NULL && at != text && at[1] != '\0' && strlen(text) < 1000 &&
	       strpbrk(text, " <>\r\n\t") == NULL;
}

const char *
test_options_check(json_t *options, const char **field_out)
{
	const char *name;
	json_t *value;

	*field_out = NULL;
	if (!json_is_object(options))
		return "the body must be a JSON object";
	json_object_foreach(options, name, value)
	{
		*field_out = name;
		if (strcmp(name, "to") == 0) {
			if (!json_is_string(value) || !is_address(json_string_value(value)))
				return "to: must be an address";
		} else if (strcmp(name, "transcript") == 0) {
			if (!json_is_boolean(value))
				return "transcript: must be true or false";
		} else if (strcmp(name, "progress") == 0) {
			if (!json_is_boolean(value))
				return "progress: must be true or false";
		} else {
			return "a test has no such field; allowed are: to, transcript, progress";
		}
	}
	return NULL;
}
