/*
 * history.db: what is moved stands there once, whatever fails on the way; it is found by every key,
 * counted, and cleaned when it is old.
 */
#include "common/clock.h"
#include "daemon/queue/history_db.h"
#include "daemon/queue/history_story.h"
#include "tests/lib/faultvfs.h"
#include "tests/lib/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define FIRST (UINT64_C(1) << 30)
#define HOUR INT64_C(3600000)
#define START (INT64_C(472212) * HOUR) /* 2023-11-14T12:00:00Z */

struct world {
	struct queue_rig rig; /* for its directory */
	char path[128];
	struct history_db *db;
	struct journal_read_job records; /* that are to be moved */
	uint64_t number;
	struct history_keep keep;
	json_t *found;
	size_t answer_max;
};

/* ---- */

static void
open_db(struct world *world)
{
	struct err err;

	if (history_db_open(world->path, &world->db, &err) != HISTORY_OK)
		fail_msg("%s", err.text);
}

static void
reopen(struct world *world)
{
	history_db_close(world->db);
	world->db = NULL;
	open_db(world);
}

static void
forget_records(struct world *world)
{
	free(world->records.entries_out);
	buf_fini(&world->records.bytes_out);
	world->records = (struct journal_read_job){0};
}

static int
set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	rig_init(&world->rig);
	(void)snprintf(world->path, sizeof(world->path), "%s/history.db", world->rig.directory);
	world->keep = (struct history_keep){
	    .now_ms = START + HOUR, .keep_ms = 30 * 24 * HOUR, .stats_keep_ms = 365 * 24 * HOUR};
	world->number = 1000;
	world->answer_max = 1u << 20;
	open_db(world);
	*state = world;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *world = *state;

	faultvfs_fail_write(0);
	faultvfs_fail_sync(0);
	faultvfs_set_quota(0);
	history_db_close(world->db);
	forget_records(world);
	json_decref(world->found);
	rig_fini(&world->rig);
	free(world);
	return 0;
}

/* The buf has a record; it is the journal's next. */
static void
add_bytes(struct world *world, struct buf *bytes)
{
	struct journal_read_job *records = &world->records;

	records->entries_out =
	    realloc(records->entries_out, (records->count_out + 1) * sizeof(*records->entries_out));
	records->entries_out[records->count_out++] = (struct journal_entry){
	    .number = world->number++, .at = records->bytes_out.size, .size = bytes->size};
	buf_append(&records->bytes_out, bytes->bytes, bytes->size);
	buf_fini(bytes);
}

static void
add_accepted(struct world *world, uint64_t id, int64_t at_ms, unsigned recipients)
{
	struct mail *mail = rig_mail(id, recipients);
	struct buf bytes = {0};

	mail->received_at_ms = mail->begins_at_ms = at_ms;
	mail->size = 1000;
	journal_write_accepted(&bytes, mail, "office");
	add_bytes(world, &bytes);
	free(mail);
}

/* r0 … of one attempt, `seconds` after the acceptance. */
static void
add_attempt(struct world *world, uint64_t id, int64_t received_ms, int seconds,
    enum journal_end end, const enum journal_fate *fates, unsigned count)
{
	struct journal_record record = {.kind = JOURNAL_ATTEMPT,
	    .message_id = id,
	    .at_ms = received_ms + seconds * INT64_C(1000),
	    .received_at_ms = received_ms,
	    .begins_at_ms = received_ms,
	    .login = "shop",
	    .list = "web",
	    .profile = "office",
	    .sender = "shop@example.org",
	    .size = 1000,
	    .attempt = (uint64_t)seconds,
	    .end = end,
	    .next_at_ms = end == JOURNAL_GOES_ON ? received_ms + HOUR : 0,
	    .upstream = "mx.example.net[192.0.2.9]:25",
	    .tls = "TLSv1.3",
	    .row_count = count};
	struct buf bytes = {0};

	journal_write(&bytes, &record);
	for (unsigned i = 0; i < count; i++) {
		char address[32];

		(void)snprintf(address, sizeof(address), "r%u@example.net", i);
		journal_add_row(&bytes, JOURNAL_ATTEMPT,
		    &(struct journal_row){.index = i,
			.fate = fates[i],
			.code = fates[i] == JOURNAL_DELIVERED ? 250 : 451,
			.address = address,
			.enhanced = "2.0.0",
			.reply = fates[i] == JOURNAL_DELIVERED ? "Ok" : "no"});
	}
	add_bytes(world, &bytes);
}

static const enum journal_fate delivered[] = {JOURNAL_DELIVERED, JOURNAL_DELIVERED};
static const enum journal_fate mixed[] = {JOURNAL_DELIVERED, JOURNAL_DEFERRED, JOURNAL_FAILED};

/* Accepted, and delivered two seconds later. */
static void
add_delivered(struct world *world, uint64_t id, int64_t at_ms)
{
	add_accepted(world, id, at_ms, 1);
	add_attempt(world, id, at_ms, 2, JOURNAL_ALL_DELIVERED, delivered, 1);
}

static enum history_result
move(struct world *world)
{
	return history_db_move(world->db, &world->records, &world->keep);
}

static void
move_all(struct world *world)
{
	assert_int_equal(move(world), HISTORY_OK);
	forget_records(world);
}

/* The messages that are found, in world->found. */
static size_t
find(struct world *world, struct history_query query)
{
	struct stories *stories = stories_new(true, world->answer_max);
	struct history_extent extent;

	if (query.limit == 0)
		query.limit = 100;
	json_decref(world->found);
	assert_int_equal(
	    history_db_search(world->db, &query, &stories_ops, stories, &extent), HISTORY_OK);
	assert_false(extent.is_cut);
	world->found = stories_give(stories);
	if (extent.has_more)
		stories_mark_cut(world->found);
	stories_free(stories);
	return json_array_size(world->found);
}

static const char *
found_text(struct world *world, size_t at, const char *field)
{
	return json_string_value(json_object_get(json_array_get(world->found, at), field));
}

static void
on_row(const struct statistics_key *key, const struct statistics *statistics, void *ctx)
{
	statistics_add(ctx, statistics);
}

static struct statistics
sum(struct world *world)
{
	struct statistics statistics = {0};

	assert_int_equal(
	    history_db_statistics(world->db, 0, INT64_MAX, on_row, &statistics), HISTORY_OK);
	return statistics;
}

static void
check_count(struct world *world, enum statistic which, uint64_t expected)
{
	struct statistics statistics = sum(world);

	if (statistics.counts[which] != expected)
		fail_msg("%s is %llu, not %llu", statistic_name(which),
		    (unsigned long long)statistics.counts[which], (unsigned long long)expected);
}

/* ---- found and counted ---- */

static void
test_found_by_every_key(void **state)
{
	static const struct {
		const char *name;
		struct history_query query;
		size_t count;
	} rows[] = {
	    {"everything", {0}, 3},
	    {"recipient", {.to = "r0@example.net"}, 3},
	    {"in another case", {.to = "R0@Example.Net"}, 3},
	    {"a second recipient", {.to = "r1@example.net"}, 1},
	    {"its domain", {.to = "@example.net"}, 3},
	    {"not a part of it", {.to = "@ample.net"}, 0},
	    {"sender", {.from = "shop@example.org"}, 3},
	    {"its domain", {.from = "@EXAMPLE.ORG"}, 3},
	    {"message-id", {.message_id_header = "1@example.org"}, 3},
	    {"with brackets", {.message_id_header = "<1@example.org>"}, 3},
	    {"user", {.user = "SHOP"}, 3},
	    {"another user", {.user = "shopp"}, 0},
	    {"list", {.list = "web"}, 3},
	    {"list and another sender", {.list = "web", .from = "a@example.org"}, 0},
	    {"id", {.message_id = FIRST + 1}, 1},
	    {"no such id", {.message_id = FIRST + 9}, 0},
	    {"since", {.to = "r0@example.net", .since_ms = START + HOUR}, 2},
	    {"until", {.to = "r0@example.net", .until_ms = START + HOUR - 1}, 1},
	    {"since without a key", {.since_ms = START + HOUR, .until_ms = START + HOUR}, 1},
	    {"so many", {.user = "shop", .limit = 2}, 2},
	};
	struct world *world = *state;

	for (unsigned i = 0; i < 3; i++)
		add_accepted(world, FIRST + i, START + i * HOUR, i == 2 ? 2 : 1);
	move_all(world);
	reopen(world);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t count = find(world, rows[i].query);

		if (count != rows[i].count)
			fail_msg("%s finds %zu", rows[i].name, count);
	}
	/* The newest first. */
	assert_int_equal(find(world, (struct history_query){.user = "shop"}), 3);
	assert_string_equal(found_text(world, 0, "received_at"), "2023-11-14T14:00:00Z");
	assert_string_equal(found_text(world, 2, "received_at"), "2023-11-14T12:00:00Z");
}

/* Each smtpd has ids of its own, so the newest message may have the lowest. */
static void
test_newest_first_whatever_the_ids(void **state)
{
	static const uint64_t ids[] = {FIRST + 2, FIRST + 2000, FIRST + 1, FIRST + 1000};
	struct world *world = *state;

	for (unsigned i = 0; i < 4; i++)
		add_accepted(world, ids[i], START + i * INT64_C(1000), 1);
	add_attempt(world, ids[1], START + 1000, 9, JOURNAL_ALL_DELIVERED, delivered, 1);
	move_all(world);
	for (unsigned has_key = 0; has_key < 2; has_key++) {
		struct history_query query = {.user = has_key ? "shop" : NULL, .limit = 3};

		assert_int_equal(find(world, query), 3);
		assert_string_equal(found_text(world, 0, "received_at"), "2023-11-14T12:00:03Z");
		assert_string_equal(found_text(world, 1, "received_at"), "2023-11-14T12:00:02Z");
		assert_string_equal(found_text(world, 2, "received_at"), "2023-11-14T12:00:01Z");
	}
}

static void
test_story(void **state)
{
	static const enum journal_fate rest[] = {JOURNAL_EXPIRED};
	struct world *world = *state;
	json_t *message, *attempts, *recipients;

	add_accepted(world, FIRST, START, 3);
	add_attempt(world, FIRST, START, 2, JOURNAL_GOES_ON, mixed, 3);
	move_all(world);
	assert_int_equal(find(world, (struct history_query){.message_id = FIRST}), 1);
	message = json_array_get(world->found, 0);
	assert_true(json_is_null(json_object_get(message, "fate")));
	attempts = json_object_get(message, "attempts");
	assert_int_equal(json_array_size(attempts), 3);
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(attempts, 1), "fate")), "deferred");
	recipients = json_object_get(message, "recipients");
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(recipients, 1), "state")), "deferred");
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(recipients, 1), "next_attempt_at")),
	    "2023-11-14T13:00:00Z");
	add_attempt(world, FIRST, START, 60, JOURNAL_SOME_FAILED, rest, 1);
	move_all(world);
	assert_int_equal(find(world, (struct history_query){.message_id = FIRST}), 1);
	assert_string_equal(found_text(world, 0, "fate"), "bounced");
	assert_string_equal(found_text(world, 0, "ended_at"), "2023-11-14T12:01:00Z");
}

static void
test_many_attempts_and_recipients_are_counted_not_told(void **state)
{
	struct world *world = *state;
	json_t *message;

	add_accepted(world, FIRST, START, 1500);
	for (int i = 1; i <= 300; i++)
		add_attempt(world, FIRST, START, i, JOURNAL_GOES_ON, &mixed[1], 1);
	move_all(world);
	assert_int_equal(find(world, (struct history_query){.to = "r1499@example.net"}), 1);
	message = json_array_get(world->found, 0);
	assert_int_equal(json_array_size(json_object_get(message, "recipients")), 1000);
	assert_int_equal(json_integer_value(json_object_get(message, "recipient_count")), 1500);
	assert_int_equal(json_array_size(json_object_get(message, "attempts")), 100);
	assert_int_equal(json_integer_value(json_object_get(message, "attempts_left_out")), 200);
}

static bool
has_more(struct world *world, size_t at)
{
	const json_t *field = json_object_get(json_array_get(world->found, at), "has_more");

	assert_true(json_is_boolean(field));
	return json_is_true(field);
}

/* Asked again for what is older than the last one, all of them are told, each once. */
static void
test_answer_without_room_for_all_says_so(void **state)
{
	enum { COUNT = 100 };
	struct world *world = *state;
	struct history_query query = {.user = "shop"};
	size_t told = 0, count, answers = 0;

	for (unsigned i = 0; i < COUNT; i++)
		add_delivered(world, FIRST + i, START + i * INT64_C(1000));
	move_all(world);
	assert_int_equal(find(world, query), COUNT);
	assert_false(has_more(world, COUNT - 1));
	world->answer_max = 20000;
	do {
		count = find(world, query);
		assert_in_range(count, 2, COUNT / 2);
		assert_true(json_dumpb(world->found, NULL, 0, JSON_COMPACT) <= 20000 + 2);
		for (size_t i = 0; i + 1 < count; i++)
			assert_false(has_more(world, i));
		told += count;
		answers++;
		query.until_ms = START + (int64_t)(COUNT - told) * 1000 - 1000;
	} while (has_more(world, count - 1));
	assert_int_equal(told, COUNT);
	assert_true(answers > 2);
	/* So many were asked for. */
	query = (struct history_query){.user = "shop", .limit = 2};
	assert_int_equal(find(world, query), 2);
	assert_false(has_more(world, 0));
	assert_true(has_more(world, 1));
}

static void
test_the_newest_can_be_left_out(void **state)
{
	struct world *world = *state;
	struct history_query query = {.user = "shop", .limit = 3};

	/* Of one second, and of two hours. */
	for (unsigned i = 0; i < 4; i++)
		add_accepted(world, FIRST + i, START, 1);
	for (unsigned i = 4; i < 7; i++)
		add_accepted(world, FIRST + i, START + 3600000, 1);
	move_all(world);
	world->answer_max = 1 << 20;
	for (query.skip = 0; query.skip < 6; query.skip += 3) {
		assert_int_equal(find(world, query), 3);
		assert_true(has_more(world, 2));
		assert_string_equal(found_text(world, 0, "received_at"),
		    query.skip == 0 ? "2023-11-14T13:00:00Z" : "2023-11-14T12:00:00Z");
	}
	assert_int_equal(find(world, query), 1);
	assert_false(has_more(world, 0));
	query.limit = 1;
	assert_int_equal(find(world, query), 1);
	assert_false(has_more(world, 0));
	query.skip = 7;
	assert_int_equal(find(world, query), 0);
}

static void
test_message_too_long_for_any_answer_is_told_in_part(void **state)
{
	struct world *world = *state;
	json_t *message, *attempts;
	json_int_t left_out;

	add_accepted(world, FIRST + 1, START + 1000, 1500);
	for (int i = 1; i <= 300; i++)
		add_attempt(world, FIRST + 1, START + 1000, i, JOURNAL_GOES_ON, &mixed[1], 1);
	move_all(world);
	world->answer_max = 10000;
	assert_int_equal(find(world, (struct history_query){.to = "r1499@example.net"}), 1);
	assert_false(has_more(world, 0));
	message = json_array_get(world->found, 0);
	assert_true(json_dumpb(message, NULL, 0, JSON_COMPACT) <= 10000);
	assert_true(json_array_size(json_object_get(message, "recipients")) > 5);
	assert_int_equal(json_integer_value(json_object_get(message, "recipient_count")), 1500);
	attempts = json_object_get(message, "attempts");
	left_out = json_integer_value(json_object_get(message, "attempts_left_out"));
	assert_true(json_array_size(attempts) > 5);
	assert_int_equal(json_array_size(attempts) + (size_t)left_out, 300);
	assert_string_equal(json_string_value(json_object_get(json_array_get(attempts, 0), "at")),
	    "2023-11-14T12:00:02Z");
	assert_string_equal(json_string_value(json_object_get(
				json_array_get(attempts, json_array_size(attempts) - 1), "at")),
	    "2023-11-14T12:05:01Z");
}

static void
test_transcript_stands_with_its_attempt(void **state)
{
	struct world *world = *state;
	struct journal_record record = {.kind = JOURNAL_TRANSCRIPT,
	    .message_id = FIRST,
	    .at_ms = START,
	    .received_at_ms = START,
	    .attempt = 2,
	    .transcript = "> EHLO relay\n< 250 hello\n"};
	struct buf bytes = {0};
	json_t *attempts;

	add_delivered(world, FIRST, START);
	journal_write(&bytes, &record);
	add_bytes(world, &bytes);
	record.attempt = 77; /* of an attempt that is not known */
	journal_write(&bytes, &record);
	add_bytes(world, &bytes);
	move_all(world);
	assert_int_equal(find(world, (struct history_query){.message_id = FIRST}), 1);
	attempts = json_object_get(json_array_get(world->found, 0), "attempts");
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(attempts, 0), "transcript")),
	    "> EHLO relay\n< 250 hello\n");
}

static void
test_removed_message(void **state)
{
	struct world *world = *state;
	struct journal_record record = {.kind = JOURNAL_REMOVED,
	    .message_id = FIRST,
	    .at_ms = START + 5000,
	    .received_at_ms = START,
	    .login = "shop",
	    .list = "web",
	    .recipients = 2};
	struct buf bytes = {0};

	add_accepted(world, FIRST, START, 2);
	journal_write(&bytes, &record);
	add_bytes(world, &bytes);
	/* Relay had it all the same. */
	add_attempt(world, FIRST, START, 9, JOURNAL_WAS_REMOVED, delivered, 1);
	move_all(world);
	assert_int_equal(find(world, (struct history_query){.message_id = FIRST}), 1);
	assert_string_equal(found_text(world, 0, "fate"), "removed");
	check_count(world, STATISTIC_REMOVED, 1);
	check_count(world, STATISTIC_REMOVED_RECIPIENTS, 2);
	check_count(world, STATISTIC_DELIVERED, 0);
}

/* Its acceptance is lost, or older than the history. */
static void
test_message_whose_acceptance_is_unknown_is_found_by_its_attempt(void **state)
{
	struct world *world = *state;

	add_attempt(world, FIRST, START, 2, JOURNAL_GOES_ON, mixed, 2);
	add_attempt(world, FIRST, START, 9, JOURNAL_ALL_DELIVERED, delivered, 1);
	move_all(world);
	assert_int_equal(find(world, (struct history_query){.to = "r1@example.net"}), 1);
	assert_string_equal(found_text(world, 0, "fate"), "delivered");
	assert_string_equal(found_text(world, 0, "user"), "shop");
	assert_int_equal(
	    json_array_size(json_object_get(json_array_get(world->found, 0), "attempts")), 3);
}

static void
test_counts(void **state)
{
	struct world *world = *state;
	struct journal_record refused = {.kind = JOURNAL_REFUSED,
	    .at_ms = START,
	    .login = "shop",
	    .list = "web",
	    .profile = "office",
	    .blocked = 3,
	    .rejected = 4};
	struct buf bytes = {0};

	add_delivered(world, FIRST, START);
	add_accepted(world, FIRST + 1, START, 3);
	add_attempt(world, FIRST + 1, START, 2, JOURNAL_GOES_ON, mixed, 3);
	move_all(world);
	add_attempt(world, FIRST + 1, START, 4000, JOURNAL_SOME_FAILED, delivered, 1);
	journal_write(&bytes, &refused);
	add_bytes(world, &bytes);
	move_all(world);
	reopen(world);
	check_count(world, STATISTIC_ACCEPTED, 2);
	check_count(world, STATISTIC_RECIPIENTS, 4);
	check_count(world, STATISTIC_BYTES, 2000);
	check_count(world, STATISTIC_SENT, 1);
	check_count(world, STATISTIC_BOUNCED, 1);
	check_count(world, STATISTIC_DELIVERED, 3);
	check_count(world, STATISTIC_FAILED, 1);
	check_count(world, STATISTIC_DEFERRED, 1);
	check_count(world, STATISTIC_BYTES_SENT, 3000);
	check_count(world, STATISTIC_LATENCY_MS, 4004000);
	check_count(world, STATISTIC_BLOCKED, 3);
	check_count(world, STATISTIC_REJECTED, 4);
}

/* ---- once, whatever fails ---- */

static void
check_whole(struct world *world)
{
	check_count(world, STATISTIC_ACCEPTED, 20);
	check_count(world, STATISTIC_SENT, 20);
	assert_int_equal(find(world, (struct history_query){.user = "shop"}), 20);
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(
		    json_array_size(json_object_get(json_array_get(world->found, i), "attempts")),
		    1);
}

static void
test_moved_twice_stands_once(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < 20; i++)
		add_delivered(world, FIRST + i, START + i);
	assert_int_equal(move(world), HISTORY_OK);
	assert_int_equal(move(world), HISTORY_OK);
	reopen(world);
	assert_int_equal(move(world), HISTORY_OK);
	assert_int_equal(history_db_moved(world->db), world->number - 1);
	check_whole(world);
}

/* The process ends at any write or flush, and the journal's records come again. */
static void
check_ends_at_each(struct world *world, void (*fail_at)(unsigned nth))
{
	bool is_through = false;

	for (unsigned nth = 1; !is_through; nth++) {
		assert_true(nth < 500);
		fail_at(nth);
		is_through = move(world) == HISTORY_OK;
		if (is_through && history_db_checkpoint(world->db) != HISTORY_OK)
			is_through = false;
		history_db_close(world->db);
		world->db = NULL;
		fail_at(0);
		open_db(world);
		assert_int_equal(move(world), HISTORY_OK);
		check_whole(world);
		if (is_through)
			continue;
		history_db_close(world->db);
		world->db = NULL;
		(void)unlink(world->path);
		open_db(world);
	}
}

static void
test_end_at_each_write_leaves_all_or_nothing(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < 20; i++)
		add_delivered(world, FIRST + i, START + i);
	check_ends_at_each(world, faultvfs_fail_write);
}

static void
test_end_at_each_flush_leaves_all_or_nothing(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < 20; i++)
		add_delivered(world, FIRST + i, START + i);
	check_ends_at_each(world, faultvfs_fail_sync);
}

static void
test_full_disk_takes_nothing_and_goes_on_later(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < 20; i++)
		add_delivered(world, FIRST + i, START + i);
	faultvfs_set_quota(1);
	assert_int_equal(move(world), HISTORY_FULL);
	assert_int_equal(history_db_moved(world->db), 0);
	faultvfs_set_quota(0);
	assert_int_equal(find(world, (struct history_query){.user = "shop"}), 0);
	assert_int_equal(move(world), HISTORY_OK);
	check_whole(world);
}

static void
test_unreadable_record_is_left_out(void **state)
{
	struct world *world = *state;
	struct buf bytes = {0};

	buf_text(&bytes, "no record");
	add_bytes(world, &bytes);
	for (unsigned i = 0; i < 20; i++)
		add_delivered(world, FIRST + i, START + i);
	move_all(world);
	check_whole(world);
}

/* ---- files that are none of ours ---- */

static enum history_result
open_after(struct world *world, const char *command_prefix, const char *command_rest)
{
	char command[512];
	struct history_db *db = NULL;
	struct err err;
	enum history_result result;

	history_db_close(world->db);
	world->db = NULL;
	(void)snprintf(
	    command, sizeof(command), "%s%s%s", command_prefix, world->path, command_rest);
	assert_int_equal(system(command), 0);
	result = history_db_open(world->path, &db, &err);
	history_db_close(db);
	return result;
}

static void
test_damaged_file_is_told(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < 20; i++)
		add_delivered(world, FIRST + i, START + i);
	move_all(world);
	assert_int_equal(open_after(world, "dd if=/dev/urandom of=",
			     " bs=4096 seek=2 count=4 conv=notrunc status=none"),
	    HISTORY_DAMAGED);
	assert_int_equal(open_after(world, "echo this is no database >", ""), HISTORY_DAMAGED);
}

static void
test_file_of_a_newer_version_is_left(void **state)
{
	struct world *world = *state;

	/* user_version stands at byte 60. */
	assert_int_equal(open_after(world, "printf '\\000\\000\\000\\143' | dd of=",
			     " bs=1 seek=60 conv=notrunc status=none"),
	    HISTORY_BROKEN);
}

/* ---- retention ---- */

static unsigned
clean(struct world *world)
{
	unsigned turns = 0;

	for (bool is_done = false; !is_done; turns++)
		assert_int_equal(history_db_clean(world->db, &world->keep, &is_done), HISTORY_OK);
	return turns;
}

static void
test_old_messages_go_and_statistics_stay(void **state)
{
	struct world *world = *state;

	for (unsigned day = 0; day < 40; day++)
		add_delivered(world, FIRST + day, START + day * 24 * HOUR);
	move_all(world);
	world->keep.now_ms = START + 40 * 24 * HOUR;
	(void)clean(world);
	assert_int_equal(find(world, (struct history_query){.user = "shop"}), 30);
	assert_int_equal(find(world, (struct history_query){.to = "r0@example.net"}), 30);
	assert_int_equal(find(world, (struct history_query){.message_id = FIRST}), 0);
	check_count(world, STATISTIC_ACCEPTED, 40);
	world->keep.stats_keep_ms = 10 * 24 * HOUR;
	(void)clean(world);
	check_count(world, STATISTIC_ACCEPTED, 10);
	/* What is too old already doesn't come in. */
	add_delivered(world, FIRST + 100, START);
	move_all(world);
	assert_int_equal(find(world, (struct history_query){.message_id = FIRST + 100}), 0);
	check_count(world, STATISTIC_ACCEPTED, 11);
}

static off_t
file_size(struct world *world)
{
	struct stat info;

	assert_int_equal(history_db_checkpoint(world->db), HISTORY_OK);
	assert_int_equal(stat(world->path, &info), 0);
	return info.st_size;
}

static void
test_cleaning_goes_in_slices_and_the_file_shrinks(void **state)
{
	struct world *world = *state;
	off_t before;

	for (unsigned i = 0; i < 50000; i++) {
		add_delivered(world, FIRST + i, START + (i % 24) * HOUR);
		if (i % 1000 == 999)
			move_all(world);
	}
	before = file_size(world);
	assert_true(before > 20 << 20);
	world->keep.now_ms = START + 60 * 24 * HOUR;
	assert_true(clean(world) > 10);
	for (bool is_done = false; !is_done;)
		assert_int_equal(history_db_shrink(world->db, &is_done), HISTORY_OK);
	assert_true(file_size(world) < 17 << 20);
	assert_int_equal(find(world, (struct history_query){.user = "shop"}), 0);
	check_count(world, STATISTIC_SENT, 50000);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(found_by_every_key),
	    T(newest_first_whatever_the_ids),
	    T(story),
	    T(many_attempts_and_recipients_are_counted_not_told),
	    T(answer_without_room_for_all_says_so),
	    T(the_newest_can_be_left_out),
	    T(message_too_long_for_any_answer_is_told_in_part),
	    T(transcript_stands_with_its_attempt),
	    T(removed_message),
	    T(message_whose_acceptance_is_unknown_is_found_by_its_attempt),
	    T(counts),
	    T(moved_twice_stands_once),
	    T(end_at_each_write_leaves_all_or_nothing),
	    T(end_at_each_flush_leaves_all_or_nothing),
	    T(full_disk_takes_nothing_and_goes_on_later),
	    T(unreadable_record_is_left_out),
	    T(damaged_file_is_told),
	    T(file_of_a_newer_version_is_left),
	    T(old_messages_go_and_statistics_stay),
	    T(cleaning_goes_in_slices_and_the_file_shrinks),
	};

	faultvfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
#undef T
}
