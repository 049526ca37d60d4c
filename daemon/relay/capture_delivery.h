/*
 * capture_delivery - an attempt through a capture profile: the delivery's body into a Maildir file
 *
 * Owns     the delivery's capture; the delivery ends in its report here
 * Context  loop
 */
#ifndef POSTERN_RELAY_CAPTURE_DELIVERY_H
#define POSTERN_RELAY_CAPTURE_DELIVERY_H

#include "daemon/relay/delivery.h"

struct pool;

void capture_delivery_start(
    struct delivery *delivery, struct loop *loop, struct pool *pool, const struct profile *profile);
/* More of the body is there. */
void capture_delivery_continue(struct delivery *delivery);
/* Before the delivery is cancelled. */
void capture_delivery_stop(struct delivery *delivery);

#endif
