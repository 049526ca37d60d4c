/*
 * reply_time - the time in a reply's text.
 *
 * `again`, `retry`, `wait` or `back`, then after a few words of no weight a number with a unit, a
 * clock (`00:04:59`), or a date of RFC 5322 or RFC 3339.
 */
#include "common/clock.h"
#include "daemon/config/reply_rules.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define DAY_S (24 * 60 * 60)

static bool
is_letter(char c)
{
	return isalpha((unsigned char)c) != 0;
}

/* Whether the word stands at the text's beginning, as a whole. */
static bool
begins_with(const char *at, const char *word)
{
	size_t size = strlen(word);

	return strncasecmp(at, word, size) == 0 && !is_letter(at[size]);
}

static const char *
skip_between(const char *at)
{
	while (*at != '\0' && strchr(" ,:;(-<[\"'", *at) != NULL)
		at++;
	return at;
}

/* ---- what a time looks like ---- */

static uint32_t
unit_seconds(const char *at)
{
	static const struct {
		const char *word;
		uint32_t seconds;
	} units[] = {
	    {"s", 1},
	    {"sec", 1},
	    {"secs", 1},
	    {"second", 1},
	    {"seconds", 1},
	    {"m", 60},
	    {"min", 60},
	    {"mins", 60},
	    {"minute", 60},
	    {"minutes", 60},
	    {"h", 3600},
	    {"hr", 3600},
	    {"hrs", 3600},
	    {"hour", 3600},
	    {"hours", 3600},
	    {"day", DAY_S},
	    {"days", DAY_S},
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (begins_with(at, units[i].word))
			return units[i].seconds;
	return 0;
}

/* `5 minutes`, `92s`, `00:04:59`, `04:59`. */
static bool
read_duration(const char *at, int64_t *seconds_out)
{
	unsigned parts[3] = {0};
	int used = 0, count, end;

	count = sscanf(at, "%2u:%2u%n:%2u%n", &parts[0], &parts[1], &used, &parts[2], &end);
	if (count >= 2) {
		*seconds_out = count == 3 ? (int64_t)parts[0] * 3600 + parts[1] * 60 + parts[2]
					  : (int64_t)parts[0] * 60 + parts[1];
		return true;
	}
	if (sscanf(at, "%6u%n", &parts[0], &used) != 1 || isdigit((unsigned char)at[used]))
		return false;
	at += used;
	while (*at == ' ' || *at == '-')
		at++;
	*seconds_out = (int64_t)parts[0] * unit_seconds(at);
	return unit_seconds(at) != 0;
}

static int
month_of(const char *name)
{
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	for (int month = 0; month < 12; month++)
		if (strncasecmp(names + 3 * month, name, 3) == 0)
			return month;
	return -1;
}

/* Seconds east of UTC: `+0100`; everything else that stands there is UTC or near. */
static int64_t
read_zone(const char *at)
{
	unsigned number;

	if ((*at != '+' && *at != '-') || sscanf(at + 1, "%4u", &number) != 1)
		return 0;
	number = number / 100 * 3600 + number % 100 * 60;
	return *at == '-' ? -(int64_t)number : (int64_t)number;
}

/* RFC 5322 3.3, the day of the week and the seconds may be missing. */
static bool
read_date(const char *at, int64_t *at_ms_out)
{
	struct tm tm = {0};
	char month[4] = "";
	int used = 0;

	if (is_letter(*at) && strchr(at, ',') == at + 3)
		at = skip_between(at + 3);
	if (sscanf(at, "%2d %3[A-Za-z] %4d %2d:%2d%n", &tm.tm_mday, month, &tm.tm_year, &tm.tm_hour,
		&tm.tm_min, &used) != 5 ||
	    month_of(month) < 0 || tm.tm_year < 2000)
		return false;
	at += used;
	if (sscanf(at, ":%2d%n", &tm.tm_sec, &used) == 1)
		at += used;
	tm.tm_mon = month_of(month);
	tm.tm_year -= 1900;
	*at_ms_out = ((int64_t)timegm(&tm) - read_zone(skip_between(at))) * 1000;
	return true;
}

/* RFC 3339, also with a blank in the place of the T and without a zone. */
static bool
read_timestamp(const char *at, int64_t *at_ms_out)
{
	char copy[24];

	if (strlen(at) < 19 || at[4] != '-' || at[7] != '-' || at[13] != ':' || at[16] != ':')
		return false;
	memcpy(copy, at, 19);
	copy[10] = 'T';
	copy[19] = 'Z';
	return clock_parse_rfc3339(copy, 20, at_ms_out);
}

static bool
read_time(const char *at, int64_t now_ms, int64_t *seconds_out)
{
	int64_t at_ms;

	if (read_timestamp(at, &at_ms) || read_date(at, &at_ms)) {
		*seconds_out = (at_ms - now_ms + 999) / 1000;
		return true;
	}
	return read_duration(at, seconds_out);
}

/* ---- where it stands ---- */

/* A word that may stand between `again` and the time. */
static size_t
weightless(const char *at)
{
	static const char *const words[] = {"in", "after", "for", "at", "least", "about", "around",
	    "approximately", "another", "within", "until", "sending", "please", "not", "before",
	    "later", "than", "the", "message", "delivery"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (begins_with(at, words[i]))
			return strlen(words[i]);
	return 0;
}

static bool
read_behind(const char *at, int64_t now_ms, int64_t *seconds_out)
{
	size_t size;

	for (int words = 0; words < 6; words++) {
		at = skip_between(at);
		if (read_time(at, now_ms, seconds_out))
			return true;
		size = weightless(at);
		if (size == 0)
			return false;
		at += size;
	}
	return false;
}

bool
reply_time_find(const char *text, int64_t now_ms, uint32_t *wait_s_out)
{
	static const char *const keys[] = {"again", "retry", "wait", "back", "retry-after"};
	int64_t seconds;

	for (const char *at = text; *at != '\0'; at++) {
		if (at > text && is_letter(at[-1]))
			continue;
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
			if (!begins_with(at, keys[i]) ||
			    !read_behind(at + strlen(keys[i]), now_ms, &seconds))
				continue;
			*wait_s_out = seconds < 1                           ? 1
				      : seconds > (int64_t)REPLY_WAIT_MAX_S ? REPLY_WAIT_MAX_S
									    : (uint32_t)seconds;
			return true;
		}
	}
	return false;
}
