/*
 * operators - the queue's part of the API: messages, their bodies, and the queue's counts
 *
 * Role     queue; called for CALL from control
 * Owns     a call until it is answered
 * Context  loop
 * Fails    towards the caller: an HTTP status and {"error": {code, message, field}}
 */
#ifndef POSTERN_QUEUE_OPERATORS_H
#define POSTERN_QUEUE_OPERATORS_H

#include "daemon/queue/backup.h"
#include "daemon/queue/caps.h"
#include "daemon/queue/handover.h"
#include "daemon/queue/history.h"
#include "daemon/queue/scheduler.h"

struct operators;

struct operators *operators_new(struct role_context *role, struct storage *storage,
    struct scheduler *scheduler, struct handovers *handovers, struct caps *caps,
    struct backups *backups, struct history *history);
/* After storage_close(). */
void operators_free(struct operators *operators);

void operators_call(
    struct operators *operators, struct link *control, const struct link_message *message);
/* Calls that are under way will have no answer. */
void operators_drop_link(struct operators *operators);

#endif
