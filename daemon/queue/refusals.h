/*
 * refusals - counts what users were refused, and has the journal write it down
 *
 * Role     queue; called for REFUSED from smtpd
 * Owns     the counts of the last moment
 * Context  loop
 *
 * A second's counts are one record for each user. They are not worth a commit for each: what a crash
 * takes with it are counts of a second.
 */
#ifndef POSTERN_QUEUE_REFUSALS_H
#define POSTERN_QUEUE_REFUSALS_H

#include "daemon/core/role.h"
#include "daemon/queue/routes.h"
#include "daemon/queue/storage.h"

struct refusals;

struct refusals *refusals_new(
    struct role_context *role, struct storage *storage, const struct routes *routes);
/* After storage_close(). */
void refusals_free(struct refusals *refusals);

void refusals_note(struct refusals *refusals, const struct msg_refused *refused);
/* The last ones, before storage_close(). */
void refusals_flush(struct refusals *refusals);

#endif
