/* profile_oauth - a row for each setting says which grants need it, and which have no use for it. */
#include "daemon/accounts/profile_oauth.h"

#include "common/log.h"
#include "common/url.h"
#include "common/xalloc.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/password.h"
#include "daemon/accounts/profile_secrets.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

/* In the order of enum oauth_grant, from its second on. */
const char *const profile_oauth_grants[] = {"refresh", "client", "device", "service-account", NULL};

#define IN(grant) (1u << GRANT_##grant)
#define EVERY (IN(REFRESH) | IN(CLIENT) | IN(DEVICE) | IN(SERVICE_ACCOUNT))
#define LOGINS (IN(REFRESH) | IN(DEVICE))

#define SETTING(field) #field, offsetof(struct profile, field)

static const struct {
	const char *name;
	size_t offset;
	unsigned allowed, needed; /* sets of grants */
} settings[] = {
    {SETTING(oauth_token_url), EVERY, EVERY},
    {SETTING(oauth_device_url), IN(DEVICE), IN(DEVICE)},
    {SETTING(oauth_client_id), EVERY, EVERY},
    {SETTING(oauth_client_secret), LOGINS | IN(CLIENT), IN(CLIENT)},
    {SETTING(oauth_scope), EVERY, EVERY & ~IN(REFRESH)},
    {SETTING(oauth_subject), IN(SERVICE_ACCOUNT), 0},
    {SETTING(oauth_key), IN(SERVICE_ACCOUNT), IN(SERVICE_ACCOUNT)},
    {SETTING(oauth_refresh_token), LOGINS, IN(REFRESH)},
    {SETTING(oauth_ca), EVERY, 0},
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static char **
place_of(struct profile *profile, size_t i)
{
	return (char **)(void *)((char *)profile + settings[i].offset);
}

static const char *
value_of(const struct profile *profile, size_t i)
{
	return *place_of((struct profile *)(uintptr_t)profile, i);
}

static enum oauth_grant
grant_of(const struct profile *profile)
{
	for (unsigned i = 0; profile->oauth_grant != NULL && profile_oauth_grants[i] != NULL; i++)
		if (strcmp(profile->oauth_grant, profile_oauth_grants[i]) == 0)
			return (enum oauth_grant)(i + 1);
	return GRANT_NONE;
}

/* ---- what may be ---- */

int
profile_check_url(char **text, struct err *err_out)
{
	struct url url;

	return url_parse(*text, &url, err_out);
}

/* Printable, blanks between words (RFC 6749 appendix A). */
int
profile_check_word(char **text, struct err *err_out)
{
	for (const char *at = *text; *at != '\0'; at++)
		if (!isprint((unsigned char)*at) || *at == '"' || *at == '\\')
			return err_set(
			    err_out, "must be printable ASCII, without quotes and backslashes");
	return 0;
}

static int
check_settings(const struct profile *profile, struct refusal *refusal_out)
{
	enum oauth_grant grant = grant_of(profile);

	for (size_t i = 0; i < SETTINGS; i++) {
		const char *name = settings[i].name;
		bool is_set = value_of(profile, i) != NULL;

		if (is_set && grant == GRANT_NONE)
			return refuse(refusal_out, REFUSED_INVALID, "missing", "oauth_grant",
			    "oauth_grant: %s has no use without one of refresh, client, device, "
			    "service-account",
			    name);
		if (is_set && (settings[i].allowed & 1u << grant) == 0)
			return refuse(refusal_out, REFUSED_INVALID, "invalid", name,
			    "%s: has no use with oauth_grant %s; take it away with an empty value",
			    name, profile->oauth_grant);
		if (!is_set && (settings[i].needed & 1u << grant) != 0)
			return refuse(refusal_out, REFUSED_INVALID, "missing", name,
			    "%s: oauth_grant %s needs it", name, profile->oauth_grant);
	}
	return 0;
}

static bool
is_token_method(const char *auth)
{
	return auth != NULL && (strcmp(auth, "xoauth2") == 0 || strcmp(auth, "oauthbearer") == 0);
}

static bool
may_carry_token(const char *auth)
{
	return auth == NULL || strcmp(auth, "auto") == 0 || is_token_method(auth);
}

int
profile_check_oauth(const struct profile *profile, struct refusal *refusal_out)
{
	if (check_settings(profile, refusal_out) != 0)
		return -1;
	/* A token that somebody else keeps fresh may stand in the place of the password; but who names
	 * a provider and a password means the one that a person types. */
	if (profile->oauth_grant == NULL && is_token_method(profile->auth) &&
	    (profile->password == NULL || profile->provider != NULL))
		return refuse(refusal_out, REFUSED_INVALID, "missing", "oauth_grant",
		    "oauth_grant: auth %s needs access tokens: say how to get them (refresh, "
		    "client, device or service-account)",
		    profile->auth);
	if (profile->oauth_grant == NULL)
		return 0;
	if (profile->username == NULL)
		return refuse(refusal_out, REFUSED_INVALID, "missing", "username",
		    "username: OAuth2 needs the mailbox that is logged in to");
	if (profile->password != NULL)
		return refuse(refusal_out, REFUSED_INVALID, "invalid", "password",
		    "password: has no use with oauth_grant; take it away with an empty value");
	if (!may_carry_token(profile->auth))
		return refuse(refusal_out, REFUSED_INVALID, "invalid", "auth",
		    "auth: with oauth_grant it must be auto, xoauth2 or oauthbearer");
	return 0;
}

bool
profile_oauth_takes(const struct profile *profile, const char *field)
{
	enum oauth_grant grant = grant_of(profile);

	for (size_t i = 0; i < SETTINGS; i++)
		if (strcmp(settings[i].name, field) == 0)
			return grant != GRANT_NONE && grant != GRANT_CLIENT &&
			       (settings[i].allowed & 1u << grant) != 0;
	return true;
}

void
profile_oauth_to_json(const struct profile *profile, json_t *object)
{
	if (profile->oauth_grant == NULL)
		return;
	(void)json_object_set_new(
	    object, "has_oauth_client_secret", json_boolean(profile->oauth_client_secret != NULL));
	(void)json_object_set_new(
	    object, "has_oauth_key", json_boolean(profile->oauth_key != NULL));
	(void)json_object_set_new(
	    object, "has_refresh_token", json_boolean(profile->oauth_refresh_token != NULL));
}

void
profile_oauth_clear(struct profile *profile)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		free(*place_of(profile, i));
		*place_of(profile, i) = NULL;
	}
}

/* ---- the file of a service account ---- */

static const char *
text_of(const json_t *file, const char *name)
{
	const char *text = json_string_value(json_object_get(file, name));

	return text != NULL ? text : "";
}

static void
take_text(char **field, const char *text)
{
	if (*text == '\0')
		return;
	free(*field);
	*field = xstrdup(text);
}

int
profile_oauth_read_key(
    struct profile *profile, const char *key, const json_t *chosen, struct refusal *refusal_out)
{
	json_t *file = json_loads(key, JSON_REJECT_DUPLICATES, NULL);
	const char *email = text_of(file, "client_email"), *url = text_of(file, "token_uri");
	struct url parts;
	struct err err;
	int rc = 0;

	if (*email == '\0' || strlen(email) > 255 ||
	    strstr(text_of(file, "private_key"), "-----BEGIN") == NULL)
		rc = refuse(refusal_out, REFUSED_INVALID, "invalid", "oauth_key",
		    "oauth_key: is not the JSON key file of a service account (it has type, "
		    "client_email, private_key and more)");
	else if (*url != '\0' && url_parse(url, &parts, &err) != 0)
		rc = refuse(refusal_out, REFUSED_INVALID, "invalid", "oauth_key",
		    "oauth_key: its token_uri %.200s", err.text);
	if (rc == 0 && json_object_get(chosen, "oauth_client_id") == NULL)
		take_text(&profile->oauth_client_id, email);
	if (rc == 0 && json_object_get(chosen, "oauth_token_url") == NULL)
		take_text(&profile->oauth_token_url, url);
	json_decref(file);
	return rc;
}

/* ---- a login's token ---- */

static bool
is_replaced_by(const char *stored, struct msg_bytes replaces, struct msg_bytes token)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];

	if (replaces.size == 0)
		return true;
	SHA256((const uint8_t *)stored, strlen(stored), digest);
	if (replaces.size == sizeof(digest) &&
	    CRYPTO_memcmp(replaces.at, digest, sizeof(digest)) == 0)
		return true;
	/* The answer was lost, and relay says it again. */
	return strlen(stored) == token.size && CRYPTO_memcmp(stored, token.at, token.size) == 0;
}

/* -1: it can't be done now. */
static int
seal_token(struct parts *parts, struct profile *profile, const char *token, bool is_login,
    struct err *err_out)
{
	if (profile_seal(profile, SECRET_OAUTH_REFRESH_TOKEN, parts->seal_key, token, err_out) != 0)
		return -1;
	if (is_login)
		profile->version++;
	return db_update(parts->db, &profile_table, profile, err_out);
}

static int
store(struct parts *parts, struct profile *profile, const struct msg_token_store *message,
    enum token_stored *outcome_out, struct err *err_out)
{
	char *stored = NULL, *token;
	int rc = 0;

	*outcome_out = TOKEN_SUPERSEDED;
	/* One that can't be read (another seal.key) can be replaced by a login. */
	if (message->replaces.size > 0 && profile_unseal(profile, SECRET_OAUTH_REFRESH_TOKEN,
					      parts->seal_key, &stored, err_out) != 0)
		return -1;
	token = xstrndup((const char *)message->refresh_token.at, message->refresh_token.size);
	if (is_replaced_by(stored, message->replaces, message->refresh_token)) {
		*outcome_out = TOKEN_KEPT;
		rc = seal_token(parts, profile, token, message->replaces.size == 0, err_out);
	}
	password_free(token);
	password_free(stored);
	return rc;
}

static bool
has_use_for_token(const struct profile *profile)
{
	enum oauth_grant grant = grant_of(profile);

	return grant == GRANT_REFRESH || grant == GRANT_DEVICE;
}

void
profile_oauth_store(struct parts *parts, struct link *link, uint32_t request_id,
    const struct msg_token_store *message)
{
	struct msg_token_stored answer = {
	    .profile_id = message->profile_id, .outcome = TOKEN_UNWANTED};
	struct profile profile = {0};
	enum token_stored outcome = TOKEN_UNWANTED;
	struct err err;
	int rc =
	    db_find_id(parts->db, &profile_table, (int64_t)message->profile_id, &profile, &err);

	if (rc > 0 && has_use_for_token(&profile) && message->refresh_token.size > 0)
		rc = store(parts, &profile, message, &outcome, &err);
	if (rc < 0) {
		/* No answer: relay says it again. */
		log_problem(LOG_ERROR, "a refresh token can't be stored yet: %s", err.text);
	} else {
		answer.outcome = (uint8_t)outcome;
		link_answer(link, request_id, MSG_TOKEN_STORED, &answer);
	}
	if (rc >= 0 && outcome == TOKEN_KEPT && message->replaces.size == 0)
		parts_tell_profile(parts, profile.id, profile.version);
	table_row_fini(&profile_table, &profile);
}
