/*
 * certificate - makes and reads X.509 certificates with EC keys
 *
 * Role     parent
 * Gives    OpenSSL objects, which the caller frees
 * Units    days; seconds since 1970
 * Fails    parsing: NULL; making never, unless memory or randomness end
 */
#ifndef POSTERN_PARENT_CERTIFICATE_H
#define POSTERN_PARENT_CERTIFICATE_H

#include "common/buf.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <time.h>

#define CERTIFICATE_NAMES_MAX 64

/* Host names and addresses, as text. */
struct certificate_names {
	unsigned count;
	char *text[CERTIFICATE_NAMES_MAX];
};

/* `hostname` first, then localhost and the addresses of the interfaces that are up, without
 * those that hold on one link only. */
void certificate_names_of_machine(struct certificate_names *names, const char *hostname);
void certificate_names_add(struct certificate_names *names, const char *text);
void certificate_names_fini(struct certificate_names *names);

struct certificate_request {
	const char *name; /* of the subject */
	const struct certificate_names *names;
	int days;
	time_t now;
	bool is_ca;
};

EVP_PKEY *certificate_make_key(void); /* P-256 */
/* `issuer` NULL: signed by itself. It ends before its issuer does. */
X509 *certificate_make(
    const struct certificate_request *request, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key);

bool certificate_is_signed_by(X509 *certificate, X509 *issuer);
bool certificate_has_names(X509 *certificate, const struct certificate_names *names);

/* PEM */
void certificate_format(X509 *certificate, struct buf *out);
void certificate_format_key(EVP_PKEY *key, struct buf *out);
X509 *certificate_parse(const struct buf *pem);
/* All of them; not whole: behind the last one there is something that cannot be read. */
STACK_OF(X509) * certificate_parse_chain(const struct buf *pem, bool *is_whole_out);
EVP_PKEY *certificate_parse_key(const struct buf *pem); /* none with a passphrase */

#endif
