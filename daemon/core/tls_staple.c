/*
 * tls_staple - what a server shows of its certificate's state with the handshake (OCSP stapling, RFC 6066 8)
 *
 * Most show nothing, and nobody else is asked: whoever has a stolen key shows nothing either. So only
 * what says that the certificate was revoked counts, if its CA has signed that; anything that can't
 * be read, was signed by somebody else or is about another certificate is as good as nothing. How old
 * it is doesn't matter, since what was revoked stays so.
 */
#include "common/err.h"
#include "daemon/core/tls_private.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <string.h>
#include <time.h>

static OCSP_BASICRESP *
read_staple(SSL *ssl)
{
	const unsigned char *bytes = NULL;
	long size = SSL_get_tlsext_status_ocsp_resp(ssl, &bytes);
	OCSP_RESPONSE *response =
	    bytes != NULL && size > 0 ? d2i_OCSP_RESPONSE(NULL, &bytes, size) : NULL;
	OCSP_BASICRESP *basic = NULL;

	if (response != NULL && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
		basic = OCSP_response_get1_basic(response);
	OCSP_RESPONSE_free(response);
	return basic;
}

/* By the hash that the responder chose. */
static bool
is_about(const OCSP_CERTID *id, X509 *certificate, X509 *issuer)
{
	ASN1_OBJECT *hash = NULL;
	const EVP_MD *digest;
	OCSP_CERTID *ours = NULL;
	bool is_same;

	if (OCSP_id_get0_info(NULL, &hash, NULL, NULL, (OCSP_CERTID *)(uintptr_t)id) != 1 ||
	    (digest = EVP_get_digestbyobj(hash)) == NULL ||
	    (ours = OCSP_cert_to_id(digest, certificate, issuer)) == NULL)
		return false;
	is_same = OCSP_id_cmp(ours, id) == 0;
	OCSP_CERTID_free(ours);
	return is_same;
}

/* When that was; NULL: nothing says so. */
static const ASN1_GENERALIZEDTIME *
find_revocation(OCSP_BASICRESP *basic, X509 *certificate, X509 *issuer)
{
	ASN1_GENERALIZEDTIME *when = NULL;

	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);

		if (OCSP_single_get0_status(single, NULL, &when, NULL, NULL) ==
			V_OCSP_CERTSTATUS_REVOKED &&
		    is_about(OCSP_SINGLERESP_get0_id(single), certificate, issuer))
			return when;
	}
	return NULL;
}

static bool
is_signed(SSL *ssl, OCSP_BASICRESP *basic, STACK_OF(X509) * chain)
{
	X509_STORE *store = NULL;

	return SSL_CTX_get0_verify_cert_store(SSL_get_SSL_CTX(ssl), &store) == 1 && store != NULL &&
	       OCSP_basic_verify(basic, chain, store, 0) == 1;
}

static void
say_revoked(const ASN1_GENERALIZEDTIME *when, struct err *words_out)
{
	char date[32] = "an unknown date";
	struct tm time;

	if (ASN1_TIME_to_tm(when, &time) == 1)
		(void)strftime(date, sizeof(date), "%Y-%m-%d", &time);
	(void)err_set(words_out, "the certificate was revoked on %s, as its CA says", date);
}

bool
tls_staple_is_revoked(SSL *ssl, struct err *words_out)
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
	OCSP_BASICRESP *basic = sk_X509_num(chain) > 1 ? read_staple(ssl) : NULL;
	const ASN1_GENERALIZEDTIME *when = NULL;

	if (basic != NULL)
		when = find_revocation(basic, sk_X509_value(chain, 0), sk_X509_value(chain, 1));
	if (when != NULL && !is_signed(ssl, basic, chain))
		when = NULL;
	if (when != NULL)
		say_revoked(when, words_out);
	OCSP_BASICRESP_free(basic);
	ERR_clear_error();
	return when != NULL;
}
