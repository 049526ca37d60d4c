/* clock - reading the clocks and writing times down. */
#include "common/clock.h"

#include <stdio.h>
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

	if (strftime(buffer, size, "%Y-%m-%dT%H:%M:%SZ", &at) == 0)
		buffer[0] = '\0';
	return buffer;
}

/* Day and month names are spelled out here: strftime's follow the locale. */
const char *
clock_rfc5322(int64_t at_ms, char *buffer, size_t size)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm at = utc(at_ms);

	(void)snprintf(buffer, size, "%.3s, %02d %.3s %04d %02d:%02d:%02d +0000",
	    days + 3 * at.tm_wday, at.tm_mday, months + 3 * at.tm_mon, at.tm_year + 1900,
	    at.tm_hour, at.tm_min, at.tm_sec);
	return buffer;
}
