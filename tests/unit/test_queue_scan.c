/*
 * Listing and changing among many messages: whatever the filter, the answer is the one that a look
 * at every message would give, no statement looks at every message, and what was counted, at a start
 * or along with what is written, is what is there.
 */
#include "common/xalloc.h"
#include "daemon/queue/store_sqlite.h"
#include "tests/lib/queue_fill.h"
#include "tests/lib/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define MANY 100000
#define USERS 300
#define NOW_MS INT64_C(1700000000000)

struct many {
	char directory[SCRATCH_SIZE], path[96];
	struct fill_user users[USERS];
	char names[USERS][2][16];
	struct fill_options options;
	struct mail **mails; /* what was put in */
	uint64_t first_id;
	struct store *store;
};

static struct many *
new_many(uint64_t count)
{
	struct many *many = xcalloc(1, sizeof(*many));

	assert_true(scratch_make(many->directory, "scan"));
	(void)snprintf(many->path, sizeof(many->path), "%s/queue.db", many->directory);
	for (unsigned i = 0; i < USERS; i++) {
		(void)snprintf(many->names[i][0], 16, "user%u", i);
		(void)snprintf(many->names[i][1], 16, "list%u", i % 10);
		many->users[i] = (struct fill_user){
		    .id = 7 + i, .login = many->names[i][0], .list = many->names[i][1]};
	}
	many->options = (struct fill_options){
	    .users = many->users, .user_count = USERS, .count = count, .now_ms = NOW_MS};
	return many;
}

static void
open_uncounted(struct many *many)
{
	struct err err;

	assert_int_equal(store_open(many->path, &many->store, &err), 0);
}

/* Gives whether the counts are there. */
static bool
count_a_slice(struct many *many)
{
	struct census_job job = {.job = {.kind = STORE_CENSUS}};

	assert_int_equal(store_run(many->store, &job.job), STORE_OK);
	assert_true(job.has_counts_out || !job.is_end_out);
	return job.has_counts_out;
}

static void
open_many(struct many *many)
{
	open_uncounted(many);
	while (!count_a_slice(many))
		continue;
}

static void
fill(struct many *many)
{
	struct err err;

	assert_int_equal(fill_queue(many->path, &many->options, &many->first_id, &err), 0);
	many->mails = xcalloc(many->options.count, sizeof(*many->mails));
	for (uint64_t n = 0; n < many->options.count; n++)
		many->mails[n] = fill_mail(&many->options, n, many->first_id + n);
	open_many(many);
}

static int
set_up_many(void **state)
{
	*state = new_many(MANY);
	fill(*state);
	return 0;
}

static int
set_up_few(void **state)
{
	*state = new_many(2000);
	fill(*state);
	return 0;
}

static int
tear_down(void **state)
{
	struct many *many = *state;
	char command[128];

	store_close(many->store);
	for (uint64_t n = 0; n < many->options.count; n++)
		free(many->mails[n]);
	free(many->mails);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", many->directory);
	assert_int_equal(system(command), 0);
	free(many);
	return 0;
}

/* ---- the answer of one who looks at everything ---- */

static enum shown_state
shown_as(const struct mail *mail)
{
	switch ((enum mail_state)mail->state) {
	case MAIL_HELD:
	case MAIL_LIMITED:
		return SHOWN_HELD;
	case MAIL_UNCERTAIN:
		return SHOWN_UNCERTAIN;
	case MAIL_SCHEDULED:
		return SHOWN_SCHEDULED;
	case MAIL_WAITING:
		break;
	}
	return mail->next_at_ms > 0 ? SHOWN_DEFERRED : SHOWN_READY;
}

static bool
is_among(const uint64_t *ids, size_t count, uint64_t id)
{
	for (size_t i = 0; i < count; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static bool
is_meant(const struct scan_filter *filter, const struct mail *mail)
{
	bool is_sending = is_among(filter->sending, filter->sending_count, mail->id);
	enum shown_state state = is_sending ? SHOWN_SENDING : shown_as(mail);

	return (filter->login == NULL || strcmp(filter->login, mail->login) == 0) &&
	       (filter->list == NULL || strcmp(filter->list, mail->list) == 0) &&
	       (!filter->has_users ||
		   is_among(filter->user_ids, filter->user_count, mail->user_id)) &&
	       (filter->state == SHOWN_ANY || filter->state == state);
}

static void
check_list(struct many *many, const struct scan_filter *filter, uint64_t after, uint32_t limit)
{
	struct scan_job job = {.job = {.kind = STORE_SCAN},
	    .action = SCAN_LIST,
	    .filter = *filter,
	    .after = after,
	    .limit = limit};
	uint64_t n = after < many->first_id ? 0 : after - many->first_id + 1;
	uint32_t listed = 0;

	do {
		job.count_out = 0;
		assert_int_equal(store_run(many->store, &job.job), STORE_OK);
		for (uint32_t i = 0; i < job.count_out; i++) {
			while (n < many->options.count && !is_meant(filter, many->mails[n]))
				n++;
			assert_true(n < many->options.count);
			assert_int_equal(job.mails_out[i]->id, many->mails[n++]->id);
			free(job.mails_out[i]);
			listed++;
		}
		free(job.mails_out);
		job.mails_out = NULL;
	} while (!job.is_end_out);
	store_end_scan(&job);
	while (listed < limit && n < many->options.count)
		assert_false(is_meant(filter, many->mails[n++]));
}

static void
test_each_filter_lists_what_a_look_at_all_would(void **state)
{
	static const struct {
		const char *login, *list;
		bool has_users;
	} who[] = {{NULL, NULL, false}, {"user0", NULL, false}, {"user299", NULL, false},
	    {"nobody", NULL, false}, {NULL, "list3", false}, {NULL, "no list", false},
	    {"user3", "list3", false}, {"user3", "list4", false}, {NULL, NULL, true},
	    {NULL, "list5", true}};
	struct many *many = *state;
	uint64_t user_ids[] = {8, 12, 22, 300};
	uint64_t sending[] = {many->first_id + 1, many->first_id + 500, many->first_id + 99000};
	uint64_t afters[] = {
	    0, many->first_id + 50000, many->first_id + MANY - 6, many->first_id + MANY + 1};
	uint32_t limits[] = {1, 100, 1000};

	for (size_t w = 0; w < sizeof(who) / sizeof(who[0]); w++)
		for (int shown = SHOWN_ANY; shown < SHOWN_COUNT; shown++)
			for (size_t i = 0; i < 4 * 3; i++)
				check_list(many,
				    &(struct scan_filter){.login = who[w].login,
					.list = who[w].list,
					.has_users = who[w].has_users,
					.user_ids = user_ids,
					.user_count = 4,
					.state = (enum shown_state)shown,
					.sending = sending,
					.sending_count = 3},
				    afters[i / 3], limits[i % 3]);
}

/* ---- plans ---- */

static void
check_plan(struct store *store, enum statement which)
{
	const char *sql = sqlite3_sql(store->statements[which]);
	char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
	sqlite3_stmt *plan;

	assert_int_equal(sqlite3_prepare_v2(store->db, explain, -1, &plan, NULL), SQLITE_OK);
	while (sqlite3_step(plan) == SQLITE_ROW) {
		const char *step = (const char *)sqlite3_column_text(plan, 3);

		if (strstr(step, "SCAN message") != NULL ||
		    strstr(step, "SCAN recipient") != NULL || strstr(step, "SCAN body") != NULL ||
		    strstr(step, "SCAN wishes") != NULL ||
		    (strstr(step, "TEMP B-TREE") != NULL && strstr(sql, "FROM message") != NULL))
			fail_msg("%s: %s", sql, step);
	}
	(void)sqlite3_finalize(plan);
	sqlite3_free(explain);
}

static void
test_no_statement_looks_at_every_message(void **state)
{
	struct many *many = *state;

	for (int i = 0; i < SQL_COUNT; i++)
		check_plan(many->store, (enum statement)i);
}

/* ---- changes ---- */

static uint64_t
change(struct many *many, enum scan_action action, const struct scan_filter *filter)
{
	struct scan_job job = {.job = {.kind = STORE_SCAN},
	    .action = action,
	    .filter = *filter,
	    .now_ms = NOW_MS,
	    .limit = 500};
	uint64_t changed = 0;

	do {
		job.count_out = 0;
		assert_int_equal(store_begin(many->store), STORE_OK);
		assert_int_equal(store_run(many->store, &job.job), STORE_OK);
		assert_int_equal(store_commit(many->store), STORE_OK);
		assert_true(job.count_out <= job.limit);
		changed += job.count_out;
		free(job.ids_out);
		free(job.files_out);
	} while (!job.is_end_out);
	store_end_scan(&job);
	return changed;
}

static uint64_t
query_number(struct store *store, const char *sql)
{
	sqlite3_stmt *statement;
	uint64_t number;

	assert_int_equal(sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	number = (uint64_t)sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return number;
}

/* What was counted along is what a count of the rows gives. */
static void
check_counts(struct store *store)
{
	struct count_job job = {.job = {.kind = STORE_COUNT}};
	uint64_t total = 0;

	assert_int_equal(store_run(store, &job.job), STORE_OK);
	assert_false(job.is_partial_out);
	for (uint32_t i = 0; i < job.row_count_out; i++) {
		const struct count_row *row = &job.rows_out[i];
		char sql[256];

		(void)snprintf(sql, sizeof(sql),
		    "SELECT count(*) FROM message WHERE user_id = %llu AND state = %u"
		    " AND (next_at > 0) = %d",
		    (unsigned long long)row->user_id, row->state, row->is_deferred);
		assert_int_equal(row->count, query_number(store, sql));
		total += row->count;
	}
	assert_int_equal(total, query_number(store, "SELECT count(*) FROM message"));
	free(job.rows_out);
}

static uint64_t
count_meant(const struct many *many, const struct scan_filter *filter)
{
	uint64_t count = 0;

	for (uint64_t n = 0; n < many->options.count; n++)
		count += is_meant(filter, many->mails[n]);
	return count;
}

static void
test_a_list_is_held_and_released_in_slices(void **state)
{
	struct many *many = *state;
	struct scan_filter list = {.list = "list0"}, held = {.list = "list0", .state = SHOWN_HELD};
	struct scan_filter later = {.list = "list0", .state = SHOWN_SCHEDULED};
	uint64_t all = count_meant(many, &list), were_held = count_meant(many, &held);
	uint64_t scheduled = count_meant(many, &later);

	assert_true(all > 10000 && scheduled > 100);
	assert_int_equal(change(many, SCAN_HOLD, &list), all - were_held);
	assert_int_equal(change(many, SCAN_HOLD, &list), 0);
	assert_int_equal(change(many, SCAN_RETRY, &list), 0);
	assert_int_equal(change(many, SCAN_RELEASE, &list), all);
	/* Ready, but those wait again whose time hasn't come. */
	assert_int_equal(query_number(many->store,
			     "SELECT count(*) FROM message WHERE list = 'list0' AND state = 0"
			     " AND next_at = 0"),
	    all - scheduled);
	assert_int_equal(query_number(many->store,
			     "SELECT count(*) FROM message WHERE list = 'list0' AND state = 3"),
	    scheduled);
	assert_int_equal(
	    query_number(many->store, "SELECT count(*) FROM message WHERE list = 'list1'"
				      " AND state = 1") > 0,
	    true);
	check_counts(many->store);
}

static void
test_everything_is_removed_but_what_is_being_sent(void **state)
{
	struct many *many = *state;
	uint64_t sending[] = {many->first_id + 3};
	struct scan_filter all = {.skips_sending = true, .sending = sending, .sending_count = 1};

	assert_int_equal(change(many, SCAN_REMOVE, &all), many->options.count - 1);
	assert_int_equal(query_number(many->store, "SELECT count(*) FROM message"), 1);
	assert_int_equal(query_number(many->store, "SELECT count(*) FROM recipient"), 1);
	assert_int_equal(query_number(many->store, "SELECT count(*) FROM body"), 1);
	check_counts(many->store);
}

/* ---- along with the writes ---- */

static enum store_result
insert(struct many *many, struct mail *mail)
{
	struct insert_job job = {.job = {.kind = STORE_INSERT}, .mail = mail};

	return store_run(many->store, &job.job);
}

static void
test_counts_follow_every_write(void **state)
{
	struct many *many = *state;
	struct fill_options ready = many->options;
	struct fate_job fate = {
	    .job = {.kind = STORE_FATE}, .next_at_ms = NOW_MS - 1, .attempts = 1};
	struct wake_job wake = {.job = {.kind = STORE_WAKE}, .now_ms = NOW_MS, .limit = 100};
	struct scan_filter one = {.ids = &fate.message_id, .id_count = 1};
	struct mail *mail;

	ready.is_all_ready = true;
	mail = fill_mail(&ready, 1, many->first_id + many->options.count);
	fate.message_id = mail->id;
	assert_int_equal(store_begin(many->store), STORE_OK);
	assert_int_equal(insert(many, mail), STORE_OK);
	assert_int_equal(insert(many, mail), STORE_REFUSED);
	assert_int_equal(store_run(many->store, &fate.job), STORE_OK);
	assert_int_equal(store_commit(many->store), STORE_OK);
	check_counts(many->store);
	assert_int_equal(store_begin(many->store), STORE_OK);
	assert_int_equal(store_run(many->store, &wake.job), STORE_OK);
	assert_int_equal(store_commit(many->store), STORE_OK);
	assert_int_equal(wake.row_count_out, 1);
	check_counts(many->store);
	assert_int_equal(change(many, SCAN_SCHEDULE, &one), 1);
	check_counts(many->store);
	fate.is_over = true;
	assert_int_equal(store_begin(many->store), STORE_OK);
	assert_int_equal(store_run(many->store, &fate.job), STORE_OK);
	assert_int_equal(store_run(many->store, &fate.job), STORE_OK);
	assert_int_equal(store_commit(many->store), STORE_OK);
	check_counts(many->store);
	free(wake.rows_out);
	free(mail);
}

static void
test_counts_go_back_with_the_transaction(void **state)
{
	struct many *many = *state;
	struct fill_user stranger = {.id = 5000, .login = "stranger", .list = "far away"};
	struct fill_options options = {
	    .users = &stranger, .user_count = 1, .count = 1, .now_ms = NOW_MS};
	struct mail *mail = fill_mail(&options, 0, many->first_id + many->options.count);
	struct owners_job owners = {.job = {.kind = STORE_OWNERS}};

	assert_int_equal(store_begin(many->store), STORE_OK);
	assert_int_equal(insert(many, mail), STORE_OK);
	store_rollback(many->store);
	check_counts(many->store);
	/* Its names are written with the next of its messages, as they weren't with this one. */
	assert_int_equal(store_begin(many->store), STORE_OK);
	assert_int_equal(insert(many, mail), STORE_OK);
	assert_int_equal(store_commit(many->store), STORE_OK);
	assert_int_equal(query_number(many->store, "SELECT count(*) FROM owner WHERE user_id = 5000"
						   " AND login = 'stranger' AND list = 'far away'"),
	    1);
	check_counts(many->store);
	assert_int_equal(store_run(many->store, &owners.job), STORE_OK);
	for (uint32_t i = 0; i < owners.row_count_out; i++) {
		free(owners.rows_out[i].login);
		free(owners.rows_out[i].list);
	}
	assert_true(owners.row_count_out > 100);
	free(owners.rows_out);
	free(mail);
}

/* ---- what there was when the store was opened ---- */

struct load {
	struct many *many;
	uint64_t seed;
	uint64_t next_id;
};

static uint64_t
pick(struct load *load, uint64_t count)
{
	load->seed ^= load->seed << 13;
	load->seed ^= load->seed >> 7;
	load->seed ^= load->seed << 17;
	return load->seed % count;
}

static void
change_one(struct load *load)
{
	static const enum scan_action actions[] = {
	    SCAN_HOLD, SCAN_RELEASE, SCAN_RETRY, SCAN_SCHEDULE, SCAN_REMOVE};
	uint64_t id = load->many->first_id + pick(load, load->next_id - load->many->first_id);
	struct scan_job job = {.job = {.kind = STORE_SCAN},
	    .action = actions[pick(load, 5)],
	    .filter = {.ids = &id, .id_count = 1},
	    .now_ms = NOW_MS,
	    .at_ms = NOW_MS + (int64_t)pick(load, 3600000),
	    .limit = 1};

	assert_int_equal(store_run(load->many->store, &job.job), STORE_OK);
	store_end_scan(&job);
	free(job.ids_out);
	free(job.files_out);
}

static void
settle_one(struct load *load)
{
	struct fate_job job = {.job = {.kind = STORE_FATE},
	    .message_id = load->many->first_id + pick(load, MANY),
	    .is_over = pick(load, 2) == 0,
	    .next_at_ms = NOW_MS + (int64_t)pick(load, 3600000),
	    .attempts = 1};

	assert_int_equal(store_run(load->many->store, &job.job), STORE_OK);
}

static void
wake_some(struct load *load)
{
	struct wake_job job = {.job = {.kind = STORE_WAKE},
	    .now_ms = NOW_MS + (int64_t)pick(load, 3600000),
	    .limit = 20};

	assert_int_equal(store_run(load->many->store, &job.job), STORE_OK);
	free(job.rows_out);
}

static void
insert_one(struct load *load)
{
	struct mail *mail = fill_mail(&load->many->options, pick(load, MANY), load->next_id++);

	assert_int_equal(insert(load->many, mail), STORE_OK);
	free(mail);
}

static void
run_batch(struct load *load)
{
	static void (*const jobs[])(struct load *) = {
	    change_one, change_one, settle_one, settle_one, wake_some, insert_one, insert_one};
	uint64_t next_id = load->next_id;

	assert_int_equal(store_begin(load->many->store), STORE_OK);
	for (int i = 0; i < 50; i++)
		jobs[pick(load, sizeof(jobs) / sizeof(jobs[0]))](load);
	if (pick(load, 3) != 0) {
		assert_int_equal(store_commit(load->many->store), STORE_OK);
		return;
	}
	store_rollback(load->many->store);
	load->next_id = next_id;
}

/* Before and behind where the count is, and from the one side to the other. */
static void
test_counts_come_out_right_whatever_happens_meanwhile(void **state)
{
	struct many *many = *state;
	struct load load = {
	    .many = many, .seed = 88172645463325252, .next_id = many->first_id + MANY};
	struct count_job partial = {.job = {.kind = STORE_COUNT}};
	unsigned slices = 0;

	store_close(many->store);
	open_uncounted(many);
	assert_int_equal(store_run(many->store, &partial.job), STORE_OK);
	assert_true(partial.is_partial_out && partial.row_count_out == 0);
	do {
		run_batch(&load);
		slices++;
	} while (!count_a_slice(many));
	assert_true(slices > 2);
	check_counts(many->store);
	for (int i = 0; i < 10; i++)
		run_batch(&load);
	check_counts(many->store);
}

/* ---- names ---- */

static void
test_a_user_that_moved_is_found_under_both_lists(void **state)
{
	struct many *many = *state;
	struct fill_user moved = {.id = 7, .login = "user0", .list = "list9"};
	struct fill_options options = many->options;
	uint64_t first;

	options.users = &moved;
	options.user_count = 1;
	options.count = 5;
	store_close(many->store);
	assert_int_equal(fill_queue(many->path, &options, &first, &(struct err){0}), 0);
	many->mails = xrealloc(many->mails, many->options.count + 5, sizeof(struct mail *));
	for (uint64_t n = 0; n < 5; n++)
		many->mails[many->options.count + n] = fill_mail(&options, n, first + n);
	many->options.count += 5;
	open_many(many);
	check_list(many, &(struct scan_filter){.list = "list9"}, 0, 1000);
	check_list(many, &(struct scan_filter){.list = "list9", .login = "user0"}, 0, 1000);
	check_list(many, &(struct scan_filter){.list = "list0", .login = "user0"}, 0, 1000);
}

static void
test_names_of_users_without_mail_are_forgotten_at_a_start(void **state)
{
	struct many *many = *state;
	struct scan_filter user = {.login = "user0"};

	assert_true(change(many, SCAN_REMOVE, &user) > 0);
	assert_int_equal(
	    query_number(many->store, "SELECT count(*) FROM owner WHERE login = 'user0'"), 1);
	store_close(many->store);
	open_uncounted(many);
	/* Nobody knows yet who has mail. */
	assert_int_equal(
	    query_number(many->store, "SELECT count(*) FROM owner WHERE login = 'user0'"), 1);
	while (!count_a_slice(many))
		continue;
	assert_int_equal(
	    query_number(many->store, "SELECT count(*) FROM owner WHERE login = 'user0'"), 0);
	assert_true(
	    query_number(many->store, "SELECT count(*) FROM owner WHERE login = 'user1'") == 1);
	check_counts(many->store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_each_filter_lists_what_a_look_at_all_would, set_up_many, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_no_statement_looks_at_every_message, set_up_few, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_a_list_is_held_and_released_in_slices, set_up_many, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_everything_is_removed_but_what_is_being_sent, set_up_few, tear_down),
	    cmocka_unit_test_setup_teardown(test_counts_follow_every_write, set_up_few, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_counts_go_back_with_the_transaction, set_up_few, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_counts_come_out_right_whatever_happens_meanwhile, set_up_many, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_a_user_that_moved_is_found_under_both_lists, set_up_few, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_names_of_users_without_mail_are_forgotten_at_a_start, set_up_few, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
