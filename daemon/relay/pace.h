/*
 * pace - how the transfers of one profile share its bandwidth, and which of them stand still
 *
 * Owns     nothing: transfers are embedded in what they carry, and leave before they are freed
 * Context  pure: the caller has the clock, moves the bytes and says how many
 * Units    bytes, milliseconds of a clock that never goes back
 *
 * A token bucket fills with so many bytes a second and holds a fraction of a second of them. Who
 * may take from it is asked a piece at a time: transfers that can move take turns. One that has
 * begun its body stands still while a transfer of higher priority is there, from the moment that
 * has a connection until its body is out; PACE_PAUSE_MAX_MS in all. When these are used up it
 * takes its turns beside the others.
 */
#ifndef POSTERN_RELAY_PACE_H
#define POSTERN_RELAY_PACE_H

#include "common/list.h"

#include <stdbool.h>
#include <stdint.h>

/* In one transaction; an upstream waits three minutes for more of a body (RFC 5321 4.5.3.2.5). */
#define PACE_PAUSE_MAX_MS (60 * 1000)

struct pace {
	struct list transfers; /* whose turn is next stands first */
	uint64_t rate;         /* bytes a second; 0: no limit, and nobody stands still */
	int64_t level; /* thousandths of bytes that may go now, so that rate × ms is exact */
	int64_t filled_at_ms;
};

struct pace_transfer {
	struct list link;
	uint8_t priority; /* 1 is the highest */
	bool has_begun;   /* its body */
	bool can_move;    /* there are bytes, and the upstream takes them */
	bool is_paused;
	int64_t paused_at_ms, paused_ms; /* since when, and before that in sum */
};

void pace_init(struct pace *pace);
void pace_transfer_init(struct pace_transfer *transfer);
/* Holds from now on. */
void pace_set_rate(struct pace *pace, uint64_t rate, int64_t now_ms);

/* A transaction begins on a connection. */
void pace_join(struct pace *pace, struct pace_transfer *transfer, uint8_t priority, int64_t now_ms);
/* The upstream waits for its body. */
void pace_begin(struct pace *pace, struct pace_transfer *transfer, int64_t now_ms);
/* Its body is out, or the transaction is over; also for one that isn't there. */
void pace_leave(struct pace *pace, struct pace_transfer *transfer, int64_t now_ms);

/* Gives the transfer whose turn it is, and how many bytes it may move; NULL: nobody's now. It is
 * the last in the ring afterwards. */
struct pace_transfer *pace_next(struct pace *pace, int64_t now_ms, uint32_t *bytes_out);
void pace_spend(struct pace *pace, uint32_t bytes);
/* When to ask again if nothing happens; -1: not at all. */
int64_t pace_wait_ms(const struct pace *pace, int64_t now_ms);

#endif
