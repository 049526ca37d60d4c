/*
 * refill - brings back from disk what the scheduler does not have in mind
 *
 * Role     queue
 * Owns     the jobs that read, and the timer of deferred messages
 * Context  loop; the callbacks run in a later turn than the call
 * Units    milliseconds, wall clock
 */
#ifndef POSTERN_QUEUE_REFILL_H
#define POSTERN_QUEUE_REFILL_H

#include "daemon/core/loop.h"
#include "daemon/queue/storage.h"

struct refill;

struct refill_callbacks {
	void (*on_window)(const struct window_job *job, void *ctx);
	void (*on_flows)(const struct flows_job *job, void *ctx);
	/* Deferred messages became ready. */
	void (*on_woken)(const struct wake_job *job, void *ctx);
	/* Gives the mail, NULL: there is no such message, or it could not be read; and its body, maybe. */
	void (*on_loaded)(const struct load_job *job, void *ctx);
};

/* Also asks at once who has something ready, and for what was deferred, before the start. */
struct refill *refill_new(struct loop *loop, struct storage *storage,
    const struct refill_callbacks *callbacks, void *ctx);
void refill_free(struct refill *refill);

void refill_window(
    struct refill *refill, uint64_t user_id, uint8_t priority, uint64_t after, uint32_t limit);
/* Who has something ready: in slices, to on_flows. */
void refill_flows(struct refill *refill);
void refill_load(struct refill *refill, uint64_t message_id, uint32_t body_limit_bytes);
/* Something was deferred until then. */
void refill_wake_at(struct refill *refill, int64_t at_ms);
/* The clock may have been set: looks now whose time has come, and what waits for longer than that. */
void refill_look(struct refill *refill, int64_t longest_ms);

#endif
