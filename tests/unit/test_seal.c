/* Sealed secrets open with their key, in their place, undamaged, and not otherwise. */
#include "daemon/accounts/password.h"
#include "daemon/accounts/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t key_bytes[SEAL_KEY_SIZE] = {7, 7, 7};
static const uint8_t other_bytes[SEAL_KEY_SIZE] = {8};
static const struct msg_bytes key = {key_bytes, SEAL_KEY_SIZE};
static const struct msg_bytes other = {other_bytes, SEAL_KEY_SIZE};
static const struct msg_bytes none = {NULL, 0};
static const struct msg_bytes too_short = {key_bytes, 16};

static void
test_round_trip(void **state)
{
	char *sealed, *again, *secret;
	struct err err;

	assert_int_equal(seal_close(key, "profile/1/password", "hush", &sealed, &err), 0);
	assert_int_equal(seal_close(key, "profile/1/password", "hush", &again, &err), 0);
	assert_string_not_equal(sealed, again);
	assert_null(strstr(sealed, "hush"));
	assert_int_equal(seal_open(key, "profile/1/password", sealed, &secret, &err), 0);
	assert_string_equal(secret, "hush");
	password_free(secret);
	free(sealed);
	free(again);
}

static void
test_refused(void **state)
{
	char *sealed, *damaged, *secret;
	struct err err;

	assert_int_equal(seal_close(key, "profile/1/password", "hush", &sealed, &err), 0);
	damaged = strdup(sealed);
	damaged[20] = damaged[20] == 'A' ? 'B' : 'A';

	const struct {
		const char *name;
		struct msg_bytes key;
		const char *context, *sealed, *says;
	} rows[] = {
	    {"another key", other, "profile/1/password", sealed, "not the one"},
	    {"another row", key, "profile/2/password", sealed, "not the one"},
	    {"a bit changed", key, "profile/1/password", damaged, "not the one"},
	    {"no key", none, "profile/1/password", sealed, "no seal.key"},
	    {"half a key", too_short, "profile/1/password", sealed, "16 bytes"},
	    {"cut", key, "profile/1/password", "AAAA", "damaged"},
	    {"not base64", key, "profile/1/password", "*", "damaged"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc = seal_open(rows[i].key, rows[i].context, rows[i].sealed, &secret, &err);

		if (rc != -1 || strstr(err.text, rows[i].says) == NULL)
			fail_msg("%s: %d %s", rows[i].name, rc, err.text);
	}
	assert_int_equal(seal_close(none, "x", "hush", &secret, &err), -1);
	free(sealed);
	free(damaged);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
