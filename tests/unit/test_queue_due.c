/*
 * A hundred thousand deferred messages fall due at the same moment: the scheduler over a real store, in
 * virtual time. Each of them becomes ready and goes, once, by priority but for the share of lower ones;
 * and new urgent mail that comes meanwhile goes at once, though what is woken takes its time.
 */
#include "daemon/core/role.h"
#include "daemon/queue/scheduler.h"
#include "daemon/queue/store.h"
#include "tests/lib/fake_storage.h"
#include "tests/lib/queue_fill.h"
#include "tests/lib/scratch.h"

#include "common/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define COUNT 100000
#define WALL INT64_C(1800000000000)
#define DUE_MS 10000
#define PROFILE 1
#define CONNECTIONS 400
#define ATTEMPT_MS 100
#define STEP_MS 20
/* Twice as long as all the attempts take. */
#define STEPS_MAX (2 * COUNT / CONNECTIONS * ATTEMPT_MS / STEP_MS)
#define WOKEN_A_MS 50      /* so many rows are changed in a millisecond */
#define URGENT_EVERY_MS 40 /* a new message */
#define URGENT_USER 7
/* Behind the commit that runs, with the next, when a place is free. */
#define URGENT_MAX_MS 100
/* Slices of 500 that take 10 ms, and 4 at the most in which others come between. */
#define ALL_WOKEN_MAX_MS 4000

static const struct fill_user users[] = {{1, "shop", "web"}, {2, "news", "web"},
    {3, "bills", "web"}, {4, "forum", "web"}, {5, "alarm", "web"}, {6, "office", "web"}};

struct going {
	uint64_t id;
	int64_t ends_at_ms;
};

static struct world {
	char directory[SCRATCH_SIZE], path[128];
	struct store *store;
	struct config config;
	struct role_context role;
	struct scheduler *scheduler;
	uint64_t random, first_id, next_id;
	struct going going[CONNECTIONS];
	unsigned going_count;
	uint8_t woken[COUNT], gone[COUNT]; /* how often */
	unsigned woken_count, gone_count;
	int64_t all_woken_at_ms;
	uint8_t order[COUNT]; /* the priorities of those that went */
	unsigned gone_when_woken;
	int64_t urgent_at_ms; /* when the one that is on its way came; 0: none is */
	uint64_t urgent_id;
	unsigned urgent_count;
	int64_t urgent_longest_ms;
} world;

static uint32_t
chance(uint32_t below)
{
	world.random = world.random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(world.random >> 33) % below;
}

/* ---- the store ---- */

static void
run_job(struct job *job)
{
	assert_int_equal(store_run(world.store, job), STORE_OK);
	job->outcome = JOB_DONE;
}

/* As the storage thread does it. What a wake changes in one commit keeps others waiting. */
static int64_t
run_batch(struct list *batch)
{
	int64_t woken = 0;

	assert_int_equal(store_begin(world.store), STORE_OK);
	LIST_EACH (batch, at) {
		struct job *job = LIST_ENTRY(at, struct job, link);

		if (job->urgency == JOB_READS)
			continue;
		run_job(job);
		if (job->kind == STORE_WAKE)
			woken += ((struct wake_job *)(void *)job)->row_count_out;
	}
	assert_int_equal(store_commit(world.store), STORE_OK);
	LIST_EACH (batch, at)
		if (LIST_ENTRY(at, struct job, link)->urgency == JOB_READS)
			run_job(LIST_ENTRY(at, struct job, link));
	return woken / WOKEN_A_MS;
}

static bool
is_due(uint64_t id)
{
	return id >= world.first_id && id < world.first_id + COUNT;
}

static void
on_woken(uint64_t id)
{
	assert_true(is_due(id));
	assert_int_equal(world.woken[id - world.first_id]++, 0);
	if (++world.woken_count == COUNT) {
		world.all_woken_at_ms = loop_wall_ms(fake_loop());
		world.gone_when_woken = world.gone_count;
	}
}

/* ---- relay ---- */

struct fate_write {
	struct fate_job job;
	struct fate_row row;
};

static void
on_fate(struct job *job)
{
	struct fate_write *fate = (struct fate_write *)(void *)job;

	scheduler_settled(
	    world.scheduler, scheduler_find(world.scheduler, fate->job.message_id), 0);
	free(fate);
}

static void
deliver(uint64_t id)
{
	struct fate_write *fate = calloc(1, sizeof(*fate));
	struct entry *entry = scheduler_find(world.scheduler, id);

	fate->row = (struct fate_row){.state = RECIPIENT_DELIVERED,
	    .code = 250,
	    .enhanced = "2.0.0",
	    .reply = "Ok",
	    .rule = ""};
	fate->job = (struct fate_job){.job = {.on_done = on_fate, .urgency = JOB_WRITES},
	    .message_id = id,
	    .is_over = true,
	    .attempts = 1,
	    .attempt = entry->attempt,
	    .rows = &fate->row,
	    .row_count = 1};
	storage_post(fake_storage(), STORE_FATE, &fate->job.job);
	scheduler_settling(world.scheduler, entry);
}

static void
deliver_due(void)
{
	for (unsigned i = 0; i < world.going_count;) {
		uint64_t id = world.going[i].id;

		if (world.going[i].ends_at_ms > loop_now_ms(fake_loop())) {
			i++;
			continue;
		}
		world.going[i] = world.going[--world.going_count];
		deliver(id);
	}
}

static void
note_urgent(void)
{
	int64_t took_ms = loop_now_ms(fake_loop()) - world.urgent_at_ms;

	if (took_ms > world.urgent_longest_ms)
		world.urgent_longest_ms = took_ms;
	world.urgent_at_ms = 0;
	world.urgent_count++;
}

static void
on_attempt(struct entry *entry, struct link *relay, void *ctx)
{
	assert_true(world.going_count < CONNECTIONS);
	world.going[world.going_count++] = (struct going){
	    entry->id, loop_now_ms(fake_loop()) + ATTEMPT_MS / 2 + chance(ATTEMPT_MS)};
	if (!is_due(entry->id)) {
		assert_int_equal(entry->id, world.urgent_id);
		note_urgent();
		return;
	}
	assert_int_equal(world.woken[entry->id - world.first_id], 1);
	assert_int_equal(world.gone[entry->id - world.first_id]++, 0);
	world.order[world.gone_count++] = entry->priority;
}

static void
on_uncertain(struct entry *entry, void *ctx)
{
	fail_msg("message %llu is uncertain", (unsigned long long)entry->id);
}

static void
on_unreadable(uint64_t message_id, void *ctx)
{
	fail_msg("message %llu is unreadable", (unsigned long long)message_id);
}

/* ---- new mail ---- */

struct insert {
	struct insert_job job;
	struct slice slice;
};

static void
on_inserted(struct job *job)
{
	struct insert *insert = (struct insert *)(void *)job;

	scheduler_add(world.scheduler, insert->job.mail, &insert->slice, 1);
	slice_release(&insert->slice);
	free(insert);
}

static void
add_urgent(void)
{
	static const struct fill_user user = {URGENT_USER, "urgent", "web"};
	struct fill_options options = {
	    .users = &user, .user_count = 1, .count = 1, .is_all_ready = true};
	struct insert *insert = calloc(1, sizeof(*insert));
	struct chunk *chunk = chunk_new(64);

	memset(chunk->bytes, 'x', 64);
	chunk->size = 64;
	insert->slice = slice_of(chunk, 0, 64);
	chunk_release(chunk);
	options.now_ms = loop_wall_ms(fake_loop());
	insert->job = (struct insert_job){.job = {.on_done = on_inserted, .urgency = JOB_WRITES},
	    .mail = fill_mail(&options, world.next_id, world.next_id),
	    .slices = &insert->slice,
	    .slice_count = 1};
	insert->job.mail->priority = 1;
	insert->job.mail->size = 64;
	world.urgent_id = world.next_id++;
	world.urgent_at_ms = loop_now_ms(fake_loop());
	storage_post(fake_storage(), STORE_INSERT, &insert->job.job);
}

/* ---- the world ---- */

static void
send_row(struct msg_route row)
{
	row.name = row.name == NULL ? "" : row.name;
	row.list = row.bounce_sender = row.retry = "";
	routes_take(scheduler_routes(world.scheduler), &row);
}

static void
send_map(void)
{
	send_row((struct msg_route){.row = ROUTE_BEGIN});
	send_row((struct msg_route){.row = ROUTE_PROFILE,
	    .id = PROFILE,
	    .version = 1,
	    .name = "p",
	    .connections = CONNECTIONS,
	    .rate = "",
	    .recipient_rate = ""});
	for (unsigned id = 1; id <= URGENT_USER; id++)
		send_row((struct msg_route){
		    .row = ROUTE_USER, .id = id, .name = "u", .profile_id = PROFILE});
	send_row((struct msg_route){.row = ROUTE_END});
}

static void
open_store(void)
{
	struct fill_options options = {.users = users,
	    .user_count = sizeof(users) / sizeof(users[0]),
	    .count = COUNT,
	    .body_bytes = 64,
	    .due_at_ms = WALL + DUE_MS,
	    .now_ms = WALL};
	struct census_job census = {.job = {.kind = STORE_CENSUS}};
	struct err err;

	assert_true(scratch_make(world.directory, "due"));
	(void)snprintf(world.path, sizeof(world.path), "%s/queue.db", world.directory);
	if (fill_queue(world.path, &options, &world.first_id, &err) != 0 ||
	    store_open(world.path, &world.store, &err) != 0)
		fail_msg("%s", err.text);
	world.next_id = store_next_id(world.store);
	while (!census.is_end_out)
		assert_int_equal(store_run(world.store, &census.job), STORE_OK);
}

static void
start(void)
{
	static const struct scheduler_callbacks callbacks = {
	    on_attempt, on_uncertain, on_unreadable};
	struct msg_in_flight in_flight = {.is_last = true};

	fake_init(chance, WALL, 4);
	fake_run_batches(run_batch);
	fake_on_woken(on_woken);
	world.config.queue.lower_share = 10;
	world.config.queue.memory_bytes = 1u << 30;
	world.role = (struct role_context){.loop = fake_loop(), .config = &world.config};
	world.scheduler = scheduler_new(&world.role, fake_storage(), &callbacks, NULL);
	send_map();
	scheduler_add_relay(world.scheduler, (struct link *)(void *)&world);
	assert_true(scheduler_in_flight(world.scheduler, &in_flight));
}

static void
stop(void)
{
	scheduler_drop_relay(world.scheduler, (struct link *)(void *)&world);
	fake_close();
	scheduler_free(world.scheduler);
	fake_fini();
	store_close(world.store);
	(void)unlink(world.path);
	assert_int_equal(rmdir(world.directory), 0);
}

static unsigned
count_in_store(void)
{
	struct count_job count = {.job = {.kind = STORE_COUNT}};
	uint64_t sum = 0;

	assert_int_equal(store_run(world.store, &count.job), STORE_OK);
	for (uint32_t i = 0; i < count.row_count_out; i++)
		sum += count.rows_out[i].count;
	free(count.rows_out);
	return (unsigned)sum;
}

/* Once all are ready those of this priority and higher ones have nine of ten turns. */
static void
judge_priority(uint8_t priority)
{
	unsigned count = 0, last = 0;

	for (unsigned i = world.gone_when_woken; i < COUNT; i++)
		if (world.order[i] <= priority) {
			count++;
			last = i - world.gone_when_woken;
		}
	if (last > count / 9 * 10 + 2 * CONNECTIONS)
		fail_msg("the last of priority %u and higher is number %u, there are %u", priority,
		    last, count);
	assert_true(count > 1000);
}

static void
test_all_that_fall_due_at_once_go_by_priority_and_hold_nobody_up(void **state)
{
	open_store();
	start();
	fake_pass(DUE_MS - 100);
	assert_int_equal(world.woken_count, 0);
	for (unsigned step = 0; world.gone_count < COUNT || world.going_count > 0; step++) {
		if (step == STEPS_MAX)
			fail_msg("%u became ready and %u went: the others are forgotten",
			    world.woken_count, world.gone_count);
		if (world.urgent_at_ms == 0 && step % (URGENT_EVERY_MS / STEP_MS) == 0 &&
		    world.gone_count < COUNT)
			add_urgent();
		fake_pass(STEP_MS);
		deliver_due();
	}
	fake_pass(1000);
	assert_int_equal(world.woken_count, COUNT);
	assert_int_equal(count_in_store(), 0);
	for (uint8_t priority = 1; priority < 5; priority++)
		judge_priority(priority);
	print_message("all were ready after %lld ms, %u were gone; %u new ones went within %lld\n",
	    (long long)(world.all_woken_at_ms - WALL - DUE_MS), world.gone_when_woken,
	    world.urgent_count, (long long)world.urgent_longest_ms);
	assert_in_range(world.all_woken_at_ms, WALL + DUE_MS, WALL + DUE_MS + ALL_WOKEN_MAX_MS);
	assert_true(world.urgent_count > 300);
	assert_in_range(world.urgent_longest_ms, 0, URGENT_MAX_MS);
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_that_fall_due_at_once_go_by_priority_and_hold_nobody_up),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
