/*
 * compose - one answer out of what several owners said
 *
 * Owns     nothing; borrows the parts, changes the first
 * Fails    never: a part that is NULL or not of the shape it should have leaves its fields null
 *
 * Accounts knows what a profile is, queue how it fares, parent which roles run. The operator asks
 * for a profile or the status and wants all of it.
 */
#ifndef POSTERN_CONTROL_COMPOSE_H
#define POSTERN_CONTROL_COMPOSE_H

#include <jansson.h>

/* Adds state, rate_limited_until, last_error and what else queue knows to one profile. `queue` is the answer to
 * GET /v1/queue, or NULL. */
void compose_profile(json_t *profile, const json_t *queue);
/* Adds to a profile with OAuth2 what relay says of its token. `tokens` is the answer to GET
 * /v1/tokens, or NULL. */
void compose_token(json_t *profile, const json_t *tokens);
void compose_profiles(json_t *profiles, const json_t *queue);
/* Into an explanation: where queue would lead it, and how that profile is. */
void compose_explain(json_t *explanation, const json_t *queue);
/* Adds what the user has sent and may still send. `queue` is its answer to the same path, or NULL. */
void compose_user(json_t *user, const json_t *queue);
/* Adds `queue` (the counts) and `profiles` (name, default and how they fare) to parent's status. */
void compose_status(json_t *status, const json_t *queue, const json_t *profiles);
/* Adds to queue's answer, which says what the copy holds, its name and path from the parent's. */
void compose_backup(json_t *backup, const json_t *parent);

#endif
