/* The pool: work runs off the loop, its end arrives on the loop, too much is refused at once. */
#include "daemon/core/loop.h"
#include "daemon/core/pool.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct probe {
	sem_t started, may_end;
	pthread_t ran_on, done_on;
	int done;
};

static void
probe_init(struct probe *probe)
{
	*probe = (struct probe){0};
	assert_int_equal(sem_init(&probe->started, 0, 0), 0);
	assert_int_equal(sem_init(&probe->may_end, 0, 0), 0);
}

static void
work(void *ctx)
{
	struct probe *probe = ctx;

	probe->ran_on = pthread_self();
	(void)sem_post(&probe->started);
	while (sem_wait(&probe->may_end) != 0)
		;
}

static void
on_done(void *ctx)
{
	struct probe *probe = ctx;

	probe->done_on = pthread_self();
	probe->done++;
}

static void
wait_until_done(struct loop *loop, const struct probe *probe)
{
	for (int turn = 0; turn < 1000 && probe->done == 0; turn++)
		loop_turn(loop, 10);
	assert_int_equal(probe->done, 1);
}

static void
test_done_on_loop(void **state)
{
	struct loop *loop = loop_new();
	struct pool *pool = pool_new(loop, 2, 4);
	struct probe probe;

	probe_init(&probe);
	(void)sem_post(&probe.may_end);
	assert_true(pool_submit(pool, work, on_done, &probe));
	assert_int_equal(probe.done, 0);
	wait_until_done(loop, &probe);
	assert_false(pthread_equal(probe.ran_on, pthread_self()));
	assert_true(pthread_equal(probe.done_on, pthread_self()));
	pool_free(pool);
	loop_free(loop);
}

static void
test_overflow_is_refused(void **state)
{
	struct loop *loop = loop_new();
	struct pool *pool = pool_new(loop, 1, 2);
	struct probe probes[4];

	for (int i = 0; i < 4; i++)
		probe_init(&probes[i]);
	assert_true(pool_submit(pool, work, on_done, &probes[0]));
	while (sem_wait(&probes[0].started) != 0)
		;
	/* The only thread is busy: two may wait, the third is one too many. */
	assert_true(pool_submit(pool, work, on_done, &probes[1]));
	assert_true(pool_submit(pool, work, on_done, &probes[2]));
	assert_false(pool_submit(pool, work, on_done, &probes[3]));
	for (int i = 0; i < 3; i++)
		(void)sem_post(&probes[i].may_end);
	for (int i = 0; i < 3; i++)
		wait_until_done(loop, &probes[i]);
	assert_int_equal(probes[3].done, 0);
	pool_free(pool);
	loop_free(loop);
}

static void
test_free_finishes_everything(void **state)
{
	struct loop *loop = loop_new();
	struct pool *pool = pool_new(loop, 1, 8);
	struct probe probes[5];

	for (int i = 0; i < 5; i++) {
		probe_init(&probes[i]);
		(void)sem_post(&probes[i].may_end);
		assert_true(pool_submit(pool, work, on_done, &probes[i]));
	}
	pool_free(pool);
	for (int i = 0; i < 5; i++)
		assert_int_equal(probes[i].done, 1);
	loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_done_on_loop),
	    cmocka_unit_test(test_overflow_is_refused),
	    cmocka_unit_test(test_free_finishes_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
