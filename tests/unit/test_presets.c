/* Profiles that take the rest from their provider: what shows, what relay and queue get, and what
 * becomes of them when the file changes. */
#include "accounts_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BIG                                                                                        \
	"big = { title = \"Big\"; host = \"smtp.big.example\"; port = 465; tls = \"implicit\";"    \
	" auth = \"auto\"; connections = 3; recipients_per_message = 50; recipient_rate = "        \
	"\"500/d\"; hints = [\"look\"]; };"
#define ROUND                                                                                      \
	"round = { title = \"Round\"; host = \"smtp.{region}.round.example\"; port = 587;"         \
	" tls = \"starttls\"; auth = \"auto\"; username = \"apikey\"; regions = [\"eu\", "         \
	"\"us\"]; };"

static struct fixture fixture;

static int
set_up(void **state)
{
	fixture = (struct fixture){.presets = BIG ROUND};
	fixture_open(&fixture);
	return 0;
}

static int
tear_down(void **state)
{
	fixture_close(&fixture);
	return 0;
}

/* One after the other, on one database. */
static const struct {
	const char *method, *path, *body;
	unsigned status;
	const char *says;
} rows[] = {
    {"GET", "/v1/providers", NULL, 200, "\"name\": \"big\""},
    {"GET", "/v1/providers?after=big", NULL, 200,
	"[{\"aliases\": [], \"auth\": \"auto\", \"hints\": [], \"host\":"
	" \"smtp.{region}.round.example\""},
    {"GET", "/v1/providers?limit=0", NULL, 200, "[]"},
    {"GET", "/v1/providers?limit=x", NULL, 400, "whole number"},
    {"GET", "/v1/providers/BIG", NULL, 200, "\"hints\": [\"look\"]"},
    {"GET", "/v1/providers/none", NULL, 404, "there is no provider none"},
    {"DELETE", "/v1/providers/big", NULL, 405, "method_not_allowed"},
    {"POST", "/v1/profiles", "{\"name\":\"p\",\"provider\":\"none\"}", 400,
	"provider: there is no provider none; known are big round"},
    {"POST", "/v1/profiles", "{\"name\":\"p\",\"provider\":\"big\"}", 400, "needs a user name"},
    {"POST", "/v1/profiles", "{\"name\":\"p\",\"provider\":\"big\",\"username\":\"u\"}", 400,
	"needs a password"},
    {"POST", "/v1/profiles", "{\"name\":\"p\",\"provider\":\"big\",\"capture\":\"c\"}", 400,
	"either a host or a folder"},
    {"POST", "/v1/profiles",
	"{\"name\":\"p\",\"provider\":\"BIG\",\"username\":\"u\","
	"\"password\":\"x\"}",
	201, "\"host\": \"smtp.big.example\""},
    {"GET", "/v1/profiles/p", NULL, 200, "\"provider\": \"big\""},
    {"GET", "/v1/profiles/p", NULL, 200, "\"port\": 465"},
    {"GET", "/v1/profiles/p", NULL, 200,
	"\"tls\": \"implicit\", \"tls_max\": \"1.3\", \"tls_min\": \"1.2\""},
    {"GET", "/v1/profiles/p", NULL, 200, "\"recipient_rate\": \"500/d\""},
    {"GET", "/v1/profiles/p", NULL, 200, "\"connections\": 3"},
    {"GET", "/v1/profiles/p", NULL, 200, "\"problem\": null"},
    {"GET", "/v1/profiles/p", NULL, 200, "\"messages_per_connection\": 100"},
    /* what is chosen comes first */
    {"PATCH", "/v1/profiles/p", "{\"port\":587}", 200, "\"tls\": \"starttls\""},
    {"PATCH", "/v1/profiles/p", "{\"port\":null,\"tls\":\"starttls\"}", 200, "\"port\": 587"},
    {"PATCH", "/v1/profiles/p", "{\"tls\":null,\"recipient_rate\":\"none\"}", 200,
	"\"recipient_rate\": \"none\""},
    {"PATCH", "/v1/profiles/p", "{\"recipient_rate\":null}", 200, "500/d"},
    {"PATCH", "/v1/profiles/p", "{\"host\":\"mine.example\"}", 200, "mine.example"},
    {"PATCH", "/v1/profiles/p", "{\"host\":null}", 200, "smtp.big.example"},
    {"PATCH", "/v1/profiles/p", "{\"provider\":null}", 400, "needs a host"},
    {"GET", "/v1/profiles/p", NULL, 200, "\"recipients_per_message\": 50"},
    {"PATCH", "/v1/profiles/p", "{\"recipients_per_message\":0}", 200,
	"\"recipients_per_message\": 0"},
    {"PATCH", "/v1/profiles/p", "{\"recipients_per_message\":null}", 200,
	"\"recipients_per_message\": 50"},
    {"PATCH", "/v1/profiles/p", "{\"reserve\":10}", 200, "\"reserve\": 10"},
    /* regions */
    {"POST", "/v1/profiles", "{\"name\":\"r\",\"provider\":\"round\",\"password\":\"x\"}", 400,
	"host: provider round has one for each region; name the region (--host eu) or the host: "
	"eu, us"},
    {"POST", "/v1/profiles",
	"{\"name\":\"r\",\"provider\":\"round\",\"password\":\"x\",\"host\":\"US\"}", 201,
	"\"host\": \"smtp.us.round.example\""},
    {"GET", "/v1/profiles/r", NULL, 200, "\"username\": \"apikey\""},
    {"PATCH", "/v1/profiles/r", "{\"host\":\"us;own.example;eu\"}", 200,
	"\"host\": \"smtp.us.round.example;own.example;smtp.eu.round.example\""},
    {"PATCH", "/v1/profiles/r", "{\"host\":\"other.example\"}", 200, "\"other.example\""},
    {"PATCH", "/v1/profiles/r", "{\"host\":\"us;asia\"}", 400,
	"host: provider round has no region asia; known are eu, us; a host of another name has a "
	"dot"},
    {"PATCH", "/v1/profiles/r", "{\"host\":\"::1;localhost\"}", 200, "\"::1;localhost\""},
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

static void
on_profile(const union message *message, void *ctx)
{
	struct peer *peer = ctx;
	const struct msg_profile *profile = &message->profile;

	buf_printf(&peer->heard, "%s:%d tls=%d %s/%.*s connections=%d problem=%.70s\n",
	    profile->host, profile->port, profile->tls, profile->username,
	    (int)profile->secret.size, (const char *)profile->secret.at, profile->connections,
	    profile->problem);
	peer->count++;
}

/* What it was told unasked has arrived. */
static void
expect_for_relay(const char *line)
{
	struct msg_profile_get message = {.profile_id = 1, .name = ""};

	for (int i = 0; i < 20; i++)
		loop_turn(fixture.loop, 0);
	peer_forget(&fixture.relay);
	(void)link_request(
	    fixture.relay.far, MSG_PROFILE_GET, &message, 20000, on_profile, &fixture.relay);
	peer_wait(&fixture.relay, 1);
	assert_string_equal(fixture.relay.heard.bytes, line);
	peer_forget(&fixture.relay);
}

static void
add_profile(void)
{
	fixture_must(&fixture, 201, "POST", "/v1/profiles",
	    "{\"name\":\"p\",\"provider\":\"big\",\"username\":\"u\",\"password\":\"x\"}");
	peer_wait(&fixture.relay, 1);
	peer_wait(&fixture.queue, 5);
	peer_forget(&fixture.queue);
}

static void
test_relay_and_queue_get_what_is_used(void **state)
{
	add_profile();
	expect_for_relay("smtp.big.example:465 tls=3 u/x connections=3 problem=\n");
	fixture_must(&fixture, 200, "POST", "/v1/profiles/p/pause", NULL);
	peer_wait(&fixture.queue, 1);
	assert_string_equal(fixture.queue.heard.bytes,
	    "route profile 1 p profile=0 version=1 paused connections=3\n");
}

static void
on_provider(const union message *message, void *ctx)
{
	struct peer *peer = ctx;

	buf_printf(&peer->heard, "%s", message->profile.provider);
	peer->count++;
}

static void
expect_provider(const char *name)
{
	struct msg_profile_get message = {.profile_id = 1, .name = ""};

	for (int i = 0; i < 20; i++)
		loop_turn(fixture.loop, 0);
	peer_forget(&fixture.relay);
	(void)link_request(
	    fixture.relay.far, MSG_PROFILE_GET, &message, 20000, on_provider, &fixture.relay);
	peer_wait(&fixture.relay, 1);
	assert_string_equal(fixture.relay.heard.bytes, name);
}

/* Who names the host has named the provider: its rules hold, its hints are said, its settings are not
 * taken. */
static void
test_provider_is_known_by_its_host(void **state)
{
	json_t *added = fixture_call(&fixture, "POST", "/v1/profiles",
	    "{\"name\":\"p\",\"host\":\"smtp.BIG.example\",\"port\":25}");

	assert_int_equal(fixture.status, 201);
	assert_int_equal(json_array_size(json_object_get(added, "hints")), 1);
	assert_true(json_is_null(json_object_get(added, "provider")));
	json_decref(added);
	expect_provider("big");
	fixture_must(&fixture, 200, "PATCH", "/v1/profiles/p", "{\"host\":\"other.example\"}");
	expect_provider("");
}

static void
test_changed_file_changes_profiles(void **state)
{
	add_profile();
	fixture_set_presets(&fixture,
	    "big = { title = \"Big\"; host = \"new.example\"; port = 587; connections = 5; };");
	peer_wait(&fixture.queue, 1);
	/* Queue forgets a stop with it. */
	assert_string_equal(
	    fixture.queue.heard.bytes, "route profile 1 p profile=0 version=2 connections=5\n");
	expect_for_relay("new.example:587 tls=2 u/x connections=5 problem=\n");
	peer_forget(&fixture.queue);
	/* Nothing new is nothing to tell. */
	fixture_set_presets(&fixture, "big = { title = \"Big!\"; hints = [ \"h\" ];"
				      " host = \"new.example\"; port = 587; connections = 5; };");
	assert_int_equal(fixture.queue.count, 0);
}

static void
test_provider_that_is_gone(void **state)
{
	json_t *shown;

	add_profile();
	fixture_set_presets(&fixture, ROUND);
	expect_for_relay(":0 tls=0 / connections=0 problem=provider: there is no provider big;"
			 " known are round\n");
	shown = fixture_call(&fixture, "GET", "/v1/profiles/p", NULL);
	assert_non_null(strstr(
	    json_string_value(json_object_get(shown, "problem")), "there is no provider big"));
	json_decref(shown);
	fixture_must(&fixture, 400, "PATCH", "/v1/profiles/p", "{\"comment\":\"x\"}");
	fixture_set_presets(&fixture, NULL);
	fixture_must(&fixture, 400, "PATCH", "/v1/profiles/p", "{\"comment\":\"x\"}");
	/* It is back. */
	fixture_set_presets(&fixture, BIG);
	expect_for_relay("smtp.big.example:465 tls=3 u/x connections=3 problem=\n");
	fixture_must(&fixture, 200, "PATCH", "/v1/profiles/p", "{\"comment\":\"x\"}");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_rows),
	    TEST(test_relay_and_queue_get_what_is_used),
	    TEST(test_provider_is_known_by_its_host),
	    TEST(test_changed_file_changes_profiles),
	    TEST(test_provider_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
