/*
 * pool - a bounded set of threads for work that would block a loop
 *
 * Owns     its threads and waiting jobs; a job's `ctx` stays the caller's
 * Context  loop, except `work`, which runs on one of the pool's threads and touches nothing but
 *          its `ctx`
 * Fails    pool_submit() is refused at once while `waiting_max` jobs wait for a thread
 *
 * Jobs start in the order in which they were submitted. Each submitted job's on_done is called
 * exactly once, on the loop, in a later turn. Who gives up meanwhile marks that in `ctx`.
 */
#ifndef POSTERN_CORE_POOL_H
#define POSTERN_CORE_POOL_H

#include <stdbool.h>

struct loop;
struct pool;

/* The threads are started here, with all signals blocked. */
struct pool *pool_new(struct loop *loop, unsigned thread_count, unsigned waiting_max);
/* Waits until every submitted job has run and calls what is left of on_done. NULL is allowed. */
void pool_free(struct pool *pool);

/* False, and nothing will be called, when too many jobs wait already. */
bool pool_submit(struct pool *pool, void (*work)(void *ctx), void (*on_done)(void *ctx), void *ctx);

#endif
