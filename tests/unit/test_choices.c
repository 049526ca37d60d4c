/* Which profile takes whose mail: what may be named, and the map that queue gets. */
#include "accounts_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct fixture fixture;

static int
set_up(void **state)
{
	fixture = (struct fixture){0};
	fixture_open(&fixture);
	fixture_must(&fixture, 201, "POST", "/v1/lists", "{\"name\":\"web\"}");
	fixture_must(&fixture, 201, "POST", "/v1/lists", "{\"name\":\"crm\"}");
	fixture_must(&fixture, 201, "POST", "/v1/users", "{\"login\":\"bob\",\"list\":\"web\"}");
	fixture_must(&fixture, 201, "POST", "/v1/users", "{\"login\":\"eve\",\"list\":\"crm\"}");
	return 0;
}

static int
tear_down(void **state)
{
	fixture_close(&fixture);
	return 0;
}

static const struct {
	const char *method, *path, *body;
	unsigned status;
	const char *says;
} rows[] = {
    {"POST", "/v1/profiles", "{\"name\":\"all\",\"capture\":\"a\"}", 201,
	"\"available\": [\"all\"]"},
    {"POST", "/v1/profiles", "{\"name\":\"p\",\"capture\":\"b\",\"available\":\"no\"}", 400,
	"available: there is no list no"},
    {"POST", "/v1/profiles", "{\"name\":\"p\",\"capture\":\"b\",\"available\":\"user:no\"}", 400,
	"there is no user no"},
    {"POST", "/v1/profiles", "{\"name\":\"p\",\"capture\":\"b\",\"available\":\"a b\"}", 400,
	"\"field\": \"available\""},
    {"POST", "/v1/profiles", "{\"name\":\"p\",\"capture\":\"b\",\"available\":\"WEB\"}", 201,
	"\"available\": [\"web\"]"},
    {"PATCH", "/v1/users/bob", "{\"profile\":\"p\"}", 200, "\"profile\": \"p\""},
    {"PATCH", "/v1/users/eve", "{\"profile\":\"p\"}", 400,
	"profile: p is not available to user eve of list crm; it is to web"},
    {"PATCH", "/v1/users/bob", "{\"list\":\"crm\"}", 400,
	"is not available to user bob of list crm"},
    {"PATCH", "/v1/lists/crm", "{\"profile\":\"p\"}", 400, "is not available to list crm"},
    {"PATCH", "/v1/lists/web", "{\"profile\":\"p\"}", 200, "\"profile\": \"p\""},
    {"PATCH", "/v1/profiles/p", "{\"available\":[\"crm\",\"USER:bob\"]}", 200,
	"\"available\": [\"crm\", \"user:bob\"]"},
    {"PATCH", "/v1/lists/web", "{\"note\":\"x\"}", 400, "is not available to list web"},
    {"PATCH", "/v1/lists/web", "{\"profile\":null}", 200, "\"profile\": null"},
    {"PATCH", "/v1/users/bob", "{\"note\":\"x\"}", 200, "\"profile\": \"p\""},
    {"PATCH", "/v1/users/eve", "{\"profile\":\"p\"}", 200, "\"profile\": \"p\""},
    {"DELETE", "/v1/users/bob", NULL, 409, "in use by the profile p"},
    {"PATCH", "/v1/profiles/p", "{\"available\":null}", 200, "[\"all\"]"},
    {"PATCH", "/v1/profiles/p", "{\"available\":\"all\"}", 200, "[\"all\"]"},
    /* fallback */
    {"PATCH", "/v1/profiles/p", "{\"fallback\":\"none\"}", 400,
	"fallback: there is no profile none"},
    {"PATCH", "/v1/profiles/p", "{\"fallback\":\"P\"}", 400, "leads back to p: a loop"},
    {"PATCH", "/v1/profiles/p", "{\"overflow\":true}", 400, "overflow: needs a fallback"},
    {"PATCH", "/v1/profiles/p", "{\"fallback_after\":\"5m\"}", 400,
	"fallback_after: needs a fallback"},
    {"PATCH", "/v1/profiles/p", "{\"fallback\":\"ALL\"}", 200, "\"fallback_after\": 60"},
    {"PATCH", "/v1/profiles/p", "{\"fallback_after\":\"0s\"}", 400,
	"\"field\": \"fallback_after\""},
    {"PATCH", "/v1/profiles/p", "{\"overflow\":\"yes\"}", 200, "\"overflow\": true"},
    {"PATCH", "/v1/profiles/all", "{\"fallback\":\"p\"}", 400, "p leads back to all"},
    {"POST", "/v1/profiles", "{\"name\":\"q\",\"capture\":\"c\",\"fallback\":\"p\"}", 201, "\"p\""},
    {"PATCH", "/v1/profiles/all", "{\"fallback\":\"q\"}", 400, "a loop is not allowed"},
    {"DELETE", "/v1/profiles/p", NULL, 409, "in use by"},
    {"PATCH", "/v1/profiles/q", "{\"fallback\":\"\"}", 200, "\"fallback\": null"},
    /* sender */
    {"PATCH", "/v1/profiles/q", "{\"from\":\"x\"}", 400, "\"field\": \"from\""},
    {"PATCH", "/v1/profiles/q", "{\"from\":\"\\u00fc@b.example\"}", 400, "must be ASCII"},
    {"PATCH", "/v1/profiles/q", "{\"from\":\"News@B.Example\"}", 200, "\"News@B.Example\""},
};

static void
test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *result = fixture_call(&fixture, rows[i].method, rows[i].path, rows[i].body);
		char *text = json_dumps(result, JSON_SORT_KEYS | JSON_ENCODE_ANY);

		if (fixture.status != rows[i].status || strstr(text, rows[i].says) == NULL)
			fail_msg("%s %s %s: %u %s", rows[i].method, rows[i].path,
			    rows[i].body == NULL ? "" : rows[i].body, fixture.status, text);
		free(text);
		json_decref(result);
	}
}

/* What queue has heard since the last time, all of it. */
static void
expect(const char *lines)
{
	for (int i = 0; i < 20; i++)
		loop_turn(fixture.loop, 0);
	assert_string_equal(
	    fixture.queue.heard.bytes == NULL ? "" : fixture.queue.heard.bytes, lines);
	peer_forget(&fixture.queue);
}

static void
forget(void)
{
	for (int i = 0; i < 20; i++)
		loop_turn(fixture.loop, 0);
	peer_forget(&fixture.queue);
}

static void
test_map_says_who_goes_by_the_sender(void **state)
{
	forget();
	fixture_must(&fixture, 201, "POST", "/v1/profiles",
	    "{\"name\":\"shop\",\"capture\":\"a\",\"from\":\"shop@a.example\",\"available\":"
	    "\"web\"}");
	/* The only profile is the default one, and not for everybody. */
	expect("route sender 1 shop@a.example profile=0 version=0 connections=0\n"
	       "route sender 2 a.example profile=0 version=0 connections=0\n"
	       "route profile 1 shop profile=0 version=1 connections=20 from=shop@a.example"
	       " available=web\n"
	       "route user 1 bob profile=1 version=0 connections=0\n"
	       "route user 2 eve profile=0 version=0 connections=0\n"
	       "route list 0  profile=0 version=0 connections=0\n"
	       "route list 1 web profile=1 version=0 connections=0\n"
	       "route list 2 crm profile=0 version=0 connections=0\n");
	fixture_must(&fixture, 200, "PATCH", "/v1/users/bob", "{\"profile\":\"shop\"}");
	expect("route user 1 bob profile=1 version=0 connections=0 bound\n");
	/* Who may not use it any more waits: it was named. */
	fixture_must(&fixture, 200, "PATCH", "/v1/profiles/shop", "{\"available\":\"crm\"}");
	expect("route profile 1 shop profile=0 version=1 connections=20 from=shop@a.example"
	       " available=crm\n"
	       "route user 1 bob profile=0 version=0 connections=0 bound"
	       " problem=profile shop is not available to user bob of list web\n"
	       "route user 2 eve profile=1 version=0 connections=0\n"
	       "route list 0  profile=0 version=0 connections=0\n"
	       "route list 1 web profile=0 version=0 connections=0\n"
	       "route list 2 crm profile=1 version=0 connections=0\n");
	/* A sender keeps its number. */
	fixture_must(&fixture, 200, "PATCH", "/v1/profiles/shop", "{\"from\":null}");
	fixture_must(&fixture, 200, "PATCH", "/v1/profiles/shop", "{\"from\":\"b@a.example\"}");
	forget();
	fixture_restart(&fixture);
	for (int i = 0; i < 20; i++)
		loop_turn(fixture.loop, 0);
	assert_non_null(strstr(fixture.queue.heard.bytes, "route sender 1 shop@a.example "));
	assert_non_null(strstr(fixture.queue.heard.bytes, "route sender 2 a.example "));
	assert_non_null(strstr(fixture.queue.heard.bytes, "route sender 3 b@a.example "));
}

static void
test_map_has_the_fallback(void **state)
{
	fixture_must(&fixture, 201, "POST", "/v1/profiles", "{\"name\":\"q\",\"capture\":\"q\"}");
	forget();
	fixture_must(&fixture, 201, "POST", "/v1/profiles",
	    "{\"name\":\"p\",\"capture\":\"p\",\"fallback\":\"q\"}");
	expect("route profile 2 p profile=0 version=1 connections=20 fallback=1\n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_rows),
	    TEST(test_map_says_who_goes_by_the_sender),
	    TEST(test_map_has_the_fallback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
