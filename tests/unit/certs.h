/*
 * certs - certificates for tests, made on the spot
 *
 * Owns     what certs_make() filled until certs_free()
 */
#ifndef POSTERN_TESTS_CERTS_H
#define POSTERN_TESTS_CERTS_H

#include "daemon/core/messages.h"

struct certs_request {
	const char *name;    /* DNS name (of a CA: what it is called), or NULL */
	const char *address; /* IP address, or NULL */
	int starts_in_days;  /* from now; negative: before now */
	int ends_in_days;
	bool is_ca;
	int rsa_bits; /* 0: an EC key */
};

struct certs {
	struct msg_bytes certificate, key; /* PEM */
};

/* Signed by `issuer`, or by itself if that is NULL. */
struct certs certs_make(const struct certs_request *request, const struct certs *issuer);
void certs_free(struct certs *certs);

#endif
