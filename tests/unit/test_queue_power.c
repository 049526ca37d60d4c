/*
 * Power cuts: whatever of the unflushed sectors a cut leaves, behind any write, the database opens,
 * and it is what it was after the last commit that anybody was told of, or after the one that was
 * under way: nothing is lost, nothing is half. So are the bodies in files, which are written into
 * those of messages that are gone. POSTERN_POWER_RUNS=N goes through N loads instead of all.
 */
#include "common/ident.h"
#include "daemon/core/values.h"
#include "daemon/queue/spares.h"
#include "daemon/queue/store_copy.h"
#include "daemon/queue/store_sqlite.h"
#include "tests/lib/powervfs.h"
#include "tests/lib/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define DATABASE "queue.db"
#define RUNS 3
#define COMMITS_MAX 200
#define FIRST_ID (UINT64_C(1) << 30)

/* What the database was after each commit, and how much had been written by the time that its
 * caller was told. */
static struct {
	struct commit {
		uint64_t digest;
		unsigned events;
	} commits[COMMITS_MAX];
	unsigned count;
} history;

static struct store *
open_store(void)
{
	struct store *store = NULL;
	struct err err;

	if (store_open(DATABASE, &store, &err) != 0)
		fail_msg("%s", err.text);
	return store;
}

/* ---- what is in it ---- */

static void
add_bytes(uint64_t *digest, const void *bytes, int size)
{
	for (int i = 0; i < size; i++)
		*digest = (*digest ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
}

static void
add_row(uint64_t *digest, sqlite3_stmt *row)
{
	for (int i = 0; i < sqlite3_column_count(row); i++) {
		const void *bytes = sqlite3_column_blob(row, i);

		add_bytes(digest, bytes, sqlite3_column_bytes(row, i));
		add_bytes(digest, "|", 1);
	}
}

static void
add_rows(uint64_t *digest, sqlite3 *db, const char *sql)
{
	sqlite3_stmt *row;
	int code;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
	while ((code = sqlite3_step(row)) == SQLITE_ROW)
		add_row(digest, row);
	if (code != SQLITE_DONE)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	(void)sqlite3_finalize(row);
}

/* Everything but what each start changes. */
static uint64_t
digest_of(struct store *store)
{
	static const char *const queries[] = {
	    "SELECT * FROM message ORDER BY id",
	    "SELECT * FROM recipient ORDER BY message, position",
	    "SELECT * FROM wishes ORDER BY message",
	    "SELECT * FROM body ORDER BY id",
	    "SELECT * FROM profile ORDER BY id",
	    "SELECT * FROM used ORDER BY slot_ms, slot, user_id",
	    "SELECT * FROM booked ORDER BY profile, period_ms, slot",
	    "SELECT * FROM journal ORDER BY id",
	    "SELECT * FROM meta WHERE name <> 'epoch' ORDER BY name",
	};
	uint64_t digest = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
		add_rows(&digest, store->db, queries[i]);
	return digest;
}

static void
note_commit(struct store *store)
{
	assert_true(history.count < COMMITS_MAX);
	history.commits[history.count++] =
	    (struct commit){.digest = digest_of(store), .events = power_events()};
}

/* ---- bodies in files ---- */

static sqlite3_file *
open_body(uint64_t name, int flags)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	sqlite3_file *file = calloc(1, (size_t)vfs->szOsFile);
	char path[40], ident[IDENT_SIZE];

	(void)snprintf(path, sizeof(path), "bodies/%s", ident_format(name, ident));
	if (vfs->xOpen(vfs, path, file, flags | SQLITE_OPEN_READWRITE | SQLITE_OPEN_MAIN_DB,
		NULL) != SQLITE_OK)
		fail_msg("%s is not there", path);
	return file;
}

static void
remove_body(uint64_t name)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	char path[40], ident[IDENT_SIZE];

	(void)snprintf(path, sizeof(path), "bodies/%s", ident_format(name, ident));
	assert_int_equal(vfs->xDelete(vfs, path, 0), SQLITE_OK);
}

/* Every sector says whose it is. */
static void
fill_body(uint64_t message_id, unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)((message_id * 31 + i / 512) * 167 >> 3);
}

/* As bodyfile does it: pieces, the end of a longer one cut off, a flush. */
static void
write_body(uint64_t name, uint64_t message_id, size_t size)
{
	sqlite3_file *file = open_body(name, SQLITE_OPEN_CREATE);
	unsigned char *bytes = malloc(size);
	sqlite3_int64 size_before;

	fill_body(message_id, bytes, size);
	assert_int_equal(file->pMethods->xFileSize(file, &size_before), SQLITE_OK);
	for (size_t done = 0; done < size; done += 1000)
		assert_int_equal(
		    file->pMethods->xWrite(file, bytes + done,
			(int)(size - done < 1000 ? size - done : 1000), (sqlite3_int64)done),
		    SQLITE_OK);
	if (size_before > (sqlite3_int64)size)
		assert_int_equal(file->pMethods->xTruncate(file, (sqlite3_int64)size), SQLITE_OK);
	assert_int_equal(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
	(void)file->pMethods->xClose(file);
	free(bytes);
	free(file);
}

static void
check_body(unsigned events, uint64_t name, uint64_t message_id, size_t size)
{
	sqlite3_file *file = open_body(name, 0);
	unsigned char *bytes = malloc(2 * size);
	sqlite3_int64 size_there;

	fill_body(message_id, bytes, size);
	assert_int_equal(file->pMethods->xFileSize(file, &size_there), SQLITE_OK);
	if (size_there != (sqlite3_int64)size ||
	    file->pMethods->xRead(file, bytes + size, (int)size, 0) != SQLITE_OK ||
	    memcmp(bytes, bytes + size, size) != 0)
		fail_msg("behind event %u: the body of %llx in file %llx is not what was stored",
		    events, (unsigned long long)message_id, (unsigned long long)name);
	(void)file->pMethods->xClose(file);
	free(bytes);
	free(file);
}

static void
check_bodies(struct store *store, unsigned events)
{
	sqlite3_stmt *row;

	assert_int_equal(
	    sqlite3_prepare_v2(store->db,
		"SELECT body_file, id, size FROM message WHERE body_file <> 0", -1, &row, NULL),
	    SQLITE_OK);
	while (sqlite3_step(row) == SQLITE_ROW)
		check_body(events, (uint64_t)sqlite3_column_int64(row, 0),
		    (uint64_t)sqlite3_column_int64(row, 1), (size_t)sqlite3_column_int64(row, 2));
	(void)sqlite3_finalize(row);
}

/* ---- the load ---- */

#define GONE_MAX 64

struct load {
	struct store *store;
	uint64_t seed;
	uint64_t next_id;
	uint64_t attempt;
	struct spares spares;
	uint64_t gone[GONE_MAX]; /* files whose messages this batch deletes */
	unsigned gone_count;
	unsigned reused;
};

static unsigned
pick(struct load *load, unsigned count)
{
	load->seed ^= load->seed << 13;
	load->seed ^= load->seed >> 7;
	load->seed ^= load->seed << 17;
	return (unsigned)(load->seed % count);
}

static uint64_t
some_id(struct load *load)
{
	uint64_t known = load->next_id - FIRST_ID;

	return FIRST_ID + (known == 0 ? 0 : pick(load, (unsigned)known));
}

/* That of a message whose body is in a file, if there is one. */
static uint64_t
some_large_id(struct load *load)
{
	uint64_t id = some_id(load);
	sqlite3_stmt *row;

	assert_int_equal(
	    sqlite3_prepare_v2(load->store->db,
		"SELECT id FROM message WHERE body_file <> 0 ORDER BY id", -1, &row, NULL),
	    SQLITE_OK);
	if (sqlite3_step(row) == SQLITE_ROW)
		id = (uint64_t)sqlite3_column_int64(row, 0);
	(void)sqlite3_finalize(row);
	return id;
}

static void
run(struct load *load, enum store_job_kind kind, void *at)
{
	struct job *job = at;
	enum store_result result;

	job->kind = (int)kind;
	result = store_run(load->store, job);
	/* A message that is gone is refused alone. */
	assert_true(result == STORE_OK || result == STORE_REFUSED);
}

static struct mail *
random_mail(struct load *load)
{
	struct mail *mail = rig_mail(load->next_id++, 1 + pick(load, 3));

	mail->user_id = 1 + pick(load, 3);
	if (pick(load, 3) == 0) {
		mail->state = MAIL_SCHEDULED;
		mail->next_at_ms = mail->begins_at_ms = 2000000000000 + pick(load, 1000);
		mail->has_wishes = true;
		mail->wishes.ret = RET_HDRS;
	}
	return mail;
}

static void
insert_large(struct load *load)
{
	struct mail *mail = random_mail(load);
	struct insert_job job = {.mail = mail};

	mail->size = 600 + pick(load, 4000);
	mail->body_file = spares_take(&load->spares);
	load->reused += mail->body_file != 0;
	if (mail->body_file == 0)
		mail->body_file = mail->id;
	write_body(mail->body_file, mail->id, mail->size);
	run(load, STORE_INSERT, &job);
	free(mail);
}

static void
note_gone(struct load *load, uint64_t name)
{
	assert_true(load->gone_count < GONE_MAX);
	if (name != 0)
		load->gone[load->gone_count++] = name;
}

static void
insert(struct load *load)
{
	static const unsigned sizes[] = {30, 3000, 9000, 40000};
	unsigned size = sizes[pick(load, 4)];
	struct chunk *chunk = chunk_new(size);
	struct slice slice;
	struct mail *mail = random_mail(load);
	struct insert_job job = {.mail = mail,
	    .slices = &slice,
	    .slice_count = 1,
	    .charge = {.user_id = mail->user_id, .at_ms = 1700000000000, .count = {1, 1}}};

	memset(chunk->bytes, 'a' + (int)pick(load, 26), size);
	chunk->size = size;
	slice = slice_of(chunk, 0, size);
	mail->size = size;
	run(load, STORE_INSERT, &job);
	slice_release(&slice);
	chunk_release(chunk);
	free(mail);
}

static void
settle(struct load *load)
{
	struct fate_row row = {
	    .code = 250, .state = RECIPIENT_DELIVERED, .enhanced = "", .reply = "ok"};
	static char nowhere[] = "";
	struct mail *notice = rig_mail(load->next_id, 1);
	struct chunk *chunk = chunk_from("notice", 6);
	struct slice slice = slice_of(chunk, 0, 6);
	struct fate_job job = {
	    .message_id = pick(load, 2) == 0 ? some_id(load) : some_large_id(load),
	    .is_over = pick(load, 2) == 0,
	    .has_wishes = true,
	    .next_at_ms = 1800000000000 + pick(load, 1000),
	    .attempts = 1,
	    .attempt = load->attempt++,
	    .rows = &row,
	    .row_count = 1,
	    .notice = {.profile = nowhere, .slices = &slice, .slice_count = 1}};

	notice->size = 6;
	notice->is_notice = true;
	if (pick(load, 3) == 0) {
		job.notice.mail = notice;
		load->next_id++;
	}
	run(load, STORE_FATE, &job);
	note_gone(load, job.body_file_out);
	slice_release(&slice);
	chunk_release(chunk);
	free(notice);
}

/* Someone is told of how long it waits. */
static void
age(struct load *load)
{
	static char nowhere[] = "";
	struct mail *notice = rig_mail(load->next_id++, 1);
	struct chunk *chunk = chunk_from("notice", 6);
	struct slice slice = slice_of(chunk, 0, 6);
	uint64_t id = some_id(load);
	struct age_job job = {.ids = &id,
	    .count = 1,
	    .age = (uint8_t)(1 + pick(load, 2)),
	    .last_attempt = load->attempt,
	    .notice = {.mail = notice, .profile = nowhere, .slices = &slice, .slice_count = 1}};

	notice->size = 6;
	notice->is_notice = true;
	run(load, STORE_AGE, &job);
	slice_release(&slice);
	chunk_release(chunk);
	free(notice);
}

/* What came since the last time can be found by how long it waits. */
static void
enter_ages(struct load *load)
{
	struct enter_ages_job job = {.is_end_out = false};

	run(load, STORE_ENTER_AGES, &job);
}

/* One of the operators' mass operations, as far as one transaction of it goes. */
static void
operate(struct load *load)
{
	static const enum scan_action actions[] = {
	    SCAN_HOLD, SCAN_RELEASE, SCAN_RETRY, SCAN_REMOVE, SCAN_SCHEDULE};
	struct scan_job job = {.action = actions[pick(load, 5)],
	    .now_ms = 1700000000000,
	    .at_ms = 2100000000000,
	    .limit = 1 + pick(load, 5)};

	run(load, STORE_SCAN, &job);
	store_end_scan(&job);
	for (uint32_t i = 0; i < job.count_out && job.action == SCAN_REMOVE; i++)
		note_gone(load, job.files_out[i]);
	free(job.ids_out);
	free(job.files_out);
}

static void
write_small_things(struct load *load)
{
	struct reserve_job reserve = {.next_id = FIRST_ID + 4096 * (1 + pick(load, 9))};
	struct profile_job profile = {.row = {.profile_id = 1 + pick(load, 3),
					  .version = 1,
					  .trouble = (uint8_t)pick(load, 3),
					  .until_ms = 1700000000000,
					  .last_error = "no route to host"}};
	struct wake_job wake = {.now_ms = 1800000000500, .limit = 3};
	struct book_job book = {.profile_id = 1 + pick(load, 3),
	    .lines = {{.period_ms = 3600000, .slot = pick(load, 5), .count = {1, 2}}},
	    .count = 1};

	run(load, STORE_RESERVE, &reserve);
	run(load, STORE_PROFILE, &profile);
	run(load, STORE_BOOK, &book);
	run(load, STORE_WAKE, &wake);
	free(wake.rows_out);
}

/* Behind the commit, as the loop hears of it. Some are kept to be written anew. */
static void
let_gone_files_go(struct load *load)
{
	for (unsigned i = 0; i < load->gone_count; i++)
		if (pick(load, 4) == 0 || !spares_add(&load->spares, load->gone[i], 5000, 0))
			remove_body(load->gone[i]);
}

/* A group commit of some jobs. */
static void
commit_batch(struct load *load)
{
	static void (*const jobs[])(struct load *) = {insert, insert, insert_large, insert_large,
	    insert_large, settle, settle, settle, age, enter_ages, operate, write_small_things};
	unsigned count = 1 + pick(load, 4);
	bool has_freed;

	assert_int_equal(store_begin(load->store), STORE_OK);
	for (unsigned i = 0; i < count; i++)
		jobs[pick(load, sizeof(jobs) / sizeof(jobs[0]))](load);
	if (pick(load, 4) == 0)
		assert_int_equal(store_shrink(load->store, &has_freed), STORE_OK);
	if (pick(load, 10) == 0) {
		store_rollback(load->store);
	} else {
		assert_int_equal(store_commit(load->store), STORE_OK);
		let_gone_files_go(load);
	}
	load->gone_count = 0;
	note_commit(load->store);
}

/* What there was when it was opened; the names of users without mail go. */
static void
count(struct load *load)
{
	struct census_job job = {.job = {.kind = STORE_CENSUS}};

	assert_int_equal(store_run(load->store, &job.job), STORE_OK);
}

static void
run_load(struct load *load, unsigned batches)
{
	bool has_freed, is_long;

	for (unsigned i = 0; i < batches; i++) {
		commit_batch(load);
		if (pick(load, 3) == 0)
			count(load);
		if (pick(load, 6) == 0)
			assert_int_equal(store_checkpoint(load->store), STORE_OK);
		if (pick(load, 8) == 0)
			assert_int_equal(store_shrink(load->store, &has_freed), STORE_OK);
		if (pick(load, 10) == 0)
			assert_int_equal(
			    store_lengthen_log(load->store, 4096 * pick(load, 64), &is_long),
			    STORE_OK);
		if (pick(load, 15) == 0) {
			store_close(load->store);
			load->store = open_store();
		}
	}
}

/* From an empty directory on: the first events make the database. */
static void
record_load(struct load *load, unsigned batches)
{
	history.count = 0;
	spares_limit(&load->spares, 20000);
	power_reset();
	power_record();
	load->store = open_store();
	note_commit(load->store);
	run_load(load, batches);
	store_close(load->store);
	power_rewind();
}

/* ---- the cuts ---- */

static void
on_problem(const char *problem, void *ctx)
{
	fail_msg("behind event %u: %s", *(unsigned *)ctx, problem);
}

static void
check_links(unsigned events)
{
	static const atomic_bool is_stopping;
	struct store_copy *copy = NULL;
	struct err err;

	if (store_copy_open(DATABASE, &is_stopping, &copy, &err) != 0 ||
	    store_copy_check(copy, on_problem, &events, &err) != 0)
		fail_msg("behind event %u: %s", events, err.text);
	store_copy_close(copy);
}

/* `from` is the last commit that was told of; the next one may have been under way. */
static void
check_content(unsigned from, unsigned events, uint64_t digest)
{
	if (digest == history.commits[from].digest ||
	    (from + 1 < history.count && digest == history.commits[from + 1].digest))
		return;
	for (unsigned i = 0; i < history.count; i++)
		if (digest == history.commits[i].digest)
			fail_msg("behind event %u: the database is that of commit %u, not %u",
			    events, i, from);
	fail_msg("behind event %u: the database was never like this", events);
}

static unsigned
cut_and_look(enum power_loss loss, unsigned events, unsigned told, uint64_t seed)
{
	struct store *store;
	uint64_t digest;

	power_cut(loss, seed);
	store = open_store();
	digest = digest_of(store);
	check_bodies(store, events);
	store_close(store);
	/* Before anybody was told of the tables nothing was promised. */
	if (history.commits[0].events <= events)
		check_content(told, events, digest);
	if (events % 7 == 0)
		check_links(events);
	return 1;
}

/* Each event, each kind of loss. */
static unsigned
sweep(uint64_t seed)
{
	unsigned told = 0, cuts = 0;

	for (unsigned events = 1; power_advance(); events++) {
		while (told + 1 < history.count && history.commits[told + 1].events <= events)
			told++;
		cuts += cut_and_look(POWER_LOSES_ALL, events, told, 0);
		cuts += cut_and_look(POWER_LOSES_NONE, events, told, 0);
		cuts += cut_and_look(POWER_LOSES_SOME, events, told, seed + events);
	}
	return cuts;
}

static uint64_t
count_of_runs(void)
{
	const char *text = getenv("POSTERN_POWER_RUNS");

	return text == NULL ? RUNS : strtoull(text, NULL, 10);
}

static void
test_cut_behind_every_write(void **state)
{
	uint64_t runs = count_of_runs();
	unsigned cuts = 0, reused = 0;

	for (uint64_t seed = 1; seed <= runs; seed++) {
		struct load load = {.seed = seed * 7919, .next_id = FIRST_ID, .attempt = 1};

		record_load(&load, 40);
		cuts += sweep(seed * 1000003);
		reused += load.reused;
	}
	print_message("%u cuts, %u bodies in files of others before\n", cuts, reused);
	assert_true(cuts > 1000 * runs && reused > runs);
}

static void
commit_two_rows(struct store *store, uint64_t next_id)
{
	struct reserve_job reserve = {.job = {.kind = STORE_RESERVE}, .next_id = next_id};
	struct profile_job profile = {.job = {.kind = STORE_PROFILE},
	    .row = {.profile_id = 7, .width = 3, .last_error = "", .rule = ""}};

	assert_int_equal(store_begin(store), STORE_OK);
	assert_int_equal(store_run(store, &reserve.job), STORE_OK);
	assert_int_equal(store_run(store, &profile.job), STORE_OK);
	assert_int_equal(store_commit(store), STORE_OK);
}

/* However many pages there are, each with its header. */
static void
test_commit_is_one_write_and_a_flush(void **state)
{
	struct store *store;

	power_reset();
	store = open_store();
	commit_two_rows(store, FIRST_ID);
	power_record();
	commit_two_rows(store, FIRST_ID + 1);
	assert_int_equal(power_events(), 2);
	power_rewind();
	store_close(store);
}

/* The power goes again while the first start behind a cut puts the database in order. */
static void
test_cut_in_the_recovery(void **state)
{
	uint64_t runs = 4 * count_of_runs();

	for (uint64_t seed = 1; seed <= runs; seed++) {
		struct load load = {.seed = seed * 104729, .next_id = FIRST_ID, .attempt = 1};
		unsigned events = 0, told = 0, stop;

		record_load(&load, 12);
		stop = history.commits[4].events +
		       pick(&load, history.commits[11].events - history.commits[4].events);
		while (events < stop && power_advance())
			events++;
		while (told + 1 < history.count && history.commits[told + 1].events <= events)
			told++;
		power_cut(POWER_LOSES_SOME, seed);
		power_record();
		store_close(open_store());
		power_rewind();
		while (power_advance())
			for (unsigned again = 0; again < 3; again++) {
				struct store *store;

				power_cut(again == 0 ? POWER_LOSES_ALL : POWER_LOSES_SOME,
				    seed * 31 + again);
				store = open_store();
				check_content(told, events, digest_of(store));
				check_bodies(store, events);
				store_close(store);
			}
	}
}

/* ---- the step from an earlier version ---- */

static void
read_sql(unsigned version, char *sql, size_t size)
{
	const char *source = getenv("srcdir");
	char path[512];
	size_t got;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/tests/data/queue-%u.sql",
	    source == NULL ? "." : source, version);
	file = fopen(path, "r");
	if (file == NULL)
		fail_msg("%s can't be read", path);
	got = fread(sql, 1, size - 1, file);
	sql[got] = '\0';
	(void)fclose(file);
}

static void
make_version(unsigned version)
{
	static char sql[16384];
	sqlite3 *db;

	read_sql(version, sql, sizeof(sql));
	assert_int_equal(sqlite3_open(DATABASE, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Whenever the power goes, the next start makes the same of it. */
static void
test_cut_in_the_step_from_an_earlier_version(void **state)
{
	for (unsigned version = 1; version <= 6; version++) {
		struct store *store;
		uint64_t digest;

		power_reset();
		make_version(version);
		power_record();
		store = open_store();
		digest = digest_of(store);
		store_close(store);
		power_rewind();
		for (unsigned events = 1; power_advance(); events++)
			for (unsigned loss = POWER_LOSES_ALL; loss <= POWER_LOSES_SOME; loss++) {
				power_cut((enum power_loss)loss, events);
				store = open_store();
				assert_true(digest == digest_of(store));
				store_close(store);
				check_links(events);
			}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cut_behind_every_write),
	    cmocka_unit_test(test_commit_is_one_write_and_a_flush),
	    cmocka_unit_test(test_cut_in_the_recovery),
	    cmocka_unit_test(test_cut_in_the_step_from_an_earlier_version),
	};
	int failed;

	power_install();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	power_reset();
	return failed;
}
