/* Logins to a POP3 server on loopback, whose thread counts them: who waits for which, and how long one
 * holds. */
#include "common/xalloc.h"
#include "daemon/core/loop.h"
#include "daemon/relay/dns.h"
#include "daemon/relay/logins.h"
#include "daemon/relay/pop3_keeper.h"
#include "daemon/relay/pop3_settings.h"
#include "tests/unit/pop3_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#define LIMIT_MS 20000

/* ---- the world ---- */

struct world {
	struct pop3_server server;
	struct loop *loop;
	struct dns *dns;
	struct logins *logins;
	struct pop3_keeper *keeper;
	struct msg_profile message;
	struct profile *profile;
};

struct waiter {
	struct pop3_wait *wait;
	bool is_over;
	struct client_end end; /* zeroes: it worked */
	unsigned families, steps, lines;
};

static void
on_worked(uint64_t profile_id, uint32_t version, const char *method, void *ctx)
{
	/* methods are the upstream's */
}

static void
make_profile(struct world *world)
{
	const struct profile_surroundings surroundings = {
	    .hostname = "relay.example", .logins = world->logins, .pop3_keeper = world->keeper};

	profile_release(world->profile);
	world->message.version++;
	world->profile = profile_new(&world->message, &surroundings);
	assert_null(world->profile->problem);
}

static void
start(struct world *world, enum pop3_manner manner)
{
	struct err err;

	*world = (struct world){.loop = loop_new()};
	world->server.manner = manner;
	pop3_server_start(&world->server, AF_INET, 0);
	world->dns = dns_new(world->loop, (struct msg_bytes){0}, (struct msg_bytes){0}, &err);
	assert_non_null(world->dns);
	world->logins = logins_new(world->loop, on_worked, NULL);
	world->keeper = pop3_keeper_new(world->loop, world->dns);
	world->message = (struct msg_profile){
	    .profile_id = 1,
	    .problem = "",
	    .name = "office",
	    .capture = "",
	    .host = "127.0.0.1",
	    .port = 25,
	    .fingerprint = "",
	    .auth = "none",
	    .auth_worked = "",
	    .username = "",
	    .ehlo = "",
	    .from_name = "",
	    .from = "",
	    .reply_to = "",
	    .envelope_sender = "",
	    .provider = "",
	    .connection_rate = "",
	    .timeout_ms = 10000,
	    .pop3_host = "127.0.0.1",
	    .pop3_port = world->server.port,
	    .pop3_fingerprint = "",
	    .pop3_auth = "login",
	    .pop3_username = "me",
	    .pop3_secret = {.at = (const uint8_t *)"pass", .size = 4},
	    .pop3_valid_ms = 600 * 1000,
	};
	make_profile(world);
}

static void
end(struct world *world)
{
	pop3_keeper_free(world->keeper);
	profile_release(world->profile);
	logins_free(world->logins);
	loop_turn(world->loop, 0);
	dns_free(world->dns);
	loop_free(world->loop);
	pop3_server_stop(&world->server);
}

#define WAIT_UNTIL(world, condition)                                                               \
	do {                                                                                       \
		int64_t limit_ms = loop_now_ms((world)->loop) + LIMIT_MS;                          \
		while (!(condition)) {                                                             \
			loop_turn((world)->loop, 20);                                              \
			assert_true(loop_now_ms((world)->loop) < limit_ms);                        \
		}                                                                                  \
	} while (0)

static void
on_step(const struct channel_step *step, void *ctx)
{
	((struct waiter *)ctx)->steps++;
}

static void
on_line(bool is_sent, const char *line, void *ctx)
{
	assert_null(strstr(line, "pass"));
	((struct waiter *)ctx)->lines++;
}

static void
on_end(const struct client_end *end_of, unsigned families, void *ctx)
{
	struct waiter *waiter = ctx;

	assert_false(waiter->is_over);
	waiter->is_over = true;
	waiter->families = families;
	if (end_of != NULL)
		waiter->end = *end_of;
}

static void
wait_for(struct world *world, const struct pop3_wish *wish, struct waiter *waiter)
{
	static const struct pop3_wait_callbacks callbacks = {
	    .on_step = on_step, .on_line = on_line, .on_end = on_end};

	*waiter = (struct waiter){0};
	waiter->wait = pop3_wait(world->keeper, world->profile, wish, &callbacks, waiter);
	assert_false(waiter->is_over); /* never from inside */
}

static const struct pop3_wish any = {.families = FAMILY_BOTH};

static void
wait_and_see(struct world *world, const struct pop3_wish *wish, struct waiter *waiter)
{
	wait_for(world, wish, waiter);
	WAIT_UNTIL(world, waiter->is_over);
}

static bool
has_worked(const struct waiter *waiter)
{
	return waiter->is_over && waiter->end.verdict.outcome == ATTEMPT_ATTEMPTED;
}

/* ---- tests ---- */

static void
test_one_login_for_all(void **state)
{
	struct world world;
	struct waiter one, two, gone, later;

	start(&world, GOOD);
	wait_for(&world, &any, &one);
	wait_for(&world, &any, &gone);
	wait_for(&world, &any, &two);
	pop3_wait_end(gone.wait);
	WAIT_UNTIL(&world, one.is_over && two.is_over);
	assert_true(has_worked(&one) && has_worked(&two) && !gone.is_over);
	assert_int_equal(one.families, FAMILY_IPV4);
	assert_true(one.steps == 4 && one.lines == 9); /* name, connect, greeting, login */
	wait_and_see(&world, &any, &later);
	assert_true(has_worked(&later) && later.steps == 0);
	assert_int_equal(world.server.begun, 1);
	end(&world);
}

static void
test_nobody_waits_any_more(void **state)
{
	struct world world;
	struct waiter waiter;

	start(&world, GOOD);
	wait_for(&world, &any, &waiter);
	pop3_wait_end(waiter.wait);
	wait_for(&world, &any, &waiter);
	WAIT_UNTIL(&world, world.server.passwords == 1);
	pop3_wait_end(waiter.wait);
	wait_and_see(&world, &any, &waiter);
	assert_true(has_worked(&waiter));
	assert_int_equal(world.server.begun, 1);
	end(&world);
}

/* The upstream asks although there was a login; a test wants one of its own. */
static void
test_a_newer_login(void **state)
{
	struct world world;
	struct waiter waiter;
	struct pop3_wish newer = {.families = FAMILY_IPV4};

	start(&world, GOOD);
	wait_and_see(&world, &any, &waiter);
	newer.since_ms = loop_now_ms(world.loop) + 1;
	while (loop_now_ms(world.loop) < newer.since_ms)
		loop_turn(world.loop, 1);
	wait_and_see(&world, &newer, &waiter);
	assert_true(has_worked(&waiter));
	assert_int_equal(world.server.begun, 2);
	wait_and_see(&world, &newer, &waiter);
	assert_int_equal(world.server.begun, 2);
	end(&world);
}

/* An upstream with IPv6 alone: the POP3 server has only IPv4, so there is nothing better. */
static void
test_families(void **state)
{
	struct world world;
	struct waiter waiter;
	const struct pop3_wish six = {.families = FAMILY_IPV6}, four = {.families = FAMILY_IPV4};

	start(&world, GOOD);
	wait_and_see(&world, &six, &waiter);
	assert_int_equal(waiter.families, FAMILY_IPV4);
	wait_and_see(&world, &six, &waiter);
	wait_and_see(&world, &four, &waiter);
	assert_int_equal(world.server.begun, 1);
	end(&world);
}

static void
test_it_runs_out(void **state)
{
	struct world world;
	struct waiter waiter;

	start(&world, GOOD);
	world.message.pop3_valid_ms = 300;
	make_profile(&world);
	wait_and_see(&world, &any, &waiter);
	pop3_keeper_rest(world.keeper); /* none in between */
	int64_t until_ms = loop_now_ms(world.loop) + 310;
	WAIT_UNTIL(&world, loop_now_ms(world.loop) > until_ms);
	assert_int_equal(world.server.begun, 1);
	wait_and_see(&world, &any, &waiter);
	assert_true(has_worked(&waiter));
	assert_int_equal(world.server.begun, 2);
	end(&world);
}

/* While mail flows the next login comes before the last has run out, and nobody waits for it. */
static void
test_it_is_renewed_in_time(void **state)
{
	struct world world;
	struct waiter waiter;

	start(&world, GOOD);
	world.message.pop3_valid_ms = 4000;
	make_profile(&world);
	wait_and_see(&world, &any, &waiter);
	int64_t until_ms = loop_now_ms(world.loop) + 4000;
	pop3_keeper_note_use(world.keeper, world.profile);
	WAIT_UNTIL(&world, world.server.passwords == 2);
	assert_true(loop_now_ms(world.loop) < until_ms);
	WAIT_UNTIL(&world, loop_now_ms(world.loop) > until_ms);
	wait_and_see(&world, &any, &waiter);
	assert_true(has_worked(&waiter) && waiter.steps == 0);
	assert_int_equal(world.server.begun, 2);
	end(&world);
}

/* A server that takes no other login for an hour keeps for as long what the last one opened. */
static void
test_login_delay(void **state)
{
	struct world world;
	struct waiter waiter;

	start(&world, FORBIDS_ANOTHER);
	world.message.pop3_valid_ms = 50;
	make_profile(&world);
	wait_and_see(&world, &any, &waiter);
	int64_t until_ms = loop_now_ms(world.loop) + 60;
	WAIT_UNTIL(&world, loop_now_ms(world.loop) > until_ms);
	wait_and_see(&world, &any, &waiter);
	assert_true(has_worked(&waiter));
	assert_int_equal(world.server.begun, 1);
	end(&world);
}

static void
test_another_version(void **state)
{
	struct world world;
	struct waiter waiter;

	start(&world, GOOD);
	wait_and_see(&world, &any, &waiter);
	make_profile(&world);
	wait_and_see(&world, &any, &waiter);
	assert_int_equal(world.server.begun, 2);
	pop3_keeper_forget(world.keeper, 1, world.message.version);
	wait_and_see(&world, &any, &waiter);
	assert_true(has_worked(&waiter));
	assert_int_equal(world.server.begun, 3);
	end(&world);
}

/* All that wait hear of it; the account isn't locked by trying on. */
static void
test_refused(void **state)
{
	struct world world;
	struct waiter one, two;

	start(&world, REFUSES);
	wait_for(&world, &any, &one);
	wait_for(&world, &any, &two);
	WAIT_UNTIL(&world, one.is_over && two.is_over);
	assert_int_equal(one.end.verdict.outcome, ATTEMPT_AUTH_REFUSED);
	assert_int_equal(two.end.verdict.outcome, ATTEMPT_AUTH_REFUSED);
	assert_int_equal(one.end.phase, PHASE_POP3_LOGIN);
	assert_int_equal(world.server.passwords, 1);
	wait_and_see(&world, &any, &one);
	wait_and_see(&world, &any, &one);
	/* It is a wrong password still, and no reason to try again in a minute. */
	assert_int_equal(one.end.verdict.outcome, ATTEMPT_AUTH_REFUSED);
	assert_int_equal(one.end.verdict.class, REPLY_AUTH_BAD);
	assert_non_null(strstr(one.end.reply.text, "within ten minutes"));
	assert_int_equal(world.server.passwords, LOGINS_REFUSED_MAX);
	world.server.manner = GOOD;
	make_profile(&world);
	wait_and_see(&world, &any, &one);
	assert_true(has_worked(&one));
	end(&world);
}

static void
test_busy(void **state)
{
	struct world world;
	struct waiter waiter;

	start(&world, IS_BUSY);
	for (int i = 0; i < 4; i++) {
		wait_and_see(&world, &any, &waiter);
		assert_int_equal(waiter.end.verdict.outcome, ATTEMPT_AUTH_LATER);
		assert_non_null(strstr(waiter.end.reply.text, "[IN-USE]"));
	}
	assert_int_equal(world.server.passwords, 4);
	end(&world);
}

static void
test_silence(void **state)
{
	struct world world;
	struct waiter waiter;

	start(&world, IS_SILENT);
	world.message.timeout_ms = 200;
	make_profile(&world);
	wait_and_see(&world, &any, &waiter);
	assert_int_equal(waiter.end.verdict.outcome, ATTEMPT_UNREACHABLE);
	assert_int_equal(waiter.end.phase, PHASE_POP3_GREETING);
	end(&world);
}

/* What comes in drops doesn't prolong the time. */
static void
test_drops(void **state)
{
	struct world world;
	struct waiter waiter;

	start(&world, DRIPS);
	world.message.timeout_ms = 300;
	make_profile(&world);
	int64_t begun_ms = loop_now_ms(world.loop);
	wait_and_see(&world, &any, &waiter);
	assert_int_equal(waiter.end.verdict.outcome, ATTEMPT_UNREACHABLE);
	assert_int_equal(waiter.end.phase, PHASE_POP3_LOGIN);
	assert_true(loop_now_ms(world.loop) - begun_ms < LIMIT_MS);
	end(&world);
}

/* The end of relay while a login is under way. */
static void
test_end_in_the_middle(void **state)
{
	struct world world;
	struct waiter waiter;

	start(&world, IS_SILENT);
	wait_for(&world, &any, &waiter);
	WAIT_UNTIL(&world, world.server.begun == 1);
	end(&world);
	assert_false(waiter.is_over);
}

static void
test_unreachable(void **state)
{
	struct world world;
	struct waiter waiter;

	start(&world, GOOD);
	world.message.pop3_port = 1;
	make_profile(&world);
	wait_and_see(&world, &any, &waiter);
	assert_int_equal(waiter.end.verdict.outcome, ATTEMPT_UNREACHABLE);
	assert_int_equal(waiter.end.phase, PHASE_POP3_CONNECT);
	world.message.pop3_host = "no-such-host.invalid";
	make_profile(&world);
	wait_and_see(&world, &any, &waiter);
	assert_int_equal(waiter.end.phase, PHASE_POP3_NAME);
	end(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_login_for_all),
	    cmocka_unit_test(test_nobody_waits_any_more),
	    cmocka_unit_test(test_a_newer_login),
	    cmocka_unit_test(test_families),
	    cmocka_unit_test(test_it_runs_out),
	    cmocka_unit_test(test_it_is_renewed_in_time),
	    cmocka_unit_test(test_login_delay),
	    cmocka_unit_test(test_another_version),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_busy),
	    cmocka_unit_test(test_silence),
	    cmocka_unit_test(test_drops),
	    cmocka_unit_test(test_end_in_the_middle),
	    cmocka_unit_test(test_unreachable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
