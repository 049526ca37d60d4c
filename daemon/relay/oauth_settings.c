/* oauth_settings - copies of the settings, and forms of them (RFC 6749 appendix B). */
#include "daemon/relay/oauth_settings.h"

#include "common/xalloc.h"
#include "daemon/relay/jwt.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void
wipe_text(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void
wipe(struct buf *buf)
{
	if (buf->bytes != NULL)
		explicit_bzero(buf->bytes, buf->capacity);
	buf_fini(buf);
}

static char *
copy_bytes(struct msg_bytes bytes)
{
	return xstrndup(bytes.size > 0 ? (const char *)bytes.at : "", bytes.size);
}

void
oauth_settings_init(struct oauth_settings *settings, const struct msg_profile *message)
{
	bool has_subject = message->oauth_subject[0] != '\0';

	*settings = (struct oauth_settings){
	    .grant =
		message->oauth_grant <= GRANT_SERVICE_ACCOUNT ? message->oauth_grant : GRANT_NONE,
	    .profile = xstrdup(message->name),
	    .token_url = xstrdup(message->oauth_token_url),
	    .device_url = xstrdup(message->oauth_device_url),
	    .client_id = xstrdup(message->oauth_client_id),
	    .client_secret = copy_bytes(message->oauth_client_secret),
	    .scope = xstrdup(message->oauth_scope),
	    .subject = xstrdup(has_subject ? message->oauth_subject : message->username),
	};
	buf_init(&settings->key);
	buf_init(&settings->ca);
	buf_append(&settings->key, message->oauth_key.at, message->oauth_key.size);
	buf_append(&settings->ca, message->oauth_ca.at, message->oauth_ca.size);
}

void
oauth_settings_fini(struct oauth_settings *settings)
{
	free(settings->profile);
	free(settings->token_url);
	free(settings->device_url);
	free(settings->client_id);
	wipe_text(settings->client_secret);
	free(settings->scope);
	free(settings->subject);
	wipe(&settings->key);
	buf_fini(&settings->ca);
	*settings = (struct oauth_settings){0};
}

static bool
is_same(const struct buf *one, const struct buf *other)
{
	return one->size == other->size &&
	       (one->size == 0 || memcmp(one->bytes, other->bytes, one->size) == 0);
}

bool
oauth_settings_equal(const struct oauth_settings *one, const struct oauth_settings *other)
{
	return one->grant == other->grant && strcmp(one->token_url, other->token_url) == 0 &&
	       strcmp(one->device_url, other->device_url) == 0 &&
	       strcmp(one->client_id, other->client_id) == 0 &&
	       strcmp(one->client_secret, other->client_secret) == 0 &&
	       strcmp(one->scope, other->scope) == 0 && strcmp(one->subject, other->subject) == 0 &&
	       is_same(&one->key, &other->key) && is_same(&one->ca, &other->ca);
}

struct msg_bytes
oauth_settings_ca(const struct oauth_settings *settings)
{
	return (struct msg_bytes){(const uint8_t *)settings->ca.bytes, (uint32_t)settings->ca.size};
}

/* ---- forms ---- */

static void
add(struct buf *form, const char *name, const char *value)
{
	if (*value == '\0')
		return;
	buf_printf(form, "%s%s=", form->size > 0 ? "&" : "", name);
	for (const unsigned char *at = (const unsigned char *)value; *at != '\0'; at++)
		if (isalnum(*at) || strchr("-._~", *at) != NULL)
			buf_char(form, (char)*at);
		else
			buf_printf(form, "%%%02X", *at);
}

static void
add_client(struct buf *form, const struct oauth_settings *settings)
{
	add(form, "client_id", settings->client_id);
	add(form, "client_secret", settings->client_secret);
}

static int
add_assertion(
    struct buf *form, const struct oauth_settings *settings, int64_t now_s, struct err *err_out)
{
	const struct jwt_claims claims = {
	    .issuer = settings->client_id,
	    .subject = settings->subject,
	    .audience = settings->token_url,
	    .scope = settings->scope,
	    .now_s = now_s,
	};
	const struct msg_bytes key = {
	    (const uint8_t *)settings->key.bytes, (uint32_t)settings->key.size};
	struct buf assertion;
	int rc;

	buf_init(&assertion);
	rc = jwt_sign(key, &claims, &assertion, err_out);
	if (rc == 0) {
		add(form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
		add(form, "assertion", assertion.bytes);
	}
	wipe(&assertion);
	return rc;
}

int
oauth_form_token(const struct oauth_settings *settings, const char *refresh_token, int64_t now_s,
    struct buf *form_out, struct err *err_out)
{
	switch (settings->grant) {
	case GRANT_SERVICE_ACCOUNT:
		return add_assertion(form_out, settings, now_s, err_out);
	case GRANT_CLIENT:
		add(form_out, "grant_type", "client_credentials");
		break;
	default:
		add(form_out, "grant_type", "refresh_token");
		add(form_out, "refresh_token", refresh_token);
		break;
	}
	add_client(form_out, settings);
	add(form_out, "scope", settings->scope);
	return 0;
}

void
oauth_form_device(const struct oauth_settings *settings, struct buf *form_out)
{
	add_client(form_out, settings);
	add(form_out, "scope", settings->scope);
}

void
oauth_form_poll(
    const struct oauth_settings *settings, const char *device_code, struct buf *form_out)
{
	add(form_out, "grant_type", "urn:ietf:params:oauth:grant-type:device_code");
	add(form_out, "device_code", device_code);
	add_client(form_out, settings);
}
