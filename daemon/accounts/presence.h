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
 *
 * An smtpd may be lent room for clients to come: then it takes so many without a question, and tells
 * of each. Who they will be nobody knows, so what is lent counts against every limit, that of each
 * origin and user too, until it is used or given back. A client that comes in that room moves from
 * one count to another, and no limit is ever passed.
 *
 * There is no clock in it. An smtpd says all of this on its link, in order: a client on the lease,
 * that it has left, that what is left of the lease is given back, that it wants another, which it
 * says only without one and without such a question under way. So what is counted here is never
 * less than what the smtpd may use and has not told yet, however late it is heard; an smtpd that
 * stands still keeps what it has. Its link takes all along, at both ends.
 *
 * Room is lent from what is free below half of the least limit, an eighth of that at a time, so
 * small limits lend none. Beyond the half all of it is called back (gate.c), and is back before
 * somebody is refused for it, unless a crowd takes the other half within a turn of the loops: of that
 * some are refused who would just have had room. Limits that a new config lowers may be passed by
 * what was lent under the old one, until that has been called back.
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
/* Lends the smtpd room; returns for how many clients, 0 for none. What it was lent before is over. */
unsigned presence_lend(struct presence *presence, unsigned smtpd);
/* A client that is restored next came in that room. */
void presence_use_lease(struct presence *presence, unsigned smtpd);
void presence_end_lease(struct presence *presence, unsigned smtpd);
/* Whether the smtpd is to be told now, and once for each lease, that it should give back the rest. */
bool presence_call_back(struct presence *presence, unsigned smtpd);
/* For how many clients it is lent room still. */
unsigned presence_leased(const struct presence *presence, unsigned smtpd);
/* The client is this user from now on; false: the user has too many connections, and nothing has
 * changed. */
bool presence_take_user(
    struct presence *presence, unsigned smtpd, uint64_t connection, uint64_t user_id);
/* All clients together, with those that room is lent for, are less than half of what any limit
 * allows: somebody who is gone may be counted for a moment. */
bool presence_is_roomy(const struct presence *presence);
void presence_leave(struct presence *presence, unsigned smtpd, uint64_t connection);
/* The smtpd, its clients and its lease are gone. */
void presence_forget_smtpd(struct presence *presence, unsigned smtpd);

/* The client's origin; false: it isn't known. */
bool presence_find(const struct presence *presence, unsigned smtpd, uint64_t connection,
    struct netaddr *origin_out);
/* How many there are: in all, from this origin, as this user. */
unsigned presence_count(const struct presence *presence);
unsigned presence_count_origin(const struct presence *presence, const struct netaddr *origin);
unsigned presence_count_user(const struct presence *presence, uint64_t user_id);

#endif
