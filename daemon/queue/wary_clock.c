/* wary_clock - how far ahead a clock is believed. */
#include "daemon/queue/wary_clock.h"

#define DAYS_AN_HOUR 24

void
wary_clock_init(struct wary_clock *clock, int64_t known_ms, int64_t wall_ms, int64_t now_ms)
{
	clock->shown_ms = known_ms == 0 || wall_ms < known_ms ? wall_ms : known_ms;
	clock->looked_ms = now_ms;
}

int64_t
wary_clock_look(struct wary_clock *clock, int64_t wall_ms, int64_t now_ms)
{
	int64_t limit_ms = clock->shown_ms + DAYS_AN_HOUR * (now_ms - clock->looked_ms);

	clock->shown_ms = wall_ms < limit_ms ? wall_ms : limit_ms;
	clock->looked_ms = now_ms;
	return clock->shown_ms;
}
