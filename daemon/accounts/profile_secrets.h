/*
 * profile_secrets - what a profile keeps sealed
 *
 * Owns     nothing; a secret that is given in clear is the caller's, who ends it with
 *          password_free()
 * Fails    -1 and *err_out: no seal.key, another one, a damaged text; the text names the profile,
 *          the secret and how to set it again
 *
 * A secret is a column that JSON doesn't know (FIELD_HIDDEN). Calls of the API may set it under the
 * same name; nothing gives it back but a PROFILE for relay.
 */
#ifndef POSTERN_ACCOUNTS_PROFILE_SECRETS_H
#define POSTERN_ACCOUNTS_PROFILE_SECRETS_H

#include "daemon/accounts/profile.h"
#include "daemon/core/values.h"

enum profile_secret {
	SECRET_PASSWORD,
	SECRET_CLIENT_KEY,
	SECRET_OAUTH_CLIENT_SECRET,
	SECRET_OAUTH_KEY,
	SECRET_OAUTH_REFRESH_TOKEN,
	SECRET_POP3_PASSWORD,
	PROFILE_SECRETS
};

/* The field's name, in JSON and of the column. */
const char *profile_secret_name(enum profile_secret secret);
/* Bytes that it may have. */
size_t profile_secret_max(enum profile_secret secret);
/* Where the row has it, sealed. */
char **profile_secret_of(struct profile *profile, enum profile_secret secret);

/* Seals a secret into the row, which has its id. */
int profile_seal(struct profile *profile, enum profile_secret secret, struct msg_bytes seal_key,
    const char *text, struct err *err_out);
/* Gives the secret, "" if there is none. */
int profile_unseal(const struct profile *profile, enum profile_secret secret,
    struct msg_bytes seal_key, char **text_out, struct err *err_out);

/* All of a profile in clear. */
struct profile_secrets {
	char *texts[PROFILE_SECRETS];
};

int profile_unseal_all(const struct profile *profile, struct msg_bytes seal_key,
    struct profile_secrets *secrets_out, struct err *err_out);
void profile_secrets_fini(struct profile_secrets *secrets);

#endif
