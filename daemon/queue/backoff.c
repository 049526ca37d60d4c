/* backoff - how long to wait. */
#include "daemon/queue/backoff.h"

#include <sys/random.h>

#define SCHEDULE_MS 600000 /* of messages without any schedule, and the longest step at the least */
#define SET_BACK_MS 60000  /* a clock that is set right moves by less */

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
		return spread(SCHEDULE_MS, 10, chance);
	return spread(schedule_ms[step < count ? step : count - 1], 10, chance);
}

int64_t
backoff_longest_ms(const int64_t *schedule_ms, size_t count)
{
	int64_t longest_ms = SCHEDULE_MS;

	for (size_t i = 0; i < count; i++)
		if (schedule_ms[i] > longest_ms)
			longest_ms = schedule_ms[i];
	return longest_ms + longest_ms / 10;
}

bool
backoff_is_over(int64_t until_ms, int64_t set_at_ms, int64_t now_ms)
{
	return until_ms <= now_ms || now_ms < set_at_ms - SET_BACK_MS;
}

/* Doubled for each failure behind the first. */
static int64_t
doubled(struct reply_wait wait, uint32_t failures)
{
	int64_t ms = (int64_t)wait.first_s * 1000, most_ms = (int64_t)wait.most_s * 1000;

	for (uint32_t i = 1; i < failures && ms < most_ms; i++)
		ms *= 2;
	return most_ms > 0 && ms > most_ms ? most_ms : ms;
}

static struct reply_wait
within_limits(struct reply_wait wait)
{
	if (wait.first_s > REPLY_WAIT_MAX_S)
		wait.first_s = REPLY_WAIT_MAX_S;
	if (wait.most_s > REPLY_WAIT_MAX_S)
		wait.most_s = REPLY_WAIT_MAX_S;
	return wait;
}

int64_t
backoff_profile_ms(
    enum reply_class class, struct reply_wait wait, uint32_t failures, uint32_t chance)
{
	int64_t ms;

	if (wait.first_s == 0)
		wait = reply_class_wait(class);
	if (wait.first_s == 0)
		wait = reply_class_wait(REPLY_UNREACHABLE);
	wait = within_limits(wait);
	if (wait.is_exact)
		return (int64_t)wait.first_s * 1000;
	ms = doubled(wait, failures);
	return ms + (int64_t)chance % (ms / 5 + 1);
}

int64_t
backoff_recipient_ms(struct reply_wait wait, uint32_t attempts)
{
	return doubled(within_limits(wait), wait.is_exact ? 1 : attempts);
}

enum profile_trouble
backoff_shown(enum profile_trouble trouble, bool is_over, uint64_t waiting)
{
	return trouble == TROUBLE_LIMITED && is_over && waiting == 0 ? TROUBLE_NONE : trouble;
}

/* On the loop alone. Every message's fate asks, so the system is asked for many at a time. */
uint32_t
backoff_chance(void)
{
	static uint32_t values[64];
	static size_t left;

	if (left == 0) {
		(void)!getrandom(values, sizeof(values), 0);
		left = sizeof(values) / sizeof(values[0]);
	}
	return values[--left];
}
