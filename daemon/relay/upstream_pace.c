/* upstream_pace - bodies on their way to the upstream: whose moves, within the bandwidth. */
#include "daemon/relay/upstream_private.h"

static int64_t
now_ms(const struct upstream *upstream)
{
	return loop_now_ms(upstream_loop(upstream));
}

static bool
can_move(const struct slot *slot)
{
	return channel_takes_body(slot->channel) && delivery_has_body(slot->delivery);
}

static void
move_piece(struct slot *slot, uint32_t limit)
{
	struct pace *pace = &slot->upstream->pace;

	pace_spend(pace, delivery_pump(slot->delivery, slot->channel, limit));
	slot->transfer.can_move = can_move(slot);
	if (channel_is_past_dot(slot->channel))
		pace_leave(pace, &slot->transfer, now_ms(slot->upstream));
}

/* Whatever holds them is ours. */
static void
hold_others(struct upstream *upstream)
{
	LIST_EACH (&upstream->pace.transfers, at) {
		struct slot *slot = LIST_ENTRY(at, struct slot, transfer.link);

		if (slot->transfer.can_move)
			channel_hold_body(slot->channel);
	}
}

void
upstream_move(struct upstream *upstream)
{
	struct pace_transfer *next;
	uint32_t limit;
	int64_t wait_ms;

	while ((next = pace_next(&upstream->pace, now_ms(upstream), &limit)) != NULL)
		move_piece(LIST_ENTRY(next, struct slot, transfer), limit);
	hold_others(upstream);
	wait_ms = pace_wait_ms(&upstream->pace, now_ms(upstream));
	if (wait_ms >= 0)
		timer_set(upstream->move, wait_ms);
}

void
upstream_set_bandwidth(struct upstream *upstream, uint64_t rate)
{
	pace_set_rate(&upstream->pace, rate, now_ms(upstream));
	timer_set(upstream->move, 0);
}

void
slot_join_transfers(struct slot *slot)
{
	pace_join(&slot->upstream->pace, &slot->transfer, slot->delivery->priority,
	    now_ms(slot->upstream));
}

void
slot_move_body(struct slot *slot)
{
	/* It was out once, and is said again. */
	if (list_is_empty(&slot->transfer.link))
		slot_join_transfers(slot);
	pace_begin(&slot->upstream->pace, &slot->transfer, now_ms(slot->upstream));
	slot->transfer.can_move = can_move(slot);
	upstream_move(slot->upstream);
}

void
slot_leave_transfers(struct slot *slot)
{
	struct upstream *upstream = slot->upstream;

	pace_leave(&upstream->pace, &slot->transfer, now_ms(upstream));
	slot->transfer.can_move = false;
	/* Those that stood still go on in a later turn. */
	if (upstream->pace.rate > 0)
		timer_set(upstream->move, 0);
}
