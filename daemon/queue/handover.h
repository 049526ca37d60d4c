/*
 * handover - gives one attempt to relay: DELIVER, then the body as relay's credit allows
 *
 * Role     queue
 * Owns     the state of a body that is under way
 * Context  loop
 * Units    bytes
 *
 * A body in memory goes out of the blocks in which it came. Any other is read back piece by piece,
 * each when there is credit for it, so that a large one is never in memory whole.
 */
#ifndef POSTERN_QUEUE_HANDOVER_H
#define POSTERN_QUEUE_HANDOVER_H

#include "daemon/queue/storage.h"
#include "daemon/queue/window.h"

struct handovers;
struct link;

/* Relay has the whole body of the attempt, or will never have it: it could not be read. */
typedef void (*handover_end_fn)(uint64_t message_id, uint64_t attempt, bool is_whole, void *ctx);

struct handovers *handovers_new(struct storage *storage, handover_end_fn on_end, void *ctx);
void handovers_free(struct handovers *handovers);

/* The entry has its mail; only recipients that are due are named. on_end may be called from inside. */
void handover_start(struct handovers *handovers, struct entry *entry, struct link *relay);
void handover_credit(struct handovers *handovers, uint64_t attempt, uint32_t bytes);
/* The attempt is over, whatever of the body is missing. */
void handover_stop(struct handovers *handovers, uint64_t attempt);
/* The link is gone, and every attempt with it. */
void handover_stop_all(struct handovers *handovers);

#endif
