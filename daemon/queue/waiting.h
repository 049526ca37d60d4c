/*
 * waiting - tells accounts how much mail waits for a profile that is to be removed
 *
 * Role     queue; called for WAITING_GET from accounts
 * Owns     a question until it is answered
 * Context  loop
 * Fails    what could not be counted is answered as not known
 */
#ifndef POSTERN_QUEUE_WAITING_H
#define POSTERN_QUEUE_WAITING_H

#include "daemon/core/link.h"
#include "daemon/queue/routes.h"
#include "daemon/queue/storage.h"

struct waiting;

struct waiting *waiting_new(struct storage *storage, const struct routes *routes);
/* After storage_close(). */
void waiting_free(struct waiting *waiting);

void waiting_answer(
    struct waiting *waiting, struct link *accounts, const struct link_message *message);
/* Questions that are under way will have no answer. */
void waiting_drop_link(struct waiting *waiting);

#endif
