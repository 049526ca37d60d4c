/* clock - reading the clocks and writing times down. */
#include "common/clock.h"

#include "common/format.h"

#include <time.h>

static int64_t
read_clock(clockid_t id)
{
	struct timespec now;

	(void)clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
clock_monotonic_ms(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t
clock_wall_ms(void)
{
	return read_clock(CLOCK_REALTIME);
}

static struct tm
utc(int64_t at_ms)
{
	time_t seconds = (time_t)(at_ms / 1000);
	struct tm parts = {0};

	(void)gmtime_r(&seconds, &parts);
	return parts;
}

const char *
clock_rfc3339(int64_t at_ms, char *buffer, size_t size)
{
	struct tm at = utc(at_ms);

	(void)format_text(buffer, size, "%04d-%02d-%02dT%02d:%02d:%02dZ", at.tm_year + 1900,
	    at.tm_mon + 1, at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec);
	return buffer;
}

/* A text that is read from its beginning on. */
struct reading {
	const char *at, *end;
	bool is_good;
};

static int
read_digits(struct reading *reading, size_t count, int max)
{
	int number = 0;

	for (size_t i = 0; i < count; i++) {
		if (reading->at == reading->end || *reading->at < '0' || *reading->at > '9') {
			reading->is_good = false;
			return 0;
		}
		number = number * 10 + (*reading->at++ - '0');
	}
	if (number > max)
		reading->is_good = false;
	return number;
}

/* In either case; what isn't a letter has only one. */
static bool
takes_letter(struct reading *reading, char letter)
{
	if (reading->at == reading->end ||
	    (*reading->at != letter && *reading->at != (letter | 0x20)))
		return false;
	reading->at++;
	return true;
}

static void
read_letter(struct reading *reading, char letter)
{
	if (!takes_letter(reading, letter))
		reading->is_good = false;
}

/* In milliseconds; what is finer is dropped. */
static int
read_fraction(struct reading *reading)
{
	int ms = 0, unit = 100;
	const char *start;

	if (!takes_letter(reading, '.'))
		return 0;
	for (start = reading->at;
	     reading->at < reading->end && *reading->at >= '0' && *reading->at <= '9';
	     reading->at++) {
		ms += (*reading->at - '0') * unit;
		unit /= 10;
	}
	if (reading->at == start)
		reading->is_good = false;
	return ms;
}

/* `Z`, or `+02:00`: in minutes */
static int
read_offset(struct reading *reading)
{
	bool is_behind;
	int hours;

	if (takes_letter(reading, 'Z'))
		return 0;
	is_behind = takes_letter(reading, '-');
	if (!is_behind)
		read_letter(reading, '+');
	hours = read_digits(reading, 2, 23);
	read_letter(reading, ':');
	hours = hours * 60 + read_digits(reading, 2, 59);
	return is_behind ? -hours : hours;
}

static struct tm
read_date_time(struct reading *reading)
{
	struct tm parts = {0};

	parts.tm_year = read_digits(reading, 4, 9999) - 1900;
	read_letter(reading, '-');
	parts.tm_mon = read_digits(reading, 2, 12) - 1;
	read_letter(reading, '-');
	parts.tm_mday = read_digits(reading, 2, 31);
	read_letter(reading, 'T');
	parts.tm_hour = read_digits(reading, 2, 23);
	read_letter(reading, ':');
	parts.tm_min = read_digits(reading, 2, 59);
	read_letter(reading, ':');
	parts.tm_sec = read_digits(reading, 2, 60);
	return parts;
}

bool
clock_parse_rfc3339(const char *text, size_t length, int64_t *at_ms_out)
{
	struct reading reading = {text, text + length, true};
	struct tm parts = read_date_time(&reading);
	int ms = read_fraction(&reading);
	int offset_minutes = read_offset(&reading);
	int day = parts.tm_mday;
	time_t seconds;

	if (parts.tm_sec == 60)
		parts.tm_sec = 59; /* a leap second, which our clocks don't have */
	if (!reading.is_good || reading.at != reading.end || parts.tm_mon < 0 || day == 0)
		return false;
	seconds = timegm(&parts);
	if (parts.tm_mday != day)
		return false; /* the month has no such day */
	*at_ms_out = ((int64_t)seconds - offset_minutes * 60) * 1000 + ms;
	return true;
}

/* Day and month names are spelled out here: strftime's follow the locale. */
const char *
clock_rfc5322(int64_t at_ms, char *buffer, size_t size)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm at = utc(at_ms);

	(void)format_text(buffer, size, "%.3s, %02d %.3s %04d %02d:%02d:%02d +0000",
	    days + 3 * at.tm_wday, at.tm_mday, months + 3 * at.tm_mon, at.tm_year + 1900,
	    at.tm_hour, at.tm_min, at.tm_sec);
	return buffer;
}
