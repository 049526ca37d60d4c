/*
 * One SASL exchange each, against a server's side that is worked out here from the RFCs. That side
 * is held against the RFCs' own examples first; the client's nonce differs each time.
 */
#include "common/xalloc.h"
#include "daemon/relay/client_auth.h"

#include <gsasl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ---- SCRAM as RFC 5802 section 3 has it ---- */

struct scram {
	const EVP_MD *digest;
	const char *password;
	const char *salt; /* base64 */
	int rounds;
	char proof[64], signature[64]; /* base64 */
};

static void
decode(const char *text, uint8_t *bytes, size_t *size)
{
	char *out;

	assert_int_equal(gsasl_base64_from(text, strlen(text), &out, size), GSASL_OK);
	memcpy(bytes, out, *size);
	gsasl_free(out);
}

static void
encode(const uint8_t *bytes, size_t size, char *text)
{
	char *out;

	assert_int_equal(gsasl_base64_to((const char *)bytes, size, &out, NULL), GSASL_OK);
	(void)strcpy(text, out);
	gsasl_free(out);
}

static void
work_out(struct scram *scram, const char *message)
{
	uint8_t salt[64], salted[32], key[32], stored[32], signature[32];
	unsigned size = (unsigned)EVP_MD_get_size(scram->digest);
	size_t salt_size;

	decode(scram->salt, salt, &salt_size);
	assert_int_equal(PKCS5_PBKDF2_HMAC(scram->password, -1, salt, (int)salt_size, scram->rounds,
			     scram->digest, (int)size, salted),
	    1);
	(void)HMAC(scram->digest, salted, (int)size, (const uint8_t *)"Client Key", 10, key, NULL);
	assert_int_equal(EVP_Digest(key, size, stored, NULL, scram->digest, NULL), 1);
	(void)HMAC(scram->digest, stored, (int)size, (const uint8_t *)message, strlen(message),
	    signature, NULL);
	for (unsigned i = 0; i < size; i++)
		key[i] ^= signature[i];
	encode(key, size, scram->proof);
	(void)HMAC(scram->digest, salted, (int)size, (const uint8_t *)"Server Key", 10, key, NULL);
	(void)HMAC(scram->digest, key, (int)size, (const uint8_t *)message, strlen(message),
	    signature, NULL);
	encode(signature, size, scram->signature);
}

static void
test_reference_against_the_rfcs(void **state)
{
	struct scram sha_1 = {EVP_sha1(), "pencil", "QSXCR+Q6sek8bf92", 4096, "", ""};
	struct scram sha_256 = {EVP_sha256(), "pencil", "W22ZaJ0SNY7soEsUEjb6gQ==", 4096, "", ""};

	work_out(&sha_1, "n=user,r=fyko+d2lbbFgONRv9qkxdawL,"
			 "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,"
			 "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j");
	assert_string_equal(sha_1.proof, "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
	assert_string_equal(sha_1.signature, "rmF9pqV8S7suAoZWja4dJRkFsKQ=");
	work_out(&sha_256,
	    "n=user,r=rOprNGfwEbeRWgbNEkqO,"
	    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,"
	    "i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
	assert_string_equal(sha_256.proof, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
	assert_string_equal(sha_256.signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

/* ---- the client ---- */

static struct client_auth *
make(enum auth_method method, const struct tls_binding *binding)
{
	const struct client_auth_settings settings = {
	    .method = method, .username = "us,er", .secret = "pencil", .binding = binding};
	struct err err;
	struct client_auth *auth = client_auth_new(&settings, &err);

	if (auth == NULL)
		fail_msg("%s", err.text);
	return auth;
}

/* What the client says to a challenge in clear, in clear. */
static char *
say(struct client_auth *auth, const char *challenge, enum auth_step expected)
{
	char text[2048] = "", *answer = xcalloc(1, 2048);
	struct buf out;
	struct err err;
	enum auth_step step;
	size_t size = 0;

	if (*challenge != '\0')
		encode((const uint8_t *)challenge, strlen(challenge), text);
	buf_init(&out);
	step = client_auth_step(auth, text, &out, &err);
	if (step == AUTH_STEP_WANTS_KEY) {
		struct scram_key *key = client_auth_take_key(auth);

		scram_key_derive(key);
		step = client_auth_use_key(auth, key, &out, &err);
	}
	assert_int_equal(step, expected);
	if (step == AUTH_STEP_ANSWERS && out.size > 0)
		decode(out.bytes, (uint8_t *)answer, &size);
	buf_fini(&out);
	return answer;
}

/* The server's side, up to its proof; gives the client's last word. */
static struct client_auth *
exchange(enum auth_method method, const struct tls_binding *binding, struct scram *scram,
    const char *header, const char *channel)
{
	struct client_auth *auth = make(method, binding);
	char *first = say(auth, "", AUTH_STEP_ANSWERS), *final, server[512], message[2048],
	     expected[2048];

	assert_true(client_auth_is_first(auth));
	assert_int_equal(strncmp(first, header, strlen(header)), 0);
	assert_non_null(strstr(first, "n=us=2Cer,r="));
	(void)snprintf(server, sizeof(server), "%sXYZ,s=%s,i=%d", strstr(first, "r="), scram->salt,
	    scram->rounds);
	final = say(auth, server, AUTH_STEP_ANSWERS);
	(void)snprintf(message, sizeof(message), "%s,%s,c=%s,%sXYZ", first + strlen(header), server,
	    channel, strstr(first, "r="));
	work_out(scram, message);
	(void)snprintf(expected, sizeof(expected), "c=%s,%sXYZ,p=%s", channel, strstr(first, "r="),
	    scram->proof);
	assert_string_equal(final, expected);
	assert_false(client_auth_is_proved(auth));
	free(first);
	free(final);
	return auth;
}

static const struct tls_binding of_tls_1_3 = {.exporter = "0123456789012345678901234567890"};
static const struct tls_binding of_tls_1_2 = {
    .exporter = "0123456789012345678901234567890", .unique = "unique", .unique_size = 6};

static const struct {
	enum auth_method method;
	const struct tls_binding *binding;
	const char *header, *channel;
} rows[] = {
    {AUTH_SCRAM_SHA_1, NULL, "n,,", "biws"},
    {AUTH_SCRAM_SHA_256, NULL, "n,,", "biws"},
    {AUTH_SCRAM_SHA_256, &of_tls_1_3, "n,,", "biws"},
    {AUTH_SCRAM_SHA_1_PLUS, &of_tls_1_2, "p=tls-unique,,", "cD10bHMtdW5pcXVlLCx1bmlxdWU="},
    {AUTH_SCRAM_SHA_256_PLUS, &of_tls_1_3, "p=tls-exporter,,",
	"cD10bHMtZXhwb3J0ZXIsLDAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAA"},
    {AUTH_SCRAM_SHA_256_PLUS, &of_tls_1_2, "p=tls-unique,,", "cD10bHMtdW5pcXVlLCx1bmlxdWU="},
};

static void
test_scram(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_sha_1 =
		    rows[i].method == AUTH_SCRAM_SHA_1 || rows[i].method == AUTH_SCRAM_SHA_1_PLUS;
		struct scram scram = {is_sha_1 ? EVP_sha1() : EVP_sha256(), "pencil",
		    "QSXCR+Q6sek8bf92", 5000, "", ""};
		struct client_auth *auth = exchange(
		    rows[i].method, rows[i].binding, &scram, rows[i].header, rows[i].channel);
		char proof[80];

		(void)snprintf(proof, sizeof(proof), "v=%s", scram.signature);
		free(say(auth, proof, AUTH_STEP_ANSWERS));
		assert_true(client_auth_is_proved(auth));
		client_auth_free(auth);
	}
}

static void
test_server_that_does_not_know_the_password(void **state)
{
	static const char *const proofs[] = {"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", "v=", "v", "",
	    "e=other-error", "x", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=,"};

	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++) {
		struct scram scram = {EVP_sha256(), "pencil", "QSXCR+Q6sek8bf92", 4096, "", ""};
		struct client_auth *auth =
		    exchange(AUTH_SCRAM_SHA_256, NULL, &scram, "n,,", "biws");

		free(say(auth, proofs[i], AUTH_STEP_FAILED));
		assert_false(client_auth_is_proved(auth));
		assert_false(client_auth_is_unsupported(auth));
		client_auth_free(auth);
	}
}

static void
test_binding_that_the_server_can_not_check(void **state)
{
	struct client_auth *auth = make(AUTH_SCRAM_SHA_256_PLUS, &of_tls_1_3);

	free(say(auth, "", AUTH_STEP_ANSWERS));
	free(say(auth, "e=server-does-support-channel-binding", AUTH_STEP_FAILED));
	assert_true(client_auth_is_unsupported(auth));
	client_auth_free(auth);
}

static void
test_no_binding_for_what_needs_one(void **state)
{
	const struct client_auth_settings settings = {
	    .method = AUTH_SCRAM_SHA_1_PLUS, .username = "user", .secret = "pencil"};
	struct err err;

	assert_null(client_auth_new(&settings, &err));
	assert_non_null(strstr(err.text, "SCRAM-SHA-1-PLUS"));
}

static void
test_key_is_kept_for_the_same_salt(void **state)
{
	static const char first[] = "r=x,s=QUJD,i=4096", other[] = "r=x,s=QUJE,i=4096",
			  more[] = "r=x,s=QUJD,i=4097";
	struct err err;
	struct scram_key *key = scram_key_new(SCRAM_SHA_256, first, strlen(first), "pencil", &err);
	struct scram_key *again =
	    scram_key_new(SCRAM_SHA_256, first, strlen(first), "pencil", &err);
	struct scram_key *salted =
	    scram_key_new(SCRAM_SHA_256, other, strlen(other), "pencil", &err);
	struct scram_key *longer = scram_key_new(SCRAM_SHA_256, more, strlen(more), "pencil", &err);
	struct scram_key *hashed = scram_key_new(SCRAM_SHA_1, first, strlen(first), "pencil", &err);

	scram_key_derive(key);
	assert_int_equal(key->key_size, 32);
	assert_null(key->password);
	assert_true(scram_key_take(again, key));
	assert_memory_equal(again->key, key->key, 32);
	assert_false(scram_key_take(salted, key));
	assert_false(scram_key_take(longer, key));
	assert_false(scram_key_take(hashed, key));
	assert_false(scram_key_take(hashed, NULL));
	scram_key_free(key);
	scram_key_free(again);
	scram_key_free(salted);
	scram_key_free(longer);
	scram_key_free(hashed);
}

/* RFC 4013: the server prepared the password likewise. */
static void
test_password_beyond_ascii(void **state)
{
	static const char first[] = "r=x,s=QUJD,i=4096";
	struct err err;
	struct scram_key *one = scram_key_new(SCRAM_SHA_256, first, strlen(first),
	    "Pa\xcc\x88ssw\xc3\xb6rd\xc2\xa0\xe2\x85\xa7", &err);
	struct scram_key *two =
	    scram_key_new(SCRAM_SHA_256, first, strlen(first), "P\xc3\xa4ssw\xc3\xb6rd VIII", &err);

	scram_key_derive(one);
	scram_key_derive(two);
	assert_memory_equal(one->key, two->key, 32);
	scram_key_free(one);
	scram_key_free(two);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reference_against_the_rfcs),
	    cmocka_unit_test(test_scram),
	    cmocka_unit_test(test_server_that_does_not_know_the_password),
	    cmocka_unit_test(test_binding_that_the_server_can_not_check),
	    cmocka_unit_test(test_no_binding_for_what_needs_one),
	    cmocka_unit_test(test_key_is_kept_for_the_same_salt),
	    cmocka_unit_test(test_password_beyond_ascii),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
