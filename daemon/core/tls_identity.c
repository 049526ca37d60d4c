/* tls_identity - parses certificates and keys, and chooses among them by name. */
#include "daemon/core/tls_identity.h"

#include "common/err.h"
#include "common/xalloc.h"
#include "daemon/core/tls_private.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAMES_MAX 1000 /* of one certificate; what is beyond is not looked at */

struct identity {
	X509 *certificate;
	EVP_PKEY *key;
	STACK_OF(X509) * chain;
	char **names;
	unsigned name_count;
};

struct tls_identities {
	struct identity *all;
	unsigned count;
	const char *default_name; /* NULL: the first one has no name */
};

/* ---- names ---- */

static void
add_name(struct identity *identity, const ASN1_STRING *text)
{
	const char *bytes = (const char *)ASN1_STRING_get0_data(text);
	size_t size = (size_t)ASN1_STRING_length(text);

	if (identity->name_count == NAMES_MAX || size == 0 || memchr(bytes, '\0', size) != NULL)
		return;
	identity->names =
	    xrealloc(identity->names, identity->name_count + 1, sizeof(*identity->names));
	identity->names[identity->name_count++] = xstrndup(bytes, size);
}

/* The common name counts only where there is no other (RFC 6125 6.4.4). */
static void
find_names(struct identity *identity)
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(identity->certificate, NID_subject_alt_name, NULL, NULL);
	X509_NAME *subject = X509_get_subject_name(identity->certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			add_name(identity, name->d.dNSName);
	}
	if (names == NULL && at >= 0)
		add_name(identity, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	GENERAL_NAMES_free(names);
}

/* `*.example.com` covers one label, not none and not two. */
static bool
is_covered(const char *pattern, const char *name)
{
	const char *rest = strchr(name, '.');

	return strncmp(pattern, "*.", 2) == 0 && rest != NULL && rest != name &&
	       strcasecmp(pattern + 1, rest) == 0;
}

static bool
is_for(const struct identity *identity, const char *name, bool takes_wildcards)
{
	for (unsigned i = 0; i < identity->name_count; i++)
		if (strcasecmp(identity->names[i], name) == 0 ||
		    (takes_wildcards && is_covered(identity->names[i], name)))
			return true;
	return false;
}

/* ---- choosing ---- */

static bool
offer(SSL *ssl, const struct identity *identity)
{
	/* Not over another one of its kind, which came first. */
	return SSL_use_cert_and_key(
		   ssl, identity->certificate, identity->key, identity->chain, 0) == 1;
}

/* Whether any is for it. */
static bool
offer_all_for(SSL *ssl, const struct tls_identities *identities, const char *name, bool by_wildcard)
{
	bool has_any = false;

	for (unsigned i = 0; i < identities->count; i++) {
		if (!is_for(&identities->all[i], name, by_wildcard))
			continue;
		if (!has_any)
			SSL_certs_clear(ssl);
		has_any = true;
		(void)offer(ssl, &identities->all[i]);
	}
	ERR_clear_error();
	return has_any;
}

/* Without one of these names the client gets what the context has. */
static int
choose(SSL *ssl, void *ctx)
{
	const struct tls_identities *identities = ctx;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	if (name != NULL && !offer_all_for(ssl, identities, name, false))
		(void)offer_all_for(ssl, identities, name, true);
	return 1;
}

/* ---- from and to OpenSSL ---- */

static int
read_chain(struct identity *identity, BIO *bio, struct err *err_out)
{
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	if (certificate == NULL)
		return err_set(
		    err_out, "TLS certificate: no PEM certificate: %s", tls_error_words());
	identity->certificate = certificate;
	identity->chain = sk_X509_new_null();
	ensure(identity->chain != NULL);
	while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		ensure(sk_X509_push(identity->chain, certificate) > 0);
	if (!tls_is_end_of_pem())
		return err_set(err_out, "TLS certificate chain: %s", tls_error_words());
	find_names(identity);
	return 0;
}

/* Without this OpenSSL would ask at the terminal. */
static int
no_passphrase(char *buffer, int size, int is_writing, void *ctx)
{
	return -1;
}

static int
read_key(struct identity *identity, BIO *bio, struct err *err_out)
{
	identity->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	if (identity->key == NULL)
		return err_set(
		    err_out, "TLS key: no PEM key without a passphrase: %s", tls_error_words());
	if (X509_check_private_key(identity->certificate, identity->key) != 1)
		return err_set(
		    err_out, "TLS key does not belong to the certificate: %s", tls_error_words());
	return 0;
}

static int
read_pair(struct identity *identity, const struct tls_pair *pair, struct err *err_out)
{
	BIO *certificate = tls_bio_of(pair->certificate), *key = tls_bio_of(pair->key);
	int result = read_chain(identity, certificate, err_out);

	if (result == 0)
		result = read_key(identity, key, err_out);
	BIO_free(certificate);
	BIO_free(key);
	return result;
}

struct tls_identities *
tls_identities_new(const struct tls_pair *pairs, unsigned count, struct err *err_out)
{
	struct tls_identities *identities = xcalloc(1, sizeof(*identities));

	ensure(count > 0);
	ERR_clear_error();
	identities->all = xcalloc(count, sizeof(*identities->all));
	identities->count = count;
	for (unsigned i = 0; i < count; i++)
		if (read_pair(&identities->all[i], &pairs[i], err_out) != 0) {
			tls_identities_free(identities);
			return NULL;
		}
	if (identities->all[0].name_count > 0)
		identities->default_name = identities->all[0].names[0];
	return identities;
}

void
tls_identities_free(struct tls_identities *identities)
{
	if (identities == NULL)
		return;
	for (unsigned i = 0; i < identities->count; i++) {
		struct identity *identity = &identities->all[i];

		X509_free(identity->certificate);
		EVP_PKEY_free(identity->key);
		sk_X509_pop_free(identity->chain, X509_free);
		for (unsigned j = 0; j < identity->name_count; j++)
			free(identity->names[j]);
		free(identity->names);
	}
	free(identities->all);
	free(identities);
}

/* Each on a context that is thrown away: one that OpenSSL finds too weak is an error at once, not
 * when the first client asks for it. */
static int
check(const struct tls_identities *identities, SSL_CTX *like, struct err *err_out)
{
	SSL *ssl = SSL_new(like);
	int result = 0;

	ensure(ssl != NULL);
	for (unsigned i = 0; i < identities->count && result == 0; i++) {
		SSL_certs_clear(ssl);
		if (!offer(ssl, &identities->all[i]))
			result = err_set(err_out, "TLS certificate: %s", tls_error_words());
	}
	SSL_free(ssl);
	return result;
}

int
tls_identities_use(struct tls_identities *identities, SSL_CTX *ssl, struct err *err_out)
{
	if (check(identities, ssl, err_out) != 0)
		return -1;
	for (unsigned i = 0; i < identities->count; i++) {
		const struct identity *identity = &identities->all[i];

		if (i == 0 || (identities->default_name != NULL &&
				  is_for(identity, identities->default_name, true)))
			(void)SSL_CTX_use_cert_and_key(
			    ssl, identity->certificate, identity->key, identity->chain, 0);
	}
	ERR_clear_error();
	if (identities->count > 1)
		SSL_CTX_set_cert_cb(ssl, choose, identities);
	return 0;
}
