/*
 * credential - what a connection logs in with, when it may
 *
 * Owns     its place among the profile's logins; holds the profile
 * Context  loop; no callback runs inside credential_get()
 *
 * The driver of the client automaton asks when that wants a credential, and says at the end what
 * became of the login. A profile with a password answers with that as soon as it is the
 * connection's turn (logins.h), one with OAuth2 with a token (tokens.h); one that was refused is not
 * given again.
 */
#ifndef POSTERN_RELAY_CREDENTIAL_H
#define POSTERN_RELAY_CREDENTIAL_H

#include "daemon/core/values.h"
#include "daemon/relay/logins.h"

#include <stdbool.h>

struct credential_query;
struct profile;

struct credential {
	const char *secret;           /* a password or a token; borrowed until return */
	const char *problem;          /* NULL: here it is; else why there is none */
	enum attempt_outcome outcome; /* with a problem */
	bool is_renewable; /* a token of some age: if it is refused, another may be taken */
	unsigned worked;   /* AUTH_BIT() of the method that worked last, 0: not known */
};

/* Calls on_credential once. `is_next` as in login_wait(). */
struct credential_query *credential_get(struct profile *profile, bool is_next,
    void (*on_credential)(const struct credential *credential, void *ctx), void *ctx);
/* In any case, also before there was an answer. `method` is the AUTH_BIT() of what was tried, and
 * `words` what the upstream said to it. */
void credential_end(
    struct credential_query *query, enum login_result result, unsigned method, const char *words);

#endif
