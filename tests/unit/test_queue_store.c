/*
 * The store and its threads: what was committed is there after a restart, what failed was never
 * said to be stored, and a file that isn't a queue is refused and left alone.
 */
#include "daemon/core/values.h"
#include "tests/lib/faultvfs.h"
#include "tests/lib/queue_fill.h"
#include "tests/lib/queue_rig.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define FIRST ((1u << 30) + 1)

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
	faultvfs_fail_write(0);
	faultvfs_fail_sync(0);
	faultvfs_set_quota(0);
	faultvfs_fail_checkpoints(false);
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

static void
insert(struct queue_rig *rig, uint64_t id, unsigned recipients)
{
	struct mail *mail = rig_mail(id, recipients);

	assert_int_equal(rig_insert(rig, mail, "From: a\r\n\r\nbody\r\n"), JOB_DONE);
	free(mail);
}

static bool
is_there(struct queue_rig *rig, uint64_t id)
{
	struct mail *mail = load(rig, id);
	bool is = mail != NULL;

	free(mail);
	return is;
}

static void
test_message_survives_restart(void **state)
{
	struct queue_rig *rig = *state;
	struct body_job body = {.message_id = 1 << 30, .limit_bytes = 65536};
	struct mail *mail;

	assert_true(rig_open(rig));
	insert(rig, 1 << 30, 3);
	rig_close(rig);
	assert_true(rig_open(rig));
	mail = load(rig, 1 << 30);
	assert_non_null(mail);
	assert_int_equal(mail->user_id, 7);
	assert_string_equal(mail->sender, "shop@example.org");
	assert_string_equal(mail->client, "192.0.2.1:5000");
	assert_int_equal(mail->recipient_count, 3);
	assert_string_equal(mail->recipients[2].address, "r2@example.net");
	free(mail);
	assert_int_equal(rig_do(rig, STORE_BODY, JOB_READS, &body), JOB_DONE);
	assert_int_equal(body.chunk_out->size, 17);
	assert_memory_equal(body.chunk_out->bytes, "From: a\r\n\r\nbody\r\n", 17);
	chunk_release(body.chunk_out);
}

static struct chunk *
load_with_body(struct queue_rig *rig, uint64_t id, uint32_t limit)
{
	struct load_job job = {.message_id = id, .body_limit_bytes = limit};

	assert_int_equal(rig_do(rig, STORE_LOAD, JOB_READS, &job), JOB_DONE);
	free(job.mail_out);
	return job.chunk_out;
}

static void
test_small_body_comes_along_with_its_message(void **state)
{
	static const char text[] = "From: a\r\n\r\nbody\r\n";
	struct queue_rig *rig = *state;
	struct mail *mail = rig_mail(1 << 30, 1);
	struct slice slice;
	struct insert_job insert = {.mail = mail, .slices = &slice, .slice_count = 1};
	struct chunk *chunk;

	assert_true(rig_open(rig));
	assert_int_equal(rig_insert(rig, mail, text), JOB_DONE);
	chunk = load_with_body(rig, 1 << 30, 17);
	assert_int_equal(chunk->size, 17);
	assert_memory_equal(chunk->bytes, text, 17);
	chunk_release(chunk);
	assert_null(load_with_body(rig, 1 << 30, 16));
	assert_null(load_with_body(rig, 1 << 30, 0));
	/* Not what isn't all there; whoever reads it piece by piece finds out what is wrong. */
	mail->id++;
	mail->size++;
	chunk = chunk_from(text, 17);
	slice = slice_of(chunk, 0, 17);
	assert_int_equal(rig_do(rig, STORE_INSERT, JOB_WRITES, &insert), JOB_DONE);
	slice_release(&slice);
	chunk_release(chunk);
	assert_null(load_with_body(rig, mail->id, 1000));
	mail->id++;
	mail->body_file = 7;
	assert_int_equal(rig_insert(rig, mail, text), JOB_DONE);
	assert_null(load_with_body(rig, mail->id, 1000));
	free(mail);
}

static void
test_fate_keeps_what_is_pending_and_removes_what_is_over(void **state)
{
	struct queue_rig *rig = *state;
	struct fate_row rows[] = {{.index = 0,
				      .code = 250,
				      .state = RECIPIENT_DELIVERED,
				      .enhanced = "2.0.0",
				      .reply = "ok"},
	    {.index = 1, .code = 451, .enhanced = "4.3.0", .reply = "later"}};
	struct fate_job fate = {.message_id = 1 << 30,
	    .next_at_ms = 5000,
	    .attempts = 1,
	    .attempt = 77,
	    .rows = rows,
	    .row_count = 2};
	struct wake_job wake = {.now_ms = 4999, .limit = 10};
	struct mail *mail;

	assert_true(rig_open(rig));
	insert(rig, 1 << 30, 2);
	assert_int_equal(rig_do(rig, STORE_FATE, JOB_WRITES_LAZILY, &fate), JOB_DONE);
	mail = load(rig, 1 << 30);
	assert_int_equal(mail->attempts, 1);
	assert_int_equal(mail->last_attempt, 77);
	assert_int_equal(mail->recipients[0].state, RECIPIENT_DELIVERED);
	assert_true(recipient_is_pending(&mail->recipients[1]));
	assert_string_equal(mail->recipients[1].reply, "later");
	free(mail);

	assert_int_equal(rig_do(rig, STORE_WAKE, JOB_WRITES, &wake), JOB_DONE);
	assert_int_equal(wake.row_count_out, 0);
	assert_int_equal(wake.next_at_ms_out, 5000);
	wake = (struct wake_job){.now_ms = 5000, .limit = 10};
	assert_int_equal(rig_do(rig, STORE_WAKE, JOB_WRITES, &wake), JOB_DONE);
	assert_int_equal(wake.row_count_out, 1);
	assert_int_equal(wake.rows_out[0].message_id, 1 << 30);
	assert_int_equal(wake.next_at_ms_out, 0);
	free(wake.rows_out);

	fate.is_over = true;
	assert_int_equal(rig_do(rig, STORE_FATE, JOB_WRITES_LAZILY, &fate), JOB_DONE);
	assert_false(is_there(rig, 1 << 30));
}

static void
test_notice_comes_in_the_commit_of_its_fate(void **state)
{
	struct queue_rig *rig = *state;
	struct mail *notice = rig_mail((1 << 30) + 5, 1);
	struct chunk *chunk = chunk_from("notice", 6);
	struct slice slices[] = {slice_of(chunk, 0, 2), slice_of(chunk, 2, 4)};
	struct body_job body = {.message_id = (1 << 30) + 5, .limit_bytes = 65536};
	static char none[] = "";
	struct fate_job fate = {.message_id = 1 << 30,
	    .is_over = true,
	    .notice = {.mail = notice, .profile = none, .slices = slices, .slice_count = 2}};

	assert_true(rig_open(rig));
	insert(rig, 1 << 30, 1);
	notice->is_notice = true;
	assert_int_equal(rig_do(rig, STORE_FATE, JOB_WRITES, &fate), JOB_DONE);
	assert_false(is_there(rig, 1 << 30));
	assert_true(is_there(rig, (1 << 30) + 5));
	assert_int_equal(rig_do(rig, STORE_BODY, JOB_READS, &body), JOB_DONE);
	assert_int_equal(body.chunk_out->size, 6);
	assert_memory_equal(body.chunk_out->bytes, "notice", 6);
	chunk_release(body.chunk_out);
	slice_release(&slices[0]);
	slice_release(&slices[1]);
	chunk_release(chunk);
	free(notice);
}

static void
insert_for(struct queue_rig *rig, uint64_t id, uint64_t user_id, uint8_t priority)
{
	struct mail *mail = rig_mail(id, 3);

	mail->user_id = user_id;
	mail->priority = priority;
	assert_int_equal(rig_insert(rig, mail, "hello"), JOB_DONE);
	free(mail);
}

static void
test_window_goes_on_behind_an_id(void **state)
{
	struct queue_rig *rig = *state;
	struct window_job first = {.user_id = 7, .priority = 3, .limit = 2};
	struct window_job second = {.user_id = 7, .priority = 3, .limit = 2};

	assert_true(rig_open(rig));
	for (uint64_t i = 3; i > 0; i--)
		insert(rig, (1 << 30) + i, 2);
	insert_for(rig, (1 << 30) + 8, 7, 2);
	insert_for(rig, (1 << 30) + 9, 8, 3);
	assert_int_equal(rig_do(rig, STORE_WINDOW, JOB_READS, &first), JOB_DONE);
	assert_int_equal(first.row_count_out, 2);
	assert_true(first.has_more_out);
	assert_int_equal(first.rows_out[0].message_id, (1 << 30) + 1);
	assert_int_equal(first.rows_out[1].message_id, (1 << 30) + 2);
	assert_int_equal(first.rows_out[1].recipient_count, 2);
	assert_int_equal(first.rows_out[1].priority, 3);
	assert_true(first.rows_out[1].size > 0);
	second.after = (1 << 30) + 2;
	assert_int_equal(rig_do(rig, STORE_WINDOW, JOB_READS, &second), JOB_DONE);
	assert_int_equal(second.row_count_out, 1);
	assert_false(second.has_more_out);
	assert_int_equal(second.rows_out[0].message_id, (1 << 30) + 3);
	free(first.rows_out);
	free(second.rows_out);
}

/* One row for each user and priority that has something ready, in slices. */
static void
test_flows_are_found_in_slices(void **state)
{
	struct queue_rig *rig = *state;
	static const struct flow_row expected[] = {
	    {7, FIRST, 1}, {7, FIRST + 1, 3}, {9, FIRST + 2, 3}, {12, FIRST + 3, 5}};
	struct flow_row after = {0};
	unsigned found = 0;

	assert_true(rig_open(rig));
	for (unsigned i = 0; i < 40; i++)
		insert_for(rig, FIRST + i, expected[i % 4].user_id, expected[i % 4].priority);
	for (;;) {
		struct flows_job job = {.after = after, .limit = 3};

		assert_int_equal(rig_do(rig, STORE_FLOWS, JOB_READS, &job), JOB_DONE);
		for (unsigned i = 0; i < job.row_count_out; i++, found++) {
			after = job.rows_out[i];
			assert_int_equal(after.user_id, expected[found].user_id);
			assert_int_equal(after.first_id, expected[found].first_id);
			assert_int_equal(after.priority, expected[found].priority);
		}
		free(job.rows_out);
		if (job.row_count_out < 3)
			break;
	}
	assert_int_equal(found, 4);
}

static void
test_ids_that_are_taken_are_refused(void **state)
{
	struct queue_rig *rig = *state;
	struct mail *mail = rig_mail(1 << 30, 1);

	assert_true(rig_open(rig));
	insert(rig, 1 << 30, 1);
	assert_int_equal(rig_insert(rig, mail, "other"), JOB_FAILED);
	assert_false(rig->is_broken);
	assert_true(is_there(rig, 1 << 30));
	free(mail);
}

static void
test_ids_and_epoch_are_never_used_again(void **state)
{
	struct queue_rig *rig = *state;
	struct reserve_job reserve = {.next_id = (1 << 30) + 4096};
	uint32_t epoch;

	assert_true(rig_open(rig));
	assert_int_equal(storage_next_id(rig->storage), 1 << 30);
	epoch = storage_epoch(rig->storage);
	assert_int_equal(rig_do(rig, STORE_RESERVE, JOB_WRITES, &reserve), JOB_DONE);
	rig_close(rig);
	assert_true(rig_open(rig));
	assert_int_equal(storage_next_id(rig->storage), (1 << 30) + 4096);
	assert_true(storage_epoch(rig->storage) > epoch);
}

static void
write_into(struct queue_rig *rig, struct bodyfile *file, const char *text)
{
	struct chunk *chunk = chunk_from(text, (uint32_t)strlen(text));
	struct slice slices[2] = {slice_of(chunk, 0, chunk->size / 2),
	    slice_of(chunk, chunk->size / 2, chunk->size - chunk->size / 2)};
	struct bodyfile_job job = {.file = file, .slices = slices, .slice_count = 2};

	assert_int_equal(rig_do_file(rig, BODYFILE_WRITE, &job), JOB_DONE);
	job.offset = chunk->size;
	assert_int_equal(rig_do_file(rig, BODYFILE_SYNC, &job), JOB_DONE);
	assert_int_equal(file->fd, -1);
	slice_release(&slices[0]);
	slice_release(&slices[1]);
	chunk_release(chunk);
}

static void
write_file(struct queue_rig *rig, uint64_t id, const char *text)
{
	struct bodyfile file;

	storage_take_file(rig->storage, id, &file);
	assert_int_equal(file.name, id);
	write_into(rig, &file, text);
}

static bool
file_is(struct queue_rig *rig, uint64_t name, const char *text)
{
	struct bodyfile_job job = {.name = name, .size = 100};
	bool is_so = rig_do_file(rig, BODYFILE_READ, &job) == JOB_DONE && job.chunk_out != NULL &&
		     job.chunk_out->size == strlen(text) &&
		     memcmp(job.chunk_out->bytes, text, strlen(text)) == 0;

	chunk_release(job.chunk_out);
	return is_so;
}

static bool
has_file(struct queue_rig *rig, uint64_t name)
{
	struct bodyfile_job job = {.name = name, .size = 100};
	bool has = rig_do_file(rig, BODYFILE_READ, &job) == JOB_DONE && job.chunk_out != NULL;

	chunk_release(job.chunk_out);
	return has;
}

static struct bodyfile
take_file(struct queue_rig *rig, uint64_t id)
{
	struct bodyfile file;

	storage_take_file(rig->storage, id, &file);
	return file;
}

static void
test_file_of_a_message_that_is_gone_is_written_anew(void **state)
{
	static const char *const texts[] = {"short", "a longer one", "as long a one", ""};
	struct queue_rig *rig = *state;
	const uint64_t name = (1 << 30) + 5;

	assert_true(rig_open(rig));
	storage_set_room(rig->storage, 4 << 20);
	write_file(rig, name, "the first");
	for (size_t i = 0; i < 3; i++) {
		struct bodyfile file;

		storage_spare_file(rig->storage, name, 9);
		file = take_file(rig, (1 << 30) + 400 + i);
		assert_int_equal(file.name, name);
		write_into(rig, &file, texts[i]);
		assert_true(file.is_spare);
		assert_true(file_is(rig, name, texts[i]));
	}
	/* It has a message: nobody else gets it. */
	assert_int_equal(take_file(rig, (1 << 30) + 500).name, (1 << 30) + 500);
}

/* A backup has it. */
static void
test_file_with_another_link_is_not_written_anew(void **state)
{
	struct queue_rig *rig = *state;
	const uint64_t name = 1 << 30;
	char path[160], link_path[160];
	struct bodyfile file;
	char bytes[16] = "";
	FILE *linked;

	assert_true(rig_open(rig));
	storage_set_room(rig->storage, 4 << 20);
	write_file(rig, name, "the first");
	(void)snprintf(path, sizeof(path), "%s/bodies/00/1000000", rig->directory);
	(void)snprintf(link_path, sizeof(link_path), "%s/link", rig->directory);
	assert_int_equal(link(path, link_path), 0);
	storage_spare_file(rig->storage, name, 9);
	file = take_file(rig, (1 << 30) + 1);
	write_into(rig, &file, "the second");
	/* It is a new one, and flushed with its directory. */
	assert_false(file.is_spare);
	assert_true(file_is(rig, name, "the second"));
	linked = fopen(link_path, "r");
	assert_non_null(linked);
	assert_non_null(fgets(bytes, sizeof(bytes), linked));
	(void)fclose(linked);
	assert_string_equal(bytes, "the first");
}

static void
test_spare_file_that_went_is_made_again(void **state)
{
	struct queue_rig *rig = *state;
	char path[160];
	struct bodyfile file;

	assert_true(rig_open(rig));
	storage_set_room(rig->storage, 4 << 20);
	write_file(rig, 1 << 30, "the first");
	storage_spare_file(rig->storage, 1 << 30, 9);
	(void)snprintf(path, sizeof(path), "%s/bodies/00/1000000", rig->directory);
	assert_int_equal(unlink(path), 0);
	file = take_file(rig, (1 << 30) + 1);
	write_into(rig, &file, "x");
	assert_false(file.is_spare);
	assert_true(file_is(rig, 1 << 30, "x"));
}

static void
test_spare_files_go_at_the_end_and_while_a_copy_is_made_none_is_taken(void **state)
{
	struct queue_rig *rig = *state;
	struct bodyfile file;
	uint64_t *idle;
	size_t count;

	assert_true(rig_open(rig));
	storage_set_room(rig->storage, 4 << 20);
	write_file(rig, 1 << 30, "one");
	write_file(rig, (1 << 30) + 1, "two");
	storage_spare_file(rig->storage, 1 << 30, 3);
	storage_keep_files(rig->storage);
	storage_spare_file(rig->storage, (1 << 30) + 1, 3);
	idle = storage_idle_files(rig->storage, &count);
	assert_int_equal(count, 2);
	free(idle);
	file = take_file(rig, (1 << 30) + 2);
	assert_int_equal(file.name, 1 << 30);
	file = take_file(rig, (1 << 30) + 2);
	assert_int_equal(file.name, (1 << 30) + 2);
	assert_true(has_file(rig, (1 << 30) + 1));
	storage_let_files_go(rig->storage);
	storage_spare_file(rig->storage, 1 << 30, 3);
	rig_close(rig);
	assert_true(rig_open(rig));
	assert_false(has_file(rig, 1 << 30));
	assert_false(has_file(rig, (1 << 30) + 1));
}

static void
test_files_without_message_are_swept(void **state)
{
	struct queue_rig *rig = *state;
	struct mail *mail = rig_mail(1 << 30, 1);
	struct insert_job insert_job = {.mail = mail};

	assert_true(rig_open(rig));
	write_file(rig, 1 << 30, "kept");
	write_file(rig, (1 << 30) + 300, "lost");
	mail->body_file = 1 << 30;
	assert_int_equal(rig_do(rig, STORE_INSERT, JOB_WRITES, &insert_job), JOB_DONE);
	rig_close(rig);
	assert_true(rig_open(rig));
	assert_true(has_file(rig, 1 << 30));
	assert_false(has_file(rig, (1 << 30) + 300));
	free(mail);
}

static void
test_two_messages_never_have_one_file(void **state)
{
	struct queue_rig *rig = *state;
	struct mail *mails[] = {rig_mail(1 << 30, 1), rig_mail((1 << 30) + 1, 1)};

	assert_true(rig_open(rig));
	for (unsigned i = 0; i < 2; i++) {
		struct insert_job job = {.mail = mails[i]};

		mails[i]->body_file = 1 << 30;
		assert_int_equal(
		    rig_do(rig, STORE_INSERT, JOB_WRITES, &job), i == 0 ? JOB_DONE : JOB_FAILED);
		free(mails[i]);
	}
	assert_true(is_there(rig, 1 << 30));
	assert_false(is_there(rig, (1 << 30) + 1));
}

static void
test_failed_flush_stores_nothing(void **state)
{
	struct queue_rig *rig = *state;
	struct mail *mail = rig_mail((1 << 30) + 1, 1);

	assert_true(rig_open(rig));
	insert(rig, 1 << 30, 1);
	faultvfs_fail_sync(1);
	assert_int_equal(rig_insert(rig, mail, "body"), JOB_FAILED);
	assert_true(rig_wait(rig, &rig->is_broken, 5000));
	/* Nothing more is tried on this connection. */
	faultvfs_fail_sync(0);
	assert_int_equal(rig_insert(rig, mail, "body"), JOB_FAILED);
	rig_close(rig);
	assert_true(rig_open(rig));
	assert_true(is_there(rig, 1 << 30));
	insert(rig, (1 << 30) + 2, 1);
	free(mail);
}

/* Whichever write fails: what was said to be stored is there afterwards. */
static void
test_failed_write_loses_nothing_that_was_stored(void **state)
{
	struct queue_rig *rig = *state;
	uint64_t next = 1 << 30;

	for (unsigned nth = 1; nth < 12; nth++) {
		bool is_stored[8] = {false};
		uint64_t first = next;

		assert_true(rig_open(rig));
		faultvfs_fail_write(nth);
		for (int i = 0; i < 8; i++) {
			struct mail *mail = rig_mail(next++, 1);

			is_stored[i] = rig_insert(rig, mail, "body") == JOB_DONE;
			free(mail);
		}
		faultvfs_fail_write(0);
		rig_close(rig);
		assert_true(rig_open(rig));
		for (uint64_t i = 0; i < 8; i++)
			if (is_stored[i])
				assert_true(is_there(rig, first + i));
		rig_close(rig);
	}
}

static void
test_failed_checkpoint_ends_the_role_and_loses_nothing(void **state)
{
	struct queue_rig *rig = *state;
	static char body[30000];
	uint64_t stored = 0;

	memset(body, 'x', sizeof(body) - 1);
	assert_true(rig_open(rig));
	faultvfs_fail_checkpoints(true);
	while (stored < 200 && !rig->is_broken) {
		struct mail *mail = rig_mail((1 << 30) + stored, 1);

		stored += rig_insert(rig, mail, body) == JOB_DONE;
		free(mail);
		loop_turn(rig->loop, 0);
	}
	assert_true(rig->is_broken);
	assert_true(stored > 0);
	rig_close(rig);
	/* The next flush would not fail, and not bring back what was lost. */
	faultvfs_fail_checkpoints(false);
	assert_true(rig_open(rig));
	for (uint64_t i = 0; i < stored; i++)
		assert_true(is_there(rig, (1 << 30) + i));
}

static void
test_full_disk_refuses_and_goes_on(void **state)
{
	struct queue_rig *rig = *state;
	static char body[40000];
	struct fate_job fate = {.message_id = 1 << 30, .is_over = true};
	struct journal_read_job journal = {0};
	struct mail *mail;
	uint64_t id = (1 << 30) + 1;
	enum job_outcome outcome = JOB_DONE;

	memset(body, 'x', sizeof(body) - 1);
	assert_true(rig_open(rig));
	insert(rig, 1 << 30, 1);
	faultvfs_set_quota(400000);
	while (outcome == JOB_DONE) {
		mail = rig_mail(id++, 1);
		outcome = rig_insert(rig, mail, body);
		free(mail);
		assert_true(id < (1 << 30) + 100);
	}
	assert_int_equal(outcome, JOB_DISK_FULL);
	assert_false(rig->is_broken);
	assert_false(is_there(rig, id - 1));
	assert_true(is_there(rig, id - 2));
	/* The room that is left is not the journal's. */
	for (unsigned i = 0; i < 10; i++)
		buf_append(&fate.record, body, sizeof(body));
	assert_int_equal(rig_do(rig, STORE_FATE, JOB_WRITES, &fate), JOB_DONE);
	buf_fini(&fate.record);
	faultvfs_set_quota(0);
	assert_int_equal(rig_do(rig, STORE_JOURNAL_READ, JOB_READS, &journal), JOB_DONE);
	assert_int_equal(journal.lost_out, 1);
	free(journal.entries_out);
	buf_fini(&journal.bytes_out);
	insert(rig, id, 1);
}

static void
spoil(struct queue_rig *rig, const char *bytes)
{
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/queue.db", rig->directory);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(bytes, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void
test_file_that_is_no_database_is_left_alone(void **state)
{
	struct queue_rig *rig = *state;
	static char junk[8193];
	char path[128], back[16] = "";
	FILE *file;

	memset(junk, 'j', sizeof(junk) - 1);
	spoil(rig, junk);
	assert_false(rig_open(rig));
	assert_non_null(strstr(rig->reason, "is not a database"));
	(void)snprintf(path, sizeof(path), "%s/queue.db", rig->directory);
	file = fopen(path, "r");
	assert_non_null(fgets(back, sizeof(back), file));
	assert_string_equal(back, "jjjjjjjjjjjjjjj");
	(void)fclose(file);
}

static void
make_foreign(struct queue_rig *rig, const char *sql)
{
	char path[128];
	sqlite3 *db;

	(void)snprintf(path, sizeof(path), "%s/queue.db", rig->directory);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
test_database_of_another_program_is_refused(void **state)
{
	struct queue_rig *rig = *state;

	make_foreign(rig, "CREATE TABLE recipes(name TEXT)");
	assert_false(rig_open(rig));
	assert_non_null(strstr(rig->reason, "of another program"));
}

static unsigned
count_aged(struct queue_rig *rig, struct aged_job *job)
{
	job->row_count_out = 0;
	assert_int_equal(rig_do(rig, STORE_AGED, JOB_READS, job), JOB_DONE);
	return job->row_count_out;
}

static bool
enter_ages(struct queue_rig *rig)
{
	struct enter_ages_job job = {.is_end_out = false};

	assert_int_equal(rig_do(rig, STORE_ENTER_AGES, JOB_WRITES, &job), JOB_DONE);
	return job.is_end_out;
}

static void
insert_aged(struct queue_rig *rig, uint64_t id, uint8_t age)
{
	struct mail *mail = rig_mail(id, 1);

	mail->begins_at_ms = 3000;
	mail->age = age;
	assert_int_equal(rig_insert(rig, mail, "body"), JOB_DONE);
	free(mail);
	mail = load(rig, id);
	assert_int_equal(mail->age, age);
	free(mail);
}

static void
test_what_waits_is_found_once_it_was_entered(void **state)
{
	struct queue_rig *rig = *state;
	struct aged_job fresh = {.state = MAIL_WAITING, .age = AGE_FRESH, .until_ms = 5000};
	struct aged_job delayed = {.state = MAIL_WAITING, .age = AGE_DELAYED, .until_ms = 5000};

	assert_true(rig_open(rig));
	insert_aged(rig, (1 << 30) + 10, AGE_FRESH);
	insert_aged(rig, (1 << 30) + 11, AGE_DELAYED);
	assert_int_equal(count_aged(rig, &fresh) + count_aged(rig, &delayed), 0);
	assert_true(enter_ages(rig));
	assert_int_equal(count_aged(rig, &fresh), 1);
	assert_int_equal(fresh.rows[0].message_id, (1 << 30) + 10);
	assert_int_equal(count_aged(rig, &delayed), 1);
	assert_int_equal(delayed.rows[0].message_id, (1 << 30) + 11);
	/* Of a block that was given before: nobody comes back for it. */
	insert_aged(rig, (1 << 30) + 3, AGE_FRESH);
	assert_int_equal(count_aged(rig, &fresh), 2);
	insert_aged(rig, (1 << 30) + 12, AGE_FRESH);
	assert_int_equal(count_aged(rig, &fresh), 2);
	/* How far it came is known to the next start. */
	rig_close(rig);
	assert_true(rig_open(rig));
	insert_aged(rig, (1 << 30) + 4, AGE_FRESH);
	assert_int_equal(count_aged(rig, &fresh), 3);
	insert_aged(rig, (1 << 30) + 13, AGE_DELAYED);
	assert_int_equal(count_aged(rig, &delayed), 1);
	assert_true(enter_ages(rig));
	assert_int_equal(count_aged(rig, &fresh), 4);
	assert_int_equal(count_aged(rig, &delayed), 2);
}

static void
test_what_waits_is_entered_in_slices(void **state)
{
	struct queue_rig *rig = *state;
	struct aged_job look = {.state = MAIL_WAITING, .age = AGE_FRESH, .until_ms = 5000};

	assert_true(rig_open(rig));
	for (uint64_t i = 0; i < ENTERED_A_JOB + 3; i++) {
		struct mail *mail = rig_mail((1 << 30) + i, 1);

		/* Of the first slice only the last one is old enough. */
		mail->begins_at_ms = i < ENTERED_A_JOB - 1 ? 6000 : 3000;
		assert_int_equal(rig_insert(rig, mail, "body"), JOB_DONE);
		free(mail);
	}
	assert_false(enter_ages(rig));
	assert_int_equal(count_aged(rig, &look), 1);
	assert_true(enter_ages(rig));
	assert_int_equal(count_aged(rig, &look), 4);
}

static void
test_what_could_not_be_entered_is_entered_later(void **state)
{
	struct queue_rig *rig = *state;
	struct aged_job look = {.state = MAIL_WAITING, .age = AGE_FRESH, .until_ms = 5000};
	struct enter_ages_job job = {.is_end_out = false};

	assert_true(rig_open(rig));
	insert_aged(rig, (1 << 30) + 10, AGE_FRESH);
	faultvfs_set_quota(1);
	assert_int_equal(rig_do(rig, STORE_ENTER_AGES, JOB_WRITES, &job), JOB_DISK_FULL);
	faultvfs_set_quota(0);
	insert_aged(rig, (1 << 30) + 3, AGE_FRESH);
	assert_int_equal(count_aged(rig, &look), 0);
	assert_true(enter_ages(rig));
	assert_int_equal(count_aged(rig, &look), 2);
}

static void
test_what_waits_for_long_is_found_in_slices_the_oldest_first(void **state)
{
	struct queue_rig *rig = *state;
	struct aged_job look = {.state = MAIL_WAITING, .age = AGE_FRESH, .until_ms = 5000};
	uint64_t last = 0;

	assert_true(rig_open(rig));
	for (uint64_t i = 0; i < AGED_ROWS_MAX + 10; i++) {
		struct mail *mail = rig_mail((1 << 30) + i, 1);

		/* Many of one moment, one that began later, one that is held. */
		mail->begins_at_ms = i == 3 ? 5001 : i < 60 ? 4000 : 3000;
		mail->state = i == 4 ? MAIL_HELD : MAIL_WAITING;
		assert_int_equal(rig_insert(rig, mail, "body"), JOB_DONE);
		free(mail);
	}
	assert_true(enter_ages(rig));
	assert_int_equal(count_aged(rig, &look), AGED_ROWS_MAX);
	assert_false(look.is_end_out);
	assert_int_equal(look.rows[0].message_id, (1 << 30) + 60);
	assert_int_equal(look.rows[0].begins_at_ms, 3000);
	look.after_begins_at_ms = look.rows[AGED_ROWS_MAX - 1].begins_at_ms;
	last = look.after_id = look.rows[AGED_ROWS_MAX - 1].message_id;
	assert_int_equal(count_aged(rig, &look), 8);
	assert_true(look.is_end_out);
	assert_true(look.rows[0].message_id > last);
	assert_int_equal(look.rows[7].message_id, (1 << 30) + 59);
}

static void
test_age_is_set_once_and_not_past_a_later_attempt(void **state)
{
	static char nowhere[] = "";
	struct queue_rig *rig = *state;
	struct mail *mail = rig_mail(1 << 30, 1);
	struct mail *notice = rig_mail((1 << 30) + 5, 1);
	uint64_t id = 1 << 30;
	struct age_job job = {.ids = &id,
	    .count = 1,
	    .age = AGE_DELAYED,
	    .last_attempt = 76,
	    .notice = {.mail = notice, .profile = nowhere}};

	assert_true(rig_open(rig));
	mail->last_attempt = 77;
	assert_int_equal(rig_insert(rig, mail, "body"), JOB_DONE);
	free(mail);
	/* An attempt has ended since it was read. */
	assert_int_equal(rig_do(rig, STORE_AGE, JOB_WRITES, &job), JOB_DONE);
	assert_false(job.is_done_out);
	assert_false(is_there(rig, (1 << 30) + 5));
	job.last_attempt = 77;
	assert_int_equal(rig_do(rig, STORE_AGE, JOB_WRITES, &job), JOB_DONE);
	assert_true(job.is_done_out);
	assert_true(is_there(rig, (1 << 30) + 5));
	mail = load(rig, 1 << 30);
	assert_int_equal(mail->age, AGE_DELAYED);
	free(mail);
	/* Not twice; and not of what is gone. */
	notice->id++;
	assert_int_equal(rig_do(rig, STORE_AGE, JOB_WRITES, &job), JOB_DONE);
	assert_false(job.is_done_out);
	id = (1 << 30) + 9;
	assert_int_equal(rig_do(rig, STORE_AGE, JOB_WRITES, &job), JOB_DONE);
	assert_false(job.is_done_out);
	assert_false(is_there(rig, (1 << 30) + 6));
	free(notice);
}

static void
test_newer_version_is_refused(void **state)
{
	struct queue_rig *rig = *state;

	assert_true(rig_open(rig));
	rig_close(rig);
	make_foreign(rig, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA user_version=99");
	assert_false(rig_open(rig));
	assert_non_null(strstr(rig->reason, "version 99"));
}

/* A file as the first release made it, with what that left in it. */
static const char version_1_sql[] =
    "PRAGMA locking_mode=EXCLUSIVE; PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL;"
    "PRAGMA journal_mode=WAL; BEGIN IMMEDIATE;"
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO meta VALUES('next_id', 1073745920), ('epoch', 41);"
    "CREATE TABLE message("
    " id INTEGER PRIMARY KEY, state INTEGER NOT NULL, next_at INTEGER NOT NULL,"
    " user_id INTEGER NOT NULL, priority INTEGER NOT NULL, received_at INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, last_attempt INTEGER NOT NULL, size INTEGER NOT NULL,"
    " has_8bit INTEGER NOT NULL, is_in_file INTEGER NOT NULL, is_notice INTEGER NOT NULL,"
    " login TEXT NOT NULL, list TEXT NOT NULL, sender TEXT NOT NULL,"
    " header_from TEXT NOT NULL, message_id TEXT NOT NULL, subject TEXT NOT NULL,"
    " client TEXT NOT NULL);"
    "CREATE INDEX message_order ON message(state, next_at, user_id, priority, received_at);"
    "CREATE TABLE recipient("
    " message INTEGER NOT NULL, position INTEGER NOT NULL, state INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, code INTEGER NOT NULL, address TEXT NOT NULL,"
    " enhanced TEXT NOT NULL, reply TEXT NOT NULL,"
    " PRIMARY KEY(message, position)) WITHOUT ROWID;"
    "CREATE TABLE body(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "CREATE TABLE profile("
    " id INTEGER PRIMARY KEY, version INTEGER NOT NULL, trouble INTEGER NOT NULL,"
    " failures INTEGER NOT NULL, until_at INTEGER NOT NULL, last_error TEXT NOT NULL);"
    "PRAGMA application_id=0x706f7374; PRAGMA user_version=1; COMMIT;"
    "INSERT INTO message VALUES(1073741824, 0, 9000, 7, 2, 8000, 3, 99, 6, 1, 0, 0, 'shop', 'web',"
    " 'shop@example.org', 'Shop', '<1@x>', 'Your order', '192.0.2.1:5000');"
    "INSERT INTO recipient VALUES(1073741824, 0, 1, 3, 250, 'a@example.net', '2.0.0', 'ok'),"
    " (1073741824, 1, 0, 3, 451, 'b@example.net', '4.3.0', 'later');"
    "INSERT INTO body VALUES(1073741824 << 20, 'header');"
    "INSERT INTO profile VALUES(5, 1, 1, 2, 77, 'connection refused');";

static void
check_columns(struct queue_rig *rig)
{
	static const char sql[] =
	    "SELECT group_concat(m.name || '.' || p.name || p.type || p.\"notnull\" ||"
	    " ifnull(p.dflt_value, '') || p.pk) FROM (SELECT name FROM sqlite_schema WHERE type ="
	    " 'table' ORDER BY name) AS m, pragma_table_info(m.name) AS p";
	char path[160], *columns[2];

	for (int i = 0; i < 2; i++) {
		sqlite3_stmt *statement;
		sqlite3 *db;

		(void)snprintf(path, sizeof(path), "%s/queue.db", rig->directory);
		if (i == 1) {
			assert_int_equal(unlink(path), 0);
			assert_true(rig_open(rig));
			rig_close(rig);
		}
		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(
		    sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
		columns[i] = strdup((const char *)sqlite3_column_text(statement, 0));
		(void)sqlite3_finalize(statement);
		(void)sqlite3_close(db);
	}
	assert_string_equal(columns[0], columns[1]);
	free(columns[0]);
	free(columns[1]);
}

/* What was learned of an upstream stays without any trouble, and only then a row that says nothing goes. */
static void
test_what_a_profile_learned_is_kept(void **state)
{
	struct queue_rig *rig = *state;
	struct profile_job put = {.row = {.profile_id = 5,
				      .version = 3,
				      .rate = "27/m 630/h",
				      .recipient_rate = "40/m",
				      .rate_step_ms = 86400000}};
	struct profile_job empty = {.row = {.profile_id = 5, .version = 4}};
	struct profiles_job got = {0}, none = {0};

	assert_true(rig_open(rig));
	assert_int_equal(rig_do(rig, STORE_PROFILE, JOB_WRITES, &put), JOB_DONE);
	rig_close(rig);
	assert_true(rig_open(rig));
	assert_int_equal(rig_do(rig, STORE_PROFILES, JOB_READS, &got), JOB_DONE);
	assert_int_equal(got.row_count_out, 1);
	assert_int_equal(got.rows_out[0].version, 3);
	assert_string_equal(got.rows_out[0].rate, "27/m 630/h");
	assert_string_equal(got.rows_out[0].recipient_rate, "40/m");
	assert_int_equal(got.rows_out[0].rate_step_ms, 86400000);
	free(got.rows_out);
	assert_int_equal(rig_do(rig, STORE_PROFILE, JOB_WRITES, &empty), JOB_DONE);
	assert_int_equal(rig_do(rig, STORE_PROFILES, JOB_READS, &none), JOB_DONE);
	assert_int_equal(none.row_count_out, 0);
	free(none.rows_out);
}

static void
test_database_of_the_first_version_keeps_everything(void **state)
{
	struct queue_rig *rig = *state;
	struct body_job body = {.message_id = 1 << 30, .limit_bytes = 65536};
	struct profiles_job profiles = {0};
	struct mail *mail;

	make_foreign(rig, version_1_sql);
	assert_true(rig_open(rig));
	assert_int_equal(storage_next_id(rig->storage), 1073745920);
	assert_int_equal(storage_epoch(rig->storage), 42);
	mail = load(rig, 1 << 30);
	assert_non_null(mail);
	assert_int_equal(mail->next_at_ms, 9000);
	assert_int_equal(mail->begins_at_ms, 8000);
	assert_int_equal(mail->attempts, 3);
	assert_true(mail->has_8bit);
	assert_false(mail->has_wishes);
	assert_string_equal(mail->subject, "Your order");
	assert_int_equal(mail->recipient_count, 2);
	assert_int_equal(mail->recipients[0].state, RECIPIENT_DELIVERED);
	assert_string_equal(mail->recipients[1].reply, "later");
	assert_int_equal(mail->recipients[1].notify, NOTIFY_UNSAID);
	assert_string_equal(mail->recipients[1].orcpt, "");
	free(mail);
	assert_int_equal(rig_do(rig, STORE_BODY, JOB_READS, &body), JOB_DONE);
	assert_memory_equal(body.chunk_out->bytes, "header", 6);
	chunk_release(body.chunk_out);
	assert_int_equal(rig_do(rig, STORE_PROFILES, JOB_READS, &profiles), JOB_DONE);
	assert_int_equal(profiles.row_count_out, 1);
	assert_string_equal(profiles.rows_out[0].last_error, "connection refused");
	free(profiles.rows_out);
	/* It is one of this version now. */
	rig_close(rig);
	assert_true(rig_open(rig));
	assert_true(is_there(rig, 1 << 30));
	rig_close(rig);
	check_columns(rig);
}

/* The second release's step, and what it left behind. */
static const char version_2_sql[] =
    "ALTER TABLE message ADD COLUMN has_wishes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE recipient ADD COLUMN notify INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE recipient ADD COLUMN orcpt TEXT NOT NULL DEFAULT '';"
    "CREATE TABLE wishes("
    " message INTEGER PRIMARY KEY, is_smtputf8 INTEGER NOT NULL,"
    " has_utf8_header INTEGER NOT NULL, ret INTEGER NOT NULL, envid TEXT NOT NULL,"
    " has_auth INTEGER NOT NULL, has_mt_priority INTEGER NOT NULL,"
    " mt_priority INTEGER NOT NULL, hold_until INTEGER NOT NULL,"
    " requires_tls INTEGER NOT NULL);"
    "CREATE TABLE used("
    " slot_ms INTEGER NOT NULL, slot INTEGER NOT NULL, user_id INTEGER NOT NULL,"
    " messages INTEGER NOT NULL, recipients INTEGER NOT NULL,"
    " PRIMARY KEY(slot_ms, slot, user_id)) WITHOUT ROWID;"
    "PRAGMA user_version=2;"
    "INSERT INTO message VALUES(1073741825, 3, 12000, 7, 2, 8500, 0, 0, 6, 0, 0, 0, 'shop', 'web',"
    " 'shop@example.org', 'Shop', '<2@x>', 'Your order', '192.0.2.1:5000', 1);"
    "INSERT INTO recipient VALUES(1073741825, 0, 0, 0, 0, 'a@example.net', '', '', 4, '');"
    "INSERT INTO wishes VALUES(1073741825, 0, 0, 2, 'QQ', 0, 1, 15, 12000, 1);";

static void
test_database_of_the_second_version_keeps_everything(void **state)
{
	struct queue_rig *rig = *state;
	char sql[sizeof(version_1_sql) + sizeof(version_2_sql)];
	struct mail *mail;

	(void)snprintf(sql, sizeof(sql), "%s%s", version_1_sql, version_2_sql);
	make_foreign(rig, sql);
	assert_true(rig_open(rig));
	mail = load(rig, (1 << 30) + 1);
	assert_non_null(mail);
	assert_int_equal(mail->state, MAIL_SCHEDULED);
	assert_int_equal(mail->begins_at_ms, 12000);
	assert_int_equal(mail->wishes.mt_priority, 15);
	assert_true(mail->wishes.requires_tls);
	assert_string_equal(mail->wishes.envid, "QQ");
	free(mail);
	mail = load(rig, 1 << 30);
	assert_int_equal(mail->begins_at_ms, 8000);
	free(mail);
	rig_close(rig);
	check_columns(rig);
}

static struct mail *
mail_with_wishes(uint64_t id)
{
	struct mail *mail = rig_mail(id, 2);

	mail->has_wishes = true;
	mail->wishes = (struct rec_wishes){.is_smtputf8 = true,
	    .has_utf8_header = true,
	    .ret = RET_HDRS,
	    .envid = mail_text(mail, "QQ314159+2B"),
	    .has_auth = true,
	    .has_mt_priority = true,
	    .mt_priority = 15,
	    .requires_tls = true};
	mail->state = MAIL_SCHEDULED;
	mail->next_at_ms = mail->begins_at_ms = 5000;
	mail->recipients[1].notify = NOTIFY_SUCCESS | NOTIFY_DELAY;
	mail->recipients[1].orcpt = mail_text(mail, "rfc822;dana@example.net");
	return mail;
}

static unsigned
count_wishes(struct queue_rig *rig)
{
	sqlite3_stmt *statement;
	char path[160];
	unsigned count;
	sqlite3 *db;

	rig_close(rig);
	(void)snprintf(path, sizeof(path), "%s/queue.db", rig->directory);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	(void)sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL);
	assert_int_equal(
	    sqlite3_prepare_v2(db, "SELECT count(*) FROM wishes", -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	count = (unsigned)sqlite3_column_int(statement, 0);
	(void)sqlite3_finalize(statement);
	(void)sqlite3_close(db);
	assert_true(rig_open(rig));
	return count;
}

static void
test_wishes_are_kept_and_go_with_their_message(void **state)
{
	struct queue_rig *rig = *state;
	struct mail *mail = mail_with_wishes(1 << 30);
	struct fate_job fate = {.message_id = 1 << 30, .is_over = true, .has_wishes = true};

	assert_true(rig_open(rig));
	insert(rig, (1 << 30) + 1, 1);
	assert_int_equal(rig_insert(rig, mail, "body"), JOB_DONE);
	free(mail);
	rig_close(rig);
	assert_true(rig_open(rig));
	mail = load(rig, 1 << 30);
	assert_true(mail->has_wishes);
	assert_true(mail->wishes.is_smtputf8 && mail->wishes.has_utf8_header);
	assert_int_equal(mail->wishes.ret, RET_HDRS);
	assert_string_equal(mail->wishes.envid, "QQ314159+2B");
	assert_true(mail->wishes.has_auth && mail->wishes.has_mt_priority);
	assert_int_equal(mail->wishes.mt_priority, 15);
	assert_int_equal(mail->begins_at_ms, 5000);
	assert_true(mail->wishes.requires_tls);
	assert_int_equal(mail->recipients[0].notify, NOTIFY_UNSAID);
	assert_int_equal(mail->recipients[1].notify, NOTIFY_SUCCESS | NOTIFY_DELAY);
	assert_string_equal(mail->recipients[1].orcpt, "rfc822;dana@example.net");
	free(mail);
	assert_int_equal(count_wishes(rig), 1);
	assert_int_equal(rig_do(rig, STORE_FATE, JOB_WRITES, &fate), JOB_DONE);
	assert_false(is_there(rig, 1 << 30));
	assert_int_equal(count_wishes(rig), 0);
}

static void
test_scheduled_message_is_ready_at_its_time(void **state)
{
	struct queue_rig *rig = *state;
	struct mail *mail = mail_with_wishes(1 << 30);
	struct wake_job wake = {.now_ms = 4999, .limit = 10};

	assert_true(rig_open(rig));
	assert_int_equal(rig_insert(rig, mail, "body"), JOB_DONE);
	free(mail);
	assert_int_equal(rig_do(rig, STORE_WAKE, JOB_WRITES, &wake), JOB_DONE);
	assert_int_equal(wake.row_count_out, 0);
	assert_int_equal(wake.next_at_ms_out, 5000);
	wake = (struct wake_job){.now_ms = 5000, .limit = 10};
	assert_int_equal(rig_do(rig, STORE_WAKE, JOB_WRITES, &wake), JOB_DONE);
	assert_int_equal(wake.row_count_out, 1);
	free(wake.rows_out);
	mail = load(rig, 1 << 30);
	assert_int_equal(mail->state, MAIL_WAITING);
	assert_int_equal(mail->next_at_ms, 0);
	free(mail);
}

/* The clock was set back: nobody puts a message off for so long. */
static void
test_deferred_beyond_any_schedule_is_ready(void **state)
{
	struct queue_rig *rig = *state;
	struct mail *deferred = rig_mail(1 << 30, 1), *scheduled = mail_with_wishes((1 << 30) + 1);
	struct wake_job wake = {.now_ms = 1000, .limit = 10};

	assert_true(rig_open(rig));
	deferred->next_at_ms = 5000;
	assert_int_equal(rig_insert(rig, deferred, "body"), JOB_DONE);
	assert_int_equal(rig_insert(rig, scheduled, "body"), JOB_DONE);
	for (wake.latest_ms = 0; wake.latest_ms <= 5000; wake.latest_ms += 5000) {
		assert_int_equal(rig_do(rig, STORE_WAKE, JOB_WRITES, &wake), JOB_DONE);
		assert_int_equal(wake.row_count_out, 0);
	}
	wake = (struct wake_job){.now_ms = 1000, .latest_ms = 4999, .limit = 10};
	assert_int_equal(rig_do(rig, STORE_WAKE, JOB_WRITES, &wake), JOB_DONE);
	assert_int_equal(wake.row_count_out, 1);
	assert_int_equal(wake.rows_out[0].message_id, 1 << 30);
	/* What is scheduled waits for its time. */
	assert_int_equal(wake.next_at_ms_out, 5000);
	free(wake.rows_out);
	free(deferred);
	free(scheduled);
}

/* Locks belong to processes: the second one is another, which never had the file open. */
static void
open_when_told(const char *path, int fd)
{
	struct store *store;
	struct err err;
	char byte;

	if (read(fd, &byte, 1) != 1)
		_exit(3);
	if (store_open(path, &store, &err) == 0)
		_exit(1);
	_exit(strstr(err.text, "in use by another process") != NULL ? 0 : 2);
}

static void
test_second_process_is_refused(void **state)
{
	struct queue_rig *rig = *state;
	int status = 0, fds[2];
	char path[128];
	pid_t child;

	(void)snprintf(path, sizeof(path), "%s/queue.db", rig->directory);
	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (child == 0)
		open_when_told(path, fds[0]);
	assert_true(rig_open(rig));
	insert(rig, 1 << 30, 1);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(is_there(rig, 1 << 30));
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* ---- while it is counted what there was ---- */

#define MANY 100000
#define MANY_USERS 50

/* Gives how many of them are of the first user. */
static unsigned
fill(struct queue_rig *rig)
{
	struct fill_user users[MANY_USERS];
	struct fill_options options = {.users = users,
	    .user_count = MANY_USERS,
	    .count = MANY,
	    .is_all_ready = true,
	    .now_ms = 1700000000000};
	unsigned of_first = 0;
	uint64_t first_id;
	char path[128];
	struct err err;

	for (unsigned i = 0; i < MANY_USERS; i++)
		users[i] = (struct fill_user){
		    .id = 7 + i, .login = i == 0 ? "shop" : "other", .list = "web"};
	(void)snprintf(path, sizeof(path), "%s/queue.db", rig->directory);
	assert_int_equal(fill_queue(path, &options, &first_id, &err), 0);
	for (unsigned n = 0; n < MANY; n++) {
		struct mail *mail = fill_mail(&options, n, first_id + n);

		of_first += mail->user_id == 7;
		free(mail);
	}
	return of_first;
}

static uint64_t
free_owners(struct owners_job *job)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < job->row_count_out; i++) {
		count += job->rows_out[i].count;
		free(job->rows_out[i].login);
		free(job->rows_out[i].list);
	}
	free(job->rows_out);
	return count;
}

static uint64_t
hold_all_of(struct queue_rig *rig, const char *login)
{
	struct scan_job job = {.action = SCAN_HOLD, .filter = {.login = login}, .limit = 500};
	uint64_t count = 0;

	do {
		job.count_out = 0;
		assert_int_equal(rig_do(rig, STORE_SCAN, JOB_WRITES, &job), JOB_DONE);
		count += job.count_out;
		free(job.ids_out);
		free(job.files_out);
	} while (!job.is_end_out);
	store_end_scan(&job);
	return count;
}

static void
test_what_needs_counts_waits_for_them_and_nothing_else(void **state)
{
	struct queue_rig *rig = *state;
	unsigned of_first = fill(rig);
	struct count_job counts = {0};
	struct owners_job owners = {0};

	assert_true(of_first > 1000);
	assert_true(rig_open(rig));
	assert_int_equal(rig_do(rig, STORE_COUNT, JOB_READS, &counts), JOB_DONE);
	free(counts.rows_out);
	assert_true(counts.is_partial_out);
	insert(rig, 1 << 29, 1);
	assert_int_equal(hold_all_of(rig, "shop"), of_first + 1);
	rig_close(rig);
	assert_true(rig_open(rig));
	assert_int_equal(rig_do(rig, STORE_OWNERS, JOB_READS, &owners), JOB_DONE);
	assert_int_equal(free_owners(&owners), MANY + 1);
	counts = (struct count_job){0};
	assert_int_equal(rig_do(rig, STORE_COUNT, JOB_READS, &counts), JOB_DONE);
	assert_false(counts.is_partial_out);
	free(counts.rows_out);
}

static void
on_ended(struct job *job)
{
	*(bool *)job->ctx = true;
}

static void
test_what_waits_for_counts_ends_with_the_storage(void **state)
{
	struct queue_rig *rig = *state;
	bool is_ended = false;
	struct owners_job owners = {
	    .job = {.on_done = on_ended, .ctx = &is_ended, .urgency = JOB_READS}};

	(void)fill(rig);
	assert_true(rig_open(rig));
	storage_post(rig->storage, STORE_OWNERS, &owners.job);
	assert_false(is_ended);
	rig_close(rig);
	assert_true(is_ended);
	assert_int_equal(owners.job.outcome, JOB_FAILED);
	assert_null(owners.rows_out);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(message_survives_restart),
	    T(small_body_comes_along_with_its_message),
	    T(fate_keeps_what_is_pending_and_removes_what_is_over),
	    T(notice_comes_in_the_commit_of_its_fate),
	    T(window_goes_on_behind_an_id),
	    T(flows_are_found_in_slices),
	    T(ids_that_are_taken_are_refused),
	    T(ids_and_epoch_are_never_used_again),
	    T(files_without_message_are_swept),
	    T(two_messages_never_have_one_file),
	    T(file_of_a_message_that_is_gone_is_written_anew),
	    T(file_with_another_link_is_not_written_anew),
	    T(spare_file_that_went_is_made_again),
	    T(spare_files_go_at_the_end_and_while_a_copy_is_made_none_is_taken),
	    T(failed_flush_stores_nothing),
	    T(failed_write_loses_nothing_that_was_stored),
	    T(failed_checkpoint_ends_the_role_and_loses_nothing),
	    T(full_disk_refuses_and_goes_on),
	    T(file_that_is_no_database_is_left_alone),
	    T(database_of_another_program_is_refused),
	    T(what_waits_is_found_once_it_was_entered),
	    T(what_waits_is_entered_in_slices),
	    T(what_could_not_be_entered_is_entered_later),
	    T(what_waits_for_long_is_found_in_slices_the_oldest_first),
	    T(age_is_set_once_and_not_past_a_later_attempt),
	    T(newer_version_is_refused),
	    T(second_process_is_refused),
	    T(what_a_profile_learned_is_kept),
	    T(database_of_the_first_version_keeps_everything),
	    T(database_of_the_second_version_keeps_everything),
	    T(wishes_are_kept_and_go_with_their_message),
	    T(scheduled_message_is_ready_at_its_time),
	    T(deferred_beyond_any_schedule_is_ready),
	    T(what_needs_counts_waits_for_them_and_nothing_else),
	    T(what_waits_for_counts_ends_with_the_storage),
	};

	faultvfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
