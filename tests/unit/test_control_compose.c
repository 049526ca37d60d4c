/* What accounts, queue and parent say becomes one answer, also when one of them is away. */
#include "daemon/control/compose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#define QUEUE                                                                                      \
	"{\"ready\":3,\"deferred\":1,\"scheduled\":0,\"held\":0,\"sending\":2,\"uncertain\":0,"    \
	"\"profiles\":[{\"name\":\"office\",\"state\":\"limited\","                                \
	"\"rate_limited_until\":\"2026-03-01T12:31:04Z\",\"last_error\":\"421\",\"waiting\":4}]}"

static json_t *
parse(const char *text)
{
	return text == NULL ? NULL : json_loads(text, JSON_DECODE_ANY, NULL);
}

static void
assert_json(json_t *value, const char *expected)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);

	assert_string_equal(text, expected);
	free(text);
}

static void
test_profile(void **state)
{
	static const struct {
		const char *profile, *queue, *expected;
	} rows[] = {
	    {"{\"name\":\"office\"}", QUEUE,
		"{\"budget\":null,\"class\":null,\"connections_learned\":null,\"last_error\":"
		"\"421\",\"name\":\"office\",\"rate_learned\":null,\"rate_limited_"
		"until\":"
		"\"2026-03-01T12:31:04Z\",\"recipient_rate_learned\":null,\"recipients_learned\":"
		"null,\"rule\":null,\"since\":null,"
		"\"state\":\"limited\",\"waiting\":4}"},
	    {"{\"name\":\"new\"}", QUEUE,
		"{\"budget\":null,\"class\":null,\"connections_learned\":null,\"last_error\":null,"
		"\"name\":\"new\",\"rate_learned\":null,\"rate_limited_until\":null,"
		"\"recipient_rate_learned\":null,\"recipients_learned\":null,\"rule\":null,"
		"\"since\":null,\"state\":\"ok\","
		"\"waiting\":0}"},
	    {"{\"name\":\"new\",\"state\":\"paused\"}", QUEUE,
		"{\"budget\":null,\"class\":null,\"connections_learned\":null,\"last_error\":null,"
		"\"name\":\"new\",\"rate_learned\":null,\"rate_limited_until\":null,"
		"\"recipient_rate_learned\":null,\"recipients_learned\":null,\"rule\":null,"
		"\"since\":null,\"state\":\"paused\","
		"\"waiting\":0}"},
	    {"{\"name\":\"office\"}", NULL,
		"{\"budget\":null,\"class\":null,\"connections_learned\":null,\"last_error\":null,"
		"\"name\":\"office\",\"rate_learned\":null,\"rate_limited_until\":"
		"null,"
		"\"recipient_rate_learned\":null,\"recipients_learned\":null,\"rule\":null,"
		"\"since\":null,\"state\":null,"
		"\"waiting\":null}"},
	    {"{\"name\":\"office\"}", "{\"profiles\":7}",
		"{\"budget\":null,\"class\":null,\"connections_learned\":null,\"last_error\":null,"
		"\"name\":\"office\",\"rate_learned\":null,\"rate_limited_until\":"
		"null,"
		"\"recipient_rate_learned\":null,\"recipients_learned\":null,\"rule\":null,"
		"\"since\":null,\"state\":\"ok\","
		"\"waiting\":0}"},
	    /* It hasn't had mail yet. */
	    {"{\"name\":\"new\",\"problem\":\"no provider\"}", QUEUE,
		"{\"budget\":null,\"class\":null,\"connections_learned\":null,\"last_error\":"
		"\"no provider\",\"name\":\"new\",\"problem\":\"no provider\","
		"\"rate_learned\":null,\"rate_limited_until\":null,\"recipient_rate_learned\":null,"
		"\"recipients_learned\":null,\"rule\":null,"
		"\"since\":null,\"state\":\"stopped\",\"waiting\":0}"},
	    {"[1]", QUEUE, "[1]"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *profile = parse(rows[i].profile), *queue = parse(rows[i].queue);

		compose_profile(profile, queue);
		assert_json(profile, rows[i].expected);
		json_decref(profile);
		json_decref(queue);
	}
}

static void
test_status(void **state)
{
	static const struct {
		const char *queue, *profiles, *expected;
	} rows[] = {
	    {QUEUE, "[{\"name\":\"office\",\"default\":true,\"host\":\"h\"}]",
		"{\"profiles\":[{\"budget\":null,\"class\":null,\"connections_learned\":null,"
		"\"default\":true,\"last_error\":\"421\",\"name\":"
		"\"office\","
		"\"rate_learned\":null,\"rate_limited_until\":\"2026-03-01T12:31:04Z\",\"recipient_"
		"rate_learned\":null,\"recipients_learned\":null,"
		"\"rule\":null,\"since\":null,\"state\":\"limited\","
		"\"waiting\":4}],\"queue\":{\"deferred\":1,\"held\":0,\"ready\":3,\"scheduled\":0,"
		"\"sending\":2,\"uncertain\":0},\"version\":\"1\"}"},
	    {NULL, NULL, "{\"profiles\":null,\"queue\":null,\"version\":\"1\"}"},
	    {"{\"ready\":3,\"deferred\":1,\"scheduled\":0,\"held\":0,\"sending\":2,"
	     "\"uncertain\":0,\"counting\":true}",
		"[]",
		"{\"profiles\":[],\"queue\":{\"counting\":true,\"deferred\":1,\"held\":0,"
		"\"ready\":3,\"scheduled\":0,\"sending\":2,\"uncertain\":0},\"version\":\"1\"}"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *status = parse("{\"version\":\"1\"}");
		json_t *queue = parse(rows[i].queue), *profiles = parse(rows[i].profiles);

		compose_status(status, queue, profiles);
		assert_json(status, rows[i].expected);
		json_decref(status);
		json_decref(queue);
		json_decref(profiles);
	}
}

/* Queue adds what it has counted, and nothing else; away, nobody knows. */
static void
test_user(void **state)
{
	static const struct {
		const char *queue, *expected;
	} rows[] = {
	    {"{\"messages_used_hour\":3,\"messages_left_hour\":0,\"limited_until\":\"t\","
	     "\"has_held\":true,\"login\":\"other\"}",
		"{\"has_held\":true,\"limited_until\":\"t\",\"login\":\"shop\","
		"\"messages_left_day\":null,\"messages_left_hour\":0,"
		"\"messages_used_day\":null,\"messages_used_hour\":3,"
		"\"recipients_left_day\":null,\"recipients_left_hour\":null,"
		"\"recipients_used_day\":null,\"recipients_used_hour\":null}"},
	    {NULL, "{\"has_held\":null,\"limited_until\":null,\"login\":\"shop\","
		   "\"messages_left_day\":null,\"messages_left_hour\":null,"
		   "\"messages_used_day\":null,\"messages_used_hour\":null,"
		   "\"recipients_left_day\":null,\"recipients_left_hour\":null,"
		   "\"recipients_used_day\":null,\"recipients_used_hour\":null}"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *user = parse("{\"login\":\"shop\"}"), *queue = parse(rows[i].queue);

		compose_user(user, queue);
		assert_json(user, rows[i].expected);
		json_decref(user);
		json_decref(queue);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_profile),
	    cmocka_unit_test(test_user),
	    cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
