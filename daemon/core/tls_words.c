/* tls_words - what is wrong with a peer's certificate, for people: which, whose, since when. */
#include "daemon/core/tls_private.h"

#include "common/err.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

/* "a.example"; "" for a kind that no server is verified by */
static void
name_text(const GENERAL_NAME *name, char *text, size_t size)
{
	int family = name->type == GEN_IPADD && ASN1_STRING_length(name->d.iPAddress) == 4
			 ? AF_INET
			 : AF_INET6;

	text[0] = '\0';
	if (name->type == GEN_DNS)
		(void)snprintf(text, size, "%.*s", ASN1_STRING_length(name->d.dNSName),
		    (const char *)ASN1_STRING_get0_data(name->d.dNSName));
	else if (name->type == GEN_IPADD &&
		 (family == AF_INET || ASN1_STRING_length(name->d.iPAddress) == 16))
		(void)inet_ntop(
		    family, ASN1_STRING_get0_data(name->d.iPAddress), text, (socklen_t)size);
}

/* "a.example, b.example" */
static void
names_of(X509 *certificate, char *text, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	char one[256];
	size_t used = 0;

	(void)snprintf(text, size, "no host name");
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		name_text(sk_GENERAL_NAME_value(names, i), one, sizeof(one));
		if (one[0] == '\0' || used + 1 >= size)
			continue;
		used +=
		    (size_t)snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", one);
	}
	GENERAL_NAMES_free(names);
}

/* What a CA is called. */
static void
subject_text(const X509_NAME *name, char *text, size_t size)
{
	static const int parts[] = {
	    NID_commonName, NID_organizationalUnitName, NID_organizationName};

	(void)snprintf(text, size, "without a name");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (X509_NAME_get_text_by_NID(name, parts[i], text, (int)size) > 0)
			return;
}

static void
date_of(const ASN1_TIME *time, char *text, size_t size)
{
	struct tm when;

	(void)snprintf(text, size, "an unknown date");
	if (ASN1_TIME_to_tm(time, &when) == 1)
		(void)strftime(text, size, "%Y-%m-%d", &when);
}

/* "the certificate", or that of a CA above it. */
static void
say_whose(int depth, X509 *certificate, char *text, size_t size)
{
	char name[100];

	(void)snprintf(text, size, "the certificate");
	if (depth == 0)
		return;
	subject_text(X509_get_subject_name(certificate), name, sizeof(name));
	(void)snprintf(text, size, "the certificate of the CA %s", name);
}

static void
say_weak(X509 *certificate, const char *whose, struct err *words_out)
{
	EVP_PKEY *key = X509_get0_pubkey(certificate);
	const char *kind = key == NULL ? NULL : EVP_PKEY_get0_type_name(key);

	(void)err_set(words_out, "%s has a key that is too weak (%s, %d bits)", whose,
	    kind == NULL ? "unknown" : kind, key == NULL ? 0 : EVP_PKEY_get_bits(key));
}

void
tls_certificate_words(
    int error, int depth, X509 *certificate, const char *server, struct err *words_out)
{
	char whose[140], text[200];

	say_whose(depth, certificate, whose, sizeof(whose));
	switch (error) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		names_of(certificate, text, sizeof(text));
		(void)err_set(words_out, "the certificate is for %s, not for %s", text, server);
		break;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		date_of(X509_get0_notAfter(certificate), text, sizeof(text));
		(void)err_set(words_out, "%s expired on %s", whose, text);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		date_of(X509_get0_notBefore(certificate), text, sizeof(text));
		(void)err_set(words_out, "%s is not valid before %s", whose, text);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		(void)err_set(words_out, "the certificate is self-signed");
		break;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		subject_text(X509_get_issuer_name(certificate), text, sizeof(text));
		(void)err_set(words_out, "the certificate comes from an unknown CA, %s", text);
		break;
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
		say_weak(certificate, whose, words_out);
		break;
	case X509_V_ERR_CA_MD_TOO_WEAK:
		(void)err_set(words_out, "%s is signed with a hash that is too weak", whose);
		break;
	case X509_V_ERR_INVALID_PURPOSE:
		(void)err_set(words_out, "%s is not one for a server", whose);
		break;
	default:
		(void)err_set(words_out, "%s is not accepted: %s", whose,
		    X509_verify_cert_error_string(error));
	}
}

void
tls_fingerprint_text(X509 *certificate, char text[static TLS_FINGERPRINT_TEXT_SIZE])
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	ensure(X509_digest(certificate, EVP_sha256(), digest, &size) == 1);
	for (unsigned i = 0; i < size; i++)
		(void)snprintf(text + (size_t)2 * i, 3, "%02x", digest[i]);
}
