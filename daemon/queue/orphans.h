/*
 * orphans - mail whose user accounts does not know any more, and mail that has no way out
 *
 * Role     queue
 * Owns     its question to the store, one at a time
 * Context  loop
 *
 * A message outlives its user: it takes the way of the user's list, else the default one. Whoever
 * has mail here and no way at all is told of in the log and by an alert, once until that changes.
 */
#ifndef POSTERN_QUEUE_ORPHANS_H
#define POSTERN_QUEUE_ORPHANS_H

#include "daemon/queue/routes.h"

struct orphans;

struct orphans *orphans_new(
    struct role_context *role, struct storage *storage, struct routes *routes);
void orphans_free(struct orphans *orphans);
/* Looks who has mail: users went, or profiles. */
void orphans_look(struct orphans *orphans);

#endif
