/*
 * oauth_settings - a profile's OAuth2 settings as relay has them, and the forms that it sends
 *
 * Owns     copies of everything; secrets are wiped at the end
 * Context  pure
 * Fails    -1 and *err_out: only a service account's key can
 */
#ifndef POSTERN_RELAY_OAUTH_SETTINGS_H
#define POSTERN_RELAY_OAUTH_SETTINGS_H

#include "common/buf.h"
#include "common/err.h"
#include "daemon/core/messages.h"
#include "daemon/core/values.h"

#include <stdbool.h>

struct oauth_settings {
	enum oauth_grant grant;
	char *profile; /* its name */
	char *token_url, *device_url;
	char *client_id, *client_secret; /* "": none */
	char *scope, *subject;
	struct buf key; /* a service account's file */
	struct buf ca;  /* PEM; empty: the system's */
};

void oauth_settings_init(struct oauth_settings *settings, const struct msg_profile *message);
void oauth_settings_fini(struct oauth_settings *settings);
/* Whether tokens that were got with one are good for the other. */
bool oauth_settings_equal(const struct oauth_settings *one, const struct oauth_settings *other);
struct msg_bytes oauth_settings_ca(const struct oauth_settings *settings);

/* RFC 6749 6 and 4.4, RFC 7523 2.1. The refresh token is for those grants that have one. */
int oauth_form_token(const struct oauth_settings *settings, const char *refresh_token,
    int64_t now_s, struct buf *form_out, struct err *err_out);
/* RFC 8628 3.1, 3.4 */
void oauth_form_device(const struct oauth_settings *settings, struct buf *form_out);
void oauth_form_poll(
    const struct oauth_settings *settings, const char *device_code, struct buf *form_out);

#endif
