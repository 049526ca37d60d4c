/*
 * sasl_mechanism - the mechanisms that are built, and what each needs
 *
 * Part of sasl. The library could do more; only what stands here is ever begun.
 */
#ifndef POSTERN_ACCOUNTS_SASL_MECHANISM_H
#define POSTERN_ACCOUNTS_SASL_MECHANISM_H

#include <stdbool.h>
#include <stddef.h>

struct sasl_mechanism {
	const char *name;
	size_t response_max;  /* octets of one response */
	bool is_proof;        /* the client shows that it knows the password, not the password */
	bool is_bound;        /* it needs a channel binding */
	bool is_server_first; /* there is no initial response */
};

/* One that is built and that the config's list names, in any case; or NULL. */
const struct sasl_mechanism *sasl_mechanism_find(const char *configured, const char *name);

#endif
