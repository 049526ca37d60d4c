/* What the other roles hear: grants at smtpds, the map at queue, profiles at relay, alerts. */
#include "accounts_fixture.h"

#include "daemon/accounts/routes.h"

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
	fixture_open(&fixture);
	peer_wait(&fixture.queue, 3); /* the empty map */
	fixture_must(&fixture, 201, "POST", "/v1/lists", "{\"name\":\"shop\"}");
	fixture_must(&fixture, 201, "POST", "/v1/users", "{\"login\":\"bob\",\"list\":\"shop\"}");
	peer_wait(&fixture.queue, 6);
	peer_forget(&fixture.queue);
	return 0;
}

static int
tear_down(void **state)
{
	fixture_close(&fixture);
	return 0;
}

/* Exactly these lines, since the last time. */
static void
expect(struct peer *peer, const char *lines)
{
	unsigned count = 0;

	for (const char *at = lines; *at != '\0'; at++)
		count += *at == '\n';
	peer_wait(peer, count);
	assert_string_equal(peer->heard.bytes, lines);
	peer_forget(peer);
}

static void
on_grant(const union message *message, void *ctx)
{
	struct peer *peer = ctx;

	assert_non_null(message);
	buf_printf(
	    &peer->heard, "answer %d %s\n", (int)message->grant.user_id, message->grant.login);
	peer->count++;
}

static void
ask(struct peer *peer, uint64_t id, const char *login)
{
	struct msg_grant_get message = {.user_id = id, .login = login};

	(void)link_request(peer->far, MSG_GRANT_GET, &message, 20000, on_grant, peer);
}

static void
test_grant_is_asked_for(void **state)
{
	ask(&fixture.smtpd, 0, "BOB");
	expect(&fixture.smtpd, "answer 1 bob\n");
	ask(&fixture.smtpd, 1, "");
	expect(&fixture.smtpd, "answer 1 bob\n");
	ask(&fixture.smtpd, 0, "eve");
	expect(&fixture.smtpd, "answer 0 \n");
	ask(&fixture.smtpd, 77, "");
	expect(&fixture.smtpd, "answer 0 \n");
}

static void
test_grant_follows_changes(void **state)
{
	ask(&fixture.smtpd, 1, "");
	expect(&fixture.smtpd, "answer 1 bob\n");
	fixture_must(&fixture, 200, "PATCH", "/v1/users/bob",
	    "{\"priority\":4,\"priority_max\":2,\"domains\":\"a.example;*.b.example\","
	    "\"senders\":\"c@d.example\",\"check\":\"header\"}");
	expect(&fixture.smtpd,
	    "grant 1 bob active credential=1 list=shop priority=4-2 check=2 block "
	    "no-profile a.example *.b.example c@d.example\n");
	fixture_must(
	    &fixture, 200, "PATCH", "/v1/users/bob", "{\"domains\":null,\"senders\":null}");
	expect(&fixture.smtpd,
	    "grant 1 bob active credential=1 list=shop priority=4-2 check=2 block "
	    "no-profile\n");
	fixture_must(&fixture, 200, "PATCH", "/v1/lists/shop", "{\"unauthorized\":\"alert\"}");
	expect(&fixture.smtpd,
	    "grant 1 bob active credential=1 list=shop priority=4-2 check=2 alert "
	    "no-profile\n");
	/* The first profile becomes the default one: now there is a way for the mail. */
	fixture_must(&fixture, 201, "POST", "/v1/profiles", "{\"name\":\"out\",\"host\":\"h\"}");
	expect(&fixture.smtpd,
	    "grant 1 bob active credential=1 list=shop priority=4-2 check=2 alert\n");
	fixture_must(&fixture, 200, "DELETE", "/v1/users/bob", NULL);
	expect(&fixture.smtpd,
	    "grant 1  inactive credential=0 list= priority=0-0 check=0 block no-profile\n");
	/* The other smtpd never had it. */
	assert_int_equal(fixture.other_smtpd.count, 0);
}

static void
test_config_changes_grants(void **state)
{
	ask(&fixture.smtpd, 1, "");
	expect(&fixture.smtpd, "answer 1 bob\n");
	grants_set_unauthorized(fixture.parts.grants, UNAUTHORIZED_ALERT);
	expect(&fixture.smtpd,
	    "grant 1 bob active credential=1 list=shop priority=3-1 check=0 alert "
	    "no-profile\n");
}

static void
test_routes(void **state)
{
	fixture_must(&fixture, 201, "POST", "/v1/profiles",
	    "{\"name\":\"a\",\"host\":\"h\",\"connections\":3}");
	expect(&fixture.queue, "route profile 1 a profile=0 version=1 connections=3\n"
			       "route user 1 bob profile=1 version=0 connections=0\n"
			       "route list 0  profile=1 version=0 connections=0\n"
			       "route list 1 shop profile=1 version=0 connections=0\n");
	fixture_must(&fixture, 201, "POST", "/v1/profiles", "{\"name\":\"b\",\"capture\":\"b\"}");
	expect(&fixture.queue, "route profile 2 b profile=0 version=1 connections=20\n");
	fixture_must(&fixture, 200, "PATCH", "/v1/lists/shop", "{\"profile\":\"b\"}");
	expect(&fixture.queue, "route user 1 bob profile=2 version=0 connections=0 bound\n"
			       "route list 0  profile=1 version=0 connections=0\n"
			       "route list 1 shop profile=2 version=0 connections=0 bound\n");
	fixture_must(&fixture, 200, "PATCH", "/v1/users/bob", "{\"profile\":\"a\"}");
	expect(&fixture.queue, "route user 1 bob profile=1 version=0 connections=0 bound\n");
	fixture_must(&fixture, 200, "POST", "/v1/profiles/a/pause", NULL);
	expect(&fixture.queue, "route profile 1 a profile=0 version=1 paused connections=3\n");
	fixture_must(&fixture, 200, "POST", "/v1/profiles/a/resume", NULL);
	expect(&fixture.queue, "route profile 1 a profile=0 version=2 connections=3\n");
	fixture_must(&fixture, 200, "POST", "/v1/profiles/b/default", NULL);
	expect(&fixture.queue, "route user 1 bob profile=1 version=0 connections=0 bound\n"
			       "route list 0  profile=2 version=0 connections=0\n"
			       "route list 1 shop profile=2 version=0 connections=0 bound\n"
			       "route profile 2 b profile=0 version=1 connections=20\n");
	fixture_must(&fixture, 200, "PATCH", "/v1/users/bob", "{\"profile\":null}");
	expect(&fixture.queue, "route user 1 bob profile=2 version=0 connections=0 bound\n");
	fixture_must(&fixture, 200, "DELETE", "/v1/profiles/a", NULL);
	expect(&fixture.queue, "route profile 1  profile=0 version=0 gone connections=0\n"
			       "route user 1 bob profile=2 version=0 connections=0 bound\n"
			       "route list 0  profile=2 version=0 connections=0\n"
			       "route list 1 shop profile=2 version=0 connections=0 bound\n");
	routes_send_map(&fixture.parts);
	expect(&fixture.queue, "route begin 0  profile=0 version=0 connections=0\n"
			       "route profile 2 b profile=0 version=1 connections=20\n"
			       "route user 1 bob profile=2 version=0 connections=0 bound\n"
			       "route list 0  profile=2 version=0 connections=0\n"
			       "route list 1 shop profile=2 version=0 connections=0 bound\n"
			       "route end 0  profile=0 version=0 connections=0\n");
	fixture_must(&fixture, 200, "DELETE", "/v1/users/bob", NULL);
	expect(&fixture.queue, "route user 1  profile=0 version=0 gone connections=0\n");
	fixture_must(&fixture, 200, "DELETE", "/v1/lists/shop", NULL);
	expect(&fixture.queue, "route list 1  profile=0 version=0 gone connections=0\n");
}

static void
on_profile(const union message *message, void *ctx)
{
	struct peer *peer = ctx;
	const struct msg_profile *profile = &message->profile;

	assert_non_null(message);
	buf_printf(&peer->heard, "answer %d %s:%d %s/%.*s problem=%.45s\n",
	    (int)profile->profile_id, profile->host, profile->port, profile->username,
	    (int)profile->secret.size, (const char *)profile->secret.at, profile->problem);
	peer->count++;
}

static void
ask_profile(uint64_t id, const char *name)
{
	struct msg_profile_get message = {.profile_id = id, .name = name};

	(void)link_request(
	    fixture.relay.far, MSG_PROFILE_GET, &message, 20000, on_profile, &fixture.relay);
}

static void
test_profile_for_relay(void **state)
{
	fixture_must(&fixture, 201, "POST", "/v1/profiles",
	    "{\"name\":\"a\",\"host\":\"h\",\"username\":\"u\",\"password\":\"hush\"}");
	peer_wait(&fixture.relay, 1);
	peer_forget(&fixture.relay);
	ask_profile(1, "");
	expect(&fixture.relay, "answer 1 h:25 u/hush problem=\n");
	ask_profile(0, "A");
	expect(&fixture.relay, "answer 1 h:25 u/hush problem=\n");
	ask_profile(9, "");
	expect(&fixture.relay, "answer 0 :0 / problem=\n");

	fixture_must(&fixture, 200, "PATCH", "/v1/profiles/a", "{\"tls\":\"implicit\"}");
	expect(&fixture.relay, "profile 1  version=2 :0 tls=0 verify=0 auth= / problem=\n");
	ask_profile(1, "");
	expect(&fixture.relay, "answer 1 h:465 u/hush problem=\n");
	fixture_must(&fixture, 200, "DELETE", "/v1/users/bob", NULL);
	fixture_must(&fixture, 200, "DELETE", "/v1/profiles/a", NULL);
	expect(&fixture.relay, "profile 1  version=0 gone :0 tls=0 verify=0 auth= / problem=\n");
}

/* Queue and relay forget what the upstream has said when the version is another: a comment must not
 * end a ban, and a new password does. */
static void
test_only_another_upstream_or_login_is_another_version(void **state)
{
	static const struct {
		const char *change;
		int versions;
	} changes[] = {
	    {"{\"comment\":\"x\"}", 0},
	    {"{\"rate\":\"5/m\",\"connections\":2}", 0},
	    {"{\"signature_text\":\"x\",\"from_name\":\"y\"}", 0},
	    {"{\"host\":\"H\",\"username\":\"u\",\"tls_verify\":null}", 0},
	    {"{\"password\":\"hush\"}", 1},
	    {"{\"host\":\"other\"}", 1},
	    {"{\"port\":587}", 1},
	    {"{\"auth_in_clear\":true}", 1},
	    {"{\"pop3_host\":\"pop\"}", 1},
	};
	int version = 1;
	char line[96];

	fixture_must(&fixture, 201, "POST", "/v1/profiles",
	    "{\"name\":\"a\",\"host\":\"h\",\"username\":\"u\",\"password\":\"hush\"}");
	peer_wait(&fixture.relay, 1);
	peer_forget(&fixture.relay);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		version += changes[i].versions;
		fixture_must(&fixture, 200, "PATCH", "/v1/profiles/a", changes[i].change);
		(void)snprintf(line, sizeof(line),
		    "profile 1  version=%d :0 tls=0 verify=0 auth= / problem=\n", version);
		expect(&fixture.relay, line);
	}
}

static void
test_lost_seal_key(void **state)
{
	static const uint8_t other[32] = {9};

	fixture_must(&fixture, 201, "POST", "/v1/profiles",
	    "{\"name\":\"a\",\"host\":\"h\",\"username\":\"u\",\"password\":\"hush\"}");
	peer_wait(&fixture.relay, 1);
	peer_forget(&fixture.relay);
	fixture.parts.seal_key.at = other;
	ask_profile(1, "");
	expect(&fixture.relay,
	    "answer 1 :0 / problem=the password of profile a can't be read: seal\n");
	/* With a new key the password can be set again. */
	fixture_must(&fixture, 200, "PATCH", "/v1/profiles/a", "{\"password\":\"new\"}");
	peer_wait(&fixture.relay, 1);
	peer_forget(&fixture.relay);
	ask_profile(1, "");
	expect(&fixture.relay, "answer 1 h:25 u/new problem=\n");
	/* Without any there is nothing to keep one with. */
	fixture.parts.seal_key.size = 0;
	fixture_must(&fixture, 503, "PATCH", "/v1/profiles/a", "{\"password\":\"x\"}");
}

/* ---- alerts ---- */

static void
raise(const char *user, const char *address)
{
	struct msg_alert alert = {.kind = "unauthorized-sender",
	    .user = user,
	    .list = "shop",
	    .address = address,
	    .detail = "blocked"};

	alerts_raise(fixture.parts.alerts, &alert);
}

/* The count of each row, as "2 1". */
static void
expect_counts(const char *query, const char *expected)
{
	json_t *array = fixture_call(&fixture, "GET", query, NULL);
	struct buf counts;

	buf_init(&counts);
	buf_text(&counts, "");
	for (size_t i = 0; i < json_array_size(array); i++)
		buf_printf(&counts, "%s%d", i == 0 ? "" : " ",
		    (int)json_integer_value(json_object_get(json_array_get(array, i), "count")));
	assert_string_equal(counts.bytes, expected);
	buf_fini(&counts);
	json_decref(array);
}

static void
test_alerts_are_counted(void **state)
{
	int64_t wall_ms = 1700000000000;

	loop_set_clock(fixture.loop, 1000, wall_ms);
	raise("bob", "a@x.example");
	raise("bob", "a@x.example");
	raise("bob", "b@x.example");
	raise("eve", "a@x.example");
	expect_counts("/v1/alerts", "2 1 1");
	/* Later in the same interval: the same rows. */
	loop_set_clock(fixture.loop, 2000, wall_ms + 3599 * 1000);
	raise("bob", "A@X.example");
	raise("bob", "a@x.example");
	expect_counts("/v1/alerts", "4 1 1");
	fixture_must(&fixture, 200, "POST", "/v1/alerts/1/ack", NULL);
	expect_counts("/v1/alerts?unacknowledged=1", "1 1");
	/* The next interval. */
	loop_set_clock(fixture.loop, 3000, wall_ms + 3601 * 1000);
	raise("bob", "a@x.example");
	expect_counts("/v1/alerts", "4 1 1 1");
	expect_counts("/v1/alerts?after=3", "1");
	fixture_must(&fixture, 200, "POST", "/v1/alerts/ack", NULL);
	expect_counts("/v1/alerts?unacknowledged=1", "");
	fixture_restart(&fixture);
	expect_counts("/v1/alerts", "4 1 1 1");
}

static void
test_alerts_without_end(void **state)
{
	json_t *array;
	int64_t count = 0;

	for (int i = 0; i < 500; i++) {
		char address[32];

		(void)snprintf(address, sizeof(address), "a%d@x.example", i);
		raise("bob", address);
	}
	array = fixture_call(&fixture, "GET", "/v1/alerts", NULL);
	assert_int_equal(json_array_size(array), 101);
	for (size_t i = 0; i < json_array_size(array); i++)
		count += json_integer_value(json_object_get(json_array_get(array, i), "count"));
	assert_int_equal(count, 500);
	json_decref(array);
}

static void
test_alert_over_a_link(void **state)
{
	struct msg_alert alert = {.kind = "profile-stopped", .detail = "535"};

	json_t *array = NULL;

	link_send(fixture.relay.far, MSG_ALERT, &alert);
	for (int turn = 0; turn < 1000 && json_array_size(array) == 0; turn++) {
		json_decref(array);
		array = fixture_call(&fixture, "GET", "/v1/alerts", NULL);
	}
	assert_int_equal(json_array_size(array), 1);
	json_decref(array);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_grant_is_asked_for),
	    TEST(test_grant_follows_changes),
	    TEST(test_config_changes_grants),
	    TEST(test_routes),
	    TEST(test_profile_for_relay),
	    TEST(test_only_another_upstream_or_login_is_another_version),
	    TEST(test_lost_seal_key),
	    TEST(test_alerts_are_counted),
	    TEST(test_alerts_without_end),
	    TEST(test_alert_over_a_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
