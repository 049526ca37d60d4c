/* Relay and a mime process that works, refuses, dies with a message, dies with others, or says what it
 * must not: the test is mime. */
#include "common/buf.h"
#include "daemon/relay/rework.h"
#include "tests/unit/relay_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BYTES(text) ((struct msg_bytes){(const uint8_t *)(text), (uint32_t)strlen(text)})
#define BODY BYTES("Subject: x\r\n\r\nbody\r\n")
#define HURRY 30
#define OTHER "Subject: x\r\n\r\nbody and more\r\n"

static const struct upstream_row kind[] = {{NULL, NULL, ACT_REPLY}};
static const struct upstream_row seven_bits[] = {
    {"EHLO", "250-up\r\n250 PIPELINING\r\n", ACT_REPLY}, {NULL, NULL, ACT_REPLY}};

struct scene {
	struct upstream_server server;
	struct relay_world world;
};

static struct scene *
open_alone(const struct upstream_row *script, unsigned hurry)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	/* The role is forked before there are threads. */
	relay_world_start_hurried(&scene->world, 0, hurry);
	upstream_server_start(&scene->server, script);
	scene->world.profile.port = scene->server.port;
	return scene;
}

static struct scene *
open_scene(const struct upstream_row *script)
{
	struct scene *scene = open_alone(script, 1);

	relay_world_link_mime(&scene->world);
	return scene;
}

static struct scene *
open_signing(void)
{
	struct scene *scene = open_scene(kind);

	scene->world.profile.signature_text = BYTES("sig");
	scene->world.profile.from = "own@p.example";
	return scene;
}

static void
close_scene(struct scene *scene)
{
	relay_world_stop(&scene->world);
	upstream_server_stop(&scene->server);
	free(scene);
}

/* mime has all of it. */
static void
deliver(struct relay_world *world, uint64_t attempt, struct msg_bytes body)
{
	unsigned orders = world->orders;

	relay_world_deliver(world, attempt, "a@x", body);
	WAIT_UNTIL(world, world->orders > orders && world->is_mime_body_whole);
}

static void
die(struct relay_world *world)
{
	link_close(world->mime);
	world->mime = NULL;
}

static void
test_there_and_back(void **state)
{
	struct scene *scene = open_signing();
	struct relay_world *world = &scene->world;

	deliver(world, 1, BODY);
	assert_int_equal(world->order.size, BODY.size);
	assert_string_equal(world->order.from, "own@p.example");
	assert_string_equal(world->order.signature, "sig");
	assert_false(world->order.to_7bit);
	assert_memory_equal(world->mime_body.bytes, BODY.at, BODY.size);
	relay_world_rework(world, REWORK_DONE, BYTES(OTHER));
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(world->seen[0].fates[0].fate, FATE_DELIVERED);
	assert_string_equal(scene->server.data.bytes, OTHER);
	assert_non_null(strstr(scene->server.commands.bytes, "MAIL FROM:<sender@a.example>"));
	assert_int_equal(world->aborts, 0);
	close_scene(scene);
}

static void
test_large_there_and_back(void **state)
{
	struct scene *scene = open_signing();
	struct relay_world *world = &scene->world;
	struct buf body = {0};

	for (unsigned i = 0; body.size < 3u << 20; i++)
		buf_printf(&body, "line %u of a body that needs credit to travel\r\n", i);
	deliver(world, 1, (struct msg_bytes){(uint8_t *)body.bytes, (uint32_t)body.size});
	assert_int_equal(world->mime_body.size, body.size);
	assert_memory_equal(world->mime_body.bytes, body.bytes, body.size);
	relay_world_rework(
	    world, REWORK_DONE, (struct msg_bytes){(uint8_t *)body.bytes, (uint32_t)body.size});
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(world->seen[0].fates[0].fate, FATE_DELIVERED);
	assert_int_equal(scene->server.data.size, body.size);
	assert_memory_equal(scene->server.data.bytes, body.bytes, body.size);
	buf_fini(&body);
	close_scene(scene);
}

/* One at a time; the others wait, the urgent in front. */
static void
test_one_at_a_time(void **state)
{
	struct scene *scene = open_signing();
	struct relay_world *world = &scene->world;

	world->profile.connections = 5;
	deliver(world, 1, BODY);
	relay_world_deliver(world, 2, "a@x", BODY);
	world->priority = 1;
	relay_world_deliver(world, 3, "a@x", BODY);
	relay_world_settle(world);
	assert_int_equal(world->orders, 1);
	relay_world_rework(world, REWORK_DONE, BYTES(OTHER));
	for (unsigned i = 2; i <= 3; i++) {
		WAIT_UNTIL(world, world->orders == i && world->is_mime_body_whole);
		relay_world_rework(world, REWORK_DONE, BYTES(OTHER));
	}
	WAIT_UNTIL(world, world->reports == 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(world->seen[i].fates[0].fate, FATE_DELIVERED);
	close_scene(scene);
}

static void
test_seven_bits(void **state)
{
	struct scene *scene = open_scene(seven_bits);
	struct relay_world *world = &scene->world;

	relay_world_deliver(world, 1, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(world->orders, 0);
	world->has_8bit = true;
	deliver(world, 2, BYTES("Subject: x\r\n\r\n\xc3\xbc\r\n"));
	assert_true(world->order.to_7bit);
	relay_world_rework(world, REWORK_DONE, BYTES(OTHER));
	WAIT_UNTIL(world, world->reports == 2);
	assert_int_equal(world->seen[1].fates[0].fate, FATE_DELIVERED);
	/* What can't be is refused, and the connection serves the next. */
	deliver(world, 3, BYTES("Subject: x\r\n\r\n\xc3\xbc\r\n"));
	relay_world_rework(world, REWORK_CANT_CONVERT, BYTES(""));
	WAIT_UNTIL(world, world->reports == 3);
	assert_int_equal(world->seen[2].fates[0].fate, FATE_FAILED);
	assert_int_equal(world->seen[2].fates[0].code, 554);
	assert_string_equal(world->seen[2].fates[0].reply, "it can't be");
	world->has_8bit = false;
	relay_world_deliver(world, 4, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 4);
	assert_int_equal(world->seen[3].fates[0].fate, FATE_DELIVERED);
	assert_int_equal(scene->server.connections, 1);
	close_scene(scene);
}

/* Whatever it died of, the message is tried again, until an operator decides. */
static void
test_death_with_a_message(void **state)
{
	struct scene *scene = open_signing();
	struct relay_world *world = &scene->world;

	world->message_id = 77;
	for (unsigned i = 1; i <= REWORK_DEATHS; i++) {
		deliver(world, i, BODY);
		die(world);
		WAIT_UNTIL(world, world->reports == i);
		assert_int_equal(world->seen[i - 1].outcome, ATTEMPT_ATTEMPTED);
		assert_int_equal(world->seen[i - 1].fates[0].code, 451);
		assert_int_equal(world->seen[i - 1].fates[0].fate,
		    i < REWORK_DEATHS ? FATE_DEFERRED : FATE_HELD);
		relay_world_link_mime(world);
	}
	WAIT_UNTIL(world, world->alerts == 1);
	/* Of a message that was released the count begins anew. */
	deliver(world, 9, BODY);
	die(world);
	WAIT_UNTIL(world, world->reports == REWORK_DEATHS + 1);
	assert_int_equal(world->seen[REWORK_DEATHS].fates[0].fate, FATE_DEFERRED);
	close_scene(scene);
}

/* What it had half, or had not given back, is given back to queue; what waits goes to the next one. */
static void
test_death_with_others(void **state)
{
	struct scene *scene = open_signing();
	struct relay_world *world = &scene->world;
	struct msg_body half = {.bytes = BYTES("Subject: half\r\n")};
	struct msg_reworked answer = {.outcome = REWORK_DONE, .size = 1000000, .remark = ""};

	world->profile.connections = 5;
	deliver(world, 1, BODY);
	half.stream = 1;
	link_answer(world->mime, world->order.request_id, MSG_REWORKED, &answer);
	link_send(world->mime, MSG_BODY, &half);
	relay_world_begin(world, 2, "a@x", 100);
	WAIT_UNTIL(world, world->orders == 2);
	relay_world_deliver(world, 3, "a@x", BODY);
	relay_world_settle(world);
	die(world);
	WAIT_UNTIL(world, world->reports == 2);
	for (unsigned i = 0; i < 2; i++)
		assert_true(world->seen[i].outcome == ATTEMPT_CANCELLED ||
			    world->seen[i].fates[0].fate == FATE_DEFERRED);
	relay_world_link_mime(world);
	WAIT_UNTIL(world, world->orders == 3 && world->is_mime_body_whole);
	relay_world_rework(world, REWORK_DONE, BYTES(OTHER));
	WAIT_UNTIL(world, world->reports == 3);
	assert_int_equal(world->seen[2].fates[0].fate, FATE_DELIVERED);
	assert_int_equal(scene->server.messages, 1);
	close_scene(scene);
}

/* Queue takes it back in each place that it can be in. */
static void
test_abort(void **state)
{
	struct scene *scene = open_signing();
	struct relay_world *world = &scene->world;
	struct msg_abort abort = {0};
	struct msg_reworked answer = {.outcome = REWORK_DONE, .size = 1000000, .remark = ""};

	deliver(world, 1, BODY);
	relay_world_deliver(world, 2, "a@x", BODY);
	for (uint64_t attempt = 2; attempt > 0; attempt--) {
		abort.stream = attempt;
		link_send(world->queue, MSG_ABORT, &abort);
		WAIT_UNTIL(world, world->reports == 3 - attempt);
	}
	WAIT_UNTIL(world, world->aborts == 1);
	deliver(world, 3, BODY);
	link_answer(world->mime, world->order.request_id, MSG_REWORKED, &answer);
	WAIT_UNTIL(world, (relay_world_settle(world), scene->server.commands.bytes != NULL));
	abort.stream = 3;
	link_send(world->queue, MSG_ABORT, &abort);
	WAIT_UNTIL(world, world->reports == 3 && world->aborts == 2);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(world->seen[i].outcome, ATTEMPT_CANCELLED);
	close_scene(scene);
}

/* A profile that was changed meanwhile: nothing leaves as the old one would have it. */
static void
test_changed_profile(void **state)
{
	struct scene *scene = open_signing();
	struct relay_world *world = &scene->world;
	struct msg_profile changed = {.profile_id = 7, .version = 2};

	deliver(world, 1, BODY);
	world->profile.version = 2;
	world->profile.signature_text = BYTES("new");
	changed.name = changed.problem = "";
	link_send(world->accounts, MSG_PROFILE, &changed);
	relay_world_settle(world);
	relay_world_rework(world, REWORK_DONE, BYTES(OTHER));
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(world->seen[0].outcome, ATTEMPT_CANCELLED);
	deliver(world, 2, BODY);
	assert_string_equal(world->order.signature, "new");
	relay_world_rework(world, REWORK_DONE, BYTES(OTHER));
	WAIT_UNTIL(world, world->reports == 2);
	assert_int_equal(world->seen[1].fates[0].fate, FATE_DELIVERED);
	close_scene(scene);
}

/* The connection that it was for ends: another is made when mime is done, and not before. */
static void
test_connection_ends_meanwhile(void **state)
{
	static const struct upstream_row script[] = {
	    {"EHLO", "250 up\r\n", ACT_CLOSE}, {NULL, NULL, ACT_REPLY}};
	struct scene *scene = open_scene(script);
	struct relay_world *world = &scene->world;

	world->profile.signature_text = BYTES("sig");
	deliver(world, 1, BODY);
	WAIT_UNTIL(world, scene->server.open_count == 0);
	relay_world_settle(world);
	assert_int_equal(scene->server.connections, 1);
	relay_world_rework(world, REWORK_DONE, BYTES(OTHER));
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(scene->server.connections, 2);
	assert_int_equal(world->seen[0].fates[0].fate, FATE_DEFERRED);
	assert_int_equal(world->orders, 1);
	close_scene(scene);
}

static void
test_each_on_a_connection_of_its_own(void **state)
{
	static const struct upstream_row script[] = {
	    {".", "250 taken\r\n", ACT_CLOSE}, {NULL, NULL, ACT_REPLY}};
	struct scene *scene = open_scene(script);
	struct relay_world *world = &scene->world;

	world->profile.signature_text = BYTES("sig");
	for (uint64_t attempt = 1; attempt <= 3; attempt++) {
		deliver(world, attempt, BODY);
		relay_world_rework(world, REWORK_DONE, BYTES(OTHER));
		WAIT_UNTIL(world, world->reports == attempt);
		assert_int_equal(world->seen[attempt - 1].fates[0].fate, FATE_DELIVERED);
	}
	assert_int_equal(world->orders, 3);
	close_scene(scene);
}

static void
test_what_mime_must_not_say(void **state)
{
	struct scene *scene = open_signing();
	struct relay_world *world = &scene->world;
	struct msg_body body = {.stream = 1, .is_last = true, .bytes = BYTES("evil\r\n")};
	struct msg_credit credit = {.stream = 1, .bytes = UINT32_MAX};

	deliver(world, 1, BODY);
	link_send(world->mime, MSG_BODY, &body); /* before its answer */
	body.stream = 99;
	link_send(world->mime, MSG_BODY, &body);
	link_send(world->mime, MSG_CREDIT, &credit);
	relay_world_rework(world, REWORK_DONE, BYTES(OTHER));
	link_send(world->mime, MSG_CREDIT, &credit);
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(world->seen[0].fates[0].fate, FATE_DELIVERED);
	assert_string_equal(scene->server.data.bytes, OTHER);
	close_scene(scene);
}

static void
test_capture(void **state)
{
	struct scene *scene = open_signing();
	struct relay_world *world = &scene->world;

	world->profile.capture = "caught";
	world->profile.envelope_sender = "e@p.example";
	deliver(world, 1, BODY);
	relay_world_rework(world, REWORK_DONE, BYTES(OTHER));
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(world->seen[0].fates[0].fate, FATE_DELIVERED);
	deliver(world, 2, BODY);
	die(world);
	WAIT_UNTIL(world, world->reports == 2);
	assert_int_equal(world->seen[1].fates[0].fate, FATE_DEFERRED);
	close_scene(scene);
}

/* What no mime changes stays in queue, which is told why; nothing leaves as it came. */
static void
expect_absent(struct relay_world *world, unsigned reports)
{
	WAIT_UNTIL(world, world->reports == reports);
	for (unsigned i = 0; i < reports; i++) {
		assert_int_equal(world->seen[i].outcome, ATTEMPT_UNREACHABLE);
		assert_true(world->seen[i].is_alerted);
		assert_int_equal(world->seen[i].fate_count, 0);
		assert_non_null(strstr(world->seen[i].reason, "the mime process"));
		assert_non_null(strstr(world->seen[i].reason, "does not run"));
	}
}

static void
expect_changed(struct scene *scene, uint64_t attempt)
{
	struct relay_world *world = &scene->world;
	unsigned reports = world->reports;

	relay_world_link_mime(world);
	deliver(world, attempt, BODY);
	relay_world_rework(world, REWORK_DONE, BYTES(OTHER));
	WAIT_UNTIL(world, world->reports == reports + 1);
	assert_int_equal(world->seen[reports].fates[0].fate, FATE_DELIVERED);
}

/* As after a start at which mime doesn't come: 30 s, which are one here. */
static void
test_absent_from_the_first(void **state)
{
	struct scene *scene = open_alone(kind, HURRY);
	struct relay_world *world = &scene->world;

	world->profile.signature_text = BYTES("sig");
	world->profile.connections = 5;
	relay_world_deliver(world, 1, "a@x", BODY);
	relay_world_deliver(world, 2, "b@x", BODY);
	expect_absent(world, 2);
	assert_int_equal(scene->server.messages, 0);
	expect_changed(scene, 3);
	assert_string_equal(scene->server.data.bytes, OTHER);
	close_scene(scene);
}

/* It dies, and does not come back. */
static void
test_absent_after_a_death(void **state)
{
	struct scene *scene = open_alone(kind, HURRY);
	struct relay_world *world = &scene->world;

	world->profile.signature_text = BYTES("sig");
	relay_world_link_mime(world);
	relay_world_settle(world);
	die(world);
	relay_world_deliver(world, 1, "a@x", BODY);
	expect_absent(world, 1);
	assert_int_equal(scene->server.messages, 0);
	expect_changed(scene, 2);
	close_scene(scene);
}

/* A message that needs no change has no need of mime. */
static void
test_absent_and_not_needed(void **state)
{
	struct scene *scene = open_alone(seven_bits, HURRY);
	struct relay_world *world = &scene->world;

	world->has_8bit = true;
	relay_world_deliver(world, 1, "a@x", BYTES("Subject: x\r\n\r\n\xc3\xbc\r\n"));
	expect_absent(world, 1);
	world->has_8bit = false;
	relay_world_deliver(world, 2, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 2);
	assert_int_equal(world->seen[1].fates[0].fate, FATE_DELIVERED);
	assert_int_equal(scene->server.messages, 1);
	close_scene(scene);
}

static void
test_absent_for_a_capture(void **state)
{
	struct scene *scene = open_alone(kind, HURRY);
	struct relay_world *world = &scene->world;

	world->profile.signature_text = BYTES("sig");
	world->profile.capture = "caught";
	relay_world_deliver(world, 1, "a@x", BODY);
	expect_absent(world, 1);
	expect_changed(scene, 2);
	close_scene(scene);
}

/* A profile's test asks for the same; if mime ends, so does the test. */
static void
test_of_a_profile(void **state)
{
	struct scene *scene = open_signing();
	struct relay_world *world = &scene->world;

	relay_world_ask(world, "/v1/profiles/office/test", "{\"to\":\"t@x\"}");
	WAIT_UNTIL(world, world->orders == 1 && world->is_mime_body_whole);
	assert_string_equal(world->order.signature, "sig");
	relay_world_rework(world, REWORK_DONE, BYTES(OTHER));
	WAIT_UNTIL(world, world->status == 200);
	assert_non_null(strstr(world->result, "\"ok\":true"));
	assert_string_equal(scene->server.data.bytes, OTHER);
	relay_world_ask(world, "/v1/profiles/office/test", "{\"to\":\"t@x\"}");
	WAIT_UNTIL(world, world->orders == 2 && world->is_mime_body_whole);
	die(world);
	WAIT_UNTIL(world, world->status == 200);
	assert_non_null(strstr(world->result, "\"ok\":false"));
	assert_non_null(strstr(world->result, "The mime process ended"));
	assert_int_equal(world->reports, 0);
	close_scene(scene);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_there_and_back),
	    cmocka_unit_test(test_large_there_and_back),
	    cmocka_unit_test(test_one_at_a_time),
	    cmocka_unit_test(test_seven_bits),
	    cmocka_unit_test(test_death_with_a_message),
	    cmocka_unit_test(test_death_with_others),
	    cmocka_unit_test(test_abort),
	    cmocka_unit_test(test_changed_profile),
	    cmocka_unit_test(test_connection_ends_meanwhile),
	    cmocka_unit_test(test_each_on_a_connection_of_its_own),
	    cmocka_unit_test(test_what_mime_must_not_say),
	    cmocka_unit_test(test_capture),
	    cmocka_unit_test(test_absent_from_the_first),
	    cmocka_unit_test(test_absent_after_a_death),
	    cmocka_unit_test(test_absent_and_not_needed),
	    cmocka_unit_test(test_absent_for_a_capture),
	    cmocka_unit_test(test_of_a_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
