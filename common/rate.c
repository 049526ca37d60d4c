/* rate - reads and writes rates. */
#include "common/rate.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BLANKS " \t"

static const struct {
	char name;
	int64_t ms;
} units[] = {{'d', 86400000}, {'h', 3600000}, {'m', 60000}, {'s', 1000}};

enum { UNIT_COUNT = sizeof(units) / sizeof(units[0]) };

/* Digits only: strtoul() would take signs and blanks. Returns where they end, or NULL. */
static const char *
read_number(const char *at, uint32_t *number_out)
{
	const char *start = at;
	uint64_t number = 0;

	for (; isdigit((unsigned char)*at) && number <= RATE_COUNT_MAX; at++)
		number = number * 10 + (unsigned)(*at - '0');
	if (at == start || number == 0 || number > RATE_COUNT_MAX)
		return NULL;
	*number_out = (uint32_t)number;
	return at;
}

/* `s`, or `5m`. Returns where it ends, or NULL. */
static const char *
read_period(const char *at, int64_t *ms_out)
{
	uint32_t number = 1;

	if (isdigit((unsigned char)*at) && (at = read_number(at, &number)) == NULL)
		return NULL;
	for (int i = 0; i < UNIT_COUNT; i++) {
		if (units[i].name != *at)
			continue;
		*ms_out = number * units[i].ms;
		return number > RATE_PERIOD_MAX_MS / units[i].ms ? NULL : at + 1;
	}
	return NULL;
}

/* `N/PERIOD`, with a blank or the end behind it. Returns where it ends, or NULL. */
static const char *
read_rule(const char *at, struct rate_rule *rule_out)
{
	at = read_number(at, &rule_out->count);
	if (at == NULL || *at != '/')
		return NULL;
	at = read_period(at + 1, &rule_out->period_ms);
	if (at == NULL || (*at != '\0' && strchr(BLANKS, *at) == NULL))
		return NULL;
	return at;
}

/* In the order of their periods; false: there is no room, or one of this period already. */
static bool
insert_rule(struct rate *rate, const struct rate_rule *rule)
{
	size_t at = rate->rule_count;

	if (at == RATE_RULES_MAX)
		return false;
	for (; at > 0 && rate->rules[at - 1].period_ms >= rule->period_ms; at--) {
		if (rate->rules[at - 1].period_ms == rule->period_ms)
			return false;
		rate->rules[at] = rate->rules[at - 1];
	}
	rate->rules[at] = *rule;
	rate->rule_count++;
	return true;
}

static bool
read_rules(const char *at, struct rate *rate)
{
	at += strspn(at, BLANKS);
	do {
		struct rate_rule rule;

		at = read_rule(at, &rule);
		if (at == NULL || !insert_rule(rate, &rule))
			return false;
		at += strspn(at, BLANKS);
	} while (*at != '\0');
	return true;
}

int
rate_parse(const char *text, struct rate *rate_out, struct err *err_out)
{
	struct rate rate = {0};

	if (strcmp(text, "none") != 0 && !read_rules(text, &rate))
		return err_set(err_out, "\"%.80s\" must be " RATE_ALLOWED, text);
	*rate_out = rate;
	return 0;
}

static int
write_rule(const struct rate_rule *rule, char *buffer, size_t size)
{
	int i = 0;

	while (i < UNIT_COUNT - 1 && rule->period_ms % units[i].ms != 0)
		i++;
	if (rule->period_ms == units[i].ms)
		return snprintf(buffer, size, "%" PRIu32 "/%c", rule->count, units[i].name);
	return snprintf(buffer, size, "%" PRIu32 "/%" PRId64 "%c", rule->count,
	    rule->period_ms / units[i].ms, units[i].name);
}

const char *
rate_format(const struct rate *rate, char buffer[static RATE_TEXT_SIZE])
{
	char *at = buffer, *end = buffer + RATE_TEXT_SIZE;

	(void)snprintf(buffer, RATE_TEXT_SIZE, "none");
	for (size_t i = 0; i < rate->rule_count; i++) {
		if (i > 0)
			*at++ = ' ';
		at += write_rule(&rate->rules[i], at, (size_t)(end - at));
	}
	return buffer;
}
