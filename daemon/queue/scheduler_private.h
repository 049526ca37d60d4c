/*
 * scheduler_private - the scheduler's inside, for the files that make it up
 *
 * scheduler.c keeps the entries, fills the windows and begins attempts; scheduler_routes.c follows
 * profiles and users that change, scheduler_relay.c the relay that comes and goes. Nobody else
 * includes this.
 */
#ifndef POSTERN_QUEUE_SCHEDULER_PRIVATE_H
#define POSTERN_QUEUE_SCHEDULER_PRIVATE_H

#include "daemon/queue/orphans.h"
#include "daemon/queue/scheduler.h"

struct scheduler {
	struct role_context *role;
	struct storage *storage;
	struct scheduler_callbacks callbacks;
	void *ctx;
	struct routes routes;
	struct refill *refill;
	struct orphans *orphans;
	struct idmap entries;
	uint64_t next_attempt;
	uint64_t memory_bytes;
	struct link *relay;
	bool is_relay_ready;   /* it has said what it has in flight */
	uint32_t listed_count; /* of that, so far */
};

/* A profile of NULL: the message was sent before this start of the queue. */
struct entry *scheduler_new_entry(
    struct scheduler *scheduler, const struct ready_row *row, struct profile *profile);
void scheduler_free_entry(struct scheduler *scheduler, struct entry *entry);

/* Begins what the profile may have at relay. */
void scheduler_pump(struct scheduler *scheduler, struct profile *profile);

/* For the routes; ctx is the scheduler. */
void scheduler_on_user_moved(uint64_t user_id, struct profile *to, void *ctx);
void scheduler_on_profile_changed(struct profile *profile, void *ctx);
void scheduler_on_routes_complete(void *ctx);
void scheduler_on_unrouted(void *ctx);

#endif
