/* backoff - how long to wait. */
#include "daemon/queue/backoff.h"

#include <sys/random.h>

#define PROFILE_FIRST_MS 10000
#define PROFILE_MOST_MS 600000
#define PROFILE_STOP_MS 900000

/* `ms`, up to `percent` more or less. */
static int64_t
spread(int64_t ms, int percent, uint32_t chance)
{
	int64_t width = ms * percent / 100;

	return ms - width + (width == 0 ? 0 : (int64_t)chance % (2 * width + 1));
}

int64_t
backoff_message_ms(const int64_t *schedule_ms, size_t count, uint32_t attempts, uint32_t chance)
{
	size_t step = attempts == 0 ? 0 : attempts - 1;

	if (count == 0)
		return spread(PROFILE_MOST_MS, 10, chance);
	return spread(schedule_ms[step < count ? step : count - 1], 10, chance);
}

int64_t
backoff_longest_ms(const int64_t *schedule_ms, size_t count)
{
	int64_t longest_ms = PROFILE_MOST_MS;

	for (size_t i = 0; i < count; i++)
		if (schedule_ms[i] > longest_ms)
			longest_ms = schedule_ms[i];
	return longest_ms + longest_ms / 10;
}

bool
backoff_is_over(int64_t until_ms, int64_t now_ms)
{
	return until_ms <= now_ms || until_ms - now_ms > PROFILE_STOP_MS + PROFILE_STOP_MS / 10;
}

int
backoff_is_stop(enum attempt_outcome outcome)
{
	return outcome == ATTEMPT_AUTH_REFUSED || outcome == ATTEMPT_MISCONFIGURED;
}

int64_t
backoff_profile_ms(enum attempt_outcome outcome, uint32_t failures, uint32_t chance)
{
	int64_t ms = PROFILE_FIRST_MS;

	if (backoff_is_stop(outcome))
		return spread(PROFILE_STOP_MS, 10, chance);
	for (uint32_t i = 1; i < failures && ms < PROFILE_MOST_MS; i++)
		ms *= 2;
	return spread(ms < PROFILE_MOST_MS ? ms : PROFILE_MOST_MS, 20, chance);
}

enum profile_trouble
backoff_shown(enum profile_trouble trouble, bool is_over, uint64_t waiting)
{
	return trouble == TROUBLE_LIMITED && is_over && waiting == 0 ? TROUBLE_NONE : trouble;
}

uint32_t
backoff_chance(void)
{
	uint32_t value = 0;

	(void)!getrandom(&value, sizeof(value), 0);
	return value;
}
