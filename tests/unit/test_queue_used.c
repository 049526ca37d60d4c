/*
 * What users have sent, on disk: counted in the commits of the messages, swept, and the messages
 * that wait for their user's limit; and what profiles have booked.
 */
#include "tests/lib/faultvfs.h"
#include "tests/lib/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define START INT64_C(1772323200000)

static int
set_up(void **state)
{
	struct queue_rig *rig = malloc(sizeof(*rig));

	rig_init(rig);
	*state = rig;
	return 0;
}

static int
tear_down(void **state)
{
	faultvfs_fail_sync(0);
	rig_fini(*state);
	free(*state);
	return 0;
}

static struct mail *
load(struct queue_rig *rig, uint64_t id)
{
	struct load_job job = {.message_id = id};

	assert_int_equal(rig_do(rig, STORE_LOAD, JOB_READS, &job), JOB_DONE);
	return job.mail_out;
}

static bool
is_there(struct queue_rig *rig, uint64_t id)
{
	struct mail *mail = load(rig, id);
	bool is = mail != NULL;

	free(mail);
	return is;
}

static enum job_outcome
insert_counted(struct queue_rig *rig, uint64_t id, uint64_t user_id, int64_t at_ms, unsigned count)
{
	struct mail *mail = rig_mail(id, count);
	struct insert_job job = {.mail = mail, .charge = {user_id, at_ms, {1, count}}};
	enum job_outcome outcome = rig_do(rig, STORE_INSERT, JOB_WRITES, &job);

	free(mail);
	return outcome;
}

/* The messages and recipients of a user's slots of one width. */
static struct usage_count
used(struct queue_rig *rig, uint64_t user_id, int64_t slot_ms, uint32_t *slots_out)
{
	struct used_job job = {0};
	struct usage_count sum = {0};

	assert_int_equal(rig_do(rig, STORE_LOAD_USED, JOB_READS, &job), JOB_DONE);
	*slots_out = 0;
	for (uint32_t i = 0; i < job.row_count_out; i++) {
		if (job.rows_out[i].user_id != user_id || job.rows_out[i].slot_ms != slot_ms)
			continue;
		(*slots_out)++;
		sum.messages += job.rows_out[i].count.messages;
		sum.recipients += job.rows_out[i].count.recipients;
	}
	free(job.rows_out);
	free(job.waiting_out);
	return sum;
}

static void
check_used(struct queue_rig *rig, uint64_t user_id, int64_t slot_ms, uint32_t slots,
    uint32_t messages, uint32_t recipients)
{
	uint32_t count;
	struct usage_count sum = used(rig, user_id, slot_ms, &count);

	assert_int_equal(count, slots);
	assert_int_equal(sum.messages, messages);
	assert_int_equal(sum.recipients, recipients);
}

static void
test_message_counts_in_its_own_commit(void **state)
{
	struct queue_rig *rig = *state;
	uint64_t id = 1 << 30;

	assert_true(rig_open(rig));
	assert_int_equal(insert_counted(rig, id++, 7, START, 3), JOB_DONE);
	assert_int_equal(insert_counted(rig, id++, 7, START + 59999, 1), JOB_DONE);
	assert_int_equal(insert_counted(rig, id++, 7, START + 60000, 1), JOB_DONE);
	assert_int_equal(insert_counted(rig, id++, 8, START, 2), JOB_DONE);
	/* Not counted at all. */
	assert_int_equal(insert_counted(rig, id++, 0, START, 2), JOB_DONE);
	/* Refused: its id is taken. */
	assert_int_equal(insert_counted(rig, 1 << 30, 7, START, 5), JOB_FAILED);
	faultvfs_fail_sync(1);
	assert_int_equal(insert_counted(rig, id++, 7, START, 9), JOB_FAILED);
	faultvfs_fail_sync(0);
	rig_close(rig);
	assert_true(rig_open(rig));
	check_used(rig, 0, USAGE_MINUTE_MS, 0, 0, 0);
	/* What became of the last one nobody knows, but message and count agree. */
	if (is_there(rig, id - 1)) {
		check_used(rig, 7, USAGE_MINUTE_MS, 2, 4, 14);
	} else {
		check_used(rig, 7, USAGE_MINUTE_MS, 2, 3, 5);
		check_used(rig, 7, USAGE_HALF_HOUR_MS, 1, 3, 5);
	}
	check_used(rig, 8, USAGE_HALF_HOUR_MS, 1, 1, 2);
}

static void
test_sweep_forgets_what_is_over_and_gathers_the_future(void **state)
{
	struct queue_rig *rig = *state;
	struct used_job sweep = {.now_ms = START + 61 * USAGE_MINUTE_MS};
	uint64_t id = 1 << 30;

	assert_true(rig_open(rig));
	for (int i = 0; i < 200; i++)
		assert_int_equal(
		    insert_counted(rig, id++, 7, START + i * USAGE_MINUTE_MS, 2), JOB_DONE);
	assert_int_equal(rig_do(rig, STORE_SWEEP_USED, JOB_WRITES, &sweep), JOB_DONE);
	/* The clock was set back: 138 of the 199 later ones lie ahead, and count as sent now. */
	check_used(rig, 7, USAGE_MINUTE_MS, 61, 199, 398);
	check_used(rig, 7, USAGE_HALF_HOUR_MS, 3, 200, 400);
	sweep.now_ms = START + INT64_C(50) * 60 * USAGE_MINUTE_MS;
	assert_int_equal(rig_do(rig, STORE_SWEEP_USED, JOB_WRITES, &sweep), JOB_DONE);
	check_used(rig, 7, USAGE_MINUTE_MS, 0, 0, 0);
	check_used(rig, 7, USAGE_HALF_HOUR_MS, 0, 0, 0);
}

static void
insert_limited(struct queue_rig *rig, uint64_t id, unsigned recipients)
{
	struct mail *mail = rig_mail(id, recipients);

	mail->state = MAIL_LIMITED;
	assert_int_equal(rig_insert(rig, mail, "body"), JOB_DONE);
	free(mail);
}

static void
test_what_waits_for_a_limit_goes_in_order_as_it_fits(void **state)
{
	struct queue_rig *rig = *state;
	struct release_job job = {.user_id = 7,
	    .left = {3, 6},
	    .most = {10, 6},
	    .is_counted = true,
	    .charge = {.user_id = 7, .at_ms = START}};
	struct used_job load_job = {0};
	struct mail *mail;

	assert_true(rig_open(rig));
	insert_limited(rig, 1 << 30, 2);
	insert_limited(rig, (1 << 30) + 1, 5);
	insert_limited(rig, (1 << 30) + 2, 1);
	insert_limited(rig, (1 << 30) + 3, 20);
	assert_int_equal(rig_do(rig, STORE_LOAD_USED, JOB_READS, &load_job), JOB_DONE);
	assert_int_equal(load_job.waiting_count_out, 1);
	assert_int_equal(load_job.waiting_out[0], 7);
	free(load_job.waiting_out);

	/* The second has more recipients than are left, and is not overtaken. */
	assert_int_equal(rig_do(rig, STORE_RELEASE, JOB_WRITES, &job), JOB_DONE);
	assert_int_equal(job.count_out, 1);
	assert_false(job.is_last_out);
	check_used(rig, 7, USAGE_MINUTE_MS, 1, 1, 2);
	mail = load(rig, 1 << 30);
	assert_int_equal(mail->state, MAIL_WAITING);
	free(mail);
	mail = load(rig, (1 << 30) + 1);
	assert_int_equal(mail->state, MAIL_LIMITED);
	free(mail);

	job.count_out = 0;
	job.charge.count = (struct usage_count){0};
	assert_int_equal(rig_do(rig, STORE_RELEASE, JOB_WRITES, &job), JOB_DONE);
	assert_int_equal(job.count_out, 2);
	assert_false(job.is_last_out);
	check_used(rig, 7, USAGE_MINUTE_MS, 1, 3, 8);
	/* One that never fits goes when all is left. */
	job.count_out = 0;
	job.charge.count = (struct usage_count){0};
	assert_int_equal(rig_do(rig, STORE_RELEASE, JOB_WRITES, &job), JOB_DONE);
	assert_int_equal(job.count_out, 1);
	assert_true(job.is_last_out);
	/* The limit is gone: what goes is not counted. */
	insert_limited(rig, (1 << 30) + 4, 3);
	job = (struct release_job){
	    .user_id = 7, .left = {UINT32_MAX, UINT32_MAX}, .most = {UINT32_MAX, UINT32_MAX}};
	assert_int_equal(rig_do(rig, STORE_RELEASE, JOB_WRITES, &job), JOB_DONE);
	assert_int_equal(job.count_out, 1);
	check_used(rig, 7, USAGE_MINUTE_MS, 1, 4, 28);
}

static void
book(struct queue_rig *rig, uint64_t profile_id, int64_t slot, uint32_t messages)
{
	struct book_job job = {.profile_id = profile_id,
	    .lines = {{3600000, slot, {messages, 2 * messages}}},
	    .count = 1};

	assert_int_equal(rig_do(rig, STORE_BOOK, JOB_WRITES, &job), JOB_DONE);
}

/* A line replaces the one of its slot; what is over goes, what lies ahead is for now. */
static void
test_bookings_outlast_a_restart(void **state)
{
	struct queue_rig *rig = *state;
	struct load_booked_job job = {.now_ms = START};
	int64_t now = START / budget_slot_ms(3600000);

	assert_true(rig_open(rig));
	book(rig, 5, now - 61, 1);
	book(rig, 5, now - 60, 2);
	book(rig, 5, now, 3);
	book(rig, 5, now, 4);
	book(rig, 5, now + 3, 5);
	book(rig, 6, now + 5000, 6);
	book(rig, 7, now - 500, 7);
	rig_close(rig);
	assert_true(rig_open(rig));
	assert_int_equal(rig_do(rig, STORE_LOAD_BOOKED, JOB_WRITES, &job), JOB_DONE);
	assert_int_equal(job.row_count_out, 3);
	assert_int_equal(job.rows_out[0].line.slot, now - 60);
	assert_int_equal(job.rows_out[0].line.count.messages, 2);
	assert_int_equal(job.rows_out[1].line.slot, now);
	assert_int_equal(job.rows_out[1].line.count.messages, 9);
	assert_int_equal(job.rows_out[1].line.count.recipients, 18);
	assert_int_equal(job.rows_out[2].profile_id, 6);
	assert_int_equal(job.rows_out[2].line.slot, now);
	assert_int_equal(job.rows_out[2].line.period_ms, 3600000);
	free(job.rows_out);
}

static void
test_a_booking_sweeps_what_is_long_over(void **state)
{
	struct queue_rig *rig = *state;
	struct load_booked_job job = {.now_ms = 60000 * 61};

	assert_true(rig_open(rig));
	for (int64_t slot = 1; slot <= 150; slot++)
		book(rig, 5, slot, 1);
	assert_int_equal(rig_do(rig, STORE_LOAD_BOOKED, JOB_WRITES, &job), JOB_DONE);
	/* 28 were swept, 33 are there, and 89 ahead stand for now. */
	assert_int_equal(job.row_count_out, 33);
	assert_int_equal(job.rows_out[32].line.count.messages, 90);
	free(job.rows_out);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(message_counts_in_its_own_commit),
	    T(sweep_forgets_what_is_over_and_gathers_the_future),
	    T(what_waits_for_a_limit_goes_in_order_as_it_fits),
	    T(bookings_outlast_a_restart),
	    T(a_booking_sweeps_what_is_long_over),
	};

	faultvfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
