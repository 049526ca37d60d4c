/* The journal's records, from outside and there and back, and its rows in queue.db. */
#include "daemon/queue/journal.h"

#include "common/clock.h"
#include "tests/lib/faultvfs.h"
#include "tests/lib/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>

#define FIRST (UINT64_C(1) << 30)

/* ---- records ---- */

static struct journal_record
attempt_record(void)
{
	return (struct journal_record){.kind = JOURNAL_ATTEMPT,
	    .message_id = FIRST,
	    .at_ms = 1700000005000,
	    .received_at_ms = 1700000000000,
	    .login = "shop",
	    .list = "web",
	    .profile = "office",
	    .sender = "shop@example.org",
	    .size = 70000,
	    .attempt = 77,
	    .end = JOURNAL_SOME_FAILED,
	    .upstream = "mx.example.net[192.0.2.9]:25",
	    .tls = "TLSv1.3",
	    .queue_ms = 5,
	    .connect_ms = 200,
	    .tls_ms = 3,
	    .send_ms = UINT32_MAX,
	    .row_count = 2};
}

static const struct journal_row rows[] = {
    {.index = 0,
	.fate = JOURNAL_DELIVERED,
	.code = 250,
	.address = "r0@example.net",
	.enhanced = "2.0.0",
	.reply = "Ok"},
    {.index = 9999,
	.fate = JOURNAL_EXPIRED,
	.address = "r1@example.net",
	.reply = "",
	.class = "mailbox-full",
	.rule = "mailbox-full-code"},
};

static void
write_attempt(struct buf *out)
{
	struct journal_record record = attempt_record();

	journal_write(out, &record);
	for (size_t i = 0; i < 2; i++)
		journal_add_row(out, JOURNAL_ATTEMPT, &rows[i]);
}

static void
test_attempt_there_and_back(void **state)
{
	struct buf bytes = {0};
	struct journal_record record;
	struct journal_row row;

	write_attempt(&bytes);
	assert_true(journal_read(bytes.bytes, bytes.size, &record));
	assert_int_equal(record.kind, JOURNAL_ATTEMPT);
	assert_int_equal(record.message_id, FIRST);
	assert_int_equal(record.at_ms, 1700000005000);
	assert_int_equal(record.end, JOURNAL_SOME_FAILED);
	assert_string_equal(record.profile, "office");
	assert_string_equal(record.upstream, "mx.example.net[192.0.2.9]:25");
	assert_int_equal(record.send_ms, UINT32_MAX);
	assert_string_equal(record.subject, "");
	assert_true(journal_next_row(&record, &row));
	assert_int_equal(row.code, 250);
	assert_string_equal(row.reply, "Ok");
	assert_true(journal_next_row(&record, &row));
	assert_int_equal(row.index, 9999);
	assert_int_equal(row.fate, JOURNAL_EXPIRED);
	assert_string_equal(row.address, "r1@example.net");
	assert_string_equal(row.enhanced, "");
	assert_string_equal(row.class, "mailbox-full");
	assert_string_equal(row.rule, "mailbox-full-code");
	assert_false(journal_next_row(&record, &row));
	buf_fini(&bytes);
}

/* Its rows end with the reply. */
static void
test_record_of_the_first_format_is_read(void **state)
{
	struct journal_record record = attempt_record();
	struct buf bytes = {0};
	struct journal_row row;

	record.row_count = 1;
	journal_write(&bytes, &record);
	journal_add_row(&bytes, JOURNAL_ATTEMPT, &rows[0]);
	bytes.bytes[0] = 1;
	bytes.size -= 4; /* an empty class and an empty rule */
	assert_true(journal_read(bytes.bytes, bytes.size, &record));
	assert_true(journal_next_row(&record, &row));
	assert_string_equal(row.reply, "Ok");
	assert_string_equal(row.class, "");
	assert_string_equal(row.rule, "");
	buf_fini(&bytes);
}

static void
test_accepted_there_and_back(void **state)
{
	struct mail *mail = rig_mail(FIRST, 3);
	struct buf bytes = {0};
	struct journal_record record;
	struct journal_row row;
	unsigned count = 0;

	mail->begins_at_ms = 1700000099000;
	journal_write_accepted(&bytes, mail, "office");
	assert_true(journal_read(bytes.bytes, bytes.size, &record));
	assert_int_equal(record.kind, JOURNAL_ACCEPTED);
	assert_int_equal(record.received_at_ms, mail->received_at_ms);
	assert_int_equal(record.begins_at_ms, 1700000099000);
	assert_string_equal(record.message_id_header, "<1@example.org>");
	assert_string_equal(record.subject, "Your order");
	assert_string_equal(record.client, "192.0.2.1:5000");
	assert_int_equal(record.priority, 3);
	for (; journal_next_row(&record, &row); count++)
		assert_string_equal(row.address, mail->recipients[count].address);
	assert_int_equal(count, 3);
	buf_fini(&bytes);
	free(mail);
}

/* Reads all that there is of it: nothing may be read beyond its end. */
static void
read_all(const void *bytes, size_t size)
{
	/* A block of its own, so that a sanitizer sees a step over its end. */
	uint8_t *copy = malloc(size + (size == 0));
	struct journal_record record;
	struct journal_row row;

	memcpy(copy, bytes, size);
	if (journal_read(copy, size, &record))
		while (journal_next_row(&record, &row))
			assert_true(strlen(row.address) + strlen(row.reply) <= size);
	free(copy);
}

static void
test_cut_and_spoiled_records_are_harmless(void **state)
{
	static const uint8_t spoils[] = {0, 1, 0x7f, 0x80, 0xff};
	struct buf bytes = {0};
	struct journal_record record;

	write_attempt(&bytes);
	for (size_t size = 0; size < bytes.size; size++)
		read_all(bytes.bytes, size);
	for (size_t at = 0; at < bytes.size; at++)
		for (size_t i = 0; i < sizeof(spoils); i++) {
			char was = bytes.bytes[at];

			bytes.bytes[at] = (char)spoils[i];
			read_all(bytes.bytes, bytes.size);
			bytes.bytes[at] = was;
		}
	assert_true(journal_read(bytes.bytes, bytes.size, &record));
	buf_fini(&bytes);
}

static void
test_bytes_that_are_no_record(void **state)
{
	static const struct {
		const char *name;
		const char *bytes;
		size_t size;
	} rows_of_bytes[] = {
	    {"nothing", "", 0},
	    {"another version", "\x03\x03\x01\x01\x01\x00\x00\x00\x00\x00", 10},
	    {"no such kind", "\x01\x09\x01\x01\x01\x00\x00\x00\x00\x00", 10},
	    {"a number without end", "\x01\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 13},
	    {"a text longer than all", "\x01\x03\x01\x01\x01\x7fx\x00\x00\x00", 10},
	    {"a NUL within a text",
		"\x01\x03\x01\x01\x01\x02"
		"a\x00\x00\x00\x00\x00",
		12},
	    {"a text without NUL",
		"\x01\x03\x01\x01\x01\x01"
		"ab\x00\x00\x00",
		11},
	};
	struct journal_record record;

	for (size_t i = 0; i < sizeof(rows_of_bytes) / sizeof(rows_of_bytes[0]); i++)
		if (journal_read(rows_of_bytes[i].bytes, rows_of_bytes[i].size, &record))
			fail_msg("%s was taken for a record", rows_of_bytes[i].name);
	/* The same as it should be. */
	assert_true(journal_read("\x01\x03\x01\x01\x01\x01"
				 "a\x00\x00\x00\x00",
	    11, &record));
	assert_string_equal(record.login, "a");
}

static void
test_more_rows_than_bytes_are_refused(void **state)
{
	struct journal_record record = attempt_record();
	struct buf bytes = {0};

	record.row_count = UINT32_MAX;
	journal_write(&bytes, &record);
	journal_add_row(&bytes, JOURNAL_ATTEMPT, &rows[0]);
	assert_false(journal_read(bytes.bytes, bytes.size, &record));
	buf_fini(&bytes);
}

/* ---- rows in queue.db ---- */

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
	faultvfs_set_quota(0);
	rig_fini(*state);
	free(*state);
	return 0;
}

/* Gives what stands behind `moved`. */
static struct journal_read_job
read_journal(struct queue_rig *rig, uint64_t moved)
{
	struct journal_read_job job = {.moved = moved};

	assert_int_equal(rig_do(rig, STORE_JOURNAL_READ, JOB_READS, &job), JOB_DONE);
	return job;
}

static void
free_read(struct journal_read_job *job)
{
	free(job->entries_out);
	buf_fini(&job->bytes_out);
}

static void
check_kinds(struct queue_rig *rig, const char *kinds)
{
	struct journal_read_job job = read_journal(rig, 0);
	uint64_t last = 0;

	assert_int_equal(job.count_out, strlen(kinds));
	for (uint32_t i = 0; i < job.count_out; i++) {
		struct journal_record record;

		assert_true(job.entries_out[i].number > last);
		last = job.entries_out[i].number;
		assert_true(journal_read(
		    job.bytes_out.bytes + job.entries_out[i].at, job.entries_out[i].size, &record));
		assert_int_equal(record.kind, kinds[i] - '0');
	}
	free_read(&job);
}

static void
insert(struct queue_rig *rig, uint64_t id)
{
	struct mail *mail = rig_mail(id, 1);

	assert_int_equal(rig_insert(rig, mail, "From: a\r\n\r\nbody\r\n"), JOB_DONE);
	free(mail);
}

static void
end_message(struct queue_rig *rig, uint64_t id, enum job_outcome outcome)
{
	struct fate_job fate = {.message_id = id, .is_over = true};

	write_attempt(&fate.record);
	assert_int_equal(rig_do(rig, STORE_FATE, JOB_WRITES, &fate), outcome);
	buf_fini(&fate.record);
}

static void
test_each_change_is_written_down_with_it(void **state)
{
	struct queue_rig *rig = *state;
	uint64_t id = FIRST + 1;
	struct scan_job removal = {
	    .action = SCAN_REMOVE, .filter = {.ids = &id, .id_count = 1}, .limit = 1, .now_ms = 5};
	struct journal_read_job job;
	struct journal_record record;

	assert_true(rig_open(rig));
	insert(rig, FIRST);
	insert(rig, FIRST + 1);
	end_message(rig, FIRST, JOB_DONE);
	assert_int_equal(rig_do(rig, STORE_SCAN, JOB_WRITES, &removal), JOB_DONE);
	store_end_scan(&removal);
	free(removal.ids_out);
	free(removal.files_out);
	rig_close(rig);
	assert_true(rig_open(rig));
	check_kinds(rig, "1123");
	job = read_journal(rig, 0);
	assert_true(journal_read(
	    job.bytes_out.bytes + job.entries_out[3].at, job.entries_out[3].size, &record));
	assert_int_equal(record.message_id, FIRST + 1);
	assert_int_equal(record.recipients, 1);
	assert_string_equal(record.login, "shop");
	free_read(&job);
}

static void
test_message_and_its_record_are_one(void **state)
{
	struct queue_rig *rig = *state;
	struct mail *mail = rig_mail(FIRST, 1);
	struct load_job load = {.message_id = FIRST};

	assert_true(rig_open(rig));
	faultvfs_fail_sync(1);
	assert_int_equal(rig_insert(rig, mail, "body"), JOB_FAILED);
	free(mail);
	faultvfs_fail_sync(0);
	rig_close(rig);
	assert_true(rig_open(rig));
	assert_int_equal(rig_do(rig, STORE_LOAD, JOB_READS, &load), JOB_DONE);
	check_kinds(rig, load.mail_out == NULL ? "" : "1");
	free(load.mail_out);
}

static void
test_what_is_moved_goes_with_the_next_commit(void **state)
{
	struct queue_rig *rig = *state;
	struct journal_read_job job;
	uint64_t second, last;

	assert_true(rig_open(rig));
	for (unsigned i = 0; i < 3; i++)
		insert(rig, FIRST + i);
	job = read_journal(rig, 0);
	second = job.entries_out[1].number;
	last = job.entries_out[2].number;
	free_read(&job);
	job = read_journal(rig, second);
	assert_int_equal(job.count_out, 1);
	free_read(&job);
	/* Nothing was written for it. */
	check_kinds(rig, "111");
	insert(rig, FIRST + 3);
	check_kinds(rig, "11");
	job = read_journal(rig, last + 1);
	free_read(&job);
	insert(rig, FIRST + 4);
	check_kinds(rig, "1");
}

static void
test_numbers_are_never_given_twice(void **state)
{
	struct queue_rig *rig = *state;
	struct journal_read_job job;
	uint64_t last;

	assert_true(rig_open(rig));
	insert(rig, FIRST);
	insert(rig, FIRST + 1);
	job = read_journal(rig, 0);
	last = job.entries_out[1].number;
	free_read(&job);
	job = read_journal(rig, last);
	free_read(&job);
	insert(rig, FIRST + 2);
	rig_close(rig);
	assert_true(rig_open(rig));
	job = read_journal(rig, last);
	assert_int_equal(job.count_out, 1);
	assert_true(job.entries_out[0].number > last);
	free_read(&job);
}

/* Nobody took anything out for long. */
static void
make_long_journal(struct queue_rig *rig)
{
	char path[128];
	sqlite3 *db;

	(void)snprintf(path, sizeof(path), "%s/queue.db", rig->directory);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db,
		"PRAGMA locking_mode=EXCLUSIVE; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
		" SELECT i + 1 FROM n WHERE i < 1000000)"
		" INSERT INTO journal SELECT i, x'01' FROM n",
		NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
test_journal_is_bounded_and_says_what_was_lost(void **state)
{
	struct queue_rig *rig = *state;
	struct census_job census = {0};
	struct journal_read_job job;

	assert_true(rig_open(rig));
	rig_close(rig);
	make_long_journal(rig);
	assert_true(rig_open(rig));
	/* Nothing is deleted before it is counted. */
	insert(rig, FIRST);
	job = read_journal(rig, 0);
	assert_int_equal(job.entries_out[0].number, 1);
	free_read(&job);
	while (!census.is_end_out)
		assert_int_equal(rig_do(rig, STORE_CENSUS, JOB_READS, &census), JOB_DONE);
	insert(rig, FIRST + 1);
	job = read_journal(rig, 0);
	assert_int_equal(job.entries_out[0].number, 501);
	assert_int_equal(job.lost_out, 500);
	free_read(&job);
	/* There is room again. */
	insert(rig, FIRST + 2);
	job = read_journal(rig, 1000000);
	assert_int_equal(job.count_out, 3);
	assert_int_equal(job.lost_out, 0);
	free_read(&job);
}

/* What the reserve left is not for the journal. */
static void
wait_for_reserve(struct queue_rig *rig)
{
	int64_t until_ms = clock_monotonic_ms() + 20000;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/reserve", rig->directory);
	while (access(path, F_OK) != 0 && clock_monotonic_ms() < until_ms)
		loop_turn(rig->loop, 20);
	assert_int_equal(access(path, F_OK), 0);
}

static void
test_full_disk_keeps_what_was_written(void **state)
{
	struct queue_rig *rig = *state;

	assert_true(rig_open(rig));
	insert(rig, FIRST);
	faultvfs_set_quota(1);
	end_message(rig, FIRST, JOB_DISK_FULL);
	faultvfs_set_quota(0);
	check_kinds(rig, "1");
	wait_for_reserve(rig);
	end_message(rig, FIRST, JOB_DONE);
	check_kinds(rig, "12");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_attempt_there_and_back),
	    cmocka_unit_test(test_record_of_the_first_format_is_read),
	    cmocka_unit_test(test_accepted_there_and_back),
	    cmocka_unit_test(test_cut_and_spoiled_records_are_harmless),
	    cmocka_unit_test(test_bytes_that_are_no_record),
	    cmocka_unit_test(test_more_rows_than_bytes_are_refused),
	    T(each_change_is_written_down_with_it),
	    T(message_and_its_record_are_one),
	    T(what_is_moved_goes_with_the_next_commit),
	    T(numbers_are_never_given_twice),
	    T(journal_is_bounded_and_says_what_was_lost),
	    T(full_disk_keeps_what_was_written),
	};

	faultvfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
#undef T
}
