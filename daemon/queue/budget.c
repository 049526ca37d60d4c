/* budget - windows over what went, and bookings ahead. */
#include "daemon/queue/budget.h"

#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* A booking is good for some time, also where a commit takes long. */
#define BOOK_AHEAD_MS 5000
/* How much of a limit is booked at a time: what a crash may cost. */
#define BOOK_PARTS 50
#define BOOK_MESSAGES_MAX 100
#define BOOK_RECIPIENTS_MAX 1000
/* What timers are late is made good. */
#define LATE_US 1000000

static struct slots
ring_of(struct budget_window *window)
{
	return (struct slots){
	    window->slots, &window->sum, &window->newest, SLOTS_MAX, window->slot_ms};
}

int64_t
budget_slot_ms(int64_t period_ms)
{
	return (period_ms + SLOTS_MAX - 2) / (SLOTS_MAX - 1);
}

static struct budget_window *
window_of(struct budget *budget, int64_t period_ms)
{
	for (size_t i = 0; i < budget->count; i++)
		if (budget->windows[i].period_ms == period_ms)
			return &budget->windows[i];
	return NULL;
}

static struct budget_window *
take_window(struct budget *budget, int64_t period_ms)
{
	struct budget_window *window = window_of(budget, period_ms);
	size_t at = budget->count;

	if (window != NULL)
		return window;
	budget->windows = xrealloc(budget->windows, budget->count + 1, sizeof(*budget->windows));
	while (at > 0 && budget->windows[at - 1].period_ms > period_ms)
		at--;
	memmove(&budget->windows[at + 1], &budget->windows[at],
	    (budget->count++ - at) * sizeof(*budget->windows));
	budget->windows[at] =
	    (struct budget_window){.period_ms = period_ms, .slot_ms = budget_slot_ms(period_ms)};
	return &budget->windows[at];
}

static bool
has_limit(const struct budget_window *window)
{
	return window->limit.messages != 0 || window->limit.recipients != 0;
}

static bool
counts(const struct budget_window *window)
{
	return has_limit(window) || window->watched_since_ms != 0;
}

static bool
is_kept(const struct budget_window *window)
{
	return has_limit(window) && window->period_ms >= BUDGET_BOOKED_MS;
}

static void
move_all(struct budget *budget, int64_t now_ms)
{
	for (size_t i = 0; i < budget->count; i++) {
		struct slots ring = ring_of(&budget->windows[i]);

		slots_move(&ring, now_ms);
	}
}

/* ---- rates ---- */

void
budget_fini(struct budget *budget)
{
	free(budget->windows);
	*budget = (struct budget){0};
}

/* Without a limit a window is kept while it counts something: the limit may come back. */
static void
drop_unused(struct budget *budget)
{
	size_t kept = 0;

	for (size_t i = 0; i < budget->count; i++)
		if (counts(&budget->windows[i]) || budget->windows[i].sum.messages != 0)
			budget->windows[kept++] = budget->windows[i];
	budget->count = kept;
}

void
budget_set(struct budget *budget, const struct rate *messages, const struct rate *recipients,
    unsigned reserve, int64_t now_ms)
{
	budget->reserve = reserve;
	for (size_t i = 0; i < budget->count; i++)
		budget->windows[i].limit = (struct usage_count){0};
	for (size_t i = 0; i < messages->rule_count; i++)
		take_window(budget, messages->rules[i].period_ms)->limit.messages =
		    messages->rules[i].count;
	for (size_t i = 0; i < recipients->rule_count; i++)
		take_window(budget, recipients->rules[i].period_ms)->limit.recipients =
		    recipients->rules[i].count;
	move_all(budget, now_ms);
	drop_unused(budget);
}

void
budget_spread(struct budget *budget, bool is_spread)
{
	budget->is_spread = is_spread;
}

bool
budget_has_limits(const struct budget *budget)
{
	for (size_t i = 0; i < budget->count; i++)
		if (has_limit(&budget->windows[i]))
			return true;
	return false;
}

static void
note_last(struct budget *budget, int64_t at_ms)
{
	if (budget->last_us >= at_ms * 1000)
		return;
	budget->last_us = at_ms * 1000;
	budget->last_recipients = 1;
}

void
budget_load(struct budget *budget, const struct booking *booking, int64_t now_ms)
{
	struct slots ring = ring_of(take_window(budget, booking->period_ms));
	int64_t newest = now_ms / ring.slot_ms;

	slots_move(&ring, now_ms);
	slots_add(&ring, booking->slot < newest ? booking->slot : newest, booking->count);
	/* When in its slot the last one went nobody knows. */
	if (booking->count.messages > 0)
		note_last(budget, booking->slot < newest ? booking->slot * ring.slot_ms : now_ms);
}

void
budget_assume_spent(struct budget *budget, int64_t now_ms)
{
	for (size_t i = 0; i < budget->count; i++) {
		struct slots ring = ring_of(&budget->windows[i]);

		if (budget->windows[i].period_ms >= BUDGET_BOOKED_MS)
			continue;
		slots_move(&ring, now_ms);
		slots_add(&ring, now_ms / ring.slot_ms, budget->windows[i].limit);
		note_last(budget, now_ms);
	}
}

void
budget_watch(struct budget *budget, int64_t period_ms, int64_t now_ms)
{
	struct budget_window *window = take_window(budget, period_ms);

	if (window->watched_since_ms == 0)
		window->watched_since_ms = now_ms;
}

bool
budget_watched(
    struct budget *budget, int64_t period_ms, int64_t now_ms, struct usage_count *count_out)
{
	struct budget_window *window = window_of(budget, period_ms);

	if (window == NULL || window->watched_since_ms == 0 ||
	    now_ms - window->watched_since_ms < period_ms)
		return false;
	move_all(budget, now_ms);
	*count_out = window->sum;
	return true;
}

/* ---- what may go ---- */

/* All but the reserve, and one at least. */
static uint32_t
without_reserve(uint32_t limit, unsigned percent)
{
	uint32_t reserved = (uint32_t)(((uint64_t)limit * percent + 99) / 100);

	return reserved < limit ? limit - reserved : limit > 0;
}

static struct usage_count
limit_for(const struct budget *budget, const struct budget_window *window, bool is_urgent)
{
	if (is_urgent || window->period_ms < BUDGET_RESERVED_MS)
		return window->limit;
	return (struct usage_count){
	    .messages = without_reserve(window->limit.messages, budget->reserve),
	    .recipients = without_reserve(window->limit.recipients, budget->reserve),
	};
}

/* What of a period passes for so many of its limit; a place comes back a slot late. */
static int64_t
share_us(const struct budget_window *window, uint32_t count, uint32_t limit)
{
	return limit == 0 ? 0 : (window->period_ms + window->slot_ms) * 1000 * count / limit;
}

static int64_t
next_us(const struct budget *budget, bool is_urgent)
{
	int64_t longest_us = 0;

	for (size_t i = 0; i < budget->count; i++) {
		const struct budget_window *window = &budget->windows[i];
		struct usage_count limit = limit_for(budget, window, is_urgent);
		int64_t messages_us = share_us(window, 1, limit.messages);
		int64_t recipients_us = share_us(window, budget->last_recipients, limit.recipients);

		if (messages_us > longest_us)
			longest_us = messages_us;
		if (recipients_us > longest_us)
			longest_us = recipients_us;
	}
	return budget->last_us + longest_us;
}

static int64_t
spread_goes_at(const struct budget *budget, bool is_urgent)
{
	if (!budget->is_spread || budget->last_us == 0)
		return 0;
	return (next_us(budget, is_urgent) + 999) / 1000;
}

static void
charge_spread(struct budget *budget, int64_t now_ms, uint32_t recipients)
{
	int64_t due_us = next_us(budget, true), now_us = now_ms * 1000;

	budget->last_us = due_us > now_us || now_us - due_us > LATE_US ? now_us : due_us;
	budget->last_recipients = recipients;
}

static int64_t
windows_go_at(struct budget *budget, bool is_urgent)
{
	const struct usage_count wanted = {.messages = 1, .recipients = 1};
	int64_t latest_ms = 0;

	for (size_t i = 0; i < budget->count; i++) {
		struct usage_count limit = limit_for(budget, &budget->windows[i], is_urgent);
		struct slots ring = ring_of(&budget->windows[i]);
		int64_t at_ms = slots_fits_at(&ring, limit, wanted);

		if (at_ms > latest_ms)
			latest_ms = at_ms;
	}
	return latest_ms;
}

int64_t
budget_goes_at(struct budget *budget, int64_t now_ms, bool is_urgent)
{
	int64_t latest_ms, spread_ms = spread_goes_at(budget, is_urgent);

	move_all(budget, now_ms);
	latest_ms = windows_go_at(budget, is_urgent);
	if (spread_ms > latest_ms)
		latest_ms = spread_ms;
	return latest_ms > now_ms ? latest_ms : 0;
}

bool
budget_only_spreads(struct budget *budget, int64_t now_ms, bool is_urgent)
{
	move_all(budget, now_ms);
	return windows_go_at(budget, is_urgent) <= spread_goes_at(budget, is_urgent);
}

static void
add_count(struct usage_count *to, uint32_t messages, uint32_t recipients)
{
	to->messages += messages;
	to->recipients += recipients;
}

void
budget_charge(struct budget *budget, int64_t now_ms, uint32_t recipients)
{
	struct usage_count count = {.messages = 1, .recipients = recipients};

	charge_spread(budget, now_ms, recipients);
	for (size_t i = 0; i < budget->count; i++) {
		struct slots ring = ring_of(&budget->windows[i]);

		if (!counts(&budget->windows[i]))
			continue;
		slots_move(&ring, now_ms);
		slots_add(&ring, now_ms / ring.slot_ms, count);
		add_count(&budget->windows[i].gone, 1, recipients);
	}
}

void
budget_end(struct budget *budget, struct budget_time *time, int64_t now_ms, uint32_t recipients)
{
	struct usage_count count = {.messages = 1, .recipients = recipients};

	time->ended_ms = now_ms;
	for (size_t i = 0; i < budget->count; i++) {
		struct budget_window *window = &budget->windows[i];
		struct slots ring = ring_of(window);

		if (!counts(window) || window->period_ms < BUDGET_BOOKED_MS)
			continue;
		slots_move(&ring, now_ms);
		slots_take_back(&ring, time->charged_ms / ring.slot_ms, count);
		slots_add(&ring, now_ms / ring.slot_ms, count);
	}
}

void
budget_take_back(struct budget *budget, const struct budget_time *time, struct usage_count count)
{
	/* Its booking stays used up. */
	for (size_t i = 0; i < budget->count; i++) {
		struct budget_window *window = &budget->windows[i];
		struct slots ring = ring_of(window);
		bool is_moved = time->ended_ms != 0 && window->period_ms >= BUDGET_BOOKED_MS;

		slots_take_back(
		    &ring, (is_moved ? time->ended_ms : time->charged_ms) / ring.slot_ms, count);
	}
}

struct usage_count
budget_left(struct budget *budget, size_t window, int64_t now_ms, bool is_urgent)
{
	struct usage_count limit = limit_for(budget, &budget->windows[window], is_urgent);

	move_all(budget, now_ms);
	return (struct usage_count){
	    .messages = slots_left(limit.messages, budget->windows[window].sum.messages),
	    .recipients = slots_left(limit.recipients, budget->windows[window].sum.recipients),
	};
}

uint32_t
budget_places(struct budget *budget, int64_t now_ms, bool is_urgent)
{
	uint32_t places = UINT32_MAX;

	for (size_t i = 0; i < budget->count; i++) {
		uint32_t left = budget_left(budget, i, now_ms, is_urgent).recipients;

		if (left < places)
			places = left;
	}
	return places;
}

/* ---- bookings ---- */

static bool
is_over(const struct budget_window *window, int64_t now_ms)
{
	return now_ms / window->slot_ms > window->booked_slot;
}

static bool
has_messages(const struct budget_window *window)
{
	return window->gone.messages < window->booked.messages;
}

static bool
has_recipients(const struct budget_window *window, uint32_t recipients)
{
	return window->gone.recipients + recipients <= window->booked.recipients;
}

static bool
is_booked(const struct budget_window *window, int64_t now_ms, uint32_t recipients)
{
	return !is_over(window, now_ms) && has_messages(window) &&
	       has_recipients(window, recipients);
}

bool
budget_is_booked(const struct budget *budget, int64_t now_ms, uint32_t recipients)
{
	for (size_t i = 0; i < budget->count; i++)
		if (is_kept(&budget->windows[i]) &&
		    !is_booked(&budget->windows[i], now_ms, recipients))
			return false;
	return true;
}

static uint32_t
part_of(uint32_t limit, uint32_t most)
{
	uint32_t part = limit / BOOK_PARTS;

	if (limit == 0 || part > most)
		return most;
	return part > 0 ? part : 1;
}

/* What is to go, and some more. */
static void
book_more(struct usage_count *booked, const struct budget_window *window, bool is_new,
    uint32_t recipients)
{
	uint32_t more = part_of(window->limit.recipients, BOOK_RECIPIENTS_MAX);

	if (is_new || !has_messages(window))
		booked->messages += part_of(window->limit.messages, BOOK_MESSAGES_MAX);
	if (is_new || !has_recipients(window, recipients))
		booked->recipients += recipients > more ? recipients : more;
}

size_t
budget_book(struct budget *budget, int64_t now_ms, uint32_t recipients, struct booking *lines_out)
{
	size_t count = 0;

	for (size_t i = 0; i < budget->count; i++) {
		const struct budget_window *window = &budget->windows[i];
		struct booking line = {window->period_ms, window->booked_slot, window->booked};
		bool is_new = is_over(window, now_ms);

		if (!is_kept(window) || is_booked(window, now_ms, recipients))
			continue;
		if (is_new) {
			/* What was not used of the last one is given up. */
			line.count = window->gone;
			if (line.slot > 0)
				lines_out[count++] = line;
			line.slot = now_ms / window->slot_ms + 1 + BOOK_AHEAD_MS / window->slot_ms;
			line.count = (struct usage_count){0};
		}
		book_more(&line.count, window, is_new, recipients);
		lines_out[count++] = line;
	}
	return count;
}

void
budget_note_booked(struct budget *budget, const struct booking *lines, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct budget_window *window = window_of(budget, lines[i].period_ms);

		if (window == NULL || lines[i].slot < window->booked_slot)
			continue;
		if (lines[i].slot > window->booked_slot)
			window->gone = (struct usage_count){0};
		window->booked_slot = lines[i].slot;
		window->booked = lines[i].count;
	}
}
