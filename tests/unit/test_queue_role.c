/*
 * The queue as a whole, in its own process: what it promised is kept when it is killed, what relay
 * has is not given twice, what fails is told.
 */
#include "common/clock.h"
#include "common/ident.h"
#include "tests/lib/queue_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
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
start(struct queue_world *world)
{
	assert_true(world_start(world, NULL));
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

static const enum fate delivered[] = {FATE_DELIVERED, FATE_DELIVERED, FATE_DELIVERED};
static const enum fate mixed[] = {FATE_DELIVERED, FATE_DEFERRED, FATE_FAILED};

static void
test_message_goes_through(void **state)
{
	struct queue_world *world = *state;

	start(world);
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 2, 500, 2);
	assert_int_equal(world->committed, COMMIT_STORED);
	assert_true(world_wait_deliveries(world, 1));
	assert_string_equal(world->deliveries[0].recipients, "r0@example.net r1@example.net");
	assert_string_equal(world->deliveries[0].sender, "shop@example.org");
	assert_int_equal(world->deliveries[0].body.size, 500);
	assert_int_equal(world->deliveries[0].priority, 2);
	world_report(world, &world->deliveries[0], delivered, 2);
	assert_true(world_wait(world, is_all_acknowledged));
	assert_true(queue_has(world, "\"ready\":0,\"deferred\":0"));
}

static void
test_stored_message_survives_kill(void **state)
{
	struct queue_world *world = *state;
	uint64_t id;

	start(world);
	id = world_submit(world, 1, 500, 3);
	world_kill(world);
	start(world);
	/* Ids of before are not given again. */
	assert_true(world->next_id > id);
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait_deliveries(world, 1));
	assert_int_equal(world->deliveries[0].message_id, id);
	assert_int_equal(world->deliveries[0].body.size, 500);
}

static void
test_large_body_goes_through_a_file(void **state)
{
	struct queue_world *world = *state;

	start(world);
	(void)world_submit(world, 1, 3000000, 3);
	assert_int_equal(world->committed, COMMIT_STORED);
	assert_int_equal(world->credit_bytes, 3000000);
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait_deliveries(world, 1));
	assert_int_equal(world->deliveries[0].body.size, 3000000);
	assert_memory_equal(world->deliveries[0].body.bytes, "From: Shop", 10);
	world_report(world, &world->deliveries[0], delivered, 1);
	assert_true(world_wait(world, is_all_acknowledged));
}

static void
test_queue_restart_gives_nothing_twice(void **state)
{
	struct queue_world *world = *state;
	struct rec_attempt attempt;

	start(world);
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_kill(world);
	start(world);
	attempt.message_id = world->deliveries[0].message_id;
	attempt.attempt = world->deliveries[0].attempt;
	world_connect_relay(world, &attempt, 1);
	world_settle(world, 200);
	assert_int_equal(world->delivery_count, 1);
	world_report(world, &world->deliveries[0], delivered, 1);
	assert_true(world_wait(world, is_all_acknowledged));
	assert_true(queue_has(world, "\"ready\":0,\"deferred\":0"));
}

static void
test_report_that_comes_again_is_applied_once(void **state)
{
	struct queue_world *world = *state;
	struct rec_attempt attempt;
	const enum fate deferred[] = {FATE_DEFERRED};

	start(world);
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report(world, &world->deliveries[0], deferred, 1);
	assert_true(world_wait(world, is_all_acknowledged));
	world_kill(world);
	start(world);
	world->deliveries[0].is_acknowledged = false;
	attempt.message_id = world->deliveries[0].message_id;
	attempt.attempt = world->deliveries[0].attempt;
	world_connect_relay(world, &attempt, 1);
	world_report(world, &world->deliveries[0], deferred, 1);
	assert_true(world_wait(world, is_all_acknowledged));
	assert_int_equal(world_call(world, "GET", "/v1/messages?state=deferred", ""), 200);
	assert_true(result_has(world, "\"attempts\":1,"));
}

static void
test_each_recipient_has_its_fate_and_failure_is_told(void **state)
{
	struct queue_world *world = *state;
	char path[64], ident[IDENT_SIZE];
	uint64_t id;

	start(world);
	world_connect_relay(world, NULL, 0);
	id = world_submit(world, 3, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report(world, &world->deliveries[0], mixed, 3);
	assert_true(world_wait_deliveries(world, 2));
	assert_true(world->deliveries[0].is_acknowledged);
	assert_string_equal(world->deliveries[1].sender, "");
	assert_string_equal(world->deliveries[1].recipients, "shop@example.org");
	assert_non_null(strstr(world->deliveries[1].body.bytes, "550 5.1.1 no such user"));
	assert_non_null(strstr(world->deliveries[1].body.bytes, "Subject: Your order\r\n"));
	(void)snprintf(path, sizeof(path), "/v1/messages/%s", ident_format(id, ident));
	assert_int_equal(world_call(world, "GET", path, ""), 200);
	assert_true(result_has(world, "\"to\":\"r0@example.net\",\"state\":\"delivered\""));
	assert_true(result_has(world, "\"to\":\"r1@example.net\",\"state\":\"deferred\""));
	assert_true(result_has(world, "\"to\":\"r2@example.net\",\"state\":\"failed\""));
	/* A notice that fails is not answered by another. */
	world_report(world, &world->deliveries[1], &mixed[2], 1);
	assert_true(world_wait(world, is_all_acknowledged));
	assert_int_equal(world->alerts, 1);
	assert_true(queue_has(world, "\"ready\":0,\"deferred\":1"));
}

static void
test_deferred_message_comes_again(void **state)
{
	struct queue_world *world = *state;
	const enum fate deferred[] = {FATE_DEFERRED};

	assert_true(world_start(world, "queue = { retry = \"1s\"; };"));
	world_send_routes(world, 1);
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report(world, &world->deliveries[0], deferred, 1);
	assert_true(world_wait_deliveries(world, 2));
	assert_true(world->deliveries[1].attempt > world->deliveries[0].attempt);
}

static void
test_expiry_needs_a_failed_attempt(void **state)
{
	struct queue_world *world = *state;
	const enum fate deferred[] = {FATE_DEFERRED};

	assert_true(world_start(world, "queue = { retry = \"1s\"; lifetime = \"1s\"; };"));
	world_send_routes(world, 1);
	(void)world_submit(world, 1, 500, 3);
	world_settle(world, 1200);
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait_deliveries(world, 1));
	assert_string_equal(world->deliveries[0].recipients, "r0@example.net");
	world_report(world, &world->deliveries[0], deferred, 1);
	assert_true(world_wait_deliveries(world, 2));
	assert_string_equal(world->deliveries[1].sender, "");
	assert_non_null(strstr(world->deliveries[1].body.bytes, "Status: 4.4.7"));
}

static void
test_profile_trouble_makes_mail_wait(void **state)
{
	struct queue_world *world = *state;

	start(world);
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report_trouble(world, &world->deliveries[0], ATTEMPT_AUTH_REFUSED);
	assert_true(world_wait(world, is_all_acknowledged));
	assert_true(queue_has(world, "\"state\":\"stopped\""));
	assert_true(queue_has(world, "\"last_error\":\"connection refused\",\"waiting\":1"));
	assert_int_equal(world->delivery_count, 1);
	assert_int_equal(world->alerts, 1);
	/* The stop is remembered, and forgotten when the profile changes. */
	world_settle(world, 100);
	world_kill(world);
	start(world);
	world_connect_relay(world, NULL, 0);
	world_settle(world, 100);
	assert_true(queue_has(world, "\"state\":\"stopped\""));
	assert_int_equal(world->delivery_count, 1);
	world_send_routes(world, 2);
	assert_true(world_wait_deliveries(world, 2));
}

static void
test_lost_relay_makes_its_messages_uncertain(void **state)
{
	struct queue_world *world = *state;

	start(world);
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_drop_relay(world);
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait(world, is_one_uncertain));
	assert_int_equal(world->delivery_count, 1);
	assert_int_equal(
	    world_call(world, "POST", "/v1/messages/retry", "{\"user\":\"shop\"}"), 200);
	assert_string_equal(world->result, "{\"count\":1}");
	assert_true(world_wait_deliveries(world, 2));
}

static bool
is_told_of_no_profile(struct queue_world *world)
{
	return world->alerts > 0 && world_call(world, "GET", "/v1/messages", "") == 200 &&
	       strstr(world->result, "\"reason\":\"no profile\"") != NULL;
}

static void
test_mail_of_a_removed_user_goes_out_by_its_list_else_the_default(void **state)
{
	struct queue_world *world = *state;

	start(world);
	(void)world_submit(world, 1, 500, 3);
	(void)world_submit(world, 1, 600, 3);
	world_send_row(world, &(struct msg_route){.row = ROUTE_USER, .id = 7, .is_gone = true});
	assert_true(world_wait(world, is_told_of_no_profile));
	world_connect_relay(world, NULL, 0);
	/* The list has a way: of the connections one is left for the other. */
	world_send_row(
	    world, &(struct msg_route){.row = ROUTE_LIST, .id = 3, .name = "web", .profile_id = 5});
	assert_true(world_wait_deliveries(world, 2));
	world_report(world, &world->deliveries[0], delivered, 1);
	world_report(world, &world->deliveries[1], delivered, 1);
	assert_true(world_wait(world, is_all_acknowledged));
	assert_int_equal(world->alerts, 1);
	/* Without a list too, and when the map comes anew. */
	world_send_row(world, &(struct msg_route){.row = ROUTE_LIST, .id = 3, .is_gone = true});
	(void)world_submit(world, 1, 700, 3);
	assert_true(world_wait(world, is_told_of_no_profile));
	world_send_row(world, &(struct msg_route){.row = ROUTE_BEGIN});
	world_send_row(world,
	    &(struct msg_route){.row = ROUTE_PROFILE, .id = 5, .name = "office", .connections = 3});
	world_send_row(world, &(struct msg_route){.row = ROUTE_LIST, .profile_id = 5});
	world_send_row(world, &(struct msg_route){.row = ROUTE_END});
	assert_true(world_wait_deliveries(world, 3));
	assert_int_equal(world->deliveries[2].body.size, 700);
}

static void
test_mail_of_a_removed_user_survives_a_restart_of_the_queue(void **state)
{
	struct queue_world *world = *state;

	start(world);
	(void)world_submit(world, 1, 500, 3);
	world_kill(world);
	assert_true(world_start(world, NULL));
	world_send_row(world, &(struct msg_route){.row = ROUTE_BEGIN});
	world_send_row(world,
	    &(struct msg_route){.row = ROUTE_PROFILE, .id = 5, .name = "office", .connections = 3});
	world_send_row(
	    world, &(struct msg_route){.row = ROUTE_LIST, .id = 3, .name = "WEB", .profile_id = 5});
	world_send_row(world, &(struct msg_route){.row = ROUTE_LIST});
	world_send_row(world, &(struct msg_route){.row = ROUTE_END});
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait_deliveries(world, 1));
	assert_int_equal(world->deliveries[0].profile_id, 5);
	assert_int_equal(world->alerts, 0);
}

static void
test_removed_profile_without_another_is_told_once(void **state)
{
	struct queue_world *world = *state;

	start(world);
	(void)world_submit(world, 1, 500, 3);
	(void)world_submit(world, 1, 500, 3);
	world_send_row(world, &(struct msg_route){.row = ROUTE_PROFILE, .id = 5, .is_gone = true});
	world_send_row(world, &(struct msg_route){.row = ROUTE_USER, .id = 7, .name = "shop"});
	assert_true(world_wait(world, is_told_of_no_profile));
	(void)world_submit(world, 1, 500, 3);
	assert_true(queue_has(world, "\"ready\":3"));
	assert_int_equal(world->alerts, 1);
}

static void
test_operators_hold_release_and_remove(void **state)
{
	struct queue_world *world = *state;
	char path[64], ident[IDENT_SIZE];
	uint64_t id;

	start(world);
	id = world_submit(world, 1, 500, 3);
	(void)world_submit(world, 1, 600, 3);
	assert_int_equal(world_call(world, "POST", "/v1/messages/hold", "{\"all\":true}"), 200);
	assert_string_equal(world->result, "{\"count\":2}");
	world_connect_relay(world, NULL, 0);
	world_settle(world, 100);
	assert_int_equal(world->delivery_count, 0);
	assert_true(queue_has(world, "\"held\":2"));
	(void)snprintf(
	    path, sizeof(path), "/v1/messages/%s/body?offset=490", ident_format(id, ident));
	assert_int_equal(world_call(world, "GET", path, ""), 200);
	assert_string_equal(world->result, "xxxxxxxxxx");
	(void)snprintf(path, sizeof(path), "/v1/messages/%s", ident);
	assert_int_equal(world_call(world, "DELETE", path, ""), 200);
	assert_int_equal(world_call(world, "GET", path, ""), 404);
	assert_int_equal(
	    world_call(world, "POST", "/v1/messages/release", "{\"list\":\"web\"}"), 200);
	assert_true(world_wait_deliveries(world, 1));
	assert_int_equal(world->deliveries[0].body.size, 600);
	assert_int_equal(world_call(world, "POST", "/v1/messages/hold", "{}"), 400);
	assert_int_equal(world_call(world, "GET", "/v1/messages?state=odd", ""), 400);
	assert_int_equal(world_call(world, "GET", "/v1/messages?user=shop&limit=5", ""), 200);
	assert_true(result_has(world, "\"state\":\"sending\""));
}

static bool
is_acknowledged_once(struct queue_world *world)
{
	return world->deliveries[0].is_acknowledged;
}

static void
test_operators_last_word_counts_for_what_is_being_sent(void **state)
{
	static const enum fate deferred = FATE_DEFERRED;
	struct queue_world *world = *state;

	start(world);
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	assert_int_equal(world_call(world, "POST", "/v1/messages/hold", "{\"all\":true}"), 200);
	assert_string_equal(world->result, "{\"count\":1}");
	assert_int_equal(world_call(world, "POST", "/v1/messages/release", "{\"all\":true}"), 200);
	assert_string_equal(world->result, "{\"count\":1}");
	world_report(world, &world->deliveries[0], &deferred, 1);
	assert_true(world_wait(world, is_acknowledged_once));
	assert_true(queue_has(world, "\"deferred\":1"));
}

static void
test_wishes_reach_the_relay(void **state)
{
	static const struct rec_wishes wishes = {.is_smtputf8 = true,
	    .ret = RET_FULL,
	    .envid = "QQ314159",
	    .has_mt_priority = true,
	    .mt_priority = 12};
	struct queue_world *world = *state;

	start(world);
	world_connect_relay(world, NULL, 0);
	world->wishes = &wishes;
	world->notify = NOTIFY_SUCCESS | NOTIFY_FAILURE;
	world->orcpt = "rfc822;dana@example.net";
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	assert_true(world->deliveries[0].has_wishes);
	assert_true(world->deliveries[0].wishes.is_smtputf8);
	assert_int_equal(world->deliveries[0].wishes.ret, RET_FULL);
	assert_int_equal(world->deliveries[0].wishes.mt_priority, 12);
	assert_string_equal(world->deliveries[0].envid, "QQ314159");
	assert_int_equal(world->deliveries[0].notify, NOTIFY_SUCCESS | NOTIFY_FAILURE);
	assert_string_equal(world->deliveries[0].orcpt, "rfc822;dana@example.net");
	world->wishes = NULL;
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 2));
	assert_false(world->deliveries[1].has_wishes);
}

static bool
body_has(const struct world_delivery *delivery, const char *text)
{
	return strstr(delivery->body.bytes, text) != NULL;
}

static void
test_success_is_told_if_the_upstream_will_not(void **state)
{
	struct queue_world *world = *state;

	start(world);
	world_connect_relay(world, NULL, 0);
	world->notify = NOTIFY_SUCCESS;
	(void)world_submit(world, 2, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report(world, &world->deliveries[0], delivered, 2);
	assert_true(world_wait_deliveries(world, 2));
	assert_string_equal(world->deliveries[1].sender, "");
	assert_string_equal(world->deliveries[1].recipients, "shop@example.org");
	assert_true(body_has(&world->deliveries[1], "\r\nAction: relayed\r\n"));
	assert_int_equal(world->deliveries[1].notify, NOTIFY_NEVER);
	/* The notice itself is delivered: nobody hears of that. */
	world_report(world, &world->deliveries[1], delivered, 1);
	world->has_dsn = true;
	(void)world_submit(world, 1, 500, 3);
	assert_true(world_wait_deliveries(world, 3));
	assert_string_equal(world->deliveries[2].sender, "shop@example.org");
	world_report(world, &world->deliveries[2], delivered, 1);
	assert_true(world_wait(world, is_all_acknowledged));
	assert_true(queue_has(world, "\"ready\":0,\"deferred\":0"));
	assert_int_equal(world->delivery_count, 3);
}

/* Of more recipients than a piece has room for, whole and in one notice. */
static void
test_notice_may_be_large(void **state)
{
	struct queue_world *world = *state;
	enum fate failed[3000];
	struct buf *body;

	for (unsigned i = 0; i < 3000; i++)
		failed[i] = FATE_FAILED;
	start(world);
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 3000, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report(world, &world->deliveries[0], failed, 3000);
	assert_true(world_wait_deliveries(world, 2));
	body = &world->deliveries[1].body;
	assert_true(body->size > STREAM_CREDIT);
	assert_non_null(strstr(body->bytes, "Final-Recipient: rfc822; r2999@example.net\r\n"));
	/* The same from disk. */
	world_kill(world);
	start(world);
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait_deliveries(world, 3));
	assert_int_equal(world->deliveries[2].body.size, body->size);
	assert_memory_equal(world->deliveries[2].body.bytes, body->bytes, body->size);
}

static void
test_client_that_wants_no_notice_gets_none(void **state)
{
	struct queue_world *world = *state;

	start(world);
	world_connect_relay(world, NULL, 0);
	world->notify = NOTIFY_NEVER;
	(void)world_submit(world, 3, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report(world, &world->deliveries[0], mixed, 3);
	assert_true(world_wait(world, is_all_acknowledged));
	world_settle(world, 100);
	assert_int_equal(world->delivery_count, 1);
	assert_int_equal(world->alerts, 0);
}

static void
test_notice_to_a_sender_in_utf8_needs_the_extension(void **state)
{
	static const struct rec_wishes wishes = {.is_smtputf8 = true, .ret = RET_FULL};
	struct queue_world *world = *state;

	start(world);
	world_connect_relay(world, NULL, 0);
	world->wishes = &wishes;
	world->sender = "j\xc3\xbcrgen@example.org";
	(void)world_submit(world, 3, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report(world, &world->deliveries[0], mixed, 3);
	assert_true(world_wait_deliveries(world, 2));
	assert_string_equal(world->deliveries[1].recipients, world->sender);
	assert_true(world->deliveries[1].wishes.is_smtputf8);
	assert_true(world->deliveries[1].wishes.has_utf8_header);
	assert_true(body_has(&world->deliveries[1], "Content-Type: message/rfc822\r\n"));
	assert_true(body_has(&world->deliveries[1], "xxxxxxxxxx"));
}

static void
test_notice_of_a_message_that_requires_tls_requires_it_too(void **state)
{
	static const struct rec_wishes wishes = {.ret = RET_HDRS, .requires_tls = true};
	struct queue_world *world = *state;

	start(world);
	world_connect_relay(world, NULL, 0);
	world->wishes = &wishes;
	(void)world_submit(world, 3, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	assert_true(world->deliveries[0].wishes.requires_tls);
	world_report(world, &world->deliveries[0], mixed, 3);
	assert_true(world_wait_deliveries(world, 2));
	assert_true(world->deliveries[1].wishes.requires_tls);
	assert_false(world->deliveries[1].wishes.is_smtputf8);
	assert_false(body_has(&world->deliveries[1], "xxxxxxxxxx"));
}

static void
test_wish_that_cannot_be_is_not_stored(void **state)
{
	static const struct rec_wishes wishes = {.ret = 7},
				       whole = {.ret = RET_FULL, .requires_tls = true};
	struct queue_world *world = *state;

	start(world);
	world->wishes = &wishes;
	(void)world_submit(world, 1, 500, 3);
	assert_int_equal(world->committed, COMMIT_FAILED);
	world->wishes = &whole;
	(void)world_submit(world, 1, 500, 3);
	assert_int_equal(world->committed, COMMIT_FAILED);
	world->wishes = NULL;
	world->notify = NOTIFY_NEVER | NOTIFY_SUCCESS;
	(void)world_submit(world, 1, 500, 3);
	assert_int_equal(world->committed, COMMIT_FAILED);
	assert_true(queue_has(world, "\"ready\":0,\"deferred\":0"));
}

static void
test_upstream_that_takes_one_recipient_at_a_time_gets_them_at_once(void **state)
{
	static const enum fate first[] = {FATE_DELIVERED, FATE_UNTRIED, FATE_UNTRIED};
	struct queue_world *world = *state;
	char path[64], ident[IDENT_SIZE];
	uint64_t id;

	start(world);
	world_connect_relay(world, NULL, 0);
	id = world_submit(world, 3, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report(world, &world->deliveries[0], first, 3);
	assert_true(world_wait_deliveries(world, 2));
	assert_int_equal(world->deliveries[1].message_id, id);
	assert_string_equal(world->deliveries[1].recipients, "r1@example.net r2@example.net");
	assert_int_equal(world->deliveries[1].body.size, 500);
	(void)snprintf(path, sizeof(path), "/v1/messages/%s", ident_format(id, ident));
	assert_int_equal(world_call(world, "GET", path, ""), 200);
	assert_true(result_has(world, "\"to\":\"r0@example.net\",\"state\":\"delivered\""));
	/* What is on disk says the same. */
	world_kill(world);
	start(world);
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait_deliveries(world, 3));
	assert_string_equal(world->deliveries[2].recipients, "r1@example.net r2@example.net");
}

static void
send_recipient_rate(struct queue_world *world, const char *rate)
{
	world_send_row(world, &(struct msg_route){.row = ROUTE_PROFILE,
				  .id = 5,
				  .name = "office",
				  .list = "",
				  .version = 1,
				  .connections = 3,
				  .rate = "",
				  .recipient_rate = rate,
				  .retry = "",
				  .bounce_sender = ""});
}

static bool
has_recipient_in(struct queue_world *world, uint64_t id, const char *recipient, const char *state)
{
	char path[64], ident[IDENT_SIZE], text[100];

	(void)snprintf(path, sizeof(path), "/v1/messages/%s", ident_format(id, ident));
	(void)snprintf(
	    text, sizeof(text), "\"to\":\"%s@example.net\",\"state\":\"%s\"", recipient, state);
	return world_call(world, "GET", path, "") == 200 && result_has(world, text);
}

static void
test_message_goes_in_parts_where_the_rate_has_no_place_for_all(void **state)
{
	static const enum fate first[] = {FATE_DELIVERED, FATE_DEFERRED};
	struct queue_world *world = *state;
	uint64_t id;

	start(world);
	send_recipient_rate(world, "2/h");
	world_connect_relay(world, NULL, 0);
	id = world_submit(world, 5, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	assert_string_equal(world->deliveries[0].recipients, "r0@example.net r1@example.net");
	world_report(world, &world->deliveries[0], first, 2);
	assert_true(world_wait(world, is_all_acknowledged));
	/* It waits for a place, and the others of the first part for their next round. */
	assert_true(queue_has(world, "\"ready\":1,\"deferred\":0"));
	world_settle(world, 100);
	assert_int_equal(world->delivery_count, 1);
	send_recipient_rate(world, "3/h");
	assert_true(world_wait_deliveries(world, 2));
	assert_string_equal(world->deliveries[1].recipients, "r2@example.net");
	assert_int_equal(world->deliveries[1].body.size, 500);
	world_report_of(world, &world->deliveries[1], 2, FATE_FAILED);
	assert_true(world_wait(world, is_all_acknowledged));
	assert_true(has_recipient_in(world, id, "r0", "delivered"));
	assert_true(has_recipient_in(world, id, "r2", "failed"));
	/* What is on disk says the same. */
	world_kill(world);
	start(world);
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait_deliveries(world, 3));
	assert_string_equal(world->deliveries[2].recipients, "r3@example.net r4@example.net");
}

static void
test_what_comes_back_leaves_its_places(void **state)
{
	static const enum fate one[] = {FATE_DELIVERED, FATE_UNTRIED};
	struct queue_world *world = *state;

	start(world);
	send_recipient_rate(world, "2/h");
	world_connect_relay(world, NULL, 0);
	(void)world_submit(world, 3, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	world_report_trouble(world, &world->deliveries[0], ATTEMPT_CANCELLED);
	assert_true(world_wait_deliveries(world, 2));
	assert_string_equal(world->deliveries[1].recipients, "r0@example.net r1@example.net");
	world_report(world, &world->deliveries[1], one, 2);
	assert_true(world_wait_deliveries(world, 3));
	assert_string_equal(world->deliveries[2].recipients, "r1@example.net");
	world_report_of(world, &world->deliveries[2], 1, FATE_DELIVERED);
	world_settle(world, 100);
	assert_int_equal(world->delivery_count, 3);
}

/* The queue doesn't know any more how many recipients relay was given: none of them goes at once. */
static void
test_part_that_outlived_the_queue_is_settled(void **state)
{
	struct queue_world *world = *state;
	struct rec_attempt attempt;
	uint64_t id;

	start(world);
	send_recipient_rate(world, "2/h");
	world_connect_relay(world, NULL, 0);
	id = world_submit(world, 3, 500, 3);
	assert_true(world_wait_deliveries(world, 1));
	attempt = (struct rec_attempt){id, world->deliveries[0].attempt};
	world_kill(world);
	start(world);
	world_connect_relay(world, &attempt, 1);
	world_report(world, &world->deliveries[0], delivered, 2);
	assert_true(world_wait(world, is_all_acknowledged));
	assert_true(queue_has(world, "\"ready\":0,\"deferred\":1"));
	assert_true(has_recipient_in(world, id, "r1", "delivered"));
	assert_true(has_recipient_in(world, id, "r2", "deferred"));
	assert_int_equal(world->delivery_count, 1);
}

static bool
is_one_scheduled(struct queue_world *world)
{
	return queue_has(world, "\"ready\":0,\"deferred\":0,\"scheduled\":1");
}

static void
test_scheduled_message_goes_at_its_time_over_a_restart(void **state)
{
	struct rec_wishes wishes = {.hold_until_ms = clock_wall_ms() + 1500};
	struct queue_world *world = *state;

	start(world);
	world_connect_relay(world, NULL, 0);
	world->wishes = &wishes;
	(void)world_submit(world, 1, 500, 3);
	assert_true(is_one_scheduled(world));
	assert_int_equal(world_call(world, "GET", "/v1/messages?state=scheduled", ""), 200);
	assert_true(result_has(world, "\"state\":\"scheduled\""));
	assert_true(result_has(world, "\"hold_until\":\"20"));
	world_kill(world);
	start(world);
	world_connect_relay(world, NULL, 0);
	assert_true(is_one_scheduled(world));
	assert_true(world_wait_deliveries(world, 1));
	assert_true(clock_wall_ms() >= wishes.hold_until_ms);
	assert_int_equal(world->deliveries[0].body.size, 500);
}

static void
test_operators_may_hold_and_hurry_what_is_scheduled(void **state)
{
	struct rec_wishes wishes = {.hold_until_ms = clock_wall_ms() + 3600000};
	struct queue_world *world = *state;

	start(world);
	world_connect_relay(world, NULL, 0);
	world->wishes = &wishes;
	(void)world_submit(world, 1, 500, 3);
	assert_int_equal(world_call(world, "POST", "/v1/messages/hold", "{\"all\":true}"), 200);
	assert_true(queue_has(world, "\"scheduled\":0,\"held\":1"));
	assert_int_equal(world_call(world, "POST", "/v1/messages/release", "{\"all\":true}"), 200);
	assert_true(is_one_scheduled(world));
	assert_int_equal(world->delivery_count, 0);
	assert_int_equal(world_call(world, "POST", "/v1/messages/retry", "{\"all\":true}"), 200);
	assert_true(world_wait_deliveries(world, 1));
	world_report(world, &world->deliveries[0], &mixed[1], 1);
	assert_true(world_wait(world, is_all_acknowledged));
	/* Now it is as any other. */
	assert_true(queue_has(world, "\"deferred\":1,\"scheduled\":0"));
	(void)world_call(world, "POST", "/v1/messages/hold", "{\"all\":true}");
	(void)world_call(world, "POST", "/v1/messages/release", "{\"all\":true}");
	assert_true(world_wait_deliveries(world, 2));
}

static unsigned
schedule(struct queue_world *world, uint64_t id, const char *body)
{
	char path[64], ident[IDENT_SIZE];

	(void)snprintf(path, sizeof(path), "/v1/messages/%s/schedule", ident_format(id, ident));
	return world_call(world, "POST", path, body);
}

static void
test_operator_may_schedule_what_waits(void **state)
{
	struct queue_world *world = *state;
	int64_t begin_ms = clock_wall_ms();
	uint64_t id;

	start(world);
	id = world_submit(world, 1, 500, 3);
	assert_int_equal(schedule(world, id, "{\"at\":\"1500ms\"}"), 200);
	assert_true(is_one_scheduled(world));
	world_connect_relay(world, NULL, 0);
	assert_int_equal(world_call(world, "GET", "/v1/messages?state=scheduled", ""), 200);
	assert_true(result_has(world, "\"hold_until\":\"20"));
	assert_true(world_wait_deliveries(world, 1));
	assert_true(clock_wall_ms() >= begin_ms + 1500);
	/* What is on its way can't be called back. */
	assert_int_equal(schedule(world, id, "{\"at\":\"2h\"}"), 409);
	assert_true(result_has(world, "being sent just now"));
	/* Nor when the attempt ends before the answer. */
	world_report(world, &world->deliveries[0], &mixed[1], 1);
	assert_int_equal(schedule(world, id, "{\"at\":\"2h\"}"), 409);
	assert_true(world_wait(world, is_all_acknowledged));
	/* A deferred one too; held, it waits for the time when it is released. */
	assert_int_equal(world_call(world, "POST", "/v1/messages/hold", "{\"all\":true}"), 200);
	assert_int_equal(schedule(world, id, "{\"at\":\"2h\"}"), 200);
	assert_true(queue_has(world, "\"scheduled\":0,\"held\":1"));
	assert_int_equal(world_call(world, "POST", "/v1/messages/release", "{\"all\":true}"), 200);
	assert_true(is_one_scheduled(world));
	world_kill(world);
	start(world);
	assert_true(is_one_scheduled(world));
}

static void
test_time_that_makes_no_sense_is_refused(void **state)
{
	static const struct {
		const char *body;
		unsigned status;
		const char *says;
	} rows[] = {
	    {"{}", 400, "name the time"},
	    {"{\"at\":7}", 400, "allowed is: at"},
	    {"{\"at\":\"2h\",\"all\":true}", 400, "allowed is: at"},
	    {"{\"at\":\"soon\"}", 400, "a time as 2026-03-01T12:31:04Z, or a duration"},
	    {"{\"at\":\"2020-03-01T12:31:04Z\"}", 400, "that time is over"},
	    {"{\"at\":\"0\"}", 400, "that time is over"},
	    {"{\"at\":\"9999-03-01T12:31:04Z\"}", 400, "at most 365 days"},
	    {"{\"at\":\"366d\"}", 400, "at most 365 days"},
	    {"{\"at\":\"9223372036854775807ms\"}", 400, "at most 365 days"},
	    {"[]", 400, "must be a JSON object"},
	};
	struct queue_world *world = *state;
	uint64_t id;

	start(world);
	id = world_submit(world, 1, 500, 3);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned status = schedule(world, id, rows[i].body);

		if (status != rows[i].status || !result_has(world, rows[i].says))
			fail_msg("%s: %u %s", rows[i].body, status, world->result);
	}
	assert_int_equal(schedule(world, 1 << 29, "{\"at\":\"2h\"}"), 404);
	assert_true(queue_has(world, "\"ready\":1"));
}

static void
test_filter_that_means_nothing_is_refused(void **state)
{
	static const struct {
		const char *method, *path, *body;
		unsigned status;
		const char *says;
	} rows[] = {
	    {"GET", "/v1/messages?profile=none", "", 404, "\"field\":\"profile\""},
	    {"GET", "/v1/messages?list=none", "", 404, "no such list, and no mail of one"},
	    {"GET", "/v1/messages?user=none", "", 404, "\"field\":\"user\""},
	    {"GET", "/v1/messages?user=SHOP", "", 200, "\"user\":\"shop\""},
	    {"POST", "/v1/messages/hold", "{\"list\":\"none\"}", 404, "\"field\":\"list\""},
	    {"POST", "/v1/messages/release", "{\"list\":\"Web\"}", 200, "\"count\":0"},
	    {"POST", "/v1/messages/hold", "{\"lists\":\"web\"}", 400, "\"field\":\"lists\""},
	    {"POST", "/v1/messages/hold", "{\"list\":7}", 400, "list is a name"},
	    {"POST", "/v1/messages/hold", "{\"all\":false}", 400, "all is true or not there"},
	    {"POST", "/v1/messages/hold", "{\"all\":true,\"user\":\"shop\"}", 400,
		"all goes alone"},
	    {"POST", "/v1/messages/hold", "{\"ids\":[\"1000000\"],\"all\":true}", 400,
		"ids go alone"},
	    {"POST", "/v1/messages/hold", "{\"ids\":[]}", 400, "1 to 10000"},
	    {"POST", "/v1/messages/odd", "{}", 405, "method_not_allowed"},
	};
	struct queue_world *world = *state;

	start(world);
	world_send_row(
	    world, &(struct msg_route){.row = ROUTE_LIST, .id = 3, .name = "web", .profile_id = 5});
	(void)world_submit(world, 1, 500, 3);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned status = world_call(world, rows[i].method, rows[i].path, rows[i].body);

		if (status != rows[i].status || !result_has(world, rows[i].says))
			fail_msg("%s %s: %u", rows[i].path, rows[i].body, status);
	}
}

static void
test_higher_priority_goes_first(void **state)
{
	struct queue_world *world = *state;

	start(world);
	(void)world_submit(world, 1, 501, 3);
	(void)world_submit(world, 1, 502, 5);
	(void)world_submit(world, 1, 503, 1);
	(void)world_submit(world, 1, 504, 3);
	world_connect_relay(world, NULL, 0);
	/* Three connections: three at once, the others as these end. */
	assert_true(world_wait_deliveries(world, 3));
	world_settle(world, 50);
	assert_int_equal(world->delivery_count, 3);
	for (int i = 0; i < 3; i++)
		world_report(world, &world->deliveries[i], delivered, 1);
	assert_true(world_wait_deliveries(world, 4));
	assert_int_equal(world->deliveries[0].body.size, 503);
	assert_int_equal(world->deliveries[1].body.size, 501);
	assert_int_equal(world->deliveries[2].body.size, 504);
	assert_int_equal(world->deliveries[3].body.size, 502);
}

static void
test_last_connection_is_for_urgent_messages(void **state)
{
	struct queue_world *world = *state;

	start(world);
	world_connect_relay(world, NULL, 0);
	for (size_t size = 501; size <= 504; size++)
		(void)world_submit(world, 1, size, 3);
	assert_true(world_wait_deliveries(world, 2));
	world_settle(world, 50);
	assert_int_equal(world->delivery_count, 2);
	(void)world_submit(world, 1, 601, 2);
	assert_true(world_wait_deliveries(world, 3));
	assert_int_equal(world->deliveries[2].body.size, 601);
	(void)world_submit(world, 1, 602, 1);
	/* It takes the next that is free, before those that have been waiting. */
	world_report(world, &world->deliveries[0], delivered, 1);
	assert_true(world_wait_deliveries(world, 4));
	assert_int_equal(world->deliveries[3].body.size, 602);
}

/* After a trouble one goes ahead, and each that goes well makes room for one more. */
static void
test_profile_that_recovers_is_not_overrun(void **state)
{
	struct queue_world *world = *state;
	struct msg_route resumed = {
	    .row = ROUTE_PROFILE, .id = 5, .version = 2, .name = "office", .connections = 8};

	start(world);
	for (size_t size = 501; size <= 520; size++)
		(void)world_submit(world, 1, size, 1);
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait_deliveries(world, 3));
	world_report_trouble(world, &world->deliveries[0], ATTEMPT_UNREACHABLE);
	world_report_trouble(world, &world->deliveries[1], ATTEMPT_UNREACHABLE);
	world_report_trouble(world, &world->deliveries[2], ATTEMPT_UNREACHABLE);
	world_send_row(world, &resumed);
	assert_true(world_wait_deliveries(world, 4));
	for (unsigned width = 1; width < 8; width *= 2) {
		unsigned first = 2 + width;

		world_settle(world, 30);
		assert_int_equal(world->delivery_count, first + width);
		for (unsigned i = first; i < first + width; i++)
			world_report(world, &world->deliveries[i], delivered, 1);
		assert_true(world_wait_deliveries(world, first + 3 * width));
	}
}

static void
test_second_queue_on_the_directory_is_refused(void **state)
{
	struct queue_world *world = *state;
	struct queue_world second;

	start(world);
	world_init(&second);
	assert_int_equal(rmdir(second.directory), 0);
	(void)snprintf(second.directory, sizeof(second.directory), "%s", world->directory);
	assert_false(world_start(&second, NULL));
	assert_non_null(strstr(second.problem, "in use by another process"));
	world_kill(&second);
	loop_free(second.loop);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(message_goes_through),
	    T(stored_message_survives_kill),
	    T(large_body_goes_through_a_file),
	    T(queue_restart_gives_nothing_twice),
	    T(report_that_comes_again_is_applied_once),
	    T(each_recipient_has_its_fate_and_failure_is_told),
	    T(deferred_message_comes_again),
	    T(expiry_needs_a_failed_attempt),
	    T(profile_trouble_makes_mail_wait),
	    T(lost_relay_makes_its_messages_uncertain),
	    T(mail_of_a_removed_user_goes_out_by_its_list_else_the_default),
	    T(mail_of_a_removed_user_survives_a_restart_of_the_queue),
	    T(removed_profile_without_another_is_told_once),
	    T(operators_hold_release_and_remove),
	    T(operators_last_word_counts_for_what_is_being_sent),
	    T(wishes_reach_the_relay),
	    T(success_is_told_if_the_upstream_will_not),
	    T(notice_may_be_large),
	    T(client_that_wants_no_notice_gets_none),
	    T(notice_to_a_sender_in_utf8_needs_the_extension),
	    T(notice_of_a_message_that_requires_tls_requires_it_too),
	    T(wish_that_cannot_be_is_not_stored),
	    T(upstream_that_takes_one_recipient_at_a_time_gets_them_at_once),
	    T(message_goes_in_parts_where_the_rate_has_no_place_for_all),
	    T(what_comes_back_leaves_its_places),
	    T(part_that_outlived_the_queue_is_settled),
	    T(scheduled_message_goes_at_its_time_over_a_restart),
	    T(operators_may_hold_and_hurry_what_is_scheduled),
	    T(operator_may_schedule_what_waits),
	    T(time_that_makes_no_sense_is_refused),
	    T(filter_that_means_nothing_is_refused),
	    T(higher_priority_goes_first),
	    T(last_connection_is_for_urgent_messages),
	    T(profile_that_recovers_is_not_overrun),
	    T(second_queue_on_the_directory_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
