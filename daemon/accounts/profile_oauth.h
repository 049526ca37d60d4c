/*
 * profile_oauth - the OAuth2 settings of a profile: which belong together, and a login's token
 *
 * Owns     nothing
 * Fails    -1 and *refusal_out or *err_out
 *
 *	refresh          client_id, refresh_token
 *	client           client_id, client_secret, scope
 *	device           client_id, device_url, scope; the refresh token comes with the login
 *	service-account  key, scope; its file names the client and the token server
 */
#ifndef POSTERN_ACCOUNTS_PROFILE_OAUTH_H
#define POSTERN_ACCOUNTS_PROFILE_OAUTH_H

#include "daemon/accounts/parts.h"
#include "daemon/accounts/profile.h"

extern const char *const profile_oauth_grants[];

/* For the fields' `normalise`. */
int profile_check_url(char **text, struct err *err_out);
int profile_check_word(char **text, struct err *err_out);

int profile_check_oauth(const struct profile *profile, struct refusal *refusal_out);
/* Whether the profile takes this field from its provider. Its client credentials are a tenant's own
 * matter, scope and token server too. */
bool profile_oauth_takes(const struct profile *profile, const char *field);
void profile_oauth_to_json(const struct profile *profile, json_t *object);
/* The grant was taken away: what belonged to it goes too. */
void profile_oauth_clear(struct profile *profile);
/* A service account's file (JSON) names its client and its token server; these are taken unless
 * they are among the fields that were chosen. Refuses what is no such file. */
int profile_oauth_read_key(
    struct profile *profile, const char *key, const json_t *chosen, struct refusal *refusal_out);

/* Answers relay's TOKEN_STORE once the token is committed; leaves it without an answer if it can't
 * be. */
void profile_oauth_store(struct parts *parts, struct link *link, uint32_t request_id,
    const struct msg_token_store *message);

#endif
