/* flow: users take turns, share by cost in the long run, and a single message waits for one of each
 * other's at most. */
#include "daemon/queue/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FLOWS_MAX 50

static struct {
	struct ring ring;
	struct flow flows[FLOWS_MAX];
	uint64_t next_id;
	unsigned idle;
} world;

static void
on_idle(struct flow *flow, void *ctx)
{
	assert_ptr_equal(ctx, &world);
	assert_int_equal(flow->where, FLOW_IDLE);
	world.idle++;
}

static void
begin(unsigned flows)
{
	memset(&world, 0, sizeof(world));
	world.next_id = 1;
	ring_init(&world.ring, on_idle, &world);
	for (unsigned i = 0; i < flows; i++) {
		flow_init(&world.flows[i], i, 3);
		flow_move(&world.flows[i], &world.ring);
	}
}

static void
add(unsigned at, uint64_t size, uint32_t recipients)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	entry->id = world.next_id++;
	entry->user_id = at;
	entry->size = size;
	entry->recipient_count = recipients;
	window_insert(&world.flows[at].window, entry);
	flow_place(&world.flows[at]);
}

/* Takes what goes next; gives its flow, -1: nothing is there. */
static int
go(uint64_t *cost_out)
{
	struct flow *flow = ring_turn(&world.ring);
	struct entry *entry = flow == NULL ? NULL : window_oldest(&flow->window);
	int at;

	if (entry == NULL)
		return -1;
	at = (int)entry->user_id;
	*cost_out = flow_cost(entry->size, entry->recipient_count);
	flow_charge(flow, *cost_out);
	window_remove(&flow->window, entry);
	free(entry);
	flow_place(flow);
	return at;
}

static void
end(void)
{
	uint64_t cost;

	while (go(&cost) >= 0)
		;
	assert_false(ring_is_waiting(&world.ring));
	for (int i = 0; i < FLOWS_MAX && world.flows[i].ring != NULL; i++)
		assert_int_equal(world.flows[i].where, FLOW_IDLE);
}

static void
test_small_messages_alternate(void **state)
{
	uint64_t cost;

	begin(3);
	for (unsigned i = 0; i < 90; i++)
		add(i / 30, 10240, 1);
	for (int i = 0, last = 2; i < 90; i++) {
		int at = go(&cost);

		assert_int_equal(at, (last + 1) % 3);
		last = at;
	}
	end();
}

/* Each user has enough: over some time all get about the same, whatever their messages are. */
static void
test_shares_by_cost(void **state)
{
	static const struct {
		uint64_t size;
		uint32_t recipients;
	} mails[] = {{1000, 1}, {10000, 1}, {300000, 1}, {2000, 50}, {5000000, 3}};
	uint64_t sent[5] = {0}, cost, total = 0;

	begin(5);
	for (unsigned i = 0; i < 5; i++)
		add(i, mails[i].size, mails[i].recipients);
	while (total < UINT64_C(500000000)) {
		int at = go(&cost);

		assert_in_range(at, 0, 4);
		sent[at] += cost;
		total += cost;
		add((unsigned)at, mails[at].size, mails[at].recipients);
	}
	/* One message and a quantum more or less. */
	for (int i = 0; i < 5; i++)
		assert_in_range(sent[i], total / 5 - 6000000, total / 5 + 6000000);
	end();
}

static void
test_single_message_waits_for_one_of_each(void **state)
{
	uint64_t cost;

	begin(10);
	for (unsigned i = 0; i < 9000; i++)
		add(i % 9, i % 9 == 0 ? 2000000 : 500, 1);
	for (unsigned round = 0; round < 50; round++) {
		unsigned others = 0;

		for (unsigned i = 0; i < 40; i++) /* more than a round */
			(void)go(&cost);
		add(9, 5000, 1);
		while (go(&cost) != 9)
			others++;
		assert_in_range(others, 0, 9);
	}
	end();
}

/* Whoever has one message after the other, large or small, does not get a share for each of them,
 * and keeps nobody else from the next round. */
static void
test_spent_credit_outlasts_an_empty_flow(void **state)
{
	static const uint64_t sizes[] = {6000, 1000000, 100};
	uint64_t cost, sent[3] = {0};

	begin(3);
	for (unsigned i = 0; i < 2000; i++)
		add(0, sizes[0], 1);
	add(1, sizes[1], 1);
	add(2, sizes[2], 1);
	for (unsigned i = 0; i < 2000; i++) {
		int at = go(&cost);

		sent[at] += cost;
		if (at > 0)
			add((unsigned)at, sizes[at], 1);
	}
	assert_in_range(sent[0], sent[1] - 1100000, sent[1] + 1100000);
	assert_in_range(sent[0], sent[2] - 100000, sent[2] + 100000);
	end();
	/* Nobody waits: what was owed is forgiven. */
	add(1, 100, 1);
	assert_int_equal(go(&cost), 1);
	end();
}

static void
test_flow_on_disk_holds_up_nobody(void **state)
{
	uint64_t cost;

	begin(2);
	world.flows[0].has_more = true;
	flow_place(&world.flows[0]);
	assert_true(ring_is_waiting(&world.ring));
	assert_null(ring_turn(&world.ring));
	assert_ptr_equal(ring_unread(&world.ring, 4), &world.flows[0]);
	add(1, 10, 1);
	assert_int_equal(go(&cost), 1);
	world.flows[0].is_loading = true;
	assert_null(ring_unread(&world.ring, 4));
	world.flows[0].is_loading = world.flows[0].has_more = false;
	add(0, 10, 1);
	assert_int_equal(go(&cost), 0);
	end();
	assert_true(world.idle >= 2);
}

static void
test_unread_are_read_in_turn(void **state)
{
	begin(6);
	for (unsigned i = 0; i < 6; i++) {
		world.flows[i].has_more = true;
		flow_place(&world.flows[i]);
	}
	for (unsigned i = 0; i < 4; i++) {
		struct flow *flow = ring_unread(&world.ring, 4);

		assert_ptr_equal(flow, &world.flows[i]);
		flow->is_loading = true;
	}
	assert_null(ring_unread(&world.ring, 4));
	world.flows[2].is_loading = world.flows[2].has_more = false;
	flow_place(&world.flows[2]);
	assert_ptr_equal(ring_unread(&world.ring, 4), &world.flows[4]);
}

static void
test_returned_is_not_paid_for(void **state)
{
	uint64_t cost = 0;

	begin(1);
	add(0, 1000000, 1);
	add(0, 1000000, 1);
	assert_int_equal(go(&cost), 0);
	assert_true(world.flows[0].credit < 0);
	flow_refund(&world.flows[0], cost);
	assert_int_equal(world.flows[0].credit, FLOW_QUANTUM);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_small_messages_alternate),
	    cmocka_unit_test(test_shares_by_cost),
	    cmocka_unit_test(test_single_message_waits_for_one_of_each),
	    cmocka_unit_test(test_spent_credit_outlasts_an_empty_flow),
	    cmocka_unit_test(test_flow_on_disk_holds_up_nobody),
	    cmocka_unit_test(test_unread_are_read_in_turn),
	    cmocka_unit_test(test_returned_is_not_paid_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
