/* The pace of transfers: the bucket, who goes first, and a random crowd against a simple model. */
#include "daemon/relay/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define MIB (1u << 20)

static void
join_and_begin(struct pace *pace, struct pace_transfer *transfer, uint8_t priority, int64_t now_ms)
{
	pace_join(pace, transfer, priority, now_ms);
	pace_begin(pace, transfer, now_ms);
	transfer->can_move = true;
}

/* Everything that may go until then, asked for when pace_wait_ms() says so. */
static uint64_t
bytes_until(struct pace *pace, int64_t from_ms, int64_t until_ms)
{
	uint64_t sum = 0;
	uint32_t bytes;

	for (int64_t now_ms = from_ms; now_ms <= until_ms;) {
		while (pace_next(pace, now_ms, &bytes) != NULL) {
			pace_spend(pace, bytes);
			sum += bytes;
		}
		assert_true(pace_wait_ms(pace, now_ms) > 0);
		now_ms += pace_wait_ms(pace, now_ms);
	}
	return sum;
}

static void
test_rates(void **state)
{
	static const uint64_t rates[] = {
	    1024, 1500, 10000, 65537, MIB, 100 * MIB, UINT64_C(1) << 40};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct pace_transfer transfer;
		struct pace pace;
		uint64_t sum;

		pace_init(&pace);
		pace_set_rate(&pace, rates[i], 5000);
		join_and_begin(&pace, &transfer, 3, 5000);
		sum = bytes_until(&pace, 5000, 15000);
		assert_in_range(sum, rates[i] * 10 - 1024, rates[i] * 10 + rates[i] / 32 + 65536);
	}
}

static void
test_no_rate(void **state)
{
	struct pace_transfer low, high;
	struct pace pace;
	uint32_t bytes;

	pace_init(&pace);
	join_and_begin(&pace, &low, 5, 0);
	join_and_begin(&pace, &high, 1, 0);
	assert_ptr_equal(pace_next(&pace, 0, &bytes), &low);
	assert_int_equal(bytes, UINT32_MAX);
	pace_spend(&pace, bytes);
	assert_ptr_equal(pace_next(&pace, 0, &bytes), &high);
	assert_int_equal(pace_wait_ms(&pace, 0), 0);
	low.can_move = high.can_move = false;
	assert_int_equal(pace_wait_ms(&pace, 0), -1);
}

static void
test_lower_stands_still_and_goes_on(void **state)
{
	struct pace_transfer low, high;
	struct pace pace;
	uint32_t bytes;

	pace_init(&pace);
	pace_set_rate(&pace, MIB, 0);
	join_and_begin(&pace, &low, 4, 0);
	assert_ptr_equal(pace_next(&pace, 0, &bytes), &low);
	pace_join(&pace, &high, 2, 0); /* it has a connection, and says MAIL */
	assert_null(pace_next(&pace, 0, &bytes));
	pace_begin(&pace, &high, 100);
	high.can_move = true;
	assert_ptr_equal(pace_next(&pace, 100, &bytes), &high);
	assert_ptr_equal(pace_next(&pace, 100, &bytes), &high);
	pace_leave(&pace, &high, 200);
	assert_ptr_equal(pace_next(&pace, 200, &bytes), &low);
	assert_int_equal(low.paused_ms, 200);
	pace_leave(&pace, &low, 300);
	pace_leave(&pace, &low, 300); /* which is allowed */
}

/* The sum counts, over several who went before. */
static void
test_pause_is_used_up(void **state)
{
	struct pace_transfer low, high;
	struct pace pace;
	uint32_t bytes;

	pace_init(&pace);
	pace_set_rate(&pace, MIB, 0);
	join_and_begin(&pace, &low, 5, 0);
	join_and_begin(&pace, &high, 3, 0);
	pace_leave(&pace, &high, 50000);
	join_and_begin(&pace, &high, 1, 70000);
	high.can_move = false; /* its upstream is slow: it counts all the same */
	assert_null(pace_next(&pace, 70000, &bytes));
	assert_int_equal(pace_wait_ms(&pace, 70000), 10000);
	assert_null(pace_next(&pace, 79999, &bytes));
	assert_ptr_equal(pace_next(&pace, 80000, &bytes), &low);
	high.can_move = true;
	assert_ptr_equal(pace_next(&pace, 80000, &bytes), &high);
	assert_ptr_equal(pace_next(&pace, 80000, &bytes), &low);
	pace_leave(&pace, &high, 80000);
	join_and_begin(&pace, &high, 1, 90000);
	assert_ptr_equal(pace_next(&pace, 90000, &bytes), &low);
}

/* A profile that changes while something is on its way. */
static void
test_rate_that_changes(void **state)
{
	struct pace_transfer low, high;
	struct pace pace;
	uint32_t bytes;

	pace_init(&pace);
	join_and_begin(&pace, &low, 5, 0);
	join_and_begin(&pace, &high, 1, 0);
	pace_set_rate(&pace, 2048, 1000);
	assert_ptr_equal(pace_next(&pace, 1000, &bytes), &high);
	pace_spend(&pace, bytes);
	assert_null(pace_next(&pace, 1000, &bytes));
	assert_int_equal(pace_wait_ms(&pace, 1000), 500);
	pace_set_rate(&pace, 0, 1100);
	assert_ptr_equal(pace_next(&pace, 1100, &bytes), &low);
	assert_int_equal(low.paused_ms, 100);
}

/* What dot-stuffing adds is paid back. */
static void
test_more_than_was_there(void **state)
{
	struct pace_transfer transfer;
	struct pace pace;
	uint32_t bytes;

	pace_init(&pace);
	pace_set_rate(&pace, 1024, 0);
	join_and_begin(&pace, &transfer, 3, 0);
	assert_non_null(pace_next(&pace, 0, &bytes));
	pace_spend(&pace, bytes + 512);
	assert_null(pace_next(&pace, 1499, &bytes));
	assert_non_null(pace_next(&pace, 1500, &bytes));
}

/* ---- a crowd ---- */

#define CROWD 12

/* What a transfer must have, by the rules alone. */
struct member {
	struct pace_transfer transfer;
	bool is_there;
	int64_t left_bytes;
	int64_t still_ms;     /* while somebody of a higher priority was there */
	int64_t served_at_ms; /* or when it could move again */
};

struct crowd {
	struct pace pace;
	struct member members[CROWD];
	int64_t now_ms;
	int64_t owed;  /* thousandths of bytes that are ahead of the rate */
	int64_t burst; /* in the same */
};

static int
below(int limit)
{
	return rand() %
	       limit; /* NOLINT(cert-msc30-c,cert-msc50-cpp): a test that can be repeated */
}

static bool
has_higher(const struct crowd *crowd, const struct member *member)
{
	for (unsigned i = 0; i < CROWD; i++)
		if (crowd->members[i].is_there &&
		    crowd->members[i].transfer.priority < member->transfer.priority)
			return true;
	return false;
}

static bool
may_move(const struct crowd *crowd, const struct member *member)
{
	return member->is_there && member->transfer.can_move &&
	       (!has_higher(crowd, member) || member->still_ms >= PACE_PAUSE_MAX_MS);
}

static void
pass_time(struct crowd *crowd, int64_t ms)
{
	for (unsigned i = 0; i < CROWD; i++) {
		struct member *member = &crowd->members[i];

		if (!member->is_there || !member->transfer.has_begun)
			continue;
		if (!may_move(crowd, member))
			member->served_at_ms = crowd->now_ms + ms;
		if (has_higher(crowd, member))
			member->still_ms += ms;
	}
	crowd->now_ms += ms;
	crowd->owed -= ms * (int64_t)crowd->pace.rate;
	if (crowd->owed < 0)
		crowd->owed = 0;
}

static void
serve(struct crowd *crowd, struct member *member, uint32_t bytes)
{
	assert_true(may_move(crowd, member));
	crowd->owed += (int64_t)bytes * 1000;
	assert_true(crowd->owed <= crowd->burst);
	pace_spend(&crowd->pace, bytes);
	member->served_at_ms = crowd->now_ms;
	member->left_bytes -= bytes;
	if (member->left_bytes > 0)
		return;
	pace_leave(&crowd->pace, &member->transfer, crowd->now_ms);
	member->is_there = false;
}

/* Whoever may move gets its turn: a piece of each of the others goes before at the most. */
static void
check_nobody_starves(const struct crowd *crowd)
{
	int64_t piece =
	    (int64_t)crowd->pace.rate / 64 < 1024 ? 1024 : (int64_t)crowd->pace.rate / 64;
	int64_t round_ms = CROWD * (piece * 1000 / (int64_t)crowd->pace.rate + 2) + 2;

	for (unsigned i = 0; i < CROWD; i++)
		if (may_move(crowd, &crowd->members[i]))
			assert_true(crowd->now_ms - crowd->members[i].served_at_ms <= 2 * round_ms);
}

static void
change_somebody(struct crowd *crowd)
{
	struct member *member = &crowd->members[below(CROWD)];

	if (!member->is_there) {
		*member = (struct member){.is_there = true,
		    .left_bytes = 1 + below((int)crowd->pace.rate * (below(8) == 0 ? 100 : 1))};
		pace_join(&crowd->pace, &member->transfer, (uint8_t)(1 + below(5)), crowd->now_ms);
	} else if (!member->transfer.has_begun) {
		pace_begin(&crowd->pace, &member->transfer, crowd->now_ms);
		member->transfer.can_move = true;
	} else if (below(4) == 0) {
		member->transfer.can_move = !member->transfer.can_move;
	} else if (below(50) == 0) {
		pace_leave(&crowd->pace, &member->transfer, crowd->now_ms);
		member->is_there = false;
	}
	member->served_at_ms = crowd->now_ms;
}

static void
run_crowd(unsigned seed)
{
	struct crowd crowd = {.now_ms = 1};
	uint64_t rate;

	srand(seed);
	rate = 1024u << below(10);
	pace_init(&crowd.pace);
	pace_set_rate(&crowd.pace, rate, crowd.now_ms);
	crowd.burst = (rate / 32 < 1024 ? 1024 : (int64_t)rate / 32) * 1000;
	for (unsigned step = 0; step < 2000; step++) {
		struct pace_transfer *next;
		int64_t wait_ms;
		uint32_t bytes;

		while ((next = pace_next(&crowd.pace, crowd.now_ms, &bytes)) != NULL)
			serve(&crowd, LIST_ENTRY(next, struct member, transfer), bytes);
		check_nobody_starves(&crowd);
		wait_ms = pace_wait_ms(&crowd.pace, crowd.now_ms);
		if (wait_ms < 0 || below(3) == 0) {
			pass_time(&crowd, wait_ms < 0 ? 1 + below(5000) : below((int)wait_ms + 1));
			change_somebody(&crowd);
		} else {
			pass_time(&crowd, wait_ms);
		}
	}
}

static void
test_crowd(void **state)
{
	for (unsigned seed = 1; seed <= 300; seed++)
		run_crowd(seed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rates),
	    cmocka_unit_test(test_no_rate),
	    cmocka_unit_test(test_lower_stands_still_and_goes_on),
	    cmocka_unit_test(test_pause_is_used_up),
	    cmocka_unit_test(test_rate_that_changes),
	    cmocka_unit_test(test_more_than_was_there),
	    cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
