/*
 * routes_private - the inside of the map, for the files that make it up
 *
 * routes.c has users and lists, routes_profiles.c the profiles, routes_trouble.c what their upstreams say
 * of them, routes_learned.c how much these take, routes_notices.c the way of notices, routes_senders.c that of mail whose sender counts,
 * routes_fallback.c profiles that stand in for others.
 * Nobody else includes this.
 */
#ifndef POSTERN_QUEUE_ROUTES_PRIVATE_H
#define POSTERN_QUEUE_ROUTES_PRIVATE_H

#include "daemon/queue/routes.h"

/* Replaces a text by a copy of another. */
void routes_set_text(char **text, const char *new_text);

void routes_free_profile(struct profile *profile);
void routes_take_profile(struct routes *routes, const struct msg_route *route);
/* What was on disk of it. */
void profile_remember(
    struct routes *routes, struct profile *profile, const struct profile_row *row);
/* An operator resumed or changed it: a stop, a wait and what was learned are forgotten. */
void profile_resume(struct routes *routes, struct profile *profile);

/* ---- routes_learned.c ---- */

/* Its own rates hold, or what was learned if it has none. */
void profile_set_rates(struct routes *routes, struct profile *profile);
/* Its upstream refuses to take more, all at once, and says nothing of how long. */
void profile_learn_rate(struct routes *routes, struct profile *profile, enum reply_class class);
/* The same was said to whoever looked whether it is over. */
void profile_learn_day(struct routes *routes, struct profile *profile, enum reply_class class);
/* It takes what it gets. Whether more is tried from now on. */
bool profile_raise_rate(struct routes *routes, struct profile *profile);
/* To disk, and from there. */
void profile_save_rate(const struct profile *profile, struct profile_row *row);
void profile_remember_rate(
    struct routes *routes, struct profile *profile, const struct profile_row *row);
void profile_forget_rate(struct routes *routes, struct profile *profile);

/* Where the mail of a list's removed users goes; 0: nowhere. Whether the list itself says so. */
uint64_t routes_way_of_list(const struct routes *routes, const char *name, bool *is_bound_out);
/* Where a flow with a sender goes. The list counts when the user is gone. */
uint64_t routes_way_of_sender(const struct routes *routes, uint64_t flow_id, const char *list);
/* The profile that stands in for it for this flow, or itself. */
struct profile *routes_through(const struct routes *routes, struct profile *own, uint64_t flow_id);
void routes_take_sender(struct routes *routes, const struct msg_route *route);
void routes_free_senders(struct routes *routes);
/* Where the notices to a user's senders go. The list counts when the user is gone. */
uint64_t routes_way_of_notices(const struct routes *routes, uint64_t user_id, const char *list);
/* All users that accounts doesn't name take the way that is theirs now. */
void routes_lead_orphans(struct routes *routes);
/* One profile came, went or has another name: it may be queue.notice_profile. */
void routes_note_profile_changed(struct routes *routes);

#endif
