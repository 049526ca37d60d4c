/*
 * flow - whose turn it is among the users of one profile and priority: deficit round robin
 *
 * Owns     nothing: rings link flows, flows link entries
 * Context  loop; pure, no clock and no I/O
 * Units    bytes; a cost is the message's bytes and so many more for each recipient
 *
 * A flow is what one user has ready at one priority. Flows with credit take turns, a message each;
 * a message is charged when it goes, whatever its size, and may leave its flow in debt. When no
 * flow has credit a round is over and each gets a quantum more. A flow that gets its first message
 * is the last in turn, so that a single message waits for one of each other's at most. What a flow
 * has spent is remembered to the end of the round, and its debts until they are paid, also while it
 * is empty: nobody gets more by sending one message after the other.
 */
#ifndef POSTERN_QUEUE_FLOW_H
#define POSTERN_QUEUE_FLOW_H

#include "daemon/queue/window.h"

/* A transaction with the smallest message costs an upstream about so much. */
#define FLOW_RECIPIENT_BYTES 4096
#define FLOW_QUANTUM (16 * 1024)

enum flow_where {
	FLOW_IDLE,    /* in no list: it has nothing, and spent nothing */
	FLOW_READY,   /* has messages and credit */
	FLOW_SPENT,   /* has messages, and waits for the next round */
	FLOW_RESTING, /* has nothing, but what it spent is remembered */
	FLOW_UNREAD,  /* what it has next is on disk, or may be */
	FLOW_WHERES
};

struct ring {
	struct list lists[FLOW_WHERES]; /* none of the idle */
	/* The flow has nothing any more and is in no list. May free it. */
	void (*on_idle)(struct flow *flow, void *ctx);
	void *ctx;
};

struct flow {
	struct list link;  /* in the ring's list of `where` */
	struct ring *ring; /* NULL: its user has no way out */
	enum flow_where where;
	struct window window;
	int64_t credit;
	uint64_t user_id;
	uint8_t priority;
	bool has_more;     /* on disk, behind `after` */
	bool has_gap;      /* some of it is older than some in memory */
	bool is_loading;   /* disk is being asked for it */
	bool is_spilled;   /* since then something else was left there, behind `spilled` */
	bool has_late_gap; /* and that is older than some in memory */
	uint64_t after;    /* what is ready up to this id is in memory */
	uint64_t spilled;
};

void ring_init(struct ring *ring, void (*on_idle)(struct flow *flow, void *ctx), void *ctx);
/* Whether it has, or may have, messages. */
bool ring_is_waiting(const struct ring *ring);
/* The flow whose oldest message goes next; NULL: nothing is in memory. */
struct flow *ring_turn(struct ring *ring);
/* Of the first `among` flows whose messages must be read one that isn't being read; NULL: none. */
struct flow *ring_unread(const struct ring *ring, unsigned among);

uint64_t flow_cost(uint64_t size, uint32_t recipient_count);
void flow_init(struct flow *flow, uint64_t user_id, uint8_t priority);
/* Puts the flow where it belongs, after its messages or has_more changed. May free an idle one. */
void flow_place(struct flow *flow);
/* Into another ring, or none (NULL): there it begins anew. */
void flow_move(struct flow *flow, struct ring *to);
/* One of its messages goes: the next turn is another's. Before it is taken out. */
void flow_charge(struct flow *flow, uint64_t cost);
/* It came back without having been sent. */
void flow_refund(struct flow *flow, uint64_t cost);

#endif
