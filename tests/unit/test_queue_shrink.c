/* After a flood: the write-ahead log stayed bounded, and the database gives its room back, whether it
 * has a rest or not. */
#include "common/clock.h"
#include "tests/lib/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define MIB (1u << 20)
#define FLOOD 700 /* of 40 KB: 27 MiB */
#define FIRST_ID (UINT64_C(1) << 30)

static int
set_up(void **state)
{
	struct queue_rig *rig = malloc(sizeof(*rig));

	rig_init(rig);
	assert_true(rig_open(rig));
	*state = rig;
	return 0;
}

static int
tear_down(void **state)
{
	rig_fini(*state);
	free(*state);
	return 0;
}

static uint64_t
size_of(struct queue_rig *rig, const char *name)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", rig->directory, name);
	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void
insert(struct queue_rig *rig, uint64_t id, const char *body)
{
	struct mail *mail = rig_mail(id, 1);

	if (rig_insert(rig, mail, body) != JOB_DONE)
		fail_msg("%s", rig->reason);
	free(mail);
}

static void
settle(struct queue_rig *rig, uint64_t id)
{
	struct fate_job fate = {.message_id = id, .is_over = true};

	assert_int_equal(rig_do(rig, STORE_FATE, JOB_WRITES, &fate), JOB_DONE);
}

/* The rig's log is to be checkpointed at 1 MiB; the batch that goes over it is one message and
 * perhaps a slice of shrinking. */
static void
flood(struct queue_rig *rig)
{
	static char body[40000];

	memset(body, 'x', sizeof(body) - 1);
	for (uint64_t i = 0; i < FLOOD; i++) {
		insert(rig, FIRST_ID + i, body);
		assert_true(size_of(rig, "queue.db-wal") < 3 * MIB);
	}
	for (uint64_t i = 0; i < FLOOD; i++)
		settle(rig, FIRST_ID + i);
	assert_true(size_of(rig, "queue.db-wal") < 3 * MIB);
	assert_true(size_of(rig, "queue.db") > 24 * MIB);
}

static void
test_idle_queue_is_small_again_soon(void **state)
{
	struct queue_rig *rig = *state;
	int64_t until_ms;
	const bool never = false;

	flood(rig);
	until_ms = clock_monotonic_ms() + 15000;
	while (size_of(rig, "queue.db") > MIB && clock_monotonic_ms() < until_ms)
		(void)rig_wait(rig, &never, 100);
	assert_true(size_of(rig, "queue.db") <= MIB);
}

/* Never 50 ms without a message. */
static void
test_busy_queue_shrinks_too(void **state)
{
	struct queue_rig *rig = *state;
	static char body[20000];
	uint64_t before, id = FIRST_ID + FLOOD;
	int64_t until_ms;

	memset(body, 'y', sizeof(body) - 1);
	flood(rig);
	before = size_of(rig, "queue.db");
	until_ms = clock_monotonic_ms() + 20000;
	while (size_of(rig, "queue.db") > before - 3 * MIB && clock_monotonic_ms() < until_ms) {
		insert(rig, id, body);
		settle(rig, id++);
	}
	assert_true(size_of(rig, "queue.db") <= before - 3 * MIB);
}

/* What it is lengthened by holds nothing: messages from before and after it are there. */
static void
test_idle_log_is_as_long_as_it_gets(void **state)
{
	struct queue_rig *rig = *state;
	int64_t until_ms = clock_monotonic_ms() + 15000;
	const bool never = false;
	struct load_job job = {.message_id = FIRST_ID};

	/* Where there is little room it stays short: 1.3 s are more than a slice takes. */
	storage_set_room(rig->storage, 2 * MIB);
	insert(rig, FIRST_ID, "before");
	for (int turn = 0; turn < 65; turn++)
		(void)rig_wait(rig, &never, 20);
	assert_in_range(size_of(rig, "queue.db-wal"), 1, MIB);
	storage_set_room(rig->storage, 100 * MIB);
	while (size_of(rig, "queue.db-wal") < MIB + MIB / 8 && clock_monotonic_ms() < until_ms)
		(void)rig_wait(rig, &never, 20);
	assert_in_range(size_of(rig, "queue.db-wal"), MIB + MIB / 8, 3 * MIB);
	insert(rig, FIRST_ID + 1, "after");
	rig_close(rig);
	assert_true(rig_open(rig));
	for (; job.message_id < FIRST_ID + 2; job.message_id++) {
		assert_int_equal(rig_do(rig, STORE_LOAD, JOB_READS, &job), JOB_DONE);
		assert_non_null(job.mail_out);
		free(job.mail_out);
		job.mail_out = NULL;
	}
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(idle_queue_is_small_again_soon),
	    T(busy_queue_shrinks_too),
	    T(idle_log_is_as_long_as_it_gets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
