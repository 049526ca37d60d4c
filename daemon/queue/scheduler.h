/*
 * scheduler - decides which message goes next, and knows which are on their way
 *
 * Role     queue
 * Owns     the entries: messages that it has in mind. What else is queued is on disk only
 * Context  loop
 * Units    milliseconds; *_at_ms are wall clock
 *
 * Each profile decides for itself: the highest priority first, with a share for lower ones
 * (shares.h), within a priority the users in turn (flow.h), of a user the oldest. Of each user and
 * priority the oldest ready messages are in memory, few in all; the rest is read when they run
 * out. Deferred messages are not in memory at all: at their time the store makes them ready.
 * Nothing of this is on disk but the times: after a crash everything that is not yet settled is
 * ready again.
 */
#ifndef POSTERN_QUEUE_SCHEDULER_H
#define POSTERN_QUEUE_SCHEDULER_H

#include "daemon/queue/routes.h"

struct scheduler;

struct scheduler_callbacks {
	/* The attempt begins: give it to relay. The entry has its mail. */
	void (*on_attempt)(struct entry *entry, struct link *relay, void *ctx);
	/* Relay died with it, and may have sent it. The entry is sending until it is settled. */
	void (*on_uncertain)(struct entry *entry, void *ctx);
	/* Its details could not be read. */
	void (*on_unreadable)(uint64_t message_id, void *ctx);
};

struct scheduler *scheduler_new(struct role_context *role, struct storage *storage,
    const struct scheduler_callbacks *callbacks, void *ctx);
void scheduler_free(struct scheduler *scheduler);

/* What is in memory. */
struct scheduler_limits {
	uint32_t ready; /* messages in all, however many users there are */
	uint32_t flow;  /* new ones of one user and priority, which bring their bodies along */
	uint32_t read;  /* what is read of those at a time */
};

/* Tests: others than these, before anything is added. */
void scheduler_set_limits(struct scheduler *scheduler, const struct scheduler_limits *limits);
struct routes *scheduler_routes(struct scheduler *scheduler);

/* A new message is on disk. Takes the mail; borrows the slices. One that is scheduled is found there
 * at its time. */
void scheduler_add(struct scheduler *scheduler, struct mail *mail, const struct slice *slices,
    uint32_t slice_count);

void scheduler_add_relay(struct scheduler *scheduler, struct link *link);
void scheduler_drop_relay(struct scheduler *scheduler, struct link *link);
/* False: relay can't have this in flight, and may not be trusted. */
__attribute__((warn_unused_result)) bool scheduler_in_flight(
    struct scheduler *scheduler, const struct msg_in_flight *in_flight);
struct link *scheduler_relay(const struct scheduler *scheduler);

/* NULL: it is on disk only, or gone. */
struct entry *scheduler_find(const struct scheduler *scheduler, uint64_t message_id);
/* Numbers that are smaller belong to attempts that were begun. */
uint64_t scheduler_next_attempt(const struct scheduler *scheduler);

/* The attempt ended and its fate is being written: the next message may go. */
void scheduler_settling(struct scheduler *scheduler, struct entry *entry);
/* The fate is on disk: the entry is freed. `next_at_ms` 0: the message is over. */
void scheduler_settled(struct scheduler *scheduler, struct entry *entry, int64_t next_at_ms);
/* The fate of so many recipients is on disk and in the entry's mail, and more of the message can go
 * at once. */
void scheduler_settled_in_part(struct scheduler *scheduler, struct entry *entry, uint32_t tried);
/* The attempt did not happen: the message is ready again. */
void scheduler_return(struct scheduler *scheduler, struct entry *entry);
/* Relay gave something back for no fault of the profile: a moment's rest. */
void scheduler_rest(struct scheduler *scheduler, struct profile *profile);
/* All profiles' troubles are known, which has_to_remember of the routes waited for. */
void scheduler_remembered(struct scheduler *scheduler);
/* The profile's trouble changed: look when it may send again. */
void scheduler_look(struct scheduler *scheduler, struct profile *profile);

/* Takes a message that waits for a fate without an attempt: a sending entry of no profile. NULL: it
 * is on its way. */
struct entry *scheduler_claim(struct scheduler *scheduler, uint64_t message_id, uint64_t user_id);

/* An operator changed the message on disk. Begins nothing: the next one may be changed as well. */
void scheduler_forget(struct scheduler *scheduler, uint64_t message_id);
/* All that were changed are forgotten: what one of them kept from going goes now. */
void scheduler_pump_all(struct scheduler *scheduler);
/* Messages may be ready on disk: look there. */
void scheduler_look_everywhere(struct scheduler *scheduler);
/* Messages were held on disk and are no longer: ready, or waiting for their time. */
void scheduler_released(struct scheduler *scheduler);
/* A message was put off on disk until then. */
void scheduler_wake_at(struct scheduler *scheduler, int64_t at_ms);
/* About once a second: notices that the wall clock was set. */
void scheduler_watch_clock(struct scheduler *scheduler);
/* The same: profiles that can send nothing for long leave their mail to their fallback. */
void scheduler_watch_fallbacks(struct scheduler *scheduler);
/* Gives the ids of what is in flight, sorted. */
uint64_t *scheduler_sending(const struct scheduler *scheduler, size_t *count_out);

#endif
