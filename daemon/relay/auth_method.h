/*
 * auth_method - the SASL mechanisms that we can log in with, and which of them a profile wants
 *
 * Owns     nothing
 * Context  pure
 * Fails    -1 and *err_out
 */
#ifndef POSTERN_RELAY_AUTH_METHOD_H
#define POSTERN_RELAY_AUTH_METHOD_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

/* The strongest first; `auto` takes those from the first up to PLAIN. */
enum auth_method {
	AUTH_SCRAM_SHA_256_PLUS,
	AUTH_SCRAM_SHA_256,
	AUTH_SCRAM_SHA_1_PLUS,
	AUTH_SCRAM_SHA_1,
	AUTH_CRAM_MD5,
	AUTH_NTLM,
	AUTH_LOGIN,
	AUTH_PLAIN,
	AUTH_NTLM_V1, /* only by its name: as good as the password itself */
	AUTH_XOAUTH2,
	AUTH_OAUTHBEARER,
	AUTH_EXTERNAL,
	AUTH_ANONYMOUS,
	AUTH_METHODS
};

#define AUTH_BIT(method) (1u << (method))

struct auth_traits {
	const char *mechanism;   /* as in AUTH's argument */
	const char *option;      /* as in a profile's `auth` */
	bool is_plain;           /* what is said is the secret itself */
	bool is_bound;           /* to the TLS session (RFC 5056) */
	bool is_mutual;          /* the upstream proves that it knows the password as well */
	bool has_secret;         /* it says or proves one */
	bool is_token;           /* for an access token in place of a password */
	unsigned challenges_max; /* that one exchange has */
};

const struct auth_traits *auth_traits(enum auth_method method);
/* As in AUTH's argument. */
const char *auth_method_name(enum auth_method method);
/* The bits of a mechanism's name, 0 for one that isn't built. */
unsigned auth_method_bit(const char *name, size_t size);
/* The methods that are all in `is_plain`. */
unsigned auth_methods_plain(void);
/* The methods that are all in `is_token`; `auto` has none of them. */
unsigned auth_methods_token(void);
/* From a profile's `auth`: the methods that may be used. -1 when it names none of them. */
int auth_methods_wanted(const char *auth, unsigned *methods_out, struct err *err_out);

#endif
