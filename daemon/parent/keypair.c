/* keypair - what an operator may have got wrong with a certificate, found before clients do. */
#include "daemon/parent/keypair.h"

#include "daemon/core/tls.h"
#include "daemon/parent/certificate.h"
#include "daemon/parent/keyfile.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define RSA_BITS_MIN 2048
#define DAY_S 86400
#define SOON_DAYS 14

static void
wipe(struct buf *buf)
{
	if (buf->bytes != NULL)
		explicit_bzero(buf->bytes, buf->capacity);
	buf_fini(buf);
}

void
keypair_fini(struct keypair *pair)
{
	wipe(&pair->certificate);
	wipe(&pair->key);
}

/* ---- the checks; the option to blame is returned, NULL: all is well ---- */

static const char *
check_certificates(
    const struct config_pair *named, STACK_OF(X509) * chain, bool is_whole, struct err *err_out)
{
	int count = sk_X509_num(chain);

	if (count == 0)
		(void)err_set(err_out,
		    "there is no certificate in %s (PEM, -----BEGIN CERTIFICATE-----)",
		    named->certificate);
	else if (!is_whole)
		(void)err_set(err_out, "behind certificate %d of %s there is something damaged",
		    count, named->certificate);
	else
		return NULL;
	return "certificate";
}

static const char *
check_key(const struct config_pair *named, const struct buf *pem, const EVP_PKEY *key,
    struct err *err_out)
{
	bool has_passphrase = pem->size > 0 && strstr(pem->bytes, "ENCRYPTED") != NULL;

	if (key == NULL && has_passphrase)
		(void)err_set(err_out,
		    "the key in %s has a passphrase, which nobody could enter at the start: store "
		    "it "
		    "without (openssl pkey does that)",
		    named->key);
	else if (key == NULL)
		(void)err_set(err_out, "there is no private key in %s (PEM, without a passphrase)",
		    named->key);
	else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) < RSA_BITS_MIN)
		(void)err_set(err_out,
		    "the RSA key in %s has %d bits: clients take none with less than %d",
		    named->key, EVP_PKEY_get_bits(key), RSA_BITS_MIN);
	else
		return NULL;
	return "key";
}

static const char *
check_fit(
    const struct config_pair *named, STACK_OF(X509) * chain, EVP_PKEY *key, struct err *err_out)
{
	if (X509_check_private_key(sk_X509_value(chain, 0), key) == 1)
		return NULL;
	for (int i = 1; i < sk_X509_num(chain); i++)
		if (X509_check_private_key(sk_X509_value(chain, i), key) == 1) {
			(void)err_set(err_out,
			    "%s has the key of certificate %d in %s, which must be the first: the "
			    "server's own, then each one's issuer",
			    named->key, i + 1, named->certificate);
			return "certificate";
		}
	(void)err_set(
	    err_out, "%s is not the key of the certificate in %s", named->key, named->certificate);
	return "key";
}

static const char *
check_order(const struct config_pair *named, STACK_OF(X509) * chain, struct err *err_out)
{
	for (int i = 1; i < sk_X509_num(chain); i++) {
		X509 *issuer = sk_X509_value(chain, i), *issued = sk_X509_value(chain, i - 1);

		if (X509_check_issued(issuer, issued) == X509_V_OK)
			continue;
		(void)err_set(err_out,
		    "certificate %d in %s is not the issuer of certificate %d: the server's own "
		    "comes first, then each one's issuer",
		    i + 1, named->certificate, i);
		return "certificate";
	}
	return NULL;
}

static struct msg_bytes
bytes_of(const struct buf *buf)
{
	return (struct msg_bytes){(const uint8_t *)buf->bytes, (uint32_t)buf->size};
}

/* OpenSSL refuses some that are well-formed, as those that were signed with SHA-1. */
static const char *
check_usable(const struct keypair *pair, struct err *err_out)
{
	const struct tls_pair usable = {bytes_of(&pair->certificate), bytes_of(&pair->key)};
	const struct tls_server_settings settings = {
	    .pairs = &usable, .pair_count = 1, .min_version = TLS_VERSION_1_2};
	struct tls_context *context = tls_server_new(&settings, err_out);

	tls_release(context);
	return context == NULL ? "certificate" : NULL;
}

static const char *
check_all(const struct config_pair *named, const struct keypair *pair, struct err *err_out)
{
	bool is_whole;
	STACK_OF(X509) *chain = certificate_parse_chain(&pair->certificate, &is_whole);
	EVP_PKEY *key = certificate_parse_key(&pair->key);
	const char *wrong = check_certificates(named, chain, is_whole, err_out);

	if (wrong == NULL)
		wrong = check_key(named, &pair->key, key, err_out);
	if (wrong == NULL)
		wrong = check_fit(named, chain, key, err_out);
	if (wrong == NULL)
		wrong = check_order(named, chain, err_out);
	if (wrong == NULL)
		wrong = check_usable(pair, err_out);
	sk_X509_pop_free(chain, X509_free);
	EVP_PKEY_free(key);
	return wrong;
}

int
keypair_read(const struct config *config, const struct config_pair *named, struct keypair *out,
    struct err *err_out)
{
	const char *wrong;

	*out = (struct keypair){0};
	if (keyfile_read_path(named->certificate, &out->certificate, err_out) != 0)
		wrong = "certificate";
	else if (keyfile_read_path(named->key, &out->key, err_out) != 0)
		wrong = "key";
	else
		wrong = check_all(named, out, err_out);
	return wrong == NULL ? 0 : config_blame_pair(config, named, wrong, err_out);
}

/* ---- dates ---- */

static void
date_of(const ASN1_TIME *time, char text[static 32])
{
	struct tm when;

	(void)snprintf(text, 32, "a date that cannot be read");
	if (ASN1_TIME_to_tm(time, &when) == 1)
		(void)strftime(text, 32, "%Y-%m-%d", &when);
}

static enum keypair_state
judge_one(const X509 *certificate, time_t now, struct err *words_out)
{
	const ASN1_TIME *from = X509_get0_notBefore(certificate);
	const ASN1_TIME *until = X509_get0_notAfter(certificate);
	time_t soon = now + (time_t)SOON_DAYS * DAY_S;
	char date[32];

	date_of(until, date);
	if (X509_cmp_time(until, &now) <= 0) {
		(void)err_set(words_out, "expired on %s, and clients refuse it", date);
		return KEYPAIR_NOT_VALID;
	}
	if (X509_cmp_time(from, &now) > 0) {
		date_of(from, date);
		(void)err_set(words_out, "is valid only from %s on: is the clock right?", date);
		return KEYPAIR_NOT_VALID;
	}
	if (X509_cmp_time(until, &soon) > 0)
		return KEYPAIR_GOOD;
	(void)err_set(words_out, "expires on %s", date);
	return KEYPAIR_ENDS_SOON;
}

enum keypair_state
keypair_judge(const struct keypair *pair, time_t now, struct err *words_out)
{
	bool is_whole;
	STACK_OF(X509) *chain = certificate_parse_chain(&pair->certificate, &is_whole);
	enum keypair_state worst = KEYPAIR_GOOD;

	for (int i = 0; i < sk_X509_num(chain); i++) {
		struct err words = {""};
		enum keypair_state state = judge_one(sk_X509_value(chain, i), now, &words);

		if (state <= worst)
			continue;
		worst = state;
		if (i == 0)
			(void)err_set(words_out, "the certificate %s", words.text);
		else
			(void)err_set(
			    words_out, "certificate %d of the chain %s", i + 1, words.text);
	}
	sk_X509_pop_free(chain, X509_free);
	return worst;
}
