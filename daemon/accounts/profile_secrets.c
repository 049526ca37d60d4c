/* profile_secrets - seals and unseals a profile's secrets, a row for each. */
#include "daemon/accounts/profile_secrets.h"

#include "common/xalloc.h"
#include "daemon/accounts/password.h"
#include "daemon/accounts/seal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CONTEXT_SIZE 64

static const struct {
	const char *name;
	const char *words; /* in messages */
	const char *option;
	size_t max;
	size_t offset;
} rows[PROFILE_SECRETS] = {
    [SECRET_PASSWORD] = {"password", "password", "--password-stdin", 4096,
	offsetof(struct profile, password)},
    [SECRET_CLIENT_KEY] = {"client_key", "client key", "--client-key FILE", 4096,
	offsetof(struct profile, client_key)},
    [SECRET_OAUTH_CLIENT_SECRET] = {"oauth_client_secret", "client secret",
	"--oauth-client-secret-stdin", 4096, offsetof(struct profile, oauth_client_secret)},
    [SECRET_OAUTH_KEY] = {"oauth_key", "service account's key", "--oauth-key FILE", SEAL_SECRET_MAX,
	offsetof(struct profile, oauth_key)},
    [SECRET_OAUTH_REFRESH_TOKEN] = {"oauth_refresh_token", "refresh token",
	"--oauth-refresh-token-stdin", OAUTH_REFRESH_TOKEN_MAX,
	offsetof(struct profile, oauth_refresh_token)},
    [SECRET_POP3_PASSWORD] = {"pop3_password", "password for POP3", "--pop3-password-stdin", 4096,
	offsetof(struct profile, pop3_password)},
};

const char *
profile_secret_name(enum profile_secret secret)
{
	return rows[secret].name;
}

size_t
profile_secret_max(enum profile_secret secret)
{
	return rows[secret].max;
}

char **
profile_secret_of(struct profile *profile, enum profile_secret secret)
{
	return (char **)(void *)((char *)profile + rows[secret].offset);
}

static const char *
seal_context(const struct profile *profile, enum profile_secret secret, char *buffer)
{
	(void)snprintf(
	    buffer, CONTEXT_SIZE, "profile/%" PRId64 "/%s", profile->id, rows[secret].name);
	return buffer;
}

int
profile_seal(struct profile *profile, enum profile_secret secret, struct msg_bytes seal_key,
    const char *text, struct err *err_out)
{
	char **place = profile_secret_of(profile, secret);
	char context[CONTEXT_SIZE], *sealed;

	if (seal_close(seal_key, seal_context(profile, secret, context), text, &sealed, err_out) !=
	    0)
		return -1;
	free(*place);
	*place = sealed;
	return 0;
}

int
profile_unseal(const struct profile *profile, enum profile_secret secret, struct msg_bytes seal_key,
    char **text_out, struct err *err_out)
{
	const char *sealed = *profile_secret_of((struct profile *)(uintptr_t)profile, secret);
	char context[CONTEXT_SIZE];
	struct err why;

	if (sealed == NULL) {
		*text_out = xstrdup("");
		return 0;
	}
	if (seal_open(seal_key, seal_context(profile, secret, context), sealed, text_out, &why) ==
	    0)
		return 0;
	return err_set(err_out,
	    "the %s of profile %s can't be read: %.200s; restore seal.key, or set the %s again "
	    "(profile set %s %s)",
	    rows[secret].words, profile->name, why.text, rows[secret].words, profile->name,
	    rows[secret].option);
}

int
profile_unseal_all(const struct profile *profile, struct msg_bytes seal_key,
    struct profile_secrets *secrets_out, struct err *err_out)
{
	*secrets_out = (struct profile_secrets){0};
	for (enum profile_secret secret = 0; secret < PROFILE_SECRETS; secret++) {
		if (profile_unseal(
			profile, secret, seal_key, &secrets_out->texts[secret], err_out) != 0) {
			profile_secrets_fini(secrets_out);
			return -1;
		}
	}
	return 0;
}

void
profile_secrets_fini(struct profile_secrets *secrets)
{
	for (enum profile_secret secret = 0; secret < PROFILE_SECRETS; secret++)
		password_free(secrets->texts[secret]);
	*secrets = (struct profile_secrets){0};
}
