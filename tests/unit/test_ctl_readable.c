/* Durations as options take them, budgets and certificates in words. */
#include "ctl/readable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

static void
test_durations(void **state)
{
	static const struct {
		double seconds;
		const char *expected;
	} rows[] = {{60, "1m"}, {90, "90s"}, {600, "10m"}, {3600, "1h"}, {86400, "1d"},
	    {172800, "2d"}, {0.25, "250ms"}, {1.5, "1500ms"}, {0, "0ms"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = readable_duration(rows[i].seconds);

		assert_string_equal(text, rows[i].expected);
		free(text);
	}
}

static void
test_profile(void **state)
{
	static const struct {
		const char *profile, *expected;
	} rows[] = {
	    {"{\"dot_timeout\":600,\"fallback_after\":0,\"timeout\":\"?\",\"pop3_valid\":null}",
		"{\"dot_timeout\":\"10m\",\"fallback_after\":null,\"pop3_valid\":null,"
		"\"timeout\":null}"},
	    {"{\"budget\":null,\"ca\":null}", "{\"budget\":null,\"ca\":null}"},
	    {"{\"budget\":[{\"period\":60,\"messages\":5,\"messages_left\":3,\"recipients\":null,"
	     "\"recipients_left\":null},{\"period\":86400,\"messages\":5,\"messages_left\":3,"
	     "\"recipients\":7,\"recipients_left\":0}]}",
		"{\"budget\":[\"3 of 5 messages left in 1m\","
		"\"3 of 5 messages, 0 of 7 recipients left in 1d\"]}"},
	    {"{\"ca\":\"-----BEGIN CERTIFICATE-----\\n-----END CERTIFICATE-----\\n\","
	     "\"oauth_ca\":\"-----BEGIN X-----BEGIN \"}",
		"{\"ca\":\"1 certificate, which -j shows\","
		"\"oauth_ca\":\"2 certificates, which -j shows\"}"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *profile = json_loads(rows[i].profile, 0, NULL);
		char *text;

		assert_non_null(profile);
		readable_profile(profile);
		text = json_dumps(profile, JSON_COMPACT | JSON_SORT_KEYS);
		assert_string_equal(text, rows[i].expected);
		free(text);
		json_decref(profile);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_durations),
	    cmocka_unit_test(test_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
