/*
 * scheduler_private - the scheduler's inside, for the files that make it up
 *
 * scheduler.c keeps the entries and begins attempts; scheduler_choose.c says which is next;
 * scheduler_flows.c has what each user has ready, in memory and on disk; scheduler_budget.c the
 * profiles' rates; scheduler_fallback.c profiles that stand in for others; scheduler_routes.c follows
 * profiles and users that change, scheduler_relay.c the
 * relay that comes and goes, scheduler_clock.c the clock that is set. Nobody else includes this.
 */
#ifndef POSTERN_QUEUE_SCHEDULER_PRIVATE_H
#define POSTERN_QUEUE_SCHEDULER_PRIVATE_H

#include "daemon/queue/orphans.h"
#include "daemon/queue/refill.h"
#include "daemon/queue/scheduler.h"

/* A user that has something ready: a flow for each priority. */
struct sender {
	struct scheduler *scheduler;
	uint64_t user_id;
	struct profile *profile; /* NULL: its mail has no way out, and none of it is in memory */
	struct flow flows[PRIORITIES];
};

struct scheduler {
	struct role_context *role;
	struct storage *storage;
	struct scheduler_callbacks callbacks;
	void *ctx;
	struct routes routes;
	struct refill *refill;
	struct orphans *orphans;
	struct idmap entries;
	struct list sending;  /* of those, what is sent or settled */
	struct list parked;   /* and what may have been sent and waits for its own profile */
	struct idmap senders; /* by user */
	struct scheduler_limits limits;
	size_t ready_count; /* entries in windows */
	bool has_all_flows; /* who had something ready at the start is known */
	bool is_book_read;  /* what earlier starts have booked is known */
	uint64_t next_attempt;
	uint64_t memory_bytes;
	struct link *relay;
	bool is_relay_ready;     /* it has said what it has in flight */
	uint32_t listed_count;   /* of that, so far */
	int64_t clock_offset_ms; /* wall clock less monotonic */
};

/* Of a message that is not in a window (yet). */
struct entry *scheduler_new_entry(struct scheduler *scheduler, const struct ready_row *row);
/* Nobody else writes the state. What is sent or settled is in a list. */
void scheduler_enter(struct scheduler *scheduler, struct entry *entry, enum entry_state state);
void scheduler_free_entry(struct scheduler *scheduler, struct entry *entry);

/* What is deferred for longer than any schedule says goes now; once they are all known. */
void scheduler_look_for_strays(struct scheduler *scheduler);

/* Begins what the profile may have at relay. */
void scheduler_pump(struct scheduler *scheduler, struct profile *profile);

/* The next message of the profile, out of its window, or NULL: none may go, or disk is being
 * asked. In scheduler_choose.c. */
struct entry *scheduler_choose(struct scheduler *scheduler, struct profile *profile);
/* Whether something else is ready that may go, and a connection is left for it. */
bool scheduler_has_more(struct scheduler *scheduler, struct profile *profile);

/* ---- scheduler_flows.c ---- */

/* A message that is ready on disk and that isn't known: takes it into memory if it belongs there;
 * NULL: it is found on disk when its turn comes. */
struct entry *scheduler_admit(struct scheduler *scheduler, const struct ready_row *row);
/* Back into its window, or to disk: then it is freed. `refund`: of what its flow was charged. */
void scheduler_readmit(struct scheduler *scheduler, struct entry *entry, uint64_t refund);
/* Frees it; what disk says of it holds. */
void scheduler_leave_to_disk(struct scheduler *scheduler, struct entry *entry);
/* The next message of this priority, still in its window; NULL: none, or disk is being asked. */
struct entry *scheduler_next(struct scheduler *scheduler, struct ring *ring);
/* It goes: out of its window. */
void scheduler_take(struct scheduler *scheduler, struct entry *entry);
/* The user's mail takes another way; NULL: it has none. */
void scheduler_move(struct scheduler *scheduler, struct sender *sender, struct profile *to);
/* All of them, wherever their routes lead. */
void scheduler_move_all(struct scheduler *scheduler);
void scheduler_free_senders(struct scheduler *scheduler);

/* ---- scheduler_budget.c ---- */

void scheduler_read_book(struct scheduler *scheduler);
/* Whether its profile's rates let it go now, to its given_count of recipients; books what it takes. */
bool scheduler_has_budget(
    struct scheduler *scheduler, struct profile *profile, struct entry *entry);
/* Whether they let any message go now. */
bool scheduler_is_within_rates(struct scheduler *scheduler, struct profile *profile);
/* It is the next, and may not go: the profile pauses. */
void scheduler_wait_for_rate(
    struct scheduler *scheduler, struct profile *profile, const struct entry *entry);
void scheduler_charge(struct scheduler *scheduler, struct profile *profile, struct entry *entry);
/* Its mail is known: no more is given and charged than is due. */
void scheduler_fit(struct entry *entry);
/* The attempt has ended. */
void scheduler_end_charge(struct scheduler *scheduler, struct entry *entry);
/* So much of it was not sent after all. */
void scheduler_take_back(struct entry *entry, struct usage_count count);

/* ---- scheduler_fallback.c ---- */

/* Flows go to the profile's fallback, or come back. */
void scheduler_look_at_fallback(struct scheduler *scheduler, struct profile *profile);
/* The flow gets something: it may be the one that looks whether its own profile works again. */
void scheduler_send_scout(struct scheduler *scheduler, uint64_t flow_id);
/* It may have been sent through its own profile, so no other may send it. Its mail is known. */
bool scheduler_waits_for_its_own(const struct scheduler *scheduler, const struct entry *entry);
/* What waited for its own profile is ready again: flows have moved. */
void scheduler_return_parked(struct scheduler *scheduler);
/* It is not on its way any more: back to its flow, or to disk. In scheduler.c. */
void scheduler_ready_again(struct scheduler *scheduler, struct entry *entry, uint64_t refund);

/* For the rings; ctx is the scheduler. */
void scheduler_on_idle(struct flow *flow, void *ctx);
/* For refill; ctx is the scheduler. */
void scheduler_on_window(const struct window_job *job, void *ctx);
void scheduler_on_flows(const struct flows_job *job, void *ctx);

/* For the routes; ctx is the scheduler. */
void scheduler_on_user_moved(uint64_t user_id, struct profile *to, void *ctx);
void scheduler_on_new_profile(struct profile *profile, void *ctx);
void scheduler_on_profile_changed(struct profile *profile, void *ctx);
void scheduler_on_routes_complete(void *ctx);
void scheduler_on_unrouted(void *ctx);

#endif
