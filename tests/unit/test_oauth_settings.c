/* The forms that a token server gets, and the signed assertion of a service account. */
#include "daemon/relay/oauth_settings.h"

#include "common/base64.h"
#include "common/xalloc.h"
#include "daemon/relay/jwt.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NOW_S INT64_C(1700000000)

/* ---- forms ---- */

static struct msg_bytes
bytes_of(const char *text)
{
	return (struct msg_bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static struct msg_profile
profile_of(enum oauth_grant grant)
{
	return (struct msg_profile){
	    .name = "office",
	    .username = "relay@example.com",
	    .oauth_grant = grant,
	    .oauth_token_url = "https://login.example/token",
	    .oauth_device_url = "https://login.example/device",
	    .oauth_client_id = "app id",
	    .oauth_client_secret = bytes_of("s&c=r\xc3\xa9t"),
	    .oauth_scope = "https://mail.example/ offline_access",
	    .oauth_subject = "",
	};
}

static char *
form_of(enum oauth_grant grant)
{
	struct msg_profile message = profile_of(grant);
	struct oauth_settings settings;
	struct buf form;
	struct err err;

	oauth_settings_init(&settings, &message);
	buf_init(&form);
	assert_int_equal(oauth_form_token(&settings, "r/1+2", NOW_S, &form, &err), 0);
	oauth_settings_fini(&settings);
	return buf_give(&form);
}

static void
expect_form(enum oauth_grant grant, const char *expected)
{
	char *form = form_of(grant);

	assert_string_equal(form, expected);
	free(form);
}

static void
test_forms(void **state)
{
	expect_form(GRANT_REFRESH,
	    "grant_type=refresh_token&refresh_token=r%2F1%2B2&client_id=app%20id&"
	    "client_secret=s%26c%3Dr%C3%A9t&scope=https%3A%2F%2Fmail.example%2F%20offline_access");
	expect_form(GRANT_DEVICE,
	    "grant_type=refresh_token&refresh_token=r%2F1%2B2&client_id=app%20id&"
	    "client_secret=s%26c%3Dr%C3%A9t&scope=https%3A%2F%2Fmail.example%2F%20offline_access");
	expect_form(GRANT_CLIENT,
	    "grant_type=client_credentials&client_id=app%20id&client_secret=s%26c%3Dr%C3%A9t&"
	    "scope=https%3A%2F%2Fmail.example%2F%20offline_access");
}

static void
test_forms_of_a_device(void **state)
{
	struct msg_profile message = profile_of(GRANT_DEVICE);
	struct oauth_settings settings;
	struct buf form;

	message.oauth_client_secret = (struct msg_bytes){0};
	oauth_settings_init(&settings, &message);
	buf_init(&form);
	oauth_form_device(&settings, &form);
	assert_string_equal(
	    form.bytes, "client_id=app%20id&scope=https%3A%2F%2Fmail.example%2F%20offline_access");
	buf_clear(&form);
	oauth_form_poll(&settings, "d~1", &form);
	assert_string_equal(form.bytes,
	    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&"
	    "device_code=d~1&client_id=app%20id");
	buf_fini(&form);
	oauth_settings_fini(&settings);
}

static void
test_equal(void **state)
{
	struct msg_profile message = profile_of(GRANT_REFRESH);
	struct oauth_settings one, other;

	oauth_settings_init(&one, &message);
	message.name = "renamed";
	message.version = 7;
	oauth_settings_init(&other, &message);
	assert_true(oauth_settings_equal(&one, &other));
	oauth_settings_fini(&other);
	message.oauth_scope = "https://mail.example/";
	oauth_settings_init(&other, &message);
	assert_false(oauth_settings_equal(&one, &other));
	oauth_settings_fini(&other);
	oauth_settings_fini(&one);
}

/* ---- assertions ---- */

static char *
pem_of(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes, *pem;
	long size;

	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	size = BIO_get_mem_data(bio, &bytes);
	pem = xstrndup(bytes, (size_t)size);
	BIO_free(bio);
	return pem;
}

static char *
key_file_of(EVP_PKEY *key)
{
	char *pem = pem_of(key);
	json_t *file = json_pack("{s:s, s:s, s:s}", "type", "service_account", "private_key", pem,
	    "private_key_id", "key-1");
	char *text = json_dumps(file, 0);

	json_decref(file);
	free(pem);
	return text;
}

/* Gives the octets of a part in base64url. */
static char *
decode(const char *part, size_t size, size_t *size_out)
{
	char *text = xcalloc(1, size + 4), *octets = xcalloc(1, size + 4);

	memcpy(text, part, size);
	for (char *at = text; *at != '\0'; at++)
		*at = *at == '-' ? '+' : *at == '_' ? '/' : *at;
	while (strlen(text) % 4 != 0)
		strcat(text, "=");
	assert_true(base64_decode(text, strlen(text), octets, size_out));
	octets[*size_out] = '\0';
	free(text);
	return octets;
}

static void
check_signature(EVP_PKEY *key, const char *signed_text, size_t signed_size, const char *part)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t size;
	char *signature = decode(part, strlen(part), &size);

	assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestVerify(context, (const uint8_t *)signature, size,
			     (const uint8_t *)signed_text, signed_size),
	    1);
	EVP_MD_CTX_free(context);
	free(signature);
}

static void
test_assertion(void **state)
{
	static const struct jwt_claims claims = {.issuer = "relay@project.example",
	    .subject = "sender@example.com",
	    .audience = "https://login.example/token",
	    .scope = "https://mail.example/",
	    .now_s = NOW_S};
	EVP_PKEY *key = EVP_RSA_gen(2048);
	char *file = key_file_of(key), *header, *body, *first, *second;
	struct buf text;
	struct err err;
	size_t size;

	buf_init(&text);
	assert_int_equal(jwt_sign(bytes_of(file), &claims, &text, &err), 0);
	first = strchr(text.bytes, '.');
	second = strchr(first + 1, '.');
	header = decode(text.bytes, (size_t)(first - text.bytes), &size);
	body = decode(first + 1, (size_t)(second - first - 1), &size);
	assert_string_equal(header, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"key-1\"}");
	assert_string_equal(body,
	    "{\"iss\":\"relay@project.example\",\"sub\":\"sender@example.com\","
	    "\"aud\":\"https://login.example/token\",\"scope\":\"https://mail.example/\","
	    "\"iat\":1700000000,\"exp\":1700003600}");
	check_signature(key, text.bytes, (size_t)(second - text.bytes), second + 1);
	assert_null(strpbrk(text.bytes, "+/="));
	free(header);
	free(body);
	free(file);
	buf_fini(&text);
	EVP_PKEY_free(key);
}

static void
expect_refused(const char *file, const char *expected)
{
	static const struct jwt_claims claims = {
	    .issuer = "i", .subject = "s", .audience = "a", .scope = "x", .now_s = NOW_S};
	struct buf text;
	struct err err;

	buf_init(&text);
	assert_int_equal(jwt_sign(bytes_of(file), &claims, &text, &err), -1);
	assert_int_equal(text.size, 0);
	if (strstr(err.text, expected) == NULL)
		fail_msg("%s: %s", file, err.text);
	buf_fini(&text);
}

static void
test_keys_that_do_not_sign(void **state)
{
	EVP_PKEY *small = EVP_RSA_gen(1024), *curve = EVP_EC_gen("P-256");
	char *small_file = key_file_of(small), *curve_file = key_file_of(curve);

	expect_refused("", "no private_key");
	expect_refused("{\"private_key\":5}", "no private_key");
	expect_refused("{\"private_key\":\"-----BEGIN PRIVATE KEY-----\\nabc\"}", "can't be read");
	expect_refused(small_file, "2048 bits");
	expect_refused(curve_file, "must be RSA");
	free(small_file);
	free(curve_file);
	EVP_PKEY_free(small);
	EVP_PKEY_free(curve);
}

/* A passphrase isn't asked for at the terminal. */
static void
test_locked_key(void **state)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes, *pem, *file;
	json_t *json;
	long size;

	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, EVP_aes_256_cbc(),
			     (const unsigned char *)"hush", 4, NULL, NULL),
	    1);
	size = BIO_get_mem_data(bio, &bytes);
	pem = xstrndup(bytes, (size_t)size);
	json = json_pack("{s:s}", "private_key", pem);
	file = json_dumps(json, 0);
	expect_refused(file, "can't be read");
	json_decref(json);
	free(file);
	free(pem);
	BIO_free(bio);
	EVP_PKEY_free(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_forms),
	    cmocka_unit_test(test_forms_of_a_device),
	    cmocka_unit_test(test_equal),
	    cmocka_unit_test(test_assertion),
	    cmocka_unit_test(test_keys_that_do_not_sign),
	    cmocka_unit_test(test_locked_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
