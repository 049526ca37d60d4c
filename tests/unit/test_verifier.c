/* Verifiers and passwords: RFC 7677's example, what is written is what is read, fakes that look
 * real. */
#include "common/buf.h"
#include "daemon/accounts/base64_buf.h"
#include "daemon/accounts/password.h"
#include "daemon/accounts/verifier.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* RFC 7677 section 3 */
#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define AUTH_MESSAGE                                                                               \
	"n=user,r=rOprNGfwEbeRWgbNEkqO,"                                                           \
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=" SALT ",i=4096,"                  \
	"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define PROOF "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define SERVER_SIGNATURE "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static void
decode(const char *text, uint8_t *out, size_t size)
{
	assert_int_equal(base64_take(text, strlen(text), out, size), size);
}

static void
sign(const uint8_t *key, uint8_t out[static VERIFIER_KEY_SIZE])
{
	assert_non_null(HMAC(EVP_sha256(), key, VERIFIER_KEY_SIZE,
	    (const unsigned char *)AUTH_MESSAGE, strlen(AUTH_MESSAGE), out, NULL));
}

static void
test_rfc7677_example(void **state)
{
	struct verifier verifier = {.rounds = 4096};
	uint8_t expected[VERIFIER_KEY_SIZE], signature[VERIFIER_KEY_SIZE], key[VERIFIER_KEY_SIZE];

	decode(SALT, verifier.salt, sizeof(verifier.salt));
	verifier_derive(&verifier, "pencil");

	sign(verifier.server_key, signature);
	decode(SERVER_SIGNATURE, expected, sizeof(expected));
	assert_memory_equal(signature, expected, sizeof(expected));

	/* The client's proof xor the signature is the client's key, and its hash is the stored. */
	sign(verifier.stored_key, signature);
	decode(PROOF, expected, sizeof(expected));
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = expected[i] ^ signature[i];
	assert_non_null(SHA256(key, sizeof(key), expected));
	assert_memory_equal(expected, verifier.stored_key, sizeof(expected));
}

static void
test_text_round_trip(void **state)
{
	struct verifier written, read;
	struct buf text;

	verifier_init(&written, VERIFIER_ROUNDS_GENERATED);
	verifier_derive(&written, "secret");
	buf_init(&text);
	verifier_format(&written, &text);
	assert_int_equal(verifier_parse(text.bytes, &read), 0);
	assert_memory_equal(&read, &written, sizeof(read));
	assert_true(verifier_matches(&read, "secret"));
	assert_false(verifier_matches(&read, "Secret"));
	assert_false(verifier_matches(&read, ""));
	buf_fini(&text);
}

static void
test_text_refused(void **state)
{
	static const char key[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	static const struct {
		const char *name, *before;
	} rows[] = {
	    {"nothing", ""},
	    {"another hash", "SCRAM-SHA-1$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"},
	    {"no rounds", "SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$"},
	    {"too many rounds", "SCRAM-SHA-256$1000001:W22ZaJ0SNY7soEsUEjb6gQ==$"},
	    {"short salt", "SCRAM-SHA-256$4096:W22Z$"},
	    {"no base64", "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb!!Q==$"},
	};
	struct verifier verifier;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[256];

		(void)snprintf(text, sizeof(text), "%s%s:%s", rows[i].before, key, key);
		if (verifier_parse(text, &verifier) != -1)
			fail_msg("%s was taken", rows[i].name);
	}
}

static void
test_fake_is_stable(void **state)
{
	static const uint8_t secret[VERIFIER_KEY_SIZE] = {1}, other[VERIFIER_KEY_SIZE] = {2};
	struct verifier first, second;
	unsigned chosen = 0;

	verifier_fake(&first, secret, "nobody");
	verifier_fake(&second, secret, "nobody");
	assert_memory_equal(&first, &second, sizeof(first));
	verifier_fake(&second, other, "nobody");
	assert_memory_not_equal(first.salt, second.salt, sizeof(first.salt));
	for (int i = 0; i < 64; i++) {
		char login[16];

		(void)snprintf(login, sizeof(login), "user%d", i);
		verifier_fake(&first, secret, login);
		chosen += first.rounds == VERIFIER_ROUNDS_CHOSEN;
	}
	assert_in_range(chosen, 16, 48);
}

static void
test_generated_password(void **state)
{
	char *first = password_generate(), *second = password_generate();

	assert_int_equal(strlen(first), 23);
	assert_int_equal(strspn(first, "abcdefghjkmnpqrstuvwxyz23456789-"), 23);
	assert_string_not_equal(first, second);
	password_free(first);
	password_free(second);
}

static void
test_prepare(void **state)
{
	static const struct {
		const char *name, *input, *expected;
	} rows[] = {
	    {"plain", "pencil", "pencil"},
	    {"soft hyphen goes (RFC 4013 section 3)", "I\xc2\xadX", "IX"},
	    {"case stays", "USER", "USER"},
	    {"compatibility form", "\xe2\x85\xa8", "IX"},
	    {"control character", "\x07", NULL},
	    {"empty", "", NULL},
	    {"nothing left", "\xc2\xad", NULL},
	    {"not UTF-8", "\xff\xfe", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *prepared = NULL;
		struct err err;
		int rc = password_prepare(rows[i].input, &prepared, &err);

		if ((rc == 0) != (rows[i].expected != NULL) ||
		    (rc == 0 && strcmp(prepared, rows[i].expected) != 0))
			fail_msg("%s: %d %s", rows[i].name, rc, rc == 0 ? prepared : err.text);
		password_free(prepared);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rfc7677_example),
	    cmocka_unit_test(test_text_round_trip),
	    cmocka_unit_test(test_text_refused),
	    cmocka_unit_test(test_fake_is_stable),
	    cmocka_unit_test(test_generated_password),
	    cmocka_unit_test(test_prepare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
