/*
 * checkpoints - decides when the write-ahead log is copied into the database, and by whom
 *
 * Role     queue
 * Owns     a thread that copies while commits go on
 * Context  storage thread: checkpoints_after_commit(), _begin(), _end(), _problem(); the rest on the loop
 * Units    bytes
 *
 * From a quarter of the limit on the thread copies, again and again until what came meanwhile is
 * little: that the storage thread copies itself, between two commits, and the log begins anew. A log
 * that reaches the limit all the same is copied by the storage thread at once, and commits wait.
 */
#ifndef POSTERN_QUEUE_CHECKPOINTS_H
#define POSTERN_QUEUE_CHECKPOINTS_H

#include "daemon/core/loop.h"
#include "daemon/queue/store_checkpoint.h"

struct checkpoints;

/* Takes the checkpointer. */
struct checkpoints *checkpoints_new(
    struct loop *loop, struct checkpointer *checkpointer, uint64_t limit_bytes);
/* Ends the thread; no more commits come. */
void checkpoints_free(struct checkpoints *checkpoints);

/* Whether the storage thread is to checkpoint now. */
bool checkpoints_after_commit(struct checkpoints *checkpoints, uint64_t log_bytes);
/* Before the storage thread checkpoints: waits for the other to be done, and keeps it from it until
 * checkpoints_end(). False, and nothing may be checkpointed any more, when that one failed: a flush
 * that failed would seem to succeed the next time. */
bool checkpoints_begin(struct checkpoints *checkpoints);
void checkpoints_end(struct checkpoints *checkpoints);
/* How it failed. */
const char *checkpoints_problem(const struct checkpoints *checkpoints);
/* A batch was given back. */
void checkpoints_look(struct checkpoints *checkpoints);

#endif
