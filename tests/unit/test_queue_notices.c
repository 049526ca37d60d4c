/* What senders and operators hear of what the queue does: a queue role between fake ones. */
#include "common/clock.h"
#include "common/ident.h"
#include "tests/lib/queue_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int
set_up(void **state)
{
	struct queue_world *world = malloc(sizeof(*world));

	world_init(world);
	*state = world;
	return 0;
}

static int
tear_down(void **state)
{
	world_fini(*state);
	free(*state);
	return 0;
}

static void
start(struct queue_world *world, const char *config)
{
	assert_true(world_start(world, config));
	world_send_routes(world, 1);
}

static bool
is_all_acknowledged(struct queue_world *world)
{
	for (unsigned i = 0; i < world->delivery_count; i++)
		if (!world->deliveries[i].is_acknowledged)
			return false;
	return true;
}

static bool
result_has(struct queue_world *world, const char *text)
{
	if (strstr(world->result, text) != NULL)
		return true;
	print_message("%s\nlacks %s\n", world->result, text);
	return false;
}

static bool
queue_has(struct queue_world *world, const char *text)
{
	assert_int_equal(world_call(world, "GET", "/v1/queue", ""), 200);
	return result_has(world, text);
}

static bool
is_one_uncertain(struct queue_world *world)
{
	return world_call(world, "GET", "/v1/queue", "") == 200 &&
	       strstr(world->result, "\"uncertain\":1") != NULL;
}

static const enum fate broken[] = {FATE_DELIVERED, FATE_UNCERTAIN, FATE_DEFERRED};

static void
test_uncertain_recipient_waits_for_an_operator_if_the_profile_says_so(void **state)
{
	struct queue_world *world = *state;
	char path[64], ident[IDENT_SIZE];
	uint64_t id;

	world->is_uncertain_held = true;
	world->retry = "300ms";
	start(world, NULL);
	world_connect_relay(world, NULL, 0);
	id = world_submit(world, 3, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report(world, &world->deliveries[0], broken, 3);
	assert_true(world_wait(world, is_one_uncertain));
	assert_non_null(strstr(world->alert, "uncertain r1@example.net"));
	/* The other goes on, by the profile's own schedule. */
	assert_true(world_wait_deliveries(world, 2));
	assert_string_equal(world->deliveries[1].recipients, "r2@example.net");
	world_kill(world);
	start(world, NULL);
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait_deliveries(world, 3));
	assert_string_equal(world->deliveries[2].recipients, "r2@example.net");
	world_report_of(world, &world->deliveries[2], 2, FATE_DELIVERED);
	assert_true(world_wait(world, is_one_uncertain));
	(void)snprintf(path, sizeof(path), "/v1/messages/%s", ident_format(id, ident));
	assert_int_equal(world_call(world, "GET", path, ""), 200);
	assert_true(result_has(world, "waits for an operator to retry or remove it"));
	assert_true(result_has(world, "\"to\":\"r1@example.net\",\"state\":\"uncertain\""));
	assert_true(result_has(world, "\"next_attempt_at\":null"));
	assert_int_equal(world_call(world, "POST", "/v1/messages/release", "{\"all\":true}"), 200);
	assert_true(result_has(world, "\"count\":1"));
	assert_true(world_wait_deliveries(world, 4));
	assert_string_equal(world->deliveries[3].recipients, "r1@example.net");
}

static void
test_all_that_an_operator_decided_on_go_together(void **state)
{
	static const enum fate fates[] = {FATE_UNCERTAIN, FATE_UNCERTAIN, FATE_DELIVERED};
	struct queue_world *world = *state;

	world->is_uncertain_held = true;
	start(world, NULL);
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 3, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report(world, &world->deliveries[0], fates, 3);
	assert_true(world_wait(world, is_one_uncertain));
	assert_int_equal(world_call(world, "POST", "/v1/messages/retry", "{\"all\":true}"), 200);
	assert_true(world_wait_deliveries(world, 2));
	assert_string_equal(world->deliveries[1].recipients, "r0@example.net r1@example.net");
}

static void
test_notice_bears_the_bounce_sender_of_its_profile(void **state)
{
	struct queue_world *world = *state;

	world->bounce_sender = "bounce@example.org";
	start(world, NULL);
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report_of(world, &world->deliveries[0], 0, FATE_FAILED);
	assert_true(world_wait_deliveries(world, 2));
	assert_string_equal(world->deliveries[1].sender, "bounce@example.org");
	assert_string_equal(world->deliveries[1].recipients, "shop@example.org");
	assert_int_equal(world->deliveries[1].notify, NOTIFY_NEVER);
	/* It fails: an alert, not another notice. */
	world_report_of(world, &world->deliveries[1], 0, FATE_FAILED);
	assert_true(world_wait(world, is_all_acknowledged));
	assert_int_equal(world->delivery_count, 2);
	assert_non_null(strstr(world->alert, "undeliverable shop@example.org"));
	/* Neither for what comes back to it. */
	world->sender = "bounce@example.org";
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 3));
	world_report_of(world, &world->deliveries[2], 0, FATE_FAILED);
	assert_true(world_wait(world, is_all_acknowledged));
	assert_true(queue_has(world, "\"ready\":0,\"deferred\":0"));
	assert_non_null(strstr(world->alert, "undeliverable r0@example.net"));
}

/* ---- what waits for long ---- */

static bool
body_has(const struct world_delivery *delivery, const char *text)
{
	if (strstr(delivery->body.bytes, text) != NULL)
		return true;
	print_message("%s\nlacks %s\n", delivery->body.bytes, text);
	return false;
}

static unsigned
count_in_body(const struct world_delivery *delivery, const char *text)
{
	unsigned count = 0;

	for (const char *at = delivery->body.bytes; (at = strstr(at, text)) != NULL; at++)
		count++;
	return count;
}

static const enum fate deferred[] = {FATE_DEFERRED, FATE_DEFERRED, FATE_DEFERRED};

static void
test_delay_is_told_once(void **state)
{
	static const char config[] = "queue = { delay_warning = \"300ms\"; };";
	struct queue_world *world = *state;

	start(world, config);
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 3, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report(world, &world->deliveries[0], deferred, 3);
	assert_true(world_wait_deliveries(world, 2));
	assert_string_equal(world->deliveries[1].sender, "");
	assert_string_equal(world->deliveries[1].recipients, "shop@example.org");
	assert_int_equal(count_in_body(&world->deliveries[1], "Action: delayed\r\n"), 3);
	assert_true(body_has(&world->deliveries[1], "Will-Retry-Until: "));
	assert_true(body_has(&world->deliveries[1], "451 4.3.0 try again"));
	world_report_of(world, &world->deliveries[1], 0, FATE_DELIVERED);
	assert_true(world_wait(world, is_all_acknowledged));
	/* Not again, also by another process; and nothing is told of the notice. */
	world_settle(world, 700);
	world_kill(world);
	start(world, config);
	world_connect_relay(world, NULL, 0);
	world_settle(world, 1000);
	assert_int_equal(world->delivery_count, 2);
	assert_true(queue_has(world, "\"deferred\":1"));
}

/* The notices have another one. */
static void
add_other_profile(struct queue_world *world)
{
	world_send_row(world,
	    &(struct msg_route){
		.row = ROUTE_PROFILE, .id = 6, .name = "other", .version = 1, .connections = 3});
}

static void
test_delay_is_told_without_an_attempt_through_the_notices_profile(void **state)
{
	static const char config[] =
	    "queue = { delay_warning = \"400ms\"; notice_profile = \"Other\"; };";
	struct queue_world *world = *state;

	start(world, config);
	add_other_profile(world);
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report_trouble(world, &world->deliveries[0], ATTEMPT_AUTH_REFUSED);
	/* Behind it, and never tried. */
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 3));
	for (unsigned i = 1; i < 3; i++) {
		assert_int_equal(world->deliveries[i].profile_id, 6);
		assert_true(body_has(&world->deliveries[i], "can't be used just now"));
		world_report_of(world, &world->deliveries[i], 0, FATE_DELIVERED);
	}
	assert_true(world_wait(world, is_all_acknowledged));
	assert_true(queue_has(world, "\"ready\":2"));
}

#define LATE 6

/* Which of the late messages the notice is about. */
static void
note_warning(const struct world_delivery *delivery, uint64_t first, uint64_t told[LATE])
{
	static const char field[] = "X-Postern-Queue-ID: ";
	const char *at = strstr(delivery->body.bytes, field);
	char text[IDENT_SIZE];
	uint64_t id;

	assert_non_null(at);
	at += sizeof(field) - 1;
	(void)snprintf(text, sizeof(text), "%.*s", (int)strcspn(at, "\r"), at);
	assert_true(ident_parse(text, &id) && id >= first && id < first + LATE);
	/* The same notice may go out again, never another one. */
	assert_true(told[id - first] == 0 || told[id - first] == delivery->message_id);
	told[id - first] = delivery->message_id;
}

static bool
are_all_told(const uint64_t told[LATE])
{
	for (unsigned i = 0; i < LATE; i++)
		if (told[i] == 0)
			return false;
	return true;
}

static void
start_paused(struct queue_world *world)
{
	start(world, "queue = { delay_warning = \"200ms\"; notice_profile = \"other\"; };");
	add_other_profile(world);
	world_send_row(world, &(struct msg_route){.row = ROUTE_PROFILE,
				  .id = 5,
				  .name = "office",
				  .version = 1,
				  .connections = 2,
				  .is_paused = true});
}

/* Notes and delivers what has come for so long. */
static void
take_warnings(struct queue_world *world, int64_t ms, uint64_t first, uint64_t told[LATE])
{
	for (; ms > 0; ms -= 10) {
		world_settle(world, 10);
		for (unsigned i = 0; i < world->delivery_count; i++) {
			if (!world->deliveries[i].is_whole || world->deliveries[i].is_acknowledged)
				continue;
			note_warning(&world->deliveries[i], first, told);
			world_report_of(world, &world->deliveries[i], 0, FATE_DELIVERED);
		}
	}
}

static bool
has_only_the_late(struct queue_world *world)
{
	return world_call(world, "GET", "/v1/queue", "") == 200 &&
	       strstr(world->result, "\"ready\":6,\"deferred\":0") != NULL;
}

static void
test_each_delay_is_told_once_whatever_dies(void **state)
{
	struct queue_world *world = *state;
	uint64_t first, told[LATE] = {0};

	start_paused(world);
	first = world_submit(world, 1, 500, 3);
	for (unsigned i = 1; i < LATE; i++)
		assert_int_equal(world_submit(world, 1, 500, 3), first + i);
	/* What was not written down by then goes out again: those have an end. */
	for (int64_t life = 0; life < 20 && world->delivery_count < 40; life++) {
		world_connect_relay(world, NULL, 0);
		take_warnings(world, 200 + life * 37 % 110, first, told);
		world_kill(world);
		start_paused(world);
	}
	world_connect_relay(world, NULL, 0);
	for (int i = 0; i < 600 && !(are_all_told(told) && has_only_the_late(world)); i++)
		take_warnings(world, 100, first, told);
	assert_true(are_all_told(told));
	assert_true(has_only_the_late(world));
}

static bool
is_one_ready(struct queue_world *world)
{
	return world_call(world, "GET", "/v1/queue", "") == 200 &&
	       strstr(world->result, "\"ready\":1") != NULL;
}

static void
test_notices_go_the_way_of_the_mail_when_their_profile_goes(void **state)
{
	struct queue_world *world = *state;

	start(world, "queue = { notice_profile = \"other\"; };");
	add_other_profile(world);
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report_of(world, &world->deliveries[0], 0, FATE_FAILED);
	assert_true(world_wait_deliveries(world, 2));
	assert_int_equal(world->deliveries[1].profile_id, 6);
	world_report_trouble(world, &world->deliveries[1], ATTEMPT_AUTH_REFUSED);
	assert_true(world_wait(world, is_one_ready));
	assert_int_equal(world->delivery_count, 2);
	/* It is its user's, and on its own way, also for operators. */
	assert_int_equal(world_call(world, "GET", "/v1/messages?user=shop&profile=other", ""), 200);
	assert_true(result_has(world, "\"profile\":\"other\",\"from\":\"\""));
	assert_int_equal(world_call(world, "GET", "/v1/messages?profile=office", ""), 200);
	assert_string_equal(world->result, "[]");
	world_send_row(world, &(struct msg_route){.row = ROUTE_PROFILE, .id = 6, .is_gone = true});
	assert_true(world_wait_deliveries(world, 3));
	assert_int_equal(world->deliveries[2].profile_id, 5);
	/* The same from disk, also when the user is gone meanwhile and his list has a way. */
	world_kill(world);
	assert_true(world_start(world, "queue = { notice_profile = \"void\"; };"));
	world_send_row(world, &(struct msg_route){.row = ROUTE_BEGIN});
	add_other_profile(world);
	world_send_row(
	    world, &(struct msg_route){.row = ROUTE_LIST, .id = 3, .name = "web", .profile_id = 6});
	world_send_row(world, &(struct msg_route){.row = ROUTE_END});
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait_deliveries(world, 4));
	assert_int_equal(world->deliveries[3].profile_id, 6);
	assert_string_equal(world->deliveries[3].recipients, "shop@example.org");
}

static bool
are_two_ready(struct queue_world *world)
{
	return world_call(world, "GET", "/v1/queue", "") == 200 &&
	       strstr(world->result, "\"ready\":2") != NULL;
}

static void
test_what_is_held_or_scheduled_is_not_late(void **state)
{
	struct rec_wishes wishes = {.hold_until_ms = clock_wall_ms() + 3600000};
	struct queue_world *world = *state;

	start(world, "queue = { delay_warning = \"300ms\"; };");
	(void)world_submit(world, 1, 500, 3);
	assert_int_equal(world_call(world, "POST", "/v1/messages/hold", "{\"all\":true}"), 200);
	world->wishes = &wishes;
	(void)world_submit(world, 1, 500, 3);
	world_settle(world, 1200);
	assert_true(queue_has(world, "\"ready\":0,\"deferred\":0,\"scheduled\":1,\"held\":1"));
	assert_int_equal(world_call(world, "POST", "/v1/messages/release", "{\"all\":true}"), 200);
	/* It is now, and has a notice. */
	assert_true(world_wait(world, are_two_ready));
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait_deliveries(world, 2));
	assert_int_equal(count_in_body(&world->deliveries[0], "Action: delayed\r\n") +
			     count_in_body(&world->deliveries[1], "Action: delayed\r\n"),
	    1);
}

static bool
has_overdue_alert(struct queue_world *world)
{
	return strstr(world->alert, "expired-waiting office mail waits beyond") != NULL;
}

static void
test_what_waits_beyond_its_lifetime_has_its_attempt_when_the_profile_is_back(void **state)
{
	static const char config[] = "queue = { delay_warning = \"0\"; lifetime = \"1s\"; };";
	struct queue_world *world = *state;
	unsigned alerts;

	start(world, config);
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report_trouble(world, &world->deliveries[0], ATTEMPT_AUTH_REFUSED);
	assert_true(world_wait(world, has_overdue_alert));
	alerts = world->alerts;
	world_settle(world, 700);
	/* Once. */
	assert_int_equal(world->alerts, alerts);
	assert_true(queue_has(world, "\"ready\":1"));
	world_send_routes(world, 2);
	assert_true(world_wait_deliveries(world, 2));
	world_report_of(world, &world->deliveries[1], 0, FATE_DEFERRED);
	assert_true(world_wait_deliveries(world, 3));
	assert_true(body_has(&world->deliveries[2], "Status: 4.4.7\r\n"));
	assert_true(body_has(&world->deliveries[2], "Last-Attempt-Date: "));
}

static bool
has_no_bodies(struct queue_world *world)
{
	return world_count_bodies(world) == 0;
}

static void
test_what_waits_beyond_its_lifetime_fails_if_the_config_says_so(void **state)
{
	static const char config[] = "queue = { delay_warning = \"0\"; lifetime = \"1s\";"
				     " on_expiry = \"bounce\"; notice_profile = \"other\"; };";
	struct queue_world *world = *state;

	start(world, config);
	add_other_profile(world);
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 2, 200000, 3);
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 2));
	/* One goes on and is not touched, one waits. */
	world_report_trouble(world, &world->deliveries[0], ATTEMPT_AUTH_REFUSED);
	assert_true(world_wait_deliveries(world, 3));
	assert_string_equal(world->deliveries[2].recipients, "shop@example.org");
	assert_int_equal(count_in_body(&world->deliveries[2], "Status: 4.4.7\r\n"), 2);
	assert_true(body_has(&world->deliveries[2], "Its time was over before it could be sent"));
	world_report_of(world, &world->deliveries[2], 0, FATE_DELIVERED);
	world_settle(world, 500);
	assert_int_equal(world->delivery_count, 3);
	assert_true(queue_has(world, "\"ready\":0,\"deferred\":0"));
	/* Its file is kept for a while, for another body. */
	assert_true(world_wait(world, has_no_bodies));
	world_report_of(world, &world->deliveries[1], 0, FATE_DELIVERED);
	assert_true(
	    world_wait(world, is_all_acknowledged) || !world->deliveries[0].is_acknowledged);
}

static void
test_no_more_notices_than_allowed(void **state)
{
	struct queue_world *world = *state;

	start(world, "queue = { notices = \"2/h\"; };");
	world_connect_relay(world, NULL, 0);
	for (unsigned i = 0; i < 4; i++) {
		unsigned at = world->delivery_count;

		(void)world_submit(world, 1, 500, 3);
		assert_true(world_wait_deliveries(world, at + 1));
		world_report_of(world, &world->deliveries[at], 0, FATE_FAILED);
		if (i >= 2)
			continue;
		assert_true(world_wait_deliveries(world, at + 2));
		world_report_of(world, &world->deliveries[at + 1], 0, FATE_DELIVERED);
	}
	assert_true(world_wait(world, is_all_acknowledged));
	assert_int_equal(world->delivery_count, 6);
	assert_int_equal(world->alerts, 2);
	assert_non_null(strstr(world->alert, "notices-limited"));
	assert_true(queue_has(world, "\"ready\":0,\"deferred\":0"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(uncertain_recipient_waits_for_an_operator_if_the_profile_says_so),
	    T(all_that_an_operator_decided_on_go_together),
	    T(notice_bears_the_bounce_sender_of_its_profile),
	    T(delay_is_told_once),
	    T(delay_is_told_without_an_attempt_through_the_notices_profile),
	    T(each_delay_is_told_once_whatever_dies),
	    T(notices_go_the_way_of_the_mail_when_their_profile_goes),
	    T(what_is_held_or_scheduled_is_not_late),
	    T(what_waits_beyond_its_lifetime_has_its_attempt_when_the_profile_is_back),
	    T(what_waits_beyond_its_lifetime_fails_if_the_config_says_so),
	    T(no_more_notices_than_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
