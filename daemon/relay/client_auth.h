/*
 * client_auth - the client's side of one SASL exchange
 *
 * Owns     the exchange, with copies of what it needs of the credentials; wiped at its end
 * Context  pure: tokens in, tokens out
 * Fails    AUTH_STEP_FAILED and *err_out
 *
 * PLAIN, LOGIN, CRAM-MD5, EXTERNAL, ANONYMOUS and SCRAM are libgsasl's (auth_library.c); SCRAM's key
 * is derived by whoever drives the exchange, since that takes time. NTLM and the mechanisms with
 * tokens are our own (auth_ntlm.c, auth_bearer.c).
 */
#ifndef POSTERN_RELAY_CLIENT_AUTH_H
#define POSTERN_RELAY_CLIENT_AUTH_H

#include "common/buf.h"
#include "common/err.h"
#include "daemon/core/values.h"
#include "daemon/relay/auth_method.h"
#include "daemon/relay/scram_key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client_auth;

struct client_auth_settings {
	enum auth_method method;
	const char *username;
	const char *secret;                /* password or token */
	const struct tls_binding *binding; /* of the connection's TLS; NULL: none */
	const char *host;                  /* the upstream, as OAUTHBEARER says it */
	unsigned port;
};

enum auth_step {
	AUTH_STEP_ANSWERS,
	AUTH_STEP_WANTS_KEY, /* client_auth_take_key(), derive it, client_auth_use_key() */
	AUTH_STEP_FAILED
};

struct client_auth *client_auth_new(
    const struct client_auth_settings *settings, struct err *err_out);
void client_auth_free(struct client_auth *auth); /* NULL is allowed */

/* Whether the client speaks first: its initial response is the answer to a challenge of "". */
bool client_auth_is_first(const struct client_auth *auth);
/* Whether the first challenge says nothing, whatever stands in it. */
bool client_auth_skips_first(const struct client_auth *auth);
/* The answer to a challenge (base64, as it stands behind 334) as base64. */
enum auth_step client_auth_step(
    struct client_auth *auth, const char *challenge, struct buf *answer_out, struct err *err_out);
/* After AUTH_STEP_WANTS_KEY. The caller owns the key until it gives it back, derived, and has the
 * answer. */
struct scram_key *client_auth_take_key(struct client_auth *auth);
enum auth_step client_auth_use_key(
    struct client_auth *auth, struct scram_key *key, struct buf *answer_out, struct err *err_out);

/* What the upstream said of the failure beside its reply, "": nothing. */
const char *client_auth_detail(const struct client_auth *auth);
/* The upstream proved what its mechanism has it prove. */
bool client_auth_is_proved(const struct client_auth *auth);
/* The step failed because the upstream can't do the mechanism here after all. */
bool client_auth_is_unsupported(const struct client_auth *auth);

#endif
