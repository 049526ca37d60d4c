/*
 * client_auth - the client's side of one SASL exchange, with libgsasl
 *
 * Owns     the exchange; borrows the credentials only while it is made
 * Context  pure: tokens in, tokens out
 * Fails    -1 and *err_out
 */
#ifndef POSTERN_RELAY_CLIENT_AUTH_H
#define POSTERN_RELAY_CLIENT_AUTH_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client_auth;

/* The methods of a profile that are built, the strongest first; `offered` holds what the upstream
 * announced. */
enum auth_method { AUTH_CRAM_MD5, AUTH_LOGIN, AUTH_PLAIN, AUTH_METHODS };

#define AUTH_BIT(method) (1u << (method))

/* As in AUTH's argument. */
const char *auth_method_name(enum auth_method method);
/* The bit of a mechanism's name, 0 for one that isn't built. */
unsigned auth_method_bit(const char *name, size_t size);
/* From a profile's `auth`: the methods that may be used. -1 when it names none of them. */
int auth_methods_wanted(const char *auth, unsigned *methods_out, struct err *err_out);

struct client_auth_settings {
	enum auth_method method;
	const char *username;
	const uint8_t *secret;
	size_t secret_size;
};

struct client_auth *client_auth_new(
    const struct client_auth_settings *settings, struct err *err_out);
void client_auth_free(struct client_auth *auth); /* NULL is allowed; wipes */
/* The answer to a challenge (base64, as it stands behind 334) as base64. The initial response of
 * a method that has one is the answer to an empty challenge. */
int client_auth_step(
    struct client_auth *auth, const char *challenge, struct buf *answer_out, struct err *err_out);
/* Whether the client speaks first (PLAIN). */
bool client_auth_is_first(const struct client_auth *auth);

#endif
