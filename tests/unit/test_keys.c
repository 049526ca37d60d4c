/* Keys that the parent keeps: made once, and refused when they are not what they should be. */
#include "daemon/parent/keys.h"

#include "common/xalloc.h"
#include "tests/lib/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char directory[SCRATCH_SIZE];

static int
make_directory(void **state)
{
	return !scratch_make(directory, "keys");
}

static int
remove_directory(void **state)
{
	char *command = xasprintf("rm -rf %s", directory);
	int result = system(command);

	free(command);
	return result;
}

static char *
write_file(const char *name, const void *bytes, size_t size, mode_t mode)
{
	char *path = xasprintf("%s/%s", directory, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
	return path;
}

static void
test_seal_key_is_made_once(void **state)
{
	struct buf first, second;
	struct stat st;
	struct err err;
	char *path = xasprintf("%s/seal.key", directory);

	buf_init(&first);
	buf_init(&second);
	assert_int_equal(keys_seal(directory, &first, &err), 0);
	assert_int_equal(keys_seal(directory, &second, &err), 0);
	assert_int_equal(first.size, 32);
	assert_int_equal(second.size, 32);
	assert_memory_equal(first.bytes, second.bytes, 32);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	buf_fini(&first);
	buf_fini(&second);
	free(path);
}

static void
test_seal_key_is_refused(void **state)
{
	static const struct {
		size_t size;
		mode_t mode;
		const char *words;
	} rows[] = {
	    {0, 0600, "has 0 bytes instead of 32"},
	    {31, 0600, "has 31 bytes instead of 32"},
	    {33, 0600, "has 33 bytes instead of 32"},
	    {32, 0640, "its mode must be 0600"},
	    {32, 0604, "its mode must be 0600"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char bytes[64] = {0};
		struct err err = {""};
		struct buf key;

		buf_init(&key);
		free(write_file("seal.key", bytes, rows[i].size, rows[i].mode));
		assert_int_equal(keys_seal(directory, &key, &err), -1);
		assert_non_null(strstr(err.text, rows[i].words));
		assert_non_null(strstr(err.text, "seal.key"));
		buf_fini(&key);
	}
}

static void
test_seal_key_is_no_link(void **state)
{
	const char bytes[32] = {0};
	char *target = write_file("target", bytes, sizeof(bytes), 0600);
	char *path = xasprintf("%s/seal.key", directory);
	struct err err = {""};
	struct buf key;

	buf_init(&key);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(keys_seal(directory, &key, &err), -1);
	assert_non_null(strstr(err.text, "cannot open"));
	free(target);
	free(path);
	buf_fini(&key);
}

/* The newest first; one that has had its time is gone. */
static void
test_tickets_rotate(void **state)
{
	struct buf keys;
	char first[80], second[80];

	buf_init(&keys);
	keys_rotate_tickets(&keys);
	assert_int_equal(keys.size, 80);
	memcpy(first, keys.bytes, 80);
	keys_rotate_tickets(&keys);
	assert_int_equal(keys.size, 160);
	assert_memory_not_equal(first, keys.bytes, 80);
	assert_memory_equal(first, keys.bytes + 80, 80);
	memcpy(second, keys.bytes, 80);
	keys_rotate_tickets(&keys);
	assert_int_equal(keys.size, 160);
	assert_memory_equal(second, keys.bytes + 80, 80);
	buf_fini(&keys);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_seal_key_is_made_once, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(
		test_seal_key_is_refused, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(
		test_seal_key_is_no_link, make_directory, remove_directory),
	    cmocka_unit_test(test_tickets_rotate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
