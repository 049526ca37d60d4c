/* readable - puts texts in the place of numbers and objects. */
#include "ctl/readable.h"

#include "common/buf.h"
#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

char *
readable_duration(double seconds)
{
	static const struct {
		const char *unit;
		long long ms;
	} units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}};
	long long ms = (long long)(seconds * 1000 + 0.5);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (ms > 0 && ms % units[i].ms == 0)
			return xasprintf("%lld%s", ms / units[i].ms, units[i].unit);
	return xasprintf("%lldms", ms);
}

static void
append_left(struct buf *text, const json_t *period, const char *what, const char *left)
{
	const json_t *limit = json_object_get(period, what);

	if (json_is_integer(limit))
		buf_printf(text, "%s%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " %s",
		    text->size > 0 ? ", " : "", json_integer_value(json_object_get(period, left)),
		    json_integer_value(limit), what);
}

char *
readable_budget(const json_t *period)
{
	char *length = readable_duration(json_number_value(json_object_get(period, "period")));
	struct buf text;

	buf_init(&text);
	append_left(&text, period, "messages", "messages_left");
	append_left(&text, period, "recipients", "recipients_left");
	buf_printf(&text, " left in %s", length);
	free(length);
	return buf_give(&text);
}

static void
set_text(json_t *object, const char *field, char *text)
{
	(void)json_object_set_new(object, field, json_string(text));
	free(text);
}

static void
read_durations(json_t *profile)
{
	static const char *const fields[] = {
	    "timeout", "dot_timeout", "fallback_after", "pop3_valid"};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		double seconds = json_number_value(json_object_get(profile, fields[i]));

		if (seconds > 0)
			set_text(profile, fields[i], readable_duration(seconds));
		else if (json_object_get(profile, fields[i]) != NULL)
			(void)json_object_set_new(profile, fields[i], json_null());
	}
}

static void
read_certificates(json_t *profile)
{
	static const char *const fields[] = {"ca", "client_certificate", "pop3_ca", "oauth_ca"};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *at = json_string_value(json_object_get(profile, fields[i]));
		unsigned count = 0;

		if (at == NULL)
			continue;
		while ((at = strstr(at, "-----BEGIN ")) != NULL) {
			at++;
			count++;
		}
		set_text(profile, fields[i],
		    xasprintf("%u certificate%s, which -j shows", count, count == 1 ? "" : "s"));
	}
}

void
readable_profile(json_t *profile)
{
	json_t *budget = json_object_get(profile, "budget"), *texts = json_array(), *period;
	size_t i;

	json_array_foreach(budget, i, period)
	{
		char *text = readable_budget(period);

		(void)json_array_append_new(texts, json_string(text));
		free(text);
	}
	if (json_is_array(budget))
		(void)json_object_set(profile, "budget", texts);
	json_decref(texts);
	read_durations(profile);
	read_certificates(profile);
}
