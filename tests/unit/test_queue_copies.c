/* Checks and the queue's part of backups, asked of a queue role that runs. */
#include "daemon/queue/store_copy.h"
#include "tests/lib/queue_world.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define LARGE 200000

static int
set_up(void **state)
{
	struct queue_world *world = malloc(sizeof(*world));

	world_init(world);
	assert_true(world_start(world, NULL));
	world_send_routes(world, 1);
	*state = world;
	return 0;
}

static int
tear_down(void **state)
{
	world_fini(*state);
	free(*state);
	return 0;
}

static bool
says(const struct queue_world *world, const char *text)
{
	return world->result != NULL && strstr(world->result, text) != NULL;
}

static unsigned
count_backups(const struct queue_world *world)
{
	char path[128];
	const struct dirent *entry;
	unsigned count = 0;
	DIR *list;

	(void)snprintf(path, sizeof(path), "%s/backups", world->directory);
	list = opendir(path);
	while (list != NULL && (entry = readdir(list)) != NULL)
		count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
	if (list != NULL)
		(void)closedir(list);
	return count;
}

static void
test_check_says_what_there_is_and_leaves_nothing(void **state)
{
	struct queue_world *world = *state;

	(void)world_submit(world, 3, 500, 3);
	(void)world_submit(world, 1, LARGE, 3);
	assert_int_equal(world_call(world, "POST", "/v1/queue/check", ""), 200);
	assert_true(says(world, "\"sound\":true"));
	assert_true(says(world, "\"messages\":2"));
	assert_true(says(world, "\"body_files\":1"));
	assert_int_equal(count_backups(world), 0);
}

static void
count_file(uint64_t message_id, uint64_t name, uint64_t size, void *ctx)
{
	assert_int_equal(name, message_id);
	assert_int_equal(size, LARGE);
	*(unsigned *)ctx += 1;
}

static void
on_problem(const char *problem, void *ctx)
{
	fail_msg("%s", problem);
}

/* Without the parent, which would give it its name. */
static void
test_copy_is_whole_and_has_its_bodies(void **state)
{
	static const atomic_bool is_stopping;
	struct queue_world *world = *state;
	uint64_t messages, bytes;
	struct store_copy *copy;
	char path[160];
	unsigned files = 0;
	struct err err;
	struct stat st;

	for (int i = 0; i < 5; i++)
		(void)world_submit(world, 2, i == 2 ? LARGE : 3000, 3);
	assert_int_equal(world_call(world, "POST", "/v1/backups/one", ""), 200);
	(void)snprintf(path, sizeof(path), "%s/backups/one.partial/queue.db", world->directory);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(store_copy_open(path, &is_stopping, &copy, &err), 0);
	assert_int_equal(store_copy_check(copy, on_problem, NULL, &err), 0);
	assert_int_equal(store_copy_measure(copy, &messages, &bytes, &err), 0);
	assert_int_equal(store_copy_each_file(copy, count_file, &files, &err), 0);
	store_copy_close(copy);
	assert_int_equal(messages, 5);
	assert_int_equal(files, 1);
	assert_int_equal(count_backups(world), 1);
	/* The next one sweeps it away: nobody has given it its name. */
	assert_int_equal(world_call(world, "POST", "/v1/backups/two", ""), 200);
	assert_int_equal(count_backups(world), 1);
	assert_int_equal(stat(path, &st), -1);
}

static void
test_names_that_are_none_are_refused(void **state)
{
	static const char *const names[] = {"", "..", "%2e%2e", "a/b", "a%2Fb", "-a", "_a", ".a",
	    "a.b", "one.partial", "a b",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	struct queue_world *world = *state;
	char path[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "/v1/backups/%s", names[i]);
		assert_int_equal(world_call(world, "POST", path, ""), 400);
		assert_true(says(world, "\"field\":\"name\""));
	}
	assert_int_equal(count_backups(world), 0);
}

static void
test_name_that_is_taken_is_refused(void **state)
{
	struct queue_world *world = *state;
	char path[160];

	assert_int_equal(world_call(world, "POST", "/v1/queue/check", ""), 200);
	(void)snprintf(path, sizeof(path), "%s/backups/one", world->directory);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(world_call(world, "POST", "/v1/backups/one", ""), 409);
	assert_true(says(world, "there is a backup one already"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(check_says_what_there_is_and_leaves_nothing),
	    T(copy_is_whole_and_has_its_bodies),
	    T(names_that_are_none_are_refused),
	    T(name_that_is_taken_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
