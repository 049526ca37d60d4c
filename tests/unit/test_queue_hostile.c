/*
 * Peers of the queue that do what their contract forbids: their link ends, what was promised is
 * kept, and the next peer is served.
 */
#include "daemon/queue/ids.h"
#include "tests/lib/queue_rig.h"
#include "tests/lib/queue_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int
set_up(void **state)
{
	struct queue_world *world = malloc(sizeof(*world));

	world_init(world);
	*state = world;
	/* Room for 2 * 1 + 100 messages of an smtpd. */
	assert_true(world_start(world, NULL));
	world_send_routes(world, 1);
	return 0;
}

static int
tear_down(void **state)
{
	world_fini(*state);
	free(*state);
	return 0;
}

static bool
is_smtpd_gone(struct queue_world *world)
{
	return world->smtpd == NULL;
}

static bool
is_relay_gone(struct queue_world *world)
{
	return world->relay == NULL;
}

static bool
are_both_whole(struct queue_world *world)
{
	return world->delivery_count == 2 && world->deliveries[0].is_whole &&
	       world->deliveries[1].is_whole;
}

static void
send_piece(struct queue_world *world, uint64_t id, size_t size)
{
	static uint8_t bytes[STREAM_CREDIT];
	struct msg_body body = {.stream = id, .bytes = {.at = bytes, .size = (uint32_t)size}};

	memset(bytes, 'y', sizeof(bytes));
	link_send(world->smtpd, MSG_BODY, &body);
}

/* What was there before goes out as it was taken, and a new smtpd is served. */
static void
check_harmless(struct queue_world *world, uint64_t id, size_t size)
{
	assert_true(world_wait(world, is_smtpd_gone));
	world_connect_smtpd(world);
	(void)world_submit(world, 1, 500, 3);
	assert_int_equal(world->committed, COMMIT_STORED);
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait(world, are_both_whole));
	for (unsigned i = 0; i < 2; i++) {
		const struct world_delivery *delivery = &world->deliveries[i];

		if (delivery->message_id != id)
			continue;
		assert_int_equal(delivery->body.size, size);
		assert_memory_equal(delivery->body.bytes, "From: Shop", 10);
		assert_null(memchr(delivery->body.bytes, 'y', size));
		assert_int_equal(delivery->body.bytes[size - 1], 'x');
	}
}

static void
test_id_of_a_stored_message_is_used_again(void **state)
{
	struct queue_world *world = *state;
	uint64_t id = world_submit(world, 1, 300000, 3);

	for (int i = 0; i < 3; i++)
		send_piece(world, id, 65536);
	check_harmless(world, id, 300000);
}

static void
test_id_of_an_aborted_message_is_used_again(void **state)
{
	struct queue_world *world = *state;
	uint64_t id = world_submit(world, 1, 500, 3);
	struct msg_abort abort = {.stream = world->next_id};

	/* An id that was given up before a byte was sent. */
	link_send(world->smtpd, MSG_ABORT, &abort);
	send_piece(world, world->next_id, 100);
	check_harmless(world, id, 500);
}

static void
test_id_of_another(void **state)
{
	struct queue_world *world = *state;
	uint64_t id = world_submit(world, 1, 500, 3);

	send_piece(world, world->end_id + 100000, 100);
	check_harmless(world, id, 500);
}

static void
test_more_than_its_credit(void **state)
{
	struct queue_world *world = *state;
	uint64_t id = world_submit(world, 1, 500, 3);

	/* Faster than a disk can take it. */
	for (int i = 0; i < 200; i++)
		send_piece(world, world->next_id, STREAM_CREDIT);
	check_harmless(world, id, 500);
}

static void
test_more_messages_than_clients(void **state)
{
	struct queue_world *world = *state;
	uint64_t id = world_submit(world, 1, 500, 3);

	for (unsigned i = 0; i < 102; i++)
		send_piece(world, world->next_id + i, 100);
	world_settle(world, 100);
	assert_non_null(world->smtpd);
	send_piece(world, world->next_id + 102, 100);
	check_harmless(world, id, 500);
}

static void
list_attempts(struct queue_world *world, uint64_t message_id, uint64_t attempt)
{
	struct rec_attempt listed = {message_id, attempt};

	world_connect_relay(world, &listed, 1);
}

static void
test_relay_lists_what_it_was_not_given(void **state)
{
	struct queue_world *world = *state;

	(void)world_submit(world, 1, 500, 3);
	list_attempts(world, 5, UINT64_MAX);
	assert_true(world_wait(world, is_relay_gone));
	list_attempts(world, 0, 1);
	assert_true(world_wait(world, is_relay_gone));
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait_deliveries(world, 1));
	/* It has said what it had. */
	link_send(world->relay, MSG_IN_FLIGHT, &(struct msg_in_flight){.is_last = true});
	assert_true(world_wait(world, is_relay_gone));
	assert_int_equal(world_call(world, "GET", "/v1/queue", ""), 200);
}

static void
test_relay_lists_without_end(void **state)
{
	struct queue_world *world = *state;
	struct msg_list_builder builder = {0};
	struct msg_in_flight in_flight = {.is_last = false};

	(void)world_submit(world, 1, 500, 3);
	for (unsigned i = 1; i <= 10000; i++)
		message_list_add(&builder, REC_ATTEMPT, &(struct rec_attempt){i, i});
	in_flight.attempts = message_list_value(&builder);
	world_connect_relay_unready(world);
	for (int i = 0; i < 11; i++)
		link_send(world->relay, MSG_IN_FLIGHT, &in_flight);
	message_list_fini(&builder);
	assert_true(world_wait(world, is_relay_gone));
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait_deliveries(world, 1));
}

/* ---- which ids were used ---- */

static void
on_more(void *ctx)
{
	*(bool *)ctx = true;
}

static void
test_each_id_is_used_once(void **state)
{
	struct queue_rig rig;
	bool has_more = false;
	struct ids *ids;
	uint64_t first, other;

	rig_init(&rig);
	assert_true(rig_open(&rig));
	ids = ids_new(rig.storage, on_more, &has_more);
	assert_int_equal(ids_take_block(ids, 1), 0);
	assert_true(rig_wait(&rig, &has_more, 5000));
	first = ids_take_block(ids, 1);
	other = ids_take_block(ids, 2);
	assert_int_equal(ids_use(ids, first - 1, 1), IDS_FOREIGN);
	assert_int_equal(ids_use(ids, first, 2), IDS_FOREIGN);
	assert_int_equal(ids_use(ids, other + IDS_BLOCK, 2), IDS_FOREIGN);
	assert_int_equal(ids_use(ids, UINT64_MAX, 2), IDS_FOREIGN);
	for (uint64_t i = 0; i < IDS_BLOCK; i++)
		assert_int_equal(ids_use(ids, first + i * 7 % IDS_BLOCK, 1), IDS_FIRST);
	assert_int_equal(ids_use(ids, first, 1), IDS_CLOSED);
	assert_int_equal(ids_use(ids, other + 5, 2), IDS_FIRST);
	assert_int_equal(ids_use(ids, other + 5, 2), IDS_AGAIN);
	ids_forget_owner(ids, 2);
	assert_int_equal(ids_use(ids, other + 6, 2), IDS_CLOSED);
	rig_close(&rig);
	ids_free(ids);
	rig_fini(&rig);
}

/* Who uses one id of every block can't make us remember all blocks. */
static void
test_oldest_blocks_are_closed(void **state)
{
	struct queue_rig rig;
	bool has_more = false;
	struct ids *ids;
	uint64_t firsts[IDS_OPEN_MAX + 2];

	rig_init(&rig);
	assert_true(rig_open(&rig));
	ids = ids_new(rig.storage, on_more, &has_more);
	for (size_t i = 0; i < IDS_OPEN_MAX + 2; i++) {
		while ((firsts[i] = ids_take_block(ids, 1)) == 0) {
			has_more = false;
			assert_true(rig_wait(&rig, &has_more, 5000));
		}
		if (i != 0)
			assert_int_equal(ids_use(ids, firsts[i], 1), IDS_FIRST);
	}
	assert_int_equal(ids_use(ids, firsts[0], 1), IDS_CLOSED);
	assert_int_equal(ids_use(ids, firsts[1] + 1, 1), IDS_CLOSED);
	assert_int_equal(ids_use(ids, firsts[2] + 1, 1), IDS_FIRST);
	rig_close(&rig);
	ids_free(ids);
	rig_fini(&rig);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(id_of_a_stored_message_is_used_again),
	    T(id_of_an_aborted_message_is_used_again),
	    T(id_of_another),
	    T(more_than_its_credit),
	    T(more_messages_than_clients),
	    T(relay_lists_what_it_was_not_given),
	    T(relay_lists_without_end),
	    cmocka_unit_test(test_each_id_is_used_once),
	    cmocka_unit_test(test_oldest_blocks_are_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
