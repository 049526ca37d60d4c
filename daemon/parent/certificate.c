/* certificate - X.509 by OpenSSL, without its TLS half. */
#include "daemon/parent/certificate.h"

#include "common/err.h"
#include "common/netaddr.h"
#include "common/xalloc.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define SERIAL_SIZE 16
#define SUBJECT_NAME_MAX 64 /* ub-common-name, RFC 5280 appendix A */
#define CLOCK_SKEW_S 86400L

/* ---- names ---- */

void
certificate_names_add(struct certificate_names *names, const char *text)
{
	for (unsigned i = 0; i < names->count; i++)
		if (strcasecmp(names->text[i], text) == 0)
			return;
	if (names->count < CERTIFICATE_NAMES_MAX)
		names->text[names->count++] = xstrdup(text);
}

static void
add_interface(struct certificate_names *names, const struct ifaddrs *interface)
{
	const struct sockaddr_in6 *v6 = (const void *)interface->ifa_addr;
	char text[NETADDR_TEXT_SIZE];
	struct netaddr address;

	if (interface->ifa_addr == NULL || (interface->ifa_flags & IFF_UP) == 0 ||
	    !netaddr_from_sockaddr(interface->ifa_addr, &address, NULL))
		return;
	if (v6->sin6_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
		return;
	certificate_names_add(names, netaddr_format(&address, text));
}

void
certificate_names_of_machine(struct certificate_names *names, const char *hostname)
{
	struct ifaddrs *interfaces = NULL;

	certificate_names_add(names, hostname);
	certificate_names_add(names, "localhost");
	certificate_names_add(names, "127.0.0.1");
	certificate_names_add(names, "::1");
	if (getifaddrs(&interfaces) != 0)
		return;
	for (struct ifaddrs *at = interfaces; at != NULL; at = at->ifa_next)
		add_interface(names, at);
	freeifaddrs(interfaces);
}

void
certificate_names_fini(struct certificate_names *names)
{
	for (unsigned i = 0; i < names->count; i++)
		free(names->text[i]);
	names->count = 0;
}

static bool
is_address(const char *name)
{
	struct netaddr address;

	return netaddr_parse(name, &address);
}

bool
certificate_has_names(X509 *certificate, const struct certificate_names *names)
{
	for (unsigned i = 0; i < names->count; i++) {
		const char *name = names->text[i];
		int has_it = is_address(name) ? X509_check_ip_asc(certificate, name, 0)
					      : X509_check_host(certificate, name, 0,
						    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL);

		if (has_it != 1)
			return false;
	}
	return true;
}

/* ---- making ---- */

EVP_PKEY *
certificate_make_key(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	ensure(key != NULL);
	return key;
}

static void
set_serial(X509 *certificate)
{
	uint8_t bytes[SERIAL_SIZE];
	BIGNUM *number;

	ensure(RAND_bytes(bytes, sizeof(bytes)) == 1);
	bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and always of the same length */
	number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ensure(number != NULL);
	ensure(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL);
	BN_free(number);
}

static void
set_subject(X509 *certificate, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	size_t size = strlen(name);

	if (size > SUBJECT_NAME_MAX)
		size = SUBJECT_NAME_MAX;
	ensure(X509_NAME_add_entry_by_txt(
		   subject, "O", MBSTRING_UTF8, (const uint8_t *)"postern", -1, -1, 0) == 1);
	ensure(X509_NAME_add_entry_by_txt(
		   subject, "CN", MBSTRING_UTF8, (const uint8_t *)name, (int)size, -1, 0) == 1);
}

static void
set_dates(X509 *certificate, const struct certificate_request *request, const X509 *issuer)
{
	time_t from = request->now - CLOCK_SKEW_S;
	time_t until = request->now + request->days * 86400L;

	ensure(ASN1_TIME_set(X509_getm_notBefore(certificate), from) != NULL);
	if (issuer != NULL && X509_cmp_time(X509_get0_notAfter(issuer), &until) < 0)
		ensure(X509_set1_notAfter(certificate, X509_get0_notAfter(issuer)) == 1);
	else
		ensure(ASN1_TIME_set(X509_getm_notAfter(certificate), until) != NULL);
}

static void
add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX context;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	ensure(extension != NULL);
	ensure(X509_add_ext(certificate, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static GENERAL_NAME *
general_name(const char *name)
{
	GENERAL_NAME *made = GENERAL_NAME_new();

	ensure(made != NULL);
	if (is_address(name)) {
		GENERAL_NAME_set0_value(made, GEN_IPADD, a2i_IPADDRESS(name));
	} else {
		ASN1_IA5STRING *text = ASN1_IA5STRING_new();

		ensure(text != NULL && ASN1_STRING_set(text, name, -1) == 1);
		GENERAL_NAME_set0_value(made, GEN_DNS, text);
	}
	return made;
}

/* Not by add_extension(): a comma in a name would make two of it. */
static void
add_names(X509 *certificate, const struct certificate_names *names)
{
	GENERAL_NAMES *list = GENERAL_NAMES_new();

	ensure(list != NULL);
	for (unsigned i = 0; i < names->count; i++)
		ensure(sk_GENERAL_NAME_push(list, general_name(names->text[i])) > 0);
	ensure(X509_add1_ext_i2d(certificate, NID_subject_alt_name, list, 0, 0) == 1);
	GENERAL_NAMES_free(list);
}

static void
add_purpose(X509 *certificate, X509 *issuer, const struct certificate_request *request)
{
	if (request->is_ca) {
		add_extension(
		    certificate, issuer, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
		add_extension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
	} else {
		add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE");
		add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature");
		add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth");
		add_names(certificate, request->names);
	}
}

X509 *
certificate_make(
    const struct certificate_request *request, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *certificate = X509_new();
	X509 *signer = issuer != NULL ? issuer : certificate;

	ensure(certificate != NULL);
	ensure(X509_set_version(certificate, X509_VERSION_3) == 1);
	set_serial(certificate);
	set_subject(certificate, request->name);
	ensure(X509_set_issuer_name(certificate, X509_get_subject_name(signer)) == 1);
	set_dates(certificate, request, issuer);
	ensure(X509_set_pubkey(certificate, key) == 1);
	add_purpose(certificate, signer, request);
	add_extension(certificate, signer, NID_subject_key_identifier, "hash");
	add_extension(certificate, signer, NID_authority_key_identifier, "keyid:always");
	ensure(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);
	return certificate;
}

bool
certificate_is_signed_by(X509 *certificate, X509 *issuer)
{
	bool is_signed = X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;

	ERR_clear_error();
	return is_signed;
}

/* ---- PEM ---- */

static void
append_bio(BIO *bio, struct buf *out)
{
	char *bytes;
	long size = BIO_get_mem_data(bio, &bytes);

	buf_append(out, bytes, (size_t)size);
	(void)BIO_free(bio);
}

static BIO *
memory(void)
{
	BIO *bio = BIO_new(BIO_s_secmem());

	ensure(bio != NULL);
	return bio;
}

void
certificate_format(X509 *certificate, struct buf *out)
{
	BIO *bio = memory();

	ensure(PEM_write_bio_X509(bio, certificate) == 1);
	append_bio(bio, out);
}

void
certificate_format_key(EVP_PKEY *key, struct buf *out)
{
	BIO *bio = memory();

	ensure(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
	append_bio(bio, out);
}

X509 *
certificate_parse(const struct buf *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->size > 0 ? pem->bytes : "", (int)pem->size);
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	(void)BIO_free(bio);
	ERR_clear_error();
	return certificate;
}

STACK_OF(X509) * certificate_parse_chain(const struct buf *pem, bool *is_whole_out)
{
	BIO *bio = BIO_new_mem_buf(pem->size > 0 ? pem->bytes : "", (int)pem->size);
	STACK_OF(X509) *chain = sk_X509_new_null();
	X509 *certificate;

	ensure(bio != NULL && chain != NULL);
	ERR_clear_error();
	while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		ensure(sk_X509_push(chain, certificate) > 0);
	*is_whole_out = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	(void)BIO_free(bio);
	ERR_clear_error();
	return chain;
}

/* Without this OpenSSL would ask at the terminal. */
static int
no_passphrase(char *buffer, int size, int is_writing, void *ctx)
{
	return -1;
}

EVP_PKEY *
certificate_parse_key(const struct buf *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->size > 0 ? pem->bytes : "", (int)pem->size);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);

	(void)BIO_free(bio);
	ERR_clear_error();
	return key;
}
