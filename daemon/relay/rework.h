/*
 * rework - a delivery's body by way of mime and back, where its profile or its upstream asks for that
 *
 * Owns     what each delivery is changed to, from rework_start() until rework_end()
 * Context  loop; on_end runs in a later turn than rework_start()
 * Units    bytes, milliseconds
 *
 * One message at a time goes to mime. It stands there until relay has taken it back, and of large
 * ones that are taken back slowly there are no more than mime has memory for. So no message stands
 * whole in relay.
 *
 * mime may die of a message: that is tried again later, and after REWORK_DEATHS times an operator
 * decides. Any other that it had is given back to queue.
 */
#ifndef POSTERN_RELAY_REWORK_H
#define POSTERN_RELAY_REWORK_H

#include "daemon/core/role.h"
#include "daemon/relay/delivery.h"
#include "daemon/relay/profile.h"

#define REWORK_DEATHS 3

struct reworks;
struct rework;

enum rework_end {
	REWORK_READY,   /* the delivery's body is what mime made of it */
	REWORK_SETTLED, /* the transaction has its verdict, without having been sent */
	REWORK_ABSENT   /* mime is not there */
};

typedef void (*rework_end_fn)(struct delivery *delivery, enum rework_end end);

struct reworks *reworks_new(struct role_context *role, struct deliveries *deliveries);
void reworks_free(struct reworks *reworks);

/* mime is there, or is gone (NULL). Deliveries whose body it had are ended by `cancel`. */
void reworks_set_link(struct reworks *reworks, struct link *link,
    void (*cancel)(struct delivery *delivery, const char *reason));
void reworks_on_message(struct reworks *reworks, const struct link_message *message);

/* Whether the delivery can't leave as it is: through this profile, to an upstream that may lack
 * 8BITMIME. */
bool rework_is_needed(const struct reworks *reworks, const struct delivery *delivery,
    const struct profile *profile, bool lacks_8bitmime);
/* Only if it is needed, and the delivery has none yet. Holds the profile. */
void rework_start(struct reworks *reworks, struct delivery *delivery, struct profile *profile,
    bool lacks_8bitmime, rework_end_fn on_end);
/* More of the body came from queue. */
void rework_on_body(struct rework *rework);

/* More of it came back from mime. */
void rework_on_return(struct rework *rework);

/* The delivery's body is that of mime. */
bool rework_is_ready(const struct rework *rework);
/* mime, which is gone, had it and did not give it back. */
bool rework_is_lost(const struct rework *rework);
/* What was made suits this profile and such an upstream. */
bool rework_suits(const struct rework *rework, const struct profile *profile, bool lacks_8bitmime);
/* The delivery ends: mime may forget it. NULL is allowed. */
void rework_end(struct rework *rework);

#endif
