/* header_field - one field after the other. */
#include "common/header_field.h"

#include "common/octet.h"

#include <string.h>
#include <strings.h>

/* The length of the name if this line begins a field, else 0. Blanks before the colon are obsolete
 * (RFC 5322 4.5) but a field still. */
static size_t
field_name_length(const char *line, size_t length)
{
	size_t name = 0, at;

	while (name < length && line[name] > ' ' && line[name] < 0x7f && line[name] != ':')
		name++;
	for (at = name; at < length && octet_is_blank(line[at]); at++)
		;
	return at < length && line[at] == ':' ? name : 0;
}

size_t
header_line_size(const char *bytes, size_t size)
{
	const char *lf = memchr(bytes, '\n', size);

	return lf != NULL ? (size_t)(lf - bytes) + 1 : 0;
}

static bool
is_empty_line(const char *line, size_t size)
{
	return size == 1 || (size == 2 && line[0] == '\r');
}

/* The size of the first line that wasn't looked at; 0 when it isn't whole yet. A long line is not
 * searched again from its beginning with each piece that comes. */
static size_t
next_line_size(struct header_end *end, const char *bytes, size_t size)
{
	size_t from = end->searched > end->seen ? end->searched : end->seen;
	size_t rest = header_line_size(bytes + from, size - from);

	end->searched = rest > 0 ? from + rest : size;
	return rest > 0 ? end->searched - end->seen : 0;
}

bool
header_find_end(struct header_end *end, const char *bytes, size_t size)
{
	size_t line;

	for (; (line = next_line_size(end, bytes, size)) > 0; end->seen += line) {
		const char *at = bytes + end->seen;

		if (end->seen > 0 && octet_is_blank(*at))
			continue;
		if (field_name_length(at, line) > 0)
			continue;
		end->fields_size = end->seen;
		end->body_at = end->seen + (is_empty_line(at, line) ? line : 0);
		return true;
	}
	return false;
}

void
header_end_at(struct header_end *end, size_t size)
{
	end->fields_size = end->body_at = size;
}

bool
header_next_field(const char **at, const char *end, struct header_field *field_out)
{
	const char *start = *at, *next = start, *colon, *last;
	size_t name = field_name_length(start, (size_t)(end - start));

	if (name == 0)
		return false;
	do {
		size_t line = header_line_size(next, (size_t)(end - next));

		next = line > 0 ? next + line : end;
	} while (next < end && octet_is_blank(*next));
	colon = memchr(start + name, ':', (size_t)(next - start) - name);
	for (last = next; last > colon + 1 && (last[-1] == '\n' || last[-1] == '\r'); last--)
		;
	*field_out = (struct header_field){.bytes = start,
	    .size = (size_t)(next - start),
	    .name_length = name,
	    .value = colon + 1,
	    .value_length = (size_t)(last - colon - 1)};
	*at = next;
	return true;
}

bool
header_field_is(const struct header_field *field, const char *name)
{
	return field->name_length == strlen(name) &&
	       strncasecmp(field->bytes, name, field->name_length) == 0;
}
