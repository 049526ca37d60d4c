/* flow - credit, debts and rounds. */
#include "daemon/queue/flow.h"

static struct flow *
flow_at(struct list *link)
{
	return LIST_ENTRY(link, struct flow, link);
}

void
ring_init(struct ring *ring, void (*on_idle)(struct flow *flow, void *ctx), void *ctx)
{
	for (int i = 0; i < FLOW_WHERES; i++)
		list_init(&ring->lists[i]);
	ring->on_idle = on_idle;
	ring->ctx = ctx;
}

uint64_t
flow_cost(uint64_t size, uint32_t recipient_count)
{
	return size + (uint64_t)recipient_count * FLOW_RECIPIENT_BYTES;
}

void
flow_init(struct flow *flow, uint64_t user_id, uint8_t priority)
{
	*flow = (struct flow){.user_id = user_id, .priority = priority, .credit = FLOW_QUANTUM};
	list_init(&flow->link);
	window_init(&flow->window);
}

/* What goes next may be on disk. */
static bool
is_unread(const struct flow *flow)
{
	const struct entry *oldest = window_oldest(&flow->window);

	return flow->has_more &&
	       (oldest == NULL || (flow->has_gap && flow->after + 1 < oldest->id));
}

static enum flow_where
belongs(const struct flow *flow)
{
	if (is_unread(flow))
		return FLOW_UNREAD;
	if (flow->window.count > 0)
		return flow->credit > 0 ? FLOW_READY : FLOW_SPENT;
	return flow->credit < FLOW_QUANTUM ? FLOW_RESTING : FLOW_IDLE;
}

static void
forget(struct flow *flow)
{
	list_remove(&flow->link);
	flow->where = FLOW_IDLE;
	flow->credit = FLOW_QUANTUM;
	flow->ring->on_idle(flow, flow->ring->ctx);
}

bool
ring_is_waiting(const struct ring *ring)
{
	return !list_is_empty(&ring->lists[FLOW_READY]) ||
	       !list_is_empty(&ring->lists[FLOW_SPENT]) ||
	       !list_is_empty(&ring->lists[FLOW_UNREAD]);
}

/* What was spent matters to those that wait, and nobody does. */
static void
forgive(struct ring *ring)
{
	while (!list_is_empty(&ring->lists[FLOW_RESTING]))
		forget(flow_at(ring->lists[FLOW_RESTING].next));
}

void
flow_place(struct flow *flow)
{
	struct ring *ring = flow->ring;
	enum flow_where where = belongs(flow);

	if (ring == NULL || where == flow->where)
		return;
	if (where == FLOW_IDLE) {
		forget(flow);
	} else {
		list_remove(&flow->link);
		flow->where = where;
		list_append(&ring->lists[where], &flow->link);
	}
	if (!ring_is_waiting(ring))
		forgive(ring);
}

void
flow_move(struct flow *flow, struct ring *to)
{
	list_remove(&flow->link);
	flow->where = FLOW_IDLE;
	flow->credit = FLOW_QUANTUM;
	flow->ring = to;
	flow_place(flow);
}

void
flow_charge(struct flow *flow, uint64_t cost)
{
	flow->credit -= (int64_t)cost;
	list_remove(&flow->link);
	list_append(&flow->ring->lists[flow->where], &flow->link);
}

void
flow_refund(struct flow *flow, uint64_t cost)
{
	flow->credit += (int64_t)cost;
	if (flow->credit > FLOW_QUANTUM)
		flow->credit = FLOW_QUANTUM;
	flow_place(flow);
}

/* ---- turns ---- */

/* After how many rounds the first of those with messages has credit. */
static int64_t
rounds_to_credit(const struct ring *ring)
{
	int64_t least = INT64_MAX;

	LIST_EACH (&ring->lists[FLOW_SPENT], at) {
		int64_t rounds = -flow_at(at)->credit / FLOW_QUANTUM + 1;

		if (rounds < least)
			least = rounds;
	}
	return least;
}

static void
give_credit(struct list *flows, int64_t credit)
{
	LIST_EACH_SAFE (flows, at, next) {
		struct flow *flow = flow_at(at);

		flow->credit += credit;
		if (flow->credit > FLOW_QUANTUM)
			flow->credit = FLOW_QUANTUM;
		flow_place(flow);
	}
}

/* Nobody has credit: so many rounds pass at once that somebody has. */
static void
begin_round(struct ring *ring)
{
	int64_t credit = rounds_to_credit(ring) * FLOW_QUANTUM;

	/* These first: while they wait nobody's debts are forgiven. */
	give_credit(&ring->lists[FLOW_SPENT], credit);
	give_credit(&ring->lists[FLOW_RESTING], credit);
}

struct flow *
ring_turn(struct ring *ring)
{
	/* Those that are being read have their turn in this round. */
	if (list_is_empty(&ring->lists[FLOW_READY]) && list_is_empty(&ring->lists[FLOW_UNREAD]) &&
	    !list_is_empty(&ring->lists[FLOW_SPENT]))
		begin_round(ring);
	if (list_is_empty(&ring->lists[FLOW_READY]))
		return NULL;
	return flow_at(ring->lists[FLOW_READY].next);
}

struct flow *
ring_unread(const struct ring *ring, unsigned among)
{
	unsigned seen = 0;

	LIST_EACH (&ring->lists[FLOW_UNREAD], at) {
		if (seen++ == among)
			break;
		if (!flow_at(at)->is_loading)
			return flow_at(at);
	}
	return NULL;
}
