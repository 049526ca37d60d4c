/* advice - composes sentences with the profile's names in them. */
#include "daemon/relay/advice.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
advise(const struct advice *advice, const char *format, ...)
{
	size_t used = strlen(advice->buffer);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(advice->buffer + used, advice->size - used, format, args);
	va_end(args);
}

void
advise_set(const struct advice *advice)
{
	advise(advice, "posternctl profile set %s", advice->profile->name);
}

void
advise_template(const struct advice *advice, const char *text)
{
	const struct {
		const char *sign, *value;
	} signs[] = {
	    {"{profile}", advice->profile->name},
	    {"{provider}", advice->profile->provider},
	};

	while (*text != '\0') {
		size_t plain = 1 + strcspn(text + 1, "{");
		size_t i = 0;

		while (i < 2 && strncmp(text, signs[i].sign, strlen(signs[i].sign)) != 0)
			i++;
		if (i < 2) {
			advise(advice, "%s", signs[i].value);
			text += strlen(signs[i].sign);
		} else {
			advise(advice, "%.*s", (int)plain, text);
			text += plain;
		}
	}
}
