/* enhanced - enhanced status codes. */
#include "common/enhanced.h"

#include "common/err.h"
#include "common/format.h"

#include <stdbool.h>

/* One to three digits, no zero in front (RFC 3463 section 2). */
static bool
read_number(const char **at, const char *end, uint16_t *number_out)
{
	const char *start = *at;
	unsigned number = 0;

	while (*at < end && **at >= '0' && **at <= '9' && *at - start < 4)
		number = number * 10 + (unsigned)(*(*at)++ - '0');
	*number_out = (uint16_t)number;
	return *at > start && *at - start < 4 && (*start != '0' || *at - start == 1);
}

static bool
read_dot(const char **at, const char *end)
{
	return *at < end && *(*at)++ == '.';
}

size_t
enhanced_parse(const char *text, size_t length, struct enhanced *code_out)
{
	const char *at = text, *end = text + length;
	uint16_t class;

	if (!read_number(&at, end, &class) || (class != 2 && class != 4 && class != 5))
		return 0;
	code_out->class = (uint8_t) class;
	if (!read_dot(&at, end) || !read_number(&at, end, &code_out->subject) ||
	    !read_dot(&at, end) || !read_number(&at, end, &code_out->detail))
		return 0;
	if (at < end && *at != ' ' && *at != '\t')
		return 0;
	return (size_t)(at - text);
}

const char *
enhanced_format(const struct enhanced *code, char buffer[static ENHANCED_SIZE])
{
	ensure(code->class < 10 && code->subject < 1000 && code->detail < 1000);
	(void)format_text(
	    buffer, ENHANCED_SIZE, "%u.%u.%u", code->class, code->subject, code->detail);
	return buffer;
}
