/* client_certificate - a certificate and its key, held against each other. */
#include "daemon/accounts/client_certificate.h"

#include "common/err.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <string.h>

static BIO *
bio_of(const char *text)
{
	BIO *bio = BIO_new_mem_buf(text, -1);

	ensure(bio != NULL);
	return bio;
}

/* Instead of a question on the terminal. */
static int
no_passphrase(char *buffer, int size, int is_writing, void *was_asked)
{
	*(bool *)was_asked = true;
	return -1;
}

static int
refuse_key(struct refusal *refusal_out, const char *why)
{
	return refuse(refusal_out, REFUSED_INVALID, "invalid", "client_key", "client_key: %s", why);
}

static int
check_key(X509 *certificate, const char *text, struct refusal *refusal_out)
{
	BIO *bio = bio_of(text);
	bool was_asked = false, fits;
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &was_asked);

	BIO_free(bio);
	if (key == NULL)
		return refuse_key(refusal_out,
		    was_asked ? "it has a passphrase; take that off first (openssl pkey -in FILE "
				"-out OTHER): it is kept sealed here"
			      : "there is no key (PEM) in it");
	fits = X509_check_private_key(certificate, key) == 1;
	EVP_PKEY_free(key);
	return fits ? 0
		    : refuse_key(refusal_out,
			  "it does not belong to the client certificate, of which the first in "
			  "the file counts");
}

int
client_certificate_check(const char *certificate, const char *key, struct refusal *refusal_out)
{
	bool has_certificate = certificate != NULL && *certificate != '\0';
	bool has_key = key != NULL && *key != '\0';
	X509 *parsed;
	BIO *bio;
	int rc;

	if (has_certificate != has_key)
		return refuse(refusal_out, REFUSED_INVALID, "missing",
		    has_key ? "client_certificate" : "client_key",
		    "client_%s: a client certificate and its key go together "
		    "(--client-certificate FILE --client-key FILE)",
		    has_key ? "certificate" : "key");
	if (!has_key)
		return 0;
	bio = bio_of(certificate);
	parsed = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	rc = parsed != NULL ? check_key(parsed, key, refusal_out)
			    : refuse(refusal_out, REFUSED_INVALID, "invalid", "client_certificate",
				  "client_certificate: there is no certificate (PEM) in it");
	X509_free(parsed);
	ERR_clear_error();
	return rc;
}
