/*
 * upstream - one for each profile in use: its settings, its connections, what waits for them
 *
 * Owns     the connections; a delivery from upstreams_deliver() until its report
 * Context  loop
 * Fails    into reports
 *
 * Settings are fetched from accounts when they are first needed and again after accounts said
 * that they are out of date. Connections are opened when something waits, up to the profile's
 * number, and kept for more messages; those of two profiles never mix, also to one host. What
 * waits takes them by priority, then by age, and bodies share the profile's bandwidth (pace.h). A
 * failure before a transaction is the profile's: everything that waits for it fails with it, at
 * once, unless another connection works.
 */
#ifndef POSTERN_RELAY_UPSTREAM_H
#define POSTERN_RELAY_UPSTREAM_H

#include "daemon/core/role.h"
#include "daemon/relay/delivery.h"
#include "daemon/relay/profile.h"

struct pool;
struct reworks;
struct upstreams;

struct upstreams_settings {
	struct role_context *role; /* for its loop and its link to accounts */
	struct dns *dns;
	struct pool *pool; /* for captures */
	struct reworks *reworks;
	struct profile_surroundings surroundings;
};

struct upstreams *upstreams_new(const struct upstreams_settings *settings);
/* Closes every connection; deliveries are left without a report. */
void upstreams_free(struct upstreams *upstreams);

/* The surroundings are new; settings that were made with the old ones are fetched again. */
void upstreams_set_surroundings(
    struct upstreams *upstreams, const struct profile_surroundings *surroundings);
/* Accounts is there (again). */
void upstreams_on_accounts(struct upstreams *upstreams);
/* Accounts says that what we have is out of date. */
void upstreams_on_stale(struct upstreams *upstreams, uint64_t profile_id, bool is_gone);

void upstreams_deliver(struct upstreams *upstreams, struct delivery *delivery);
/* More of its body is there. */
void upstreams_on_body(struct delivery *delivery);
/* Takes it back, with a report, unless its final dot is on the way: then false. */
bool upstreams_cancel(struct delivery *delivery, const char *reason);
/* Its final dot is on the way and nobody can wait for the reply any longer. */
void upstreams_give_up(struct delivery *delivery);
/* Connections that do nothing are closed and no new ones opened. */
void upstreams_drain(struct upstreams *upstreams);

#endif
