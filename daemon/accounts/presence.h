/*
 * presence - who is connected: counts of clients in all, from one origin, as one user
 *
 * Role     accounts; counts for all smtpds, so that limits hold across them
 * Owns     an entry for each client, until it has left or its smtpd's link has gone
 * Context  loop
 * Fails    never: a client that isn't known (any more) is ignored
 *
 * Numbers are each smtpd's own, and smtpds are told apart by their index. An origin is what
 * netaddr_origin() makes of an address. Refusals are logged once for each origin and minute, with
 * a count.
 */
#ifndef POSTERN_ACCOUNTS_PRESENCE_H
#define POSTERN_ACCOUNTS_PRESENCE_H

#include "common/netaddr.h"
#include "daemon/config/config.h"

struct loop;
struct presence;

struct presence *presence_new(struct loop *loop, const struct config *config);
void presence_free(struct presence *presence); /* NULL is allowed */
/* The limits of this config from now on; who is there stays. The config is borrowed. */
void presence_set_config(struct presence *presence, const struct config *config);

/* Counts the client if there is room for it. */
enum admission presence_admit(
    struct presence *presence, unsigned smtpd, uint64_t connection, const struct netaddr *address);
/* Counts it whatever the limits say: it's there already. `user_id` may be 0. */
void presence_restore(struct presence *presence, unsigned smtpd, uint64_t connection,
    const struct netaddr *address, uint64_t user_id);
/* The client is this user from now on; false: the user has too many connections, and nothing has
 * changed. */
bool presence_take_user(
    struct presence *presence, unsigned smtpd, uint64_t connection, uint64_t user_id);
/* All clients together are less than half of what any limit allows: somebody who is gone may be
 * counted for a moment. */
bool presence_is_roomy(const struct presence *presence);
void presence_leave(struct presence *presence, unsigned smtpd, uint64_t connection);
/* The smtpd and its clients are gone. */
void presence_forget_smtpd(struct presence *presence, unsigned smtpd);

/* The client's origin; false: it isn't known. */
bool presence_find(const struct presence *presence, unsigned smtpd, uint64_t connection,
    struct netaddr *origin_out);
/* How many there are: in all, from this origin, as this user. */
unsigned presence_count(const struct presence *presence);
unsigned presence_count_origin(const struct presence *presence, const struct netaddr *origin);
unsigned presence_count_user(const struct presence *presence, uint64_t user_id);

#endif
