/*
 * jwt - the signed assertion of a service account (RFC 7523, RFC 7515, RS256)
 *
 * Owns     nothing
 * Context  pure
 * Units    seconds since 1970
 * Fails    -1 and *err_out: the key file is not one, or its key can't sign so
 */
#ifndef POSTERN_RELAY_JWT_H
#define POSTERN_RELAY_JWT_H

#include "common/buf.h"
#include "common/err.h"
#include "daemon/core/messages.h"

#include <stdint.h>

#define JWT_LIFE_S 3600 /* the most that Google takes */

struct jwt_claims {
	const char *issuer;
	const char *subject; /* whose mailbox */
	const char *audience;
	const char *scope;
	int64_t now_s;
};

/* `key_file`: JSON with private_key (PEM) and private_key_id. Appends the assertion. */
int jwt_sign(struct msg_bytes key_file, const struct jwt_claims *claims, struct buf *out,
    struct err *err_out);

#endif
