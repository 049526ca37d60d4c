/* pace - a bucket of bytes, a ring of transfers, and the time that each of them has stood still. */
#include "daemon/relay/pace.h"

#include <stddef.h>

#define BURSTS_PER_SECOND 32 /* what the bucket holds may stand before an urgent one in the line */
#define PIECES_PER_SECOND 64
#define PIECE_MIN 1024
#define PIECE_MAX (64 * 1024)
#define NOBODY UINT8_MAX

/* ---- the bucket ---- */

/* What one turn moves; so much must be there for it. */
static int64_t
piece_bytes(const struct pace *pace)
{
	int64_t piece = (int64_t)(pace->rate / PIECES_PER_SECOND);

	return piece < PIECE_MIN ? PIECE_MIN : piece > PIECE_MAX ? PIECE_MAX : piece;
}

static int64_t
full_level(const struct pace *pace)
{
	int64_t burst = (int64_t)(pace->rate / BURSTS_PER_SECOND);
	int64_t piece = piece_bytes(pace);

	return (burst < piece ? piece : burst) * 1000;
}

/* Rounded up; 0: it is there. */
static int64_t
ms_until_level(const struct pace *pace, int64_t level)
{
	int64_t rate = (int64_t)pace->rate;

	return level <= pace->level ? 0 : (level - pace->level + rate - 1) / rate;
}

static void
fill(struct pace *pace, int64_t now_ms)
{
	int64_t passed_ms = now_ms - pace->filled_at_ms;

	if (passed_ms >= ms_until_level(pace, full_level(pace)))
		pace->level = full_level(pace);
	else
		pace->level += passed_ms * (int64_t)pace->rate;
	pace->filled_at_ms = now_ms;
}

void
pace_spend(struct pace *pace, uint32_t bytes)
{
	if (pace->rate > 0)
		pace->level -= (int64_t)bytes * 1000;
}

/* ---- who stands still ---- */

static int64_t
paused_ms(const struct pace_transfer *transfer, int64_t now_ms)
{
	return transfer->paused_ms + (transfer->is_paused ? now_ms - transfer->paused_at_ms : 0);
}

static bool
stands_still(const struct pace_transfer *transfer, int64_t now_ms)
{
	return transfer->is_paused && paused_ms(transfer, now_ms) < PACE_PAUSE_MAX_MS;
}

static void
set_paused(struct pace_transfer *transfer, bool is_paused, int64_t now_ms)
{
	if (is_paused == transfer->is_paused)
		return;
	transfer->paused_ms = paused_ms(transfer, now_ms);
	transfer->paused_at_ms = now_ms;
	transfer->is_paused = is_paused;
}

/* Somebody came, went or began. */
static void
settle(struct pace *pace, int64_t now_ms)
{
	uint8_t top = NOBODY;

	if (pace->rate == 0)
		return;
	LIST_EACH (&pace->transfers, at) {
		const struct pace_transfer *transfer = LIST_ENTRY(at, struct pace_transfer, link);

		if (transfer->priority < top)
			top = transfer->priority;
	}
	LIST_EACH (&pace->transfers, at) {
		struct pace_transfer *transfer = LIST_ENTRY(at, struct pace_transfer, link);

		set_paused(transfer, transfer->has_begun && transfer->priority > top, now_ms);
	}
}

void
pace_join(struct pace *pace, struct pace_transfer *transfer, uint8_t priority, int64_t now_ms)
{
	*transfer = (struct pace_transfer){.priority = priority};
	list_append(&pace->transfers, &transfer->link);
	settle(pace, now_ms);
}

void
pace_begin(struct pace *pace, struct pace_transfer *transfer, int64_t now_ms)
{
	if (transfer->has_begun)
		return;
	transfer->has_begun = true;
	settle(pace, now_ms);
}

void
pace_leave(struct pace *pace, struct pace_transfer *transfer, int64_t now_ms)
{
	list_remove(&transfer->link);
	settle(pace, now_ms);
}

/* ---- whose turn it is ---- */

/* Bytes that the next piece may have. */
static uint32_t
bytes_ready(struct pace *pace, int64_t now_ms)
{
	if (pace->rate == 0)
		return UINT32_MAX;
	fill(pace, now_ms);
	return pace->level < piece_bytes(pace) * 1000 ? 0 : (uint32_t)piece_bytes(pace);
}

struct pace_transfer *
pace_next(struct pace *pace, int64_t now_ms, uint32_t *bytes_out)
{
	*bytes_out = bytes_ready(pace, now_ms);
	if (*bytes_out == 0)
		return NULL;
	LIST_EACH (&pace->transfers, at) {
		struct pace_transfer *transfer = LIST_ENTRY(at, struct pace_transfer, link);

		if (!transfer->can_move || stands_still(transfer, now_ms))
			continue;
		list_remove(&transfer->link);
		list_append(&pace->transfers, &transfer->link);
		return transfer;
	}
	return NULL;
}

int64_t
pace_wait_ms(const struct pace *pace, int64_t now_ms)
{
	int64_t fill_ms = pace->rate == 0 ? 0 : ms_until_level(pace, piece_bytes(pace) * 1000);
	int64_t soonest_ms = -1;

	LIST_EACH (&pace->transfers, at) {
		const struct pace_transfer *transfer = LIST_ENTRY(at, struct pace_transfer, link);
		int64_t wait_ms = fill_ms;

		if (!transfer->can_move)
			continue;
		if (stands_still(transfer, now_ms))
			wait_ms = PACE_PAUSE_MAX_MS - paused_ms(transfer, now_ms);
		if (soonest_ms < 0 || wait_ms < soonest_ms)
			soonest_ms = wait_ms;
	}
	return soonest_ms;
}

void
pace_transfer_init(struct pace_transfer *transfer)
{
	*transfer = (struct pace_transfer){0};
	list_init(&transfer->link);
}

void
pace_init(struct pace *pace)
{
	*pace = (struct pace){0};
	list_init(&pace->transfers);
}

void
pace_set_rate(struct pace *pace, uint64_t rate, int64_t now_ms)
{
	if (rate == pace->rate)
		return;
	pace->rate = rate;
	pace->level = full_level(pace);
	pace->filled_at_ms = now_ms;
	settle(pace, now_ms);
	if (rate > 0)
		return;
	LIST_EACH (&pace->transfers, at)
		set_paused(LIST_ENTRY(at, struct pace_transfer, link), false, now_ms);
}
