/* units - what people write in the config, turned into numbers and back. */
#include "daemon/config/units.h"

#include "common/xalloc.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	int64_t factor;
};

/* the largest first: the way back takes the first that divides */
static const struct unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit size_units[] = {
    {"T", (int64_t)1 << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"B", 1}, {NULL, 0}};

/* Digits only: strtoull() would take signs and blanks. Returns where they end, or NULL. */
static const char *
read_digits(const char *text, uint64_t *value_out)
{
	uint64_t value = 0;
	const char *at = text;

	for (; isdigit((unsigned char)*at); at++) {
		unsigned digit = (unsigned)(*at - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return NULL;
		value = value * 10 + digit;
	}
	*value_out = value;
	return at == text ? NULL : at;
}

static int
read_quantity(const char *text, const struct unit *units, int64_t *value_out)
{
	uint64_t number;
	const char *name = read_digits(text, &number);

	if (name == NULL)
		return -1;
	if (number == 0 && *name == '\0') {
		*value_out = 0;
		return 0;
	}
	for (const struct unit *unit = units; unit->name != NULL; unit++) {
		if (strcmp(unit->name, name) != 0)
			continue;
		if (number > (uint64_t)(INT64_MAX / unit->factor))
			return -1;
		*value_out = (int64_t)number * unit->factor;
		return 0;
	}
	return -1;
}

static const char *
write_quantity(int64_t value, const struct unit *unit, char *buffer)
{
	while (unit->factor > 1 && (value == 0 || value % unit->factor != 0))
		unit++;
	(void)snprintf(buffer, UNIT_TEXT_SIZE, "%" PRId64 "%s", value / unit->factor, unit->name);
	return buffer;
}

int
unit_duration(const char *text, int64_t *ms_out)
{
	return read_quantity(text, duration_units, ms_out);
}

/* The next word is cut off; false: there is none. One that is too long for a duration is none. */
static bool
cut_word(const char **at, char *word, size_t size)
{
	size_t length;

	*at += strspn(*at, " \t");
	length = strcspn(*at, " \t");
	(void)snprintf(word, size, "%.*s", length < size ? (int)length : 0, *at);
	*at += length;
	return length > 0;
}

int
unit_schedule(const char *text, int64_t minimum, int64_t maximum,
    int64_t times_out[static CONFIG_RETRY_MAX], size_t *count_out)
{
	char word[UNIT_TEXT_SIZE];
	size_t count = 0;

	while (cut_word(&text, word, sizeof(word))) {
		int64_t ms;

		if (count == CONFIG_RETRY_MAX || unit_duration(word, &ms) != 0 || ms < minimum ||
		    ms > maximum)
			return -1;
		times_out[count++] = ms;
	}
	*count_out = count;
	return count > 0 ? 0 : -1;
}

int
unit_size(const char *text, uint64_t *bytes_out)
{
	int64_t bytes;

	if (read_quantity(text, size_units, &bytes) != 0)
		return -1;
	*bytes_out = (uint64_t)bytes;
	return 0;
}

const char *
unit_duration_text(int64_t ms, char buffer[static UNIT_TEXT_SIZE])
{
	return write_quantity(ms, duration_units, buffer);
}

const char *
unit_size_text(uint64_t bytes, char buffer[static UNIT_TEXT_SIZE])
{
	return write_quantity((int64_t)bytes, size_units, buffer);
}

static const char *
skip_blanks(const char *at)
{
	while (*at == ' ' || *at == '\t')
		at++;
	return at;
}

/* One port or range, with the blanks around it. Returns where it ends, or NULL. */
static const char *
read_range(const char *at, struct port_range *range_out)
{
	uint64_t first, last;

	at = read_digits(skip_blanks(at), &first);
	if (at == NULL)
		return NULL;
	last = first;
	at = skip_blanks(at);
	if (*at == '-') {
		at = read_digits(skip_blanks(at + 1), &last);
		if (at == NULL)
			return NULL;
		at = skip_blanks(at);
	}
	if (first < 1 || last > UINT16_MAX || first > last)
		return NULL;
	*range_out = (struct port_range){(uint16_t)first, (uint16_t)last};
	return at;
}

/* Marks every port of the list with `mark`. An empty list is not a list. */
static int
mark_ports(const char *list, uint8_t mark, uint8_t *ports)
{
	struct port_range range;
	const char *at = list;

	for (;;) {
		at = read_range(at, &range);
		if (at == NULL)
			return -1;
		memset(ports + range.first, mark, (size_t)(range.last - range.first) + 1);
		if (*at == '\0')
			return 0;
		if (*at++ != ',')
			return -1;
	}
}

static size_t
collect_ranges(const uint8_t *ports, struct port_range **ranges_out)
{
	struct port_range *ranges = NULL;
	size_t count = 0;

	for (unsigned port = 1; port <= UINT16_MAX; port++) {
		if (!ports[port])
			continue;
		if (count > 0 && ranges[count - 1].last + 1u == port) {
			ranges[count - 1].last = (uint16_t)port;
			continue;
		}
		ranges = xrealloc(ranges, count + 1, sizeof(*ranges));
		ranges[count++] = (struct port_range){(uint16_t)port, (uint16_t)port};
	}
	*ranges_out = ranges;
	return count;
}

int
unit_ports(
    const char *ports, const char *exclude, struct port_range **ranges_out, size_t *count_out)
{
	uint8_t *marks = xcalloc(UINT16_MAX + 1, 1);
	int status = mark_ports(ports, 1, marks);

	if (status == 0 && exclude != NULL && *exclude != '\0')
		status = mark_ports(exclude, 0, marks);
	if (status == 0)
		*count_out = collect_ranges(marks, ranges_out);
	free(marks);
	return status;
}
