/* cap - reads and writes limits by the hour and the day. */
#include "common/cap.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define BLANKS " \t"

static int
fail(const char *text, struct err *err_out)
{
	return err_set(err_out, "\"%.80s\" must be " CAP_ALLOWED, text);
}

/* Digits only: strtoul() would take signs and blanks. Returns where they end, or NULL. */
static const char *
read_number(const char *at, uint32_t *number_out)
{
	uint64_t number = 0;
	const char *start = at;

	for (; isdigit((unsigned char)*at) && number <= CAP_MAX; at++)
		number = number * 10 + (unsigned)(*at - '0');
	if (at == start || number == 0 || number > CAP_MAX)
		return NULL;
	*number_out = (uint32_t)number;
	return at;
}

/* `N/h` or `N/d`; each may stand once. Returns where it ends, or NULL. */
static const char *
read_word(const char *at, struct cap *cap)
{
	uint32_t number, *field;

	at = read_number(at, &number);
	if (at == NULL || *at++ != '/' || (*at != 'h' && *at != 'd'))
		return NULL;
	field = *at++ == 'h' ? &cap->per_hour : &cap->per_day;
	if (*field != 0 || (*at != '\0' && strchr(BLANKS, *at) == NULL))
		return NULL;
	*field = number;
	return at;
}

int
cap_parse(const char *text, struct cap *cap_out, struct err *err_out)
{
	struct cap cap = {0};
	const char *at = text + strspn(text, BLANKS);

	if (strcmp(text, "none") == 0) {
		*cap_out = cap;
		return 0;
	}
	if (*at == '\0')
		return fail(text, err_out);
	while (*at != '\0') {
		at = read_word(at, &cap);
		if (at == NULL)
			return fail(text, err_out);
		at += strspn(at, BLANKS);
	}
	*cap_out = cap;
	return 0;
}

bool
cap_is_none(const struct cap *cap)
{
	return cap->per_hour == 0 && cap->per_day == 0;
}

const char *
cap_format(const struct cap *cap, char buffer[static CAP_TEXT_SIZE])
{
	char *at = buffer;

	if (cap_is_none(cap))
		(void)snprintf(buffer, CAP_TEXT_SIZE, "none");
	if (cap->per_hour != 0)
		at += snprintf(buffer, CAP_TEXT_SIZE, "%u/h", cap->per_hour);
	if (cap->per_day != 0)
		(void)snprintf(at, CAP_TEXT_SIZE - (size_t)(at - buffer), "%s%u/d",
		    at == buffer ? "" : " ", cap->per_day);
	return buffer;
}
