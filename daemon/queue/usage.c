/* usage - an hour in minutes and a day in half hours. */
#include "daemon/queue/usage.h"

static struct slots
minutes_of(struct usage *usage)
{
	return (struct slots){
	    usage->minutes, &usage->hour, &usage->newest_minute, USAGE_MINUTES, USAGE_MINUTE_MS};
}

static struct slots
half_hours_of(struct usage *usage)
{
	return (struct slots){usage->half_hours, &usage->day, &usage->newest_half_hour,
	    USAGE_HALF_HOURS, USAGE_HALF_HOUR_MS};
}

void
usage_move(struct usage *usage, int64_t now_ms)
{
	struct slots minutes = minutes_of(usage), half_hours = half_hours_of(usage);

	slots_move(&minutes, now_ms);
	slots_move(&half_hours, now_ms);
}

/* ---- counting ---- */

void
usage_add(struct usage *usage, int64_t at_ms, struct usage_count count)
{
	struct slots minutes = minutes_of(usage), half_hours = half_hours_of(usage);

	slots_add(&minutes, at_ms / USAGE_MINUTE_MS, count);
	slots_add(&half_hours, at_ms / USAGE_HALF_HOUR_MS, count);
}

void
usage_take_back(struct usage *usage, int64_t at_ms, struct usage_count count)
{
	struct slots minutes = minutes_of(usage), half_hours = half_hours_of(usage);

	slots_take_back(&minutes, at_ms / USAGE_MINUTE_MS, count);
	slots_take_back(&half_hours, at_ms / USAGE_HALF_HOUR_MS, count);
}

void
usage_load(struct usage *usage, int64_t slot_ms, int64_t slot, struct usage_count count)
{
	struct slots minutes = minutes_of(usage), half_hours = half_hours_of(usage);

	if (slot_ms == USAGE_MINUTE_MS)
		slots_add(&minutes, slot, count);
	else if (slot_ms == USAGE_HALF_HOUR_MS)
		slots_add(&half_hours, slot, count);
}

/* ---- what fits ---- */

static uint32_t
smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

struct usage_count
usage_left(const struct usage *usage, const struct usage_caps *caps)
{
	return (struct usage_count){
	    .messages = smaller(slots_left(caps->messages.per_hour, usage->hour.messages),
		slots_left(caps->messages.per_day, usage->day.messages)),
	    .recipients = smaller(slots_left(caps->recipients.per_hour, usage->hour.recipients),
		slots_left(caps->recipients.per_day, usage->day.recipients)),
	};
}

bool
usage_fits(const struct usage *usage, const struct usage_caps *caps, struct usage_count wanted)
{
	struct usage_count left = usage_left(usage, caps);

	return wanted.messages <= left.messages && wanted.recipients <= left.recipients;
}

int64_t
usage_fits_at(const struct usage *usage, const struct usage_caps *caps, struct usage_count wanted)
{
	struct usage copy = *usage;
	struct slots minutes = minutes_of(&copy), half_hours = half_hours_of(&copy);
	struct usage_count hour = {caps->messages.per_hour, caps->recipients.per_hour};
	struct usage_count day = {caps->messages.per_day, caps->recipients.per_day};
	int64_t in_hour = slots_fits_at(&minutes, hour, wanted);
	int64_t in_day = slots_fits_at(&half_hours, day, wanted);

	if (in_hour == 0 || in_day == 0)
		return 0;
	return in_hour > in_day ? in_hour : in_day;
}

int64_t
usage_next_change(const struct usage *usage, const struct usage_caps *caps)
{
	struct usage copy = *usage;
	struct slots minutes = minutes_of(&copy), half_hours = half_hours_of(&copy);
	bool has_hour = caps->messages.per_hour != 0 || caps->recipients.per_hour != 0;
	bool has_day = caps->messages.per_day != 0 || caps->recipients.per_day != 0;
	int64_t hour_at = has_hour ? slots_oldest_leaves_at(&minutes) : 0;
	int64_t day_at = has_day ? slots_oldest_leaves_at(&half_hours) : 0;

	if (hour_at == 0 || day_at == 0)
		return hour_at + day_at;
	return hour_at < day_at ? hour_at : day_at;
}
