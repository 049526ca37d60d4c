/* The thread beside the loop: what goes together, what keeps its order, and who is waited for. */
#include "daemon/queue/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#define JOBS_MAX 16
#define BATCHES_MAX 64

struct bench {
	struct loop *loop;
	struct worker *worker;
	struct job jobs[JOBS_MAX];
	unsigned done;
	int order[JOBS_MAX];
	int run_ms;                  /* how long a batch takes */
	unsigned sizes[BATCHES_MAX]; /* of the batches; the thread's until all is done */
	unsigned batches;
};

static void
sleep_ms(int ms)
{
	struct timespec time = {.tv_nsec = ms * 1000000L};

	(void)nanosleep(&time, NULL);
}

static void
run(struct list *batch, void *ctx)
{
	struct bench *bench = ctx;
	unsigned size = 0;

	LIST_EACH (batch, at)
		size++;
	bench->sizes[bench->batches++ % BATCHES_MAX] = size;
	sleep_ms(bench->run_ms);
}

static void
on_done(struct job *job)
{
	struct bench *bench = job->ctx;

	bench->order[bench->done++] = job->kind;
}

static const struct worker_ops ops = {.run = run, .gathers = true};

static int
set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	bench->loop = loop_new();
	bench->worker = worker_start(bench->loop, &ops, bench);
	*state = bench;
	return 0;
}

static int
tear_down(void **state)
{
	struct bench *bench = *state;

	if (bench->worker != NULL)
		worker_stop(bench->worker);
	loop_free(bench->loop);
	free(bench);
	return 0;
}

static void
post(struct bench *bench, int number, enum urgency urgency)
{
	bench->jobs[number] =
	    (struct job){.on_done = on_done, .ctx = bench, .kind = number, .urgency = urgency};
	worker_post(bench->worker, &bench->jobs[number]);
}

static void
wait_for(struct bench *bench, unsigned count)
{
	for (int i = 0; i < 500 && bench->done < count; i++)
		loop_turn(bench->loop, 20);
	assert_int_equal(bench->done, count);
}

static void
test_writes_keep_their_order_and_lazy_ones_go_with_urgent_ones(void **state)
{
	struct bench *bench = *state;

	post(bench, 0, JOB_WRITES_LAZILY);
	post(bench, 1, JOB_WRITES_LAZILY);
	post(bench, 2, JOB_WRITES);
	wait_for(bench, 3);
	assert_int_equal(bench->batches, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(bench->order[i], i);
}

static void
test_a_lazy_write_alone_goes_by_itself(void **state)
{
	struct bench *bench = *state;

	post(bench, 0, JOB_WRITES_LAZILY);
	wait_for(bench, 1);
}

static void
test_what_was_posted_is_done_before_the_end(void **state)
{
	struct bench *bench = *state;

	bench->run_ms = 5;
	for (int i = 0; i < 8; i++)
		post(bench, i, i % 2 == 0 ? JOB_WRITES : JOB_WRITES_LAZILY);
	worker_stop(bench->worker);
	bench->worker = NULL;
	assert_int_equal(bench->done, 8);
}

/* Three that came together come again, one after the other: if runs are slow, the first waits for
 * the two. On a busy machine the others may come too late; once is proof. */
static void
test_a_slow_run_waits_for_those_who_were_just_answered(void **state)
{
	struct bench *bench = *state;
	bool is_seen = false;

	bench->run_ms = 40;
	for (int i = 0; i < 20 && !is_seen; i++) {
		for (int n = 0; n < 4; n++)
			post(bench, n, JOB_WRITES);
		wait_for(bench, 4);
		bench->done = bench->batches = 0;
		post(bench, 0, JOB_WRITES);
		sleep_ms(2);
		post(bench, 1, JOB_WRITES);
		post(bench, 2, JOB_WRITES);
		wait_for(bench, 3);
		is_seen = bench->batches == 1 && bench->sizes[0] == 3;
		bench->done = bench->batches = 0;
	}
	assert_true(is_seen);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_writes_keep_their_order_and_lazy_ones_go_with_urgent_ones, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_a_lazy_write_alone_goes_by_itself, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_what_was_posted_is_done_before_the_end, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_a_slow_run_waits_for_those_who_were_just_answered, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
