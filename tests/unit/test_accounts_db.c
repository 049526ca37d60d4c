/* accounts.db as a file: what isn't ours is refused and not touched, and so is a second daemon. */
#include "daemon/accounts/db.h"

#include "accounts_v1.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/profile.h"
#include "daemon/accounts/user.h"
#include "daemon/accounts/userlist.h"
#include "tests/lib/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char directory[SCRATCH_SIZE];

static int
set_up(void **state)
{
	assert_true(scratch_make(directory, "db"));
	assert_int_equal(chdir(directory), 0);
	return 0;
}

static int
tear_down(void **state)
{
	(void)unlink("accounts.db");
	(void)unlink("accounts.db-wal");
	(void)unlink("accounts.db-journal");
	assert_int_equal(chdir("/"), 0);
	return rmdir(directory);
}

static void
write_file(const char *bytes, size_t size)
{
	FILE *file = fopen("accounts.db", "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static char *
read_file(size_t *size_out)
{
	FILE *file = fopen("accounts.db", "r");
	char *bytes = malloc(1 << 20);

	assert_non_null(file);
	assert_non_null(bytes);
	*size_out = fread(bytes, 1, 1 << 20, file);
	(void)fclose(file);
	return bytes;
}

/* Opening fails, says this, and leaves the file as it is. */
static void
expect_refused(const char *says)
{
	size_t before_size, after_size;
	char *before = read_file(&before_size), *after;
	struct db *db;
	struct err err;

	assert_int_equal(db_open("accounts.db", &db, &err), -1);
	if (strstr(err.text, says) == NULL)
		fail_msg("not \"%s\": %s", says, err.text);
	after = read_file(&after_size);
	assert_int_equal(before_size, after_size);
	assert_memory_equal(before, after, before_size);
	free(before);
	free(after);
}

static void
run_sql(const char *sql)
{
	sqlite3 *handle;

	assert_int_equal(sqlite3_open("accounts.db", &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static void
make_ours(void)
{
	struct db *db;
	struct err err;

	if (db_open("accounts.db", &db, &err) != 0)
		fail_msg("%s", err.text);
	db_close(db);
}

static void
test_new_one_is_private(void **state)
{
	struct stat status;

	(void)umask(077);
	make_ours();
	assert_int_equal(stat("accounts.db", &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	make_ours(); /* and is taken again */
}

static void
test_not_a_database(void **state)
{
	char text[4096];

	memset(text, 'x', sizeof(text));
	write_file(text, sizeof(text));
	expect_refused("accounts.db is not a database; it was left as it is: restore it");
}

static void
test_database_of_another_program(void **state)
{
	run_sql("CREATE TABLE bookmarks (url TEXT)");
	expect_refused("another program; it was left as it is");
}

static void
test_format_of_a_newer_version(void **state)
{
	make_ours();
	run_sql("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; "
		"PRAGMA user_version = 7");
	expect_refused("has format 7, this posternd knows formats up to 4");
}

static void
take_text(const struct db_row *row, void *ctx)
{
	(void)snprintf(ctx, 256, "%s", db_row_text(row, 0));
}

/* One row of one text. */
static void
expect_text(struct db *db, const char *sql, const char *expected)
{
	char text[256] = "";
	struct err err;

	assert_int_equal(db_run(db, sql, NULL, 0, take_text, text, &err), 1);
	assert_string_equal(text, expected);
}

static void
check_version_1_rows(struct db *db)
{
	struct profile profile;
	struct userlist list;
	struct user user;
	struct err err;

	assert_int_equal(db_find(db, &profile_table, "office", &profile, &err), 1);
	assert_int_equal(profile.id, 3);
	assert_int_equal(profile.version, 4);
	assert_int_equal(profile.bandwidth, 0);
	assert_null(profile.rate);
	assert_string_equal(profile.password, "c2VhbGVk");
	assert_int_equal(db_find(db, &userlist_table, "shop", &list, &err), 1);
	assert_string_equal(list.unauthorized, "alert");
	assert_int_equal(db_find(db, &user_table, "bob", &user, &err), 1);
	assert_int_equal(user.id, 5);
	assert_int_equal(user.credential, 7);
	assert_string_equal(user.domains, "example.com");
	assert_string_equal(user.note, "the first");
	assert_null(user.secret);
	assert_null(user.messages);
	assert_null(user.recipients);
	assert_null(user.over_limit);
	table_row_fini(&profile_table, &profile);
	table_row_fini(&userlist_table, &list);
	table_row_fini(&user_table, &user);
}

/* What an earlier posternd wrote is taken over as it is, once and for good. */
static void
test_file_of_version_1_keeps_all_that_is_in_it(void **state)
{
	struct err err;
	struct db *db;

	run_sql(accounts_v1);
	for (int time = 0; time < 2; time++) {
		if (db_open("accounts.db", &db, &err) != 0)
			fail_msg("%s", err.text);
		check_version_1_rows(db);
		expect_text(db, "SELECT user_version FROM pragma_user_version", "4");
		expect_text(db, "SELECT substr(value, 1, 6) FROM meta", "AAECAw");
		expect_text(
		    db, "SELECT count(*) || kind || count FROM alert", "1unauthorized-sender12");
		expect_text(db, "SELECT seq FROM sqlite_sequence WHERE name = 'user'", "9");
		db_close(db);
	}
}

static void
test_file_of_version_2_keeps_all_that_is_in_it(void **state)
{
	struct user user;
	struct err err;
	struct db *db;

	run_sql(accounts_v1);
	run_sql(accounts_v2);
	if (db_open("accounts.db", &db, &err) != 0)
		fail_msg("%s", err.text);
	expect_text(db, "SELECT user_version FROM pragma_user_version", "4");
	assert_int_equal(db_find(db, &user_table, "bob", &user, &err), 1);
	assert_string_equal(user.secret, "c2VjcmV0");
	assert_string_equal(user.messages, "5/h");
	assert_string_equal(user.recipients, "50/d");
	assert_string_equal(user.over_limit, "hold");
	table_row_fini(&user_table, &user);
	expect_text(db, "SELECT address || guesses || shut_until FROM origin", "192.0.2.170002000");
	expect_text(db, "SELECT address || login || at FROM known", "192.0.2.2Bob3000");
	db_close(db);
}

static void
test_file_of_version_3_keeps_all_that_is_in_it(void **state)
{
	struct profile profile;
	struct err err;
	struct db *db;

	run_sql(accounts_v1);
	run_sql(accounts_v2);
	run_sql(accounts_v3);
	if (db_open("accounts.db", &db, &err) != 0)
		fail_msg("%s", err.text);
	expect_text(db, "SELECT user_version FROM pragma_user_version", "4");
	assert_int_equal(db_find(db, &profile_table, "office", &profile, &err), 1);
	assert_string_equal(profile.rate, "5/s");
	assert_int_equal(profile.bandwidth, 4096);
	assert_int_equal(profile.reserve, 10);
	assert_string_equal(profile.retry, "1m 5m");
	assert_string_equal(profile.uncertain, "hold");
	assert_string_equal(profile.transcript, "always");
	assert_string_equal(profile.bounce_sender, "b@example.com");
	table_row_fini(&profile_table, &profile);
	db_close(db);
}

/* A new file and one that was brought up have the same tables. */
static void
test_step_gives_the_tables_of_a_new_file(void **state)
{
	static const char sum[] = "SELECT group_concat(name || ':' || type || ':' || \"notnull\")"
				  " FROM pragma_table_info('user')";
	char fresh[1024] = "", stepped[1024] = "";
	struct err err;
	struct db *db;

	make_ours();
	assert_int_equal(db_open("accounts.db", &db, &err), 0);
	assert_int_equal(db_run(db, sum, NULL, 0, take_text, fresh, &err), 1);
	db_close(db);
	assert_int_equal(unlink("accounts.db"), 0);
	run_sql(accounts_v1);
	assert_int_equal(db_open("accounts.db", &db, &err), 0);
	assert_int_equal(db_run(db, sum, NULL, 0, take_text, stepped, &err), 1);
	db_close(db);
	assert_string_equal(fresh, stepped);
}

static void
test_damaged(void **state)
{
	size_t size;
	char *bytes;

	make_ours();
	run_sql("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE");
	bytes = read_file(&size);
	memset(bytes + 4096 * 3, 0x5a, 4096 * 2);
	write_file(bytes, size);
	free(bytes);
	expect_refused("restore it from a backup");
}

static void
test_no_permission(void **state)
{
	struct db *db;
	struct err err;

	assert_int_equal(db_open("no/such/folder.db", &db, &err), -1);
	assert_non_null(strstr(err.text, "no/such/folder.db"));
}

static void
test_second_daemon(void **state)
{
	struct db *db;
	struct err err;
	int status;
	pid_t child;

	assert_int_equal(db_open("accounts.db", &db, &err), 0);
	/* In a process of its own: locks of one process don't exclude each other. */
	child = fork();
	if (child == 0) {
		struct db *second;
		int rc = db_open("accounts.db", &second, &err);

		_exit(rc == -1 && strstr(err.text, "another posternd") != NULL ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	db_close(db);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_new_one_is_private),
	    TEST(test_not_a_database),
	    TEST(test_database_of_another_program),
	    TEST(test_format_of_a_newer_version),
	    TEST(test_file_of_version_1_keeps_all_that_is_in_it),
	    TEST(test_file_of_version_2_keeps_all_that_is_in_it),
	    TEST(test_file_of_version_3_keeps_all_that_is_in_it),
	    TEST(test_step_gives_the_tables_of_a_new_file),
	    TEST(test_damaged),
	    TEST(test_no_permission),
	    TEST(test_second_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
