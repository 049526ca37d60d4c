/* bounds - counts, line by line. */
#include "daemon/mime/bounds.h"

#include "common/header_field.h"
#include "common/octet.h"

#include <string.h>
#include <strings.h>

/* What is counted in the field that a line belongs to, and how much of it there may be yet. */
struct counted {
	char octet; /* 0: nothing */
	size_t left;
};

/* Where the value begins, if the line begins a field of this name; 0 otherwise. Blanks before the colon
 * are no obstacle to GMime. */
static size_t
value_at(const char *line, size_t size, const char *name)
{
	size_t at = strlen(name);

	if (size <= at || strncasecmp(line, name, at) != 0)
		return 0;
	while (at < size && octet_is_blank(line[at]))
		at++;
	return at < size && line[at] == ':' ? at + 1 : 0;
}

static bool
has_name(const char *line, size_t size, const char *const *names)
{
	for (; *names != NULL; names++)
		if (value_at(line, size, *names) > 0)
			return true;
	return false;
}

static struct counted
counted_in(const char *line, size_t size)
{
	static const char *const addresses[] = {"From", "Sender", "Reply-To", "To", "Cc", "Bcc",
	    "Resent-From", "Resent-Sender", "Resent-Reply-To", "Resent-To", "Resent-Cc",
	    "Resent-Bcc", "Disposition-Notification-To", NULL};
	static const char *const parameters[] = {"Content-Type", "Content-Disposition", NULL};

	if (has_name(line, size, parameters))
		return (struct counted){';', BOUNDS_PARAMETERS_MAX};
	if (has_name(line, size, addresses))
		return (struct counted){':', BOUNDS_GROUPS_MAX + 1};
	return (struct counted){0};
}

/* False: there is more than may be. */
static bool
count(struct counted *counted, const char *bytes, size_t size)
{
	const char *end = bytes + size;

	while ((bytes = memchr(bytes, counted->octet, (size_t)(end - bytes))) != NULL) {
		if (counted->left-- == 0)
			return false;
		bytes++;
	}
	return true;
}

/* Whether a line may make another level. */
static bool
is_composite(const char *line, size_t size)
{
	size_t at = value_at(line, size, "Content-Type");

	if (at == 0)
		return false;
	for (; at < size && (octet_is_blank(line[at]) || line[at] == '\r' || line[at] == '\n');
	     at++)
		;
	line += at;
	size -= at;
	/* A folded one has its value on the next line: it counts. */
	return size == 0 || strncasecmp(line, "multipart", size < 9 ? size : 9) == 0 ||
	       strncasecmp(line, "message", size < 7 ? size : 7) == 0;
}

bool
bounds_hold(const char *bytes, size_t size)
{
	size_t levels = 0, boundaries = 0, line;
	struct counted counted = {0};

	for (; size > 0; bytes += line, size -= line) {
		line = header_line_size(bytes, size);
		if (line == 0)
			line = size;
		if (!octet_is_blank(bytes[0]))
			counted = counted_in(bytes, line);
		if (counted.octet != 0 && !count(&counted, bytes, line))
			return false;
		levels += is_composite(bytes, line);
		boundaries += line > 2 && bytes[0] == '-' && bytes[1] == '-';
	}
	return levels <= BOUNDS_DEPTH_MAX && (levels == 0 || boundaries <= BOUNDS_BOUNDARIES_MAX);
}

bool
bounds_hold_for_addresses(const char *value, size_t size)
{
	struct counted counted = {':', BOUNDS_GROUPS_MAX};

	return count(&counted, value, size);
}
