/* caps_alert - tells operators of users that are near their limit, or at it. */
#include "daemon/queue/caps_private.h"

#include <inttypes.h>
#include <stdio.h>

/* Of what is allowed. */
#define NEAR_PERCENT 80

struct measure {
	uint32_t used, limit;
	const char *what;
};

static uint64_t
percent(const struct measure *measure)
{
	return measure->limit == 0 ? 0 : measure->used * UINT64_C(100) / measure->limit;
}

/* The one of which the least is left. */
static struct measure
fullest(const struct usage *usage, const struct usage_caps *limits)
{
	const struct measure measures[] = {
	    {usage->hour.messages, limits->messages.per_hour, "messages in an hour"},
	    {usage->day.messages, limits->messages.per_day, "messages in a day"},
	    {usage->hour.recipients, limits->recipients.per_hour, "recipients in an hour"},
	    {usage->day.recipients, limits->recipients.per_day, "recipients in a day"},
	};
	struct measure most = measures[0];

	for (size_t i = 1; i < sizeof(measures) / sizeof(measures[0]); i++)
		if (percent(&measures[i]) > percent(&most))
			most = measures[i];
	return most;
}

/* Once in an interval; accounts counts what comes more often after a restart. */
static void
raise_alert(struct capped *capped, const struct user *user, const char *kind,
    const struct measure *measure, int64_t *last_at_ms)
{
	struct role_context *role = capped->caps->role;
	int64_t now_ms = loop_wall_ms(role->loop);
	char detail[128];

	if (*last_at_ms != 0 && now_ms >= *last_at_ms &&
	    now_ms - *last_at_ms < role->config->alerts.interval_ms)
		return;
	*last_at_ms = now_ms;
	(void)snprintf(detail, sizeof(detail), "%" PRIu32 " of %" PRIu32 " %s", measure->used,
	    measure->limit, measure->what);
	role_alert(role, kind, user->login, user->list, "", detail);
}

void
caps_look(
    struct capped *capped, const struct user *user, const struct usage_caps *limits, bool is_over)
{
	struct measure measure = fullest(&capped->usage, limits);

	if (is_over || (measure.limit != 0 && measure.used >= measure.limit))
		raise_alert(capped, user, "user-limit", &measure, &capped->reached_at_ms);
	else if (percent(&measure) >= NEAR_PERCENT)
		raise_alert(capped, user, "user-limit-near", &measure, &capped->near_at_ms);
}
