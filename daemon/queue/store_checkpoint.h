/*
 * store_checkpoint - copies the write-ahead log into the database while commits go on
 *
 * Role     queue
 * Owns     a second connection to the database
 * Context  a thread of its own, while the store is open; open and close on the loop
 * Units    bytes
 * Fails    enum store_result; after STORE_BROKEN nothing may be checkpointed, here or by the store
 */
#ifndef POSTERN_QUEUE_STORE_CHECKPOINT_H
#define POSTERN_QUEUE_STORE_CHECKPOINT_H

#include "daemon/queue/store.h"

struct checkpointer;

__attribute__((warn_unused_result)) int checkpointer_open(
    const char *path, struct checkpointer **checkpointer_out, struct err *err_out);
void checkpointer_close(struct checkpointer *checkpointer);
/* What was in the log when it began; gives how much of the log is copied. */
enum store_result checkpointer_run(struct checkpointer *checkpointer, uint64_t *copied_out);
/* What the last failure was. */
const char *checkpointer_problem(const struct checkpointer *checkpointer);

#endif
