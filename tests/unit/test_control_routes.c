/* The API's paths: who owns them, which methods they have, and what is no path. */
#include "daemon/control/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void
test_find(void **state)
{
	static const struct {
		const char *method, *target;
		enum route_outcome outcome;
		enum role owner;
		enum route_answer answer;
	} rows[] = {
	    {"GET", "/v1/lists", ROUTE_FOUND, ROLE_ACCOUNTS, ANSWER_AS_IS},
	    {"GET", "/v1/lists?x=1", ROUTE_FOUND, ROLE_ACCOUNTS, ANSWER_AS_IS},
	    {"DELETE", "/v1/users/a%2Fb", ROUTE_FOUND, ROLE_ACCOUNTS, ANSWER_USER},
	    {"POST", "/v1/users/a/reset-password", ROUTE_FOUND, ROLE_ACCOUNTS, ANSWER_AS_IS},
	    {"GET", "/v1/profiles", ROUTE_FOUND, ROLE_ACCOUNTS, ANSWER_PROFILES},
	    {"GET", "/v1/profiles/office", ROUTE_FOUND, ROLE_ACCOUNTS, ANSWER_PROFILE},
	    {"POST", "/v1/profiles/office/test", ROUTE_FOUND, ROLE_RELAY, ANSWER_AS_IS},
	    {"GET", "/v1/explain?user=u&from=a", ROUTE_FOUND, ROLE_ACCOUNTS, ANSWER_EXPLAIN},
	    {"GET", "/v1/clients", ROUTE_FOUND, ROLE_ACCOUNTS, ANSWER_AS_IS},
	    {"POST", "/v1/clients/2001:db8::%2F64/forgive", ROUTE_FOUND, ROLE_ACCOUNTS,
		ANSWER_AS_IS},
	    {"POST", "/v1/alerts/ack", ROUTE_FOUND, ROLE_ACCOUNTS, ANSWER_AS_IS},
	    {"POST", "/v1/alerts/12/ack", ROUTE_FOUND, ROLE_ACCOUNTS, ANSWER_AS_IS},
	    {"POST", "/v1/messages/hold", ROUTE_FOUND, ROLE_QUEUE, ANSWER_AS_IS},
	    {"GET", "/v1/messages/4K7Q2ZP", ROUTE_FOUND, ROLE_QUEUE, ANSWER_AS_IS},
	    {"GET", "/v1/messages/4K7Q2ZP/body?offset=0", ROUTE_FOUND, ROLE_QUEUE, ANSWER_AS_IS},
	    {"GET", "/v1/status", ROUTE_FOUND, ROLE_PARENT, ANSWER_STATUS},
	    {"POST", "/v1/status", ROUTE_NO_METHOD, ROLE_PARENT, ANSWER_STATUS},
	    {"", "/v1/reload", ROUTE_NO_METHOD, ROLE_PARENT, ANSWER_AS_IS},
	    {"GET", "/v1/lists/", ROUTE_NO_PATH, 0, 0},
	    {"GET", "/v1/lists/a/b", ROUTE_NO_PATH, 0, 0},
	    {"GET", "/v1/list", ROUTE_NO_PATH, 0, 0},
	    {"GET", "/v1/listsx", ROUTE_NO_PATH, 0, 0},
	    {"GET", "http://localhost/v1/lists", ROUTE_NO_PATH, 0, 0},
	    {"GET", "", ROUTE_NO_PATH, 0, 0},
	};
	const struct route *route;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
		    route_find(rows[i].method, rows[i].target, &route), rows[i].outcome);
		if (rows[i].outcome == ROUTE_NO_PATH) {
			assert_null(route);
			continue;
		}
		assert_int_equal(route->owner, rows[i].owner);
		assert_int_equal(route->answer, rows[i].answer);
	}
}

static void
test_allow(void **state)
{
	char allow[ROUTE_ALLOW_SIZE];
	const struct route *route;

	(void)route_find("PUT", "/v1/lists/a", &route);
	assert_string_equal(route_allow(route, allow), "GET, PATCH, DELETE");
	(void)route_find("GET", "/v1/stop", &route);
	assert_string_equal(route_allow(route, allow), "POST");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_find),
	    cmocka_unit_test(test_allow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
