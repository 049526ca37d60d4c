/*
 * intake - takes messages from the smtpds and says when they are safe on disk
 *
 * Role     queue; called for BODY, COMMIT and ABORT from an smtpd
 * Owns     a partial message until it is stored, aborted, or its link is lost; the ids
 * Context  loop; on_stored runs in a later turn than intake_commit()
 * Units    bytes
 * Fails    towards the smtpd: COMMITTED says why a message was not stored
 *
 * An smtpd that does what its contract forbids (uses an id that isn't its own or was used, sends
 * more than its credit, has more messages open than it can have clients) loses its link; what it
 * had committed is stored.
 *
 * A message is judged by its user's limit when its COMMIT comes; before the limits are known, as
 * soon as they are.
 */
#ifndef POSTERN_QUEUE_INTAKE_H
#define POSTERN_QUEUE_INTAKE_H

#include "daemon/core/link.h"
#include "daemon/core/values.h"
#include "daemon/queue/caps.h"
#include "daemon/queue/storage.h"

struct intake;

/* A message is on disk, ready or held (its state says). Takes the message; borrows the slices of its body, if that is in
 * memory. */
typedef void (*intake_stored_fn)(
    struct mail *mail, const struct slice *slices, uint32_t slice_count, void *ctx);

struct intake *intake_new(struct loop *loop, struct storage *storage, struct caps *caps,
    struct routes *routes, intake_stored_fn on_stored, void *ctx);
/* After storage_close(). */
void intake_free(struct intake *intake);

/* So many clients there can be: this bounds what an smtpd may have open. Never less than before. */
void intake_set_clients(struct intake *intake, unsigned clients);

void intake_add_link(struct intake *intake, struct link *link);
/* Forgets its partial messages; one whose COMMIT has come is still stored. */
void intake_drop_link(struct intake *intake, struct link *link);

void intake_body(struct intake *intake, struct link *link, const struct link_message *message);
void intake_commit(struct intake *intake, struct link *link, const struct link_message *message);
void intake_abort(struct intake *intake, struct link *link, uint64_t stream);

/* The limits are known: what waits for them is judged. */
void intake_on_caps_ready(struct intake *intake);

/* Told to every smtpd when it changes. */
void intake_set_state(struct intake *intake, enum intake_state state);
/* An id for a message of the queue's own; 0: none can be had now. */
uint64_t intake_take_id(struct intake *intake);

#endif
