/* The life of access tokens in virtual time: one request, renewal ahead, failures, rotation. */
#include "daemon/relay/tokens.h"

#include "common/buf.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"

#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)

/* Everybody whom tokens talk to. */
static struct {
	struct loop *loop;
	struct tokens *tokens;
	int64_t now_ms;
	/* the token server */
	http_done_fn on_done; /* NULL: no request is under way */
	void *done_ctx;
	unsigned requests, cancelled;
	char form[4096];
	/* accounts */
	bool is_away;
	link_answer_fn on_stored;
	void *store_ctx;
	unsigned stores;
	char stored[256];
	uint8_t replaces[32];
	uint32_t replaces_size;
	/* alerts */
	unsigned alerts;
	char alert[600];
	/* answers */
	struct buf heard; /* "token " or "later " or "refused " for each */
	char reason[1200];
	uint64_t serial;
	bool is_fresh;
} world;

static struct http_call *
post(void *ctx, const char *url, struct msg_bytes form, struct msg_bytes ca, http_done_fn on_done,
    void *done_ctx)
{
	assert_null(world.on_done);
	assert_true(form.size < sizeof(world.form));
	memcpy(world.form, form.at, form.size);
	world.form[form.size] = '\0';
	world.requests++;
	world.on_done = on_done;
	world.done_ctx = done_ctx;
	return (struct http_call *)&world;
}

static void
cancel(void *ctx, struct http_call *call)
{
	assert_non_null(world.on_done);
	world.on_done = NULL;
	world.cancelled++;
}

static uint32_t
store(void *ctx, const struct msg_token_store *message, link_answer_fn on_answer, void *answer_ctx)
{
	if (world.is_away)
		return 0;
	assert_null(world.on_stored);
	(void)snprintf(world.stored, sizeof(world.stored), "%.*s", (int)message->refresh_token.size,
	    (const char *)message->refresh_token.at);
	world.replaces_size = message->replaces.size;
	if (message->replaces.size > 0)
		memcpy(world.replaces, message->replaces.at, message->replaces.size);
	world.stores++;
	world.on_stored = on_answer;
	world.store_ctx = answer_ctx;
	return 1;
}

static void
cancel_store(void *ctx, uint32_t request_id)
{
	world.on_stored = NULL;
}

static void
alert(void *ctx, const char *kind, const char *profile, const char *detail)
{
	world.alerts++;
	(void)snprintf(world.alert, sizeof(world.alert), "%s %s %s", kind, profile, detail);
}

static const struct tokens_ops ops = {post, cancel, store, cancel_store, alert};

static void
set_clock(int64_t now_ms)
{
	world.now_ms = now_ms;
	loop_set_clock(world.loop, now_ms, INT64_C(1700000000000) + now_ms);
}

/* Timers go by the real clock: so the test calls what is due by asking again. */
static void
turn(void)
{
	for (unsigned i = 0; i < 4; i++)
		loop_turn(world.loop, 0);
}

static int
setup(void **state)
{
	memset(&world, 0, sizeof(world));
	world.loop = loop_new();
	buf_init(&world.heard);
	buf_text(&world.heard, "");
	set_clock(1000);
	world.tokens = tokens_new(world.loop, &ops, NULL);
	return 0;
}

static int
teardown(void **state)
{
	tokens_free(world.tokens);
	turn();
	loop_free(world.loop);
	buf_fini(&world.heard);
	return 0;
}

static struct msg_bytes
bytes_of(const char *text)
{
	return (struct msg_bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static struct token_source *
source_of(enum oauth_grant grant, uint32_t version, const char *refresh_token)
{
	const struct msg_profile message = {
	    .profile_id = 7,
	    .version = version,
	    .name = "office",
	    .username = "relay@example.com",
	    .oauth_grant = grant,
	    .oauth_token_url = "https://login.example/token",
	    .oauth_device_url = "",
	    .oauth_client_id = "app",
	    .oauth_scope = "x",
	    .oauth_subject = "",
	    .oauth_refresh_token = bytes_of(refresh_token),
	};

	return tokens_source(world.tokens, &message);
}

static void
on_token(const struct token_answer *answer, void *ctx)
{
	buf_printf(&world.heard, "%s ",
	    answer->token != NULL                     ? answer->token
	    : answer->outcome == ATTEMPT_AUTH_REFUSED ? "refused"
						      : "later");
	(void)snprintf(
	    world.reason, sizeof(world.reason), "%s", answer->token != NULL ? "" : answer->reason);
	world.serial = answer->serial;
	world.is_fresh = answer->is_fresh;
}

static void
ask(struct token_source *source)
{
	(void)token_get(source, on_token, NULL);
	turn();
}

static void
expect_heard(const char *expected)
{
	assert_string_equal(world.heard.bytes, expected);
	buf_clear(&world.heard);
	buf_text(&world.heard, "");
}

static void
server_says(unsigned status, const char *body)
{
	const struct http_answer answer = {
	    .status = status, .body = bytes_of(body), .problem = "login.example: no answer"};
	http_done_fn on_done = world.on_done;

	assert_non_null(on_done);
	world.on_done = NULL;
	on_done(&answer, world.done_ctx);
	turn();
}

static void
server_gives(const char *token, int64_t life_s, const char *refresh_token)
{
	char *body = xasprintf("{\"access_token\":\"%s\",\"token_type\":\"Bearer\","
			       "\"expires_in\":%lld%s%s%s}",
	    token, (long long)life_s, refresh_token != NULL ? ",\"refresh_token\":\"" : "",
	    refresh_token != NULL ? refresh_token : "", refresh_token != NULL ? "\"" : "");

	server_says(200, body);
	free(body);
}

static void
accounts_says(enum token_stored outcome)
{
	const union message answer = {.token_stored = {.profile_id = 7, .outcome = outcome}};
	link_answer_fn on_stored = world.on_stored;

	assert_non_null(on_stored);
	world.on_stored = NULL;
	on_stored(&answer, world.store_ctx);
	turn();
}

/* ---- a token ---- */

static void
test_many_share_one_request(void **state)
{
	struct token_source *source = source_of(GRANT_CLIENT, 1, "");

	for (unsigned i = 0; i < 3; i++)
		ask(source);
	assert_int_equal(world.requests, 1);
	expect_heard("");
	server_gives("one", 3600, NULL);
	expect_heard("one one one ");
	assert_true(world.is_fresh);
	ask(source);
	expect_heard("one ");
	assert_int_equal(world.requests, 1);
	assert_true(world.is_fresh);
	token_worked(source, world.serial);
	ask(source);
	expect_heard("one ");
	assert_false(world.is_fresh);
	token_source_release(source);
}

static void
test_who_goes_hears_nothing(void **state)
{
	struct token_source *source = source_of(GRANT_CLIENT, 1, "");
	struct token_wait *wait = token_get(source, on_token, NULL);

	ask(source);
	token_cancel(wait);
	server_gives("one", 3600, NULL);
	expect_heard("one ");
	token_source_release(source);
}

static void
test_renewed_ahead_of_its_end(void **state)
{
	struct token_source *source = source_of(GRANT_CLIENT, 1, "");

	ask(source);
	server_gives("one", 3600, NULL);
	expect_heard("one ");
	set_clock(world.now_ms + HOUR_MS / 2);
	ask(source);
	expect_heard("one ");
	assert_false(world.is_fresh);
	assert_int_equal(world.requests, 1);
	/* The old one serves while the new one is on its way. */
	set_clock(world.now_ms + HOUR_MS * 4 / 10);
	ask(source);
	expect_heard("one ");
	assert_int_equal(world.requests, 2);
	ask(source);
	expect_heard("one ");
	assert_int_equal(world.requests, 2);
	server_gives("two", 3600, NULL);
	ask(source);
	expect_heard("two ");
	/* One that nobody used expires. */
	set_clock(world.now_ms + 2 * HOUR_MS);
	ask(source);
	expect_heard("");
	server_gives("three", 3600, NULL);
	expect_heard("three ");
	assert_int_equal(world.requests, 3);
	token_source_release(source);
}

static void
test_refused_by_the_upstream(void **state)
{
	struct token_source *source = source_of(GRANT_CLIENT, 1, "");
	uint64_t serial;

	ask(source);
	server_gives("one", 3600, NULL);
	serial = world.serial;
	token_refused(source, serial);
	token_refused(source, serial); /* of another connection, of the same token */
	ask(source);
	server_gives("two", 3600, NULL);
	token_refused(source, serial); /* late */
	ask(source);
	expect_heard("one two two ");
	assert_int_equal(world.requests, 2);
	token_source_release(source);
}

/* ---- failures ---- */

static void
test_temporary_failure_waits_longer_each_time(void **state)
{
	struct token_source *source = source_of(GRANT_REFRESH, 1, "r1");
	unsigned requests = 0;
	int64_t begun_ms = world.now_ms;

	/* Asked every second, for an hour. */
	for (; world.now_ms < begun_ms + HOUR_MS; set_clock(world.now_ms + 1000)) {
		ask(source);
		if (world.on_done == NULL)
			continue;
		requests++;
		server_says(503, "");
	}
	/* 2, 4, 8 … seconds, up to five minutes */
	assert_in_range(requests, 15, 25);
	assert_non_null(strstr(world.heard.bytes, "later "));
	assert_null(strstr(world.heard.bytes, "refused"));
	assert_non_null(strstr(world.reason, "HTTP status 503; it is asked again at 20"));
	buf_clear(&world.heard);
	buf_text(&world.heard, "");
	/* The refresh token is as it was. */
	set_clock(world.now_ms + HOUR_MS);
	ask(source);
	assert_non_null(strstr(world.form, "refresh_token=r1&"));
	server_gives("one", 3600, NULL);
	expect_heard("one ");
	assert_int_equal(world.stores, 0);
	token_source_release(source);
}

static void
test_retry_after_is_heeded(void **state)
{
	struct token_source *source = source_of(GRANT_CLIENT, 1, "");
	const struct http_answer answer = {.status = 429, .retry_after_ms = 600000};
	http_done_fn on_done;

	ask(source);
	on_done = world.on_done;
	world.on_done = NULL;
	on_done(&answer, world.done_ctx);
	expect_heard("later ");
	set_clock(world.now_ms + 599000);
	ask(source);
	assert_int_equal(world.requests, 1);
	set_clock(world.now_ms + 2000);
	ask(source);
	assert_int_equal(world.requests, 2);
	server_says(0, "");
	token_source_release(source);
}

static void
test_token_serves_while_its_server_is_away(void **state)
{
	struct token_source *source = source_of(GRANT_CLIENT, 1, "");

	ask(source);
	server_gives("one", 3600, NULL);
	set_clock(world.now_ms + HOUR_MS * 9 / 10);
	ask(source);
	server_says(500, "");
	ask(source);
	expect_heard("one one one ");
	assert_int_equal(world.alerts, 0);
	set_clock(world.now_ms + HOUR_MS);
	ask(source);
	server_says(500, "");
	expect_heard("later ");
	token_source_release(source);
}

static void
test_lasting_failure_is_told_at_once(void **state)
{
	struct token_source *source = source_of(GRANT_REFRESH, 1, "r1");

	ask(source);
	server_gives("one", 3600, NULL);
	/* While a token is there nobody is stopped, but somebody hears of it. */
	set_clock(world.now_ms + HOUR_MS * 9 / 10);
	ask(source);
	server_says(400, "{\"error\":\"invalid_grant\"}");
	ask(source);
	expect_heard("one one one ");
	assert_int_equal(world.alerts, 1);
	assert_non_null(strstr(world.alert, "token-refused office token server login.example: "
					    "invalid_grant"));
	set_clock(world.now_ms + HOUR_MS);
	ask(source);
	server_says(400, "{\"error\":\"invalid_grant\"}");
	expect_heard("refused ");
	assert_non_null(strstr(world.reason, "log in again"));
	ask(source);
	expect_heard("refused ");
	assert_int_equal(world.requests, 3);
	/* An operator's change is a reason to ask at once. */
	token_source_release(source_of(GRANT_REFRESH, 2, "r1"));
	ask(source);
	assert_int_equal(world.requests, 4);
	server_gives("two", 3600, NULL);
	expect_heard("two ");
	token_source_release(source);
}

static void
test_nobody_has_logged_in(void **state)
{
	struct token_source *source = source_of(GRANT_DEVICE, 1, "");

	ask(source);
	expect_heard("refused ");
	assert_int_equal(world.requests, 0);
	assert_non_null(strstr(world.reason, "posternctl profile login office"));
	token_source_release(source);
}

/* ---- settings ---- */

static void
test_other_settings_forget_the_token(void **state)
{
	struct token_source *source = source_of(GRANT_REFRESH, 1, "r1");

	ask(source);
	server_gives("one", 3600, NULL);
	token_source_release(source_of(GRANT_REFRESH, 2, "r1"));
	ask(source);
	expect_heard("one one ");
	token_source_release(source_of(GRANT_REFRESH, 3, "r2"));
	ask(source);
	expect_heard("");
	assert_non_null(strstr(world.form, "refresh_token=r2&"));
	/* In the middle of a request too. */
	token_source_release(source_of(GRANT_REFRESH, 4, "r3"));
	turn();
	assert_int_equal(world.cancelled, 1);
	assert_non_null(strstr(world.form, "refresh_token=r3&"));
	server_gives("three", 3600, NULL);
	expect_heard("three ");
	token_source_release(source);
}

static void
test_removed_profile(void **state)
{
	struct token_source *source = source_of(GRANT_REFRESH, 1, "r1");
	struct token_wait *wait = token_get(source, on_token, NULL);

	turn();
	tokens_forget(world.tokens, 7);
	assert_int_equal(world.cancelled, 1);
	token_cancel(wait);
	token_source_release(source);
	expect_heard("");
}

/* ---- rotation ---- */

static void
test_new_refresh_token_goes_to_the_disk(void **state)
{
	struct token_source *source = source_of(GRANT_REFRESH, 1, "r1");
	uint8_t digest[32];

	ask(source);
	server_gives("one", 60, "r2");
	/* If we die here, the server may still take the old one: what it brought was not used. */
	ask(source);
	expect_heard("");
	assert_int_equal(world.stores, 1);
	assert_string_equal(world.stored, "r2");
	SHA256((const uint8_t *)"r1", 2, digest);
	assert_int_equal(world.replaces_size, 32);
	assert_memory_equal(world.replaces, digest, 32);
	accounts_says(TOKEN_KEPT);
	expect_heard("one one ");
	set_clock(world.now_ms + 120000);
	ask(source);
	assert_non_null(strstr(world.form, "refresh_token=r2&"));
	server_gives("two", 60, "r2"); /* the same again: nothing to store */
	expect_heard("two ");
	assert_int_equal(world.stores, 1);
	token_source_release(source);
}

static void
test_accounts_is_away_during_a_rotation(void **state)
{
	struct token_source *source = source_of(GRANT_REFRESH, 1, "r1");

	world.is_away = true;
	ask(source);
	server_gives("one", 60, "r2");
	assert_int_equal(world.stores, 0);
	/* It is there again and says what it knows, before it was told. */
	token_source_release(source_of(GRANT_REFRESH, 1, "r1"));
	world.is_away = false;
	while (world.stores == 0)
		loop_turn(world.loop, 2000);
	assert_string_equal(world.stored, "r2");
	expect_heard("");
	accounts_says(TOKEN_KEPT);
	token_source_release(source_of(GRANT_REFRESH, 1, "r2"));
	ask(source);
	expect_heard("one one ");
	token_source_release(source);
}

static void
test_answer_of_accounts_is_lost(void **state)
{
	struct token_source *source = source_of(GRANT_REFRESH, 1, "r1");
	link_answer_fn on_stored;

	ask(source);
	server_gives("one", 60, "r2");
	on_stored = world.on_stored;
	world.on_stored = NULL;
	on_stored(NULL, world.store_ctx);
	while (world.stores == 1)
		loop_turn(world.loop, 2000);
	assert_string_equal(world.stored, "r2");
	expect_heard("");
	accounts_says(TOKEN_KEPT);
	expect_heard("one ");
	token_source_release(source);
}

/* Mail waits no longer than it has to, and nothing is used all the same. */
static void
test_accounts_stays_away(void **state)
{
	struct token_source *source = source_of(GRANT_REFRESH, 1, "r1");
	link_answer_fn on_stored;

	ask(source);
	server_gives("one", 3600, "r2");
	set_clock(world.now_ms + 11000);
	on_stored = world.on_stored;
	world.on_stored = NULL;
	on_stored(NULL, world.store_ctx);
	turn();
	expect_heard("later ");
	assert_non_null(strstr(world.reason, "not on disk yet"));
	ask(source);
	expect_heard("later ");
	while (world.stores == 1)
		loop_turn(world.loop, 2000);
	accounts_says(TOKEN_KEPT);
	ask(source);
	expect_heard("one ");
	assert_int_equal(world.requests, 1);
	token_source_release(source);
}

static void
test_operator_enters_another_during_a_rotation(void **state)
{
	struct token_source *source = source_of(GRANT_REFRESH, 1, "r1");

	ask(source);
	server_gives("one", 60, "r2");
	expect_heard("");
	token_source_release(source_of(GRANT_REFRESH, 2, "entered"));
	assert_null(world.on_stored);
	turn();
	assert_non_null(strstr(world.form, "refresh_token=entered&"));
	server_gives("two", 60, NULL);
	expect_heard("two ");
	token_source_release(source);
}

/* ---- the end of a login ---- */

static void
test_end_of_a_login_is_told_ahead(void **state)
{
	struct token_source *source = source_of(GRANT_REFRESH, 1, "r1");
	static const char *const bodies[] = {
	    "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":60,"
	    "\"refresh_token_expires_in\":864000}",
	    "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":60,"
	    "\"refresh_token_expires_in\":345600}",
	};

	ask(source);
	server_says(200, bodies[0]);
	assert_int_equal(world.alerts, 0);
	for (unsigned hour = 0; hour < 25; hour++) {
		set_clock(world.now_ms + HOUR_MS);
		ask(source);
		server_says(200, bodies[1]);
	}
	/* once a day */
	assert_int_equal(world.alerts, 2);
	assert_non_null(
	    strstr(world.alert, "login-expires office the login of profile office ends at"));
	token_source_release(source);
}

int
main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_many_share_one_request),
	    TEST(test_who_goes_hears_nothing),
	    TEST(test_renewed_ahead_of_its_end),
	    TEST(test_refused_by_the_upstream),
	    TEST(test_temporary_failure_waits_longer_each_time),
	    TEST(test_retry_after_is_heeded),
	    TEST(test_token_serves_while_its_server_is_away),
	    TEST(test_lasting_failure_is_told_at_once),
	    TEST(test_nobody_has_logged_in),
	    TEST(test_other_settings_forget_the_token),
	    TEST(test_removed_profile),
	    TEST(test_new_refresh_token_goes_to_the_disk),
	    TEST(test_accounts_is_away_during_a_rotation),
	    TEST(test_answer_of_accounts_is_lost),
	    TEST(test_accounts_stays_away),
	    TEST(test_operator_enters_another_during_a_rotation),
	    TEST(test_end_of_a_login_is_told_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
