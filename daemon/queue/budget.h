/*
 * budget - what a profile's rates leave it, and what of that is booked on disk
 *
 * Owns     its windows
 * Context  loop; pure arithmetic, the time is given
 * Units    milliseconds, of a clock that is never set: a wall clock moved on by the monotonic one
 *
 * Each period that a rate names is counted in sixtieths (slots.h): in no time of that length goes
 * more than the limit, and what comes back comes a sixtieth late at most. Of periods from an hour up
 * a reserve is kept for priorities 1 and 2.
 *
 * How long a message is on its way to the upstream, which counts it when it comes, isn't always the
 * same. So in periods from BUDGET_BOOKED_MS up it counts until a period has passed since its end, and
 * there too no more come than the limit, unless one takes longer than the period. In shorter ones the
 * pace would depend on how quick the upstream is: there it counts from its beginning.
 *
 * Spread, messages go at even distances: after each one passes as much of every period as it took of
 * its limit. One that goes late, since timers do, doesn't delay the others.
 *
 * What has gone must outlast a crash, and a message should not wait for the disk. So some is booked
 * on disk ahead, for one slot at a time: messages go on the booking. After a crash all that was
 * booked counts as sent, a few too many, never too few. Periods below BUDGET_BOOKED_MS are not
 * booked; after a start they count as spent.
 */
#ifndef POSTERN_QUEUE_BUDGET_H
#define POSTERN_QUEUE_BUDGET_H

#include "common/rate.h"
#include "daemon/queue/slots.h"

#define BUDGET_BOOKED_MS 60000
#define BUDGET_RESERVED_MS 3600000

struct budget_window {
	int64_t period_ms, slot_ms;
	struct usage_count limit; /* 0: none */
	int64_t watched_since_ms; /* it counts without a limit too; 0: only with one */
	int64_t newest;
	struct usage_count slots[SLOTS_MAX], sum;
	/* What goes up to the end of this slot stands there on disk; it was so much, of so much. */
	int64_t booked_slot;
	struct usage_count booked, gone;
};

struct budget {
	struct budget_window *windows; /* the shortest period first */
	size_t count;
	unsigned reserve; /* percent */
	bool is_spread;
	int64_t last_us; /* when the last message went, or should have; 0: long ago */
	uint32_t last_recipients;
};

int64_t budget_slot_ms(int64_t period_ms);

/* A line of the book: what stands on disk for one slot of one period. */
struct booking {
	int64_t period_ms, slot;
	struct usage_count count;
};

void budget_fini(struct budget *budget);
/* New rates; what was counted stays. */
void budget_set(struct budget *budget, const struct rate *messages, const struct rate *recipients,
    unsigned reserve, int64_t now_ms);
/* Whether what goes in a period goes evenly, not in one go. */
void budget_spread(struct budget *budget, bool is_spread);
bool budget_has_limits(const struct budget *budget);
/* From disk, at the start: what lies ahead counts as sent now. */
void budget_load(struct budget *budget, const struct booking *booking, int64_t now_ms);
/* After a start nobody knows what went in the short periods. */
void budget_assume_spent(struct budget *budget, int64_t now_ms);

/* When a message may go, to one recipient at least; 0: now. */
int64_t budget_goes_at(struct budget *budget, int64_t now_ms, bool is_urgent);
/* Whether a message waits for its distance to the last one, and no longer. */
bool budget_only_spreads(struct budget *budget, int64_t now_ms, bool is_urgent);
/* To how many it may go now; UINT32_MAX: no limit. */
uint32_t budget_places(struct budget *budget, int64_t now_ms, bool is_urgent);
/* Whether it may go to so many on what is booked. */
bool budget_is_booked(const struct budget *budget, int64_t now_ms, uint32_t recipients);
#define BUDGET_LINES_MAX (2 * 2 * RATE_RULES_MAX)

/* The lines to write for that, at most BUDGET_LINES_MAX; gives how many. */
size_t budget_book(
    struct budget *budget, int64_t now_ms, uint32_t recipients, struct booking *lines_out);
/* They are on disk. */
void budget_note_booked(struct budget *budget, const struct booking *lines, size_t count);

void budget_charge(struct budget *budget, int64_t now_ms, uint32_t recipients);
/* When something counts: from when it was charged, and in long periods from when it had ended on. */
struct budget_time {
	int64_t charged_ms, ended_ms; /* 0: it is on its way */
};

/* It has ended now. */
void budget_end(
    struct budget *budget, struct budget_time *time, int64_t now_ms, uint32_t recipients);
/* It did not go after all, or not to so many. */
void budget_take_back(
    struct budget *budget, const struct budget_time *time, struct usage_count count);

/* Counts what goes in the period, with a limit or without, from now on. */
void budget_watch(struct budget *budget, int64_t period_ms, int64_t now_ms);
/* What went in the last period; false: it isn't known, it wasn't watched for so long. */
bool budget_watched(
    struct budget *budget, int64_t period_ms, int64_t now_ms, struct usage_count *count_out);

/* What the window leaves now, to ordinary or to urgent messages; UINT32_MAX: no limit. */
struct usage_count budget_left(
    struct budget *budget, size_t window, int64_t now_ms, bool is_urgent);

#endif
