/* certs - small EC certificates for tests. */
#include "tests/unit/certs.h"

#include "common/err.h"
#include "common/xalloc.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct msg_bytes
take_bio(BIO *bio)
{
	char *bytes;
	long size = BIO_get_mem_data(bio, &bytes);
	struct msg_bytes copy = {.size = (uint32_t)size};
	uint8_t *at = xmalloc((size_t)size);

	memcpy(at, bytes, (size_t)size);
	copy.at = at;
	BIO_free(bio);
	return copy;
}

static EVP_PKEY *
read_key(struct msg_bytes pem)
{
	BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.size);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	ensure(key != NULL);
	BIO_free(bio);
	return key;
}

static X509 *
read_certificate(struct msg_bytes pem)
{
	BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.size);
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	ensure(certificate != NULL);
	BIO_free(bio);
	return certificate;
}

static void
add_extension(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	ensure(extension != NULL);
	ensure(X509_add_ext(certificate, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static void
add_names(X509 *certificate, const struct certs_request *request)
{
	char text[300] = "";

	if (request->name != NULL && !request->is_ca)
		(void)snprintf(text, sizeof(text), "DNS:%s", request->name);
	if (request->address != NULL)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%sIP:%s",
		    text[0] != '\0' ? "," : "", request->address);
	if (text[0] != '\0')
		add_extension(certificate, NID_subject_alt_name, text);
	if (request->is_ca)
		add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
}

static X509 *
build(const struct certs_request *request, EVP_PKEY *key)
{
	static long serial = 1000;
	X509 *certificate = X509_new();
	X509_NAME *subject = X509_get_subject_name(certificate);
	const char *name = request->name != NULL ? request->name : "test server";

	ensure(X509_set_version(certificate, 2) == 1);
	ensure(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++) == 1);
	ensure(X509_gmtime_adj(
		   X509_getm_notBefore(certificate), request->starts_in_days * 86400L) != NULL);
	ensure(X509_gmtime_adj(X509_getm_notAfter(certificate), request->ends_in_days * 86400L) !=
	       NULL);
	ensure(X509_set_pubkey(certificate, key) == 1);
	ensure(X509_NAME_add_entry_by_txt(
		   subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0) == 1);
	add_names(certificate, request);
	return certificate;
}

struct certs
certs_make(const struct certs_request *request, const struct certs *issuer)
{
	EVP_PKEY *key =
	    request->rsa_bits > 0 ? EVP_RSA_gen((unsigned)request->rsa_bits) : EVP_EC_gen("P-256");
	X509 *certificate = build(request, key);
	EVP_PKEY *signer = issuer != NULL ? read_key(issuer->key) : key;
	X509 *parent = issuer != NULL ? read_certificate(issuer->certificate) : certificate;
	BIO *certificate_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());
	struct certs made;

	ensure(X509_set_issuer_name(certificate, X509_get_subject_name(parent)) == 1);
	ensure(X509_sign(certificate, signer, EVP_sha256()) > 0);
	ensure(PEM_write_bio_X509(certificate_bio, certificate) == 1);
	ensure(PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1);
	made.certificate = take_bio(certificate_bio);
	made.key = take_bio(key_bio);
	if (issuer != NULL) {
		EVP_PKEY_free(signer);
		X509_free(parent);
	}
	X509_free(certificate);
	EVP_PKEY_free(key);
	return made;
}

void
certs_free(struct certs *certs)
{
	free((void *)(uintptr_t)certs->certificate.at);
	free((void *)(uintptr_t)certs->key.at);
}
