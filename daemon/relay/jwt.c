/* jwt - header and claims as JSON, in base64url, signed with OpenSSL. */
#include "daemon/relay/jwt.h"

#include "common/base64.h"
#include "common/xalloc.h"

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#define RSA_BITS_MIN 2048

/* RFC 7515 appendix C */
static void
append_base64url(struct buf *out, const void *octets, size_t size)
{
	char *text = xmalloc(BASE64_TEXT_SIZE(size));
	size_t length = base64_encode(octets, size, text);

	for (char *at = text; *at != '\0'; at++)
		*at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
	while (length > 0 && text[length - 1] == '=')
		length--;
	buf_append(out, text, length);
	free(text);
}

/* Takes the JSON. */
static void
append_json(struct buf *out, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	ensure(text != NULL);
	append_base64url(out, text, strlen(text));
	free(text);
	json_decref(json);
}

static EVP_PKEY *
read_key(const char *pem, struct err *err_out)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key;

	ensure(bio != NULL);
	/* The empty password: nobody is asked for one. */
	key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t) "");
	BIO_free(bio);
	ERR_clear_error();
	if (key == NULL) {
		(void)err_set(err_out, "the service account's private_key can't be read");
		return NULL;
	}
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= RSA_BITS_MIN)
		return key;
	EVP_PKEY_free(key);
	(void)err_set(err_out, "the service account's private_key must be RSA, of %d bits or more",
	    RSA_BITS_MIN);
	return NULL;
}

static void
append_signature(struct buf *out, const char *signed_text, EVP_PKEY *key)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t size = (size_t)EVP_PKEY_get_size(key);
	uint8_t *signature = xmalloc(size);

	ensure(context != NULL);
	ensure(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1);
	ensure(EVP_DigestSign(context, signature, &size, (const uint8_t *)signed_text,
		   strlen(signed_text)) == 1);
	buf_char(out, '.');
	append_base64url(out, signature, size);
	EVP_MD_CTX_free(context);
	free(signature);
}

static void
append_claims(struct buf *out, const char *key_id, const struct jwt_claims *claims)
{
	json_t *header = json_pack("{s:s, s:s, s:s*}", "alg", "RS256", "typ", "JWT", "kid", key_id);
	json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "iss", claims->issuer, "sub",
	    claims->subject, "aud", claims->audience, "scope", claims->scope, "iat",
	    (json_int_t)claims->now_s, "exp", (json_int_t)claims->now_s + JWT_LIFE_S);

	ensure(header != NULL && body != NULL);
	append_json(out, header);
	buf_char(out, '.');
	append_json(out, body);
}

int
jwt_sign(struct msg_bytes key_file, const struct jwt_claims *claims, struct buf *out,
    struct err *err_out)
{
	json_t *file =
	    json_loadb((const char *)key_file.at, key_file.size, JSON_REJECT_DUPLICATES, NULL);
	const char *pem = json_string_value(json_object_get(file, "private_key"));
	const char *key_id = json_string_value(json_object_get(file, "private_key_id"));
	EVP_PKEY *key;
	struct buf text;

	if (pem == NULL) {
		json_decref(file);
		return err_set(err_out, "the service account's key file has no private_key");
	}
	key = read_key(pem, err_out);
	if (key != NULL) {
		buf_init(&text);
		append_claims(&text, key_id, claims);
		append_signature(&text, text.bytes, key);
		buf_append(out, text.bytes, text.size);
		buf_fini(&text);
	}
	EVP_PKEY_free(key);
	json_decref(file);
	return key != NULL ? 0 : -1;
}
